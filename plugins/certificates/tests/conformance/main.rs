//! The driver of the conformance suite: folders with keys and certificates that openssl made, looked at as files.

mod content;
mod look;
mod writer;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use lockgate_conformance::{
    Content, Contents, Datastore, Disguise, Renaming, Role, Selection, Server, Source, Writer,
};
use lockgate_servers::{Age, OpenSsl};
use tempfile::TempDir;

/// The datastore: folders.
struct Certificates;

/// A folder that is backed up or restored into, and the keys of age.
struct Folder {
    openssl: OpenSsl,
    // Dropped last: everything is inside.
    temporary: TempDir,
}

/// Name of the granted folder.
const GRANTED: &str = "tls";

/// The identity that all folders of the tests share, so that a target opens what a source has sealed.
fn age() -> Result<Age> {
    static MADE: std::sync::OnceLock<(TempDir, Age)> = std::sync::OnceLock::new();
    if let Some((_, age)) = MADE.get() {
        return Ok(age.clone());
    }
    let folder = TempDir::new()?;
    let age = Age::create(&folder.path().join("identity"))?;
    Ok(MADE.get_or_init(|| (folder, age)).1.clone())
}

#[test]
fn it_conforms() -> Result<()> {
    lockgate_conformance::check(&Certificates)
}

impl Datastore for Certificates {
    fn plugin(&self) -> &str {
        "certificates"
    }

    fn server_version(&self) -> Result<String> {
        OpenSsl::find()?.version()
    }

    fn start(&self, _role: Role) -> Result<Box<dyn Server>> {
        Ok(Box::new(Folder::new()?))
    }

    fn skips(&self) -> Vec<(&'static str, &'static str)> {
        const NO_SERVER: &str =
            "the datastore is a folder of this machine: there is no server that could die";
        vec![
            ("slow-server", "the datastore is a folder of this machine: there is no connection"),
            ("server-killed", NO_SERVER),
            ("server-killed-in-restore", NO_SERVER),
            (
                "revoked-credential",
                "a backup needs no credential; an identity that opens nothing is tried in tests/e2e",
            ),
            (
                "wrong-version",
                "files have no version; what is of no known form is sealed, which `odd-names` has",
            ),
        ]
    }
}

impl Folder {
    fn new() -> Result<Self> {
        let folder = Self { openssl: OpenSsl::find()?, temporary: TempDir::new()? };
        fs::create_dir(folder.path())?;
        let secret = fs::read_to_string(age()?.identity)?;
        let key = secret.lines().find(|line| line.starts_with("AGE-SECRET-KEY-"));
        fs::write(folder.secret(), key.context("no identity")?)?;
        Ok(folder)
    }

    fn path(&self) -> PathBuf {
        self.temporary.path().join(GRANTED)
    }

    fn secret(&self) -> PathBuf {
        self.temporary.path().join("identity")
    }
}

impl Server for Folder {
    fn source(&self) -> Source {
        let recipient = age().map(|age| age.recipient).unwrap_or_default();
        let text = format!(
            "clock = true\nrandom = true\nparallel = 2\nconfig = {{ recipients = [\"{recipient}\"], settle-ms = 50 }}\n\
             folders.{GRANTED} = {{ path = \"{}\", access = \"read-write\" }}\n\
             credentials.identity = {{ principal = \"age\", secret-file = \"{}\", reveal = true }}\n",
            self.path().display(),
            self.secret().display()
        );
        Source { endpoints: Default::default(), settings: text.parse().unwrap_or_default() }
    }

    fn clear(&mut self) -> Result<()> {
        for entry in fs::read_dir(self.path())? {
            let path = entry?.path();
            if path.is_dir() && !path.is_symlink() {
                fs::remove_dir_all(path)?;
            } else {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn fill(&mut self, content: Content) -> Result<()> {
        let top = self.path();
        match content {
            Content::Usual => content::usual(&top, &self.openssl),
            Content::Huge { bytes } => content::huge(&top, bytes),
            Content::Many { count } => content::many(&top, count),
            Content::Bulk { bytes } => content::bulk(&top, bytes),
            Content::Odd => content::odd(&top, &self.openssl),
        }
    }

    fn contents(&mut self) -> Result<Contents> {
        look::contents(&self.path())
    }

    fn selection(&self) -> Selection {
        Selection {
            parts: vec![format!("{GRANTED}/www")],
            objects: content::WWW.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn renaming(&self) -> Renaming {
        let moved = |name: &&str| ((*name).to_owned(), name.replacen("www", "www before", 1));
        Renaming {
            parts: vec![format!("{GRANTED}/www")],
            names: vec![(format!("{GRANTED}/www"), format!("{GRANTED}/www before"))],
            objects: content::WWW.iter().map(moved).collect(),
        }
    }

    fn write(&mut self) -> Result<Box<dyn Writer>> {
        writer::start(self.path(), self.openssl.clone())
    }

    fn check_invariant(&mut self) -> Result<()> {
        writer::check(&self.path(), &self.openssl)
    }

    fn kill(&mut self) -> Result<()> {
        anyhow::bail!("a folder cannot be killed")
    }

    fn restart(&mut self) -> Result<()> {
        Ok(())
    }

    fn revoke(&mut self) -> Result<()> {
        anyhow::bail!("a backup needs no credential")
    }

    fn disguise(&mut self) -> Result<Disguise> {
        anyhow::bail!("files have no version")
    }

    fn leftovers(&mut self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

#[test]
fn the_driver_fills_looks_and_clears() -> Result<()> {
    ensure!(Certificates.server_version()?.starts_with("OpenSSL 3"));
    let mut server = Certificates.start(Role::Source)?;
    for content in [
        Content::Usual,
        Content::Odd,
        Content::Huge { bytes: 100_000 },
        Content::Many { count: 100 },
        Content::Bulk { bytes: 1 << 20 },
    ] {
        server.fill(content)?;
        let before = server.contents()?;
        ensure!(!before.is_empty() && server.contents()? == before, "{content:?}");
        server.clear()?;
        ensure!(server.contents()?.is_empty(), "{content:?} is still there");
    }
    server.fill(Content::Usual)?;
    let held = server.contents()?;
    let selected = server.selection().objects;
    ensure!(
        selected.iter().all(|name| held.contains_key(name)),
        "{selected:?} in {:?}",
        held.keys()
    );
    ensure!(held.keys().filter(|name| name.starts_with("www")).count() == selected.len());
    let writer = server.write()?;
    std::thread::sleep(std::time::Duration::from_secs(2));
    ensure!(writer.stop()? > 2, "the writer does not write");
    server.check_invariant()
}
