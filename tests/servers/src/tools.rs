use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::go;
use crate::install::{Prerequisite, install, require};
use crate::process::run;

/// A program that is built from a Go module of one exact version.
struct Tool {
    name: &'static str,
    module: &'static str,
    version: &'static str,
    /// The package of the program in the module.
    package: &'static str,
}

const RESTIC: Tool = Tool {
    name: "restic",
    module: "github.com/restic/restic",
    version: "v0.18.1",
    package: "github.com/restic/restic/cmd/restic",
};

const KOPIA: Tool = Tool {
    name: "kopia",
    module: "github.com/kopia/kopia",
    version: "v0.22.3",
    package: "github.com/kopia/kopia",
};

const PLAKAR: Tool = Tool {
    name: "plakar",
    module: "github.com/PlakarKorp/plakar",
    version: "v1.1.4",
    package: "github.com/PlakarKorp/plakar",
};

/// The version of [`rustic`].
pub const RUSTIC: &str = "0.11.4";

const VERSITYGW: Tool = Tool {
    name: "versitygw",
    module: "github.com/versity/versitygw",
    version: "v1.8.0",
    package: "github.com/versity/versitygw/cmd/versitygw",
};

/// Of one version and three modules.
const ETCD: &str = "v3.6.16";

const ETCD_SERVER: Tool = Tool {
    name: "etcd",
    module: "go.etcd.io/etcd/server/v3",
    version: ETCD,
    package: "go.etcd.io/etcd/server/v3",
};

const ETCDCTL: Tool = Tool {
    name: "etcdctl",
    module: "go.etcd.io/etcd/etcdctl/v3",
    version: ETCD,
    package: "go.etcd.io/etcd/etcdctl/v3",
};

const ETCDUTL: Tool = Tool {
    name: "etcdutl",
    module: "go.etcd.io/etcd/etcdutl/v3",
    version: ETCD,
    package: "go.etcd.io/etcd/etcdutl/v3",
};

/// etcd 3.6. Built when it is not in the cache, which takes some minutes.
///
/// # Errors
/// When it cannot be built.
pub fn etcd() -> Result<PathBuf> {
    ETCD_SERVER.path()
}

/// The client of [`etcd`]. Built when it is not in the cache.
///
/// # Errors
/// When it cannot be built.
pub fn etcdctl() -> Result<PathBuf> {
    ETCDCTL.path()
}

/// The tool for the files of [`etcd`]. Built when it is not in the cache.
///
/// # Errors
/// When it cannot be built.
pub fn etcdutl() -> Result<PathBuf> {
    ETCDUTL.path()
}

/// restic, the referee of the repository format. Built when it is not in the cache, which takes some minutes.
///
/// # Errors
/// When it cannot be built.
pub fn restic() -> Result<PathBuf> {
    RESTIC.path()
}

/// kopia, to compare with. Built when it is not in the cache, which takes some minutes.
///
/// # Errors
/// When it cannot be built.
pub fn kopia() -> Result<PathBuf> {
    KOPIA.path()
}

/// plakar, to compare with. Built when it is not in the cache, which takes some minutes.
///
/// # Errors
/// When it cannot be built.
pub fn plakar() -> Result<PathBuf> {
    PLAKAR.path()
}

/// borg as the system has it, to compare with.
///
/// # Errors
/// When it is not installed and cannot be.
pub fn borg() -> Result<PathBuf> {
    install(&[Prerequisite::Borg])?;
    require("borg", "borgbackup")
}

/// rustic, to compare with. Built from its published crate when it is not in the cache, which takes some minutes.
///
/// # Errors
/// When it cannot be built.
pub fn rustic() -> Result<PathBuf> {
    let folder = cached(&format!("rustic-{RUSTIC}"), |work| {
        eprintln!("building rustic {RUSTIC}, which takes some minutes");
        let root = work.join("rustic");
        let mut command = Command::new("cargo");
        command
            .args(["install", "rustic-rs", "--version", RUSTIC, "--locked", "--root"])
            .arg(&root);
        run(command.env_remove("CARGO_TARGET_DIR")).context("cargo and crates.io are needed")?;
        Ok(root)
    })?;
    Ok(folder.join("bin/rustic"))
}

/// An S3 server over a folder. Built when it is not in the cache, which takes some minutes.
///
/// # Errors
/// When it cannot be built.
pub fn versitygw() -> Result<PathBuf> {
    VERSITYGW.path()
}

/// The tests of the package `package` of a Go module, built into a program that runs them, and the folder of their sources,
/// where it must run. Built when it is not in the cache.
///
/// # Errors
/// When they cannot be built.
pub fn go_tests(module: &str, version: &str, package: &str) -> Result<(PathBuf, PathBuf)> {
    let name = module.rsplit('/').find(|word| !word.starts_with('v')).unwrap_or(module);
    let folder = cached(&format!("{name}-{version}"), |work| {
        let go = go::go()?;
        let pin = format!("module pin\n\ngo {}\n\nrequire {module} {version}\n", go::LANGUAGE);
        fs::write(work.join("go.mod"), pin)?;
        let built = work.join("built");
        fs::create_dir(&built)?;
        eprintln!("building the tests of {module} {version}, which takes some minutes");
        let mut command = Command::new(go);
        command
            .current_dir(work)
            .env("CGO_ENABLED", "0")
            .env("GOFLAGS", "-mod=mod -buildvcs=false")
            .args(["test", "-c", "-o"])
            .arg(built.join("tests"))
            .arg(format!("{module}/{package}"));
        run(&mut command).context("Go and its module proxy are needed")?;
        // They read files that stand beside them, at most.
        fs::create_dir(built.join("folder"))?;
        Ok(built)
    })?;
    Ok((folder.join("tests"), folder.join("folder")))
}

impl Tool {
    fn path(&self) -> Result<PathBuf> {
        let name = format!("{0}-{1}/{0}", self.name, self.version);
        cached(&name, |work| self.build(work))
    }

    /// A throw-away module that requires the exact version: `go install …@version` would ask the module proxy for the list
    /// of versions first, which it does not have for every module. Go's check of sums stays on.
    fn build(&self, work: &Path) -> Result<PathBuf> {
        let go = go::go()?;
        let module = format!(
            "module pin\n\ngo {}\n\nrequire {} {}\n",
            go::LANGUAGE,
            self.module,
            self.version
        );
        fs::write(work.join("go.mod"), module)?;
        let built = work.join(self.name);
        eprintln!("building {} {}, which takes some minutes", self.name, self.version);
        let mut command = Command::new(go);
        command
            .current_dir(work)
            .env("CGO_ENABLED", "0")
            .env("GOFLAGS", "-mod=mod -buildvcs=false")
            .args(["build", "-trimpath", "-o"])
            .arg(&built)
            .arg(self.package);
        run(&mut command).context("Go and its module proxy are needed")?;
        Ok(built)
    }
}

/// The file or folder `name` in [`tools_folder`]. When it is not there, `make` makes it in the folder that it is given.
pub(crate) fn cached(name: &str, make: impl FnOnce(&Path) -> Result<PathBuf>) -> Result<PathBuf> {
    let path = tools_folder()?.join(name);
    if path.exists() {
        return Ok(path);
    }
    let folder = path.parent().with_context(|| format!("{name:?} is in no folder"))?;
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    // One that is made serves all tests that ask for it at the same time.
    let lock = fs::File::create(path.with_added_extension("lock"))?;
    lock.lock().with_context(|| format!("lock {}", path.display()))?;
    if !path.exists() {
        let work = tempfile::tempdir_in(folder)?;
        let made = make(work.path()).with_context(|| format!("make {}", path.display()))?;
        // Renamed whole, so that what is stopped leaves nothing half done.
        fs::rename(made, &path)?;
    }
    Ok(path)
}

/// Where tools that were built are kept: `tools` in `$LOCKGATE_CACHE`, or in `lockgate` in the user's cache folder.
///
/// # Errors
/// When no variable names a folder.
pub fn tools_folder() -> Result<PathBuf> {
    let named =
        |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = named("LOCKGATE_CACHE")
        .or_else(|| named("XDG_CACHE_HOME").map(|folder| folder.join("lockgate")))
        .or_else(|| named("HOME").map(|folder| folder.join(".cache/lockgate")));
    match folder {
        Some(folder) => Ok(folder.join("tools")),
        None => bail!("neither LOCKGATE_CACHE, XDG_CACHE_HOME nor HOME is set"),
    }
}
