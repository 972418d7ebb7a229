//! The suite against real folders, seen through the system's calls.

mod content;
mod look;
mod server;

use anyhow::Result;
use lockgate_conformance::{Datastore, Role, Server};

use server::Folders;

const NO_SERVER: &str = "folders are read through the kernel: there is no server";

struct FileSystem;

impl Datastore for FileSystem {
    fn plugin(&self) -> &str {
        "files"
    }

    fn server_version(&self) -> Result<String> {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
        let version: Vec<&str> = release.trim().split(['.', '-']).take(2).collect();
        Ok(format!("Linux {}", version.join(".")))
    }

    fn start(&self, _role: Role) -> Result<Box<dyn Server>> {
        Ok(Box::new(Folders::new()?))
    }

    fn skips(&self) -> Vec<(&'static str, &'static str)> {
        vec![
            ("slow-server", NO_SERVER),
            ("server-killed", NO_SERVER),
            ("server-killed-in-restore", NO_SERVER),
            ("revoked-credential", "folders are granted by the operator: there is no credential"),
            (
                "wrong-version",
                "the system calls are the kernel's promise to all versions of programs",
            ),
        ]
    }
}

#[test]
fn it_conforms() -> Result<()> {
    lockgate_conformance::check(&FileSystem)
}
