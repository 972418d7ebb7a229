//! What a case needs: the component, two folders, and sessions with them granted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use lockgate_sandbox::{
    CodeCache, CompiledPlugin, Error, Level, Limits, Observer, Session, SessionOptions,
    WorkerCommand,
};
use lockgate_trust::{Access, FolderGrant, Grants};
use lockgate_types::{Attributes, BackupRequest, Outcome, Part, RestoreRequest, Summary};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::WORKER;
use crate::memory::{Archive, Sink, Source};

/// The component: from the folder that `LOCKGATE_PLUGINS` names, as the setup built it, else built now.
pub fn component() -> Vec<u8> {
    if let Some(plugins) = std::env::var_os("LOCKGATE_PLUGINS") {
        return std::fs::read(Path::new(&plugins).join("files.wasm")).unwrap();
    }
    let out = Path::new(env!("CARGO_TARGET_TMPDIR"));
    // Where the setup compiles plugins too, so that nothing is compiled twice.
    let compiled = out.with_file_name("plugins");
    let status = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "-p", "lockgate-build", "--", "files", "--out"])
        .arg(out)
        .arg("--target-dir")
        .arg(compiled)
        .status()
        .unwrap();
    assert!(status.success());
    std::fs::read(out.join("files.wasm")).unwrap()
}

pub struct Stage {
    folder: TempDir,
    runtime: Runtime,
    worker: WorkerCommand,
    plugin: CompiledPlugin,
    pub heard: Arc<Heard>,
}

#[derive(Default)]
pub struct Heard(pub Mutex<Vec<String>>);

impl Observer for Heard {
    fn log(&self, _instance: &str, level: Level, message: &str, _fields: &Attributes) {
        // What an operator sees without asking for more.
        if matches!(level, Level::Warn | Level::Error) {
            self.0.lock().unwrap().push(format!("{level:?} {message}"));
        }
    }

    // What the plugin is refused, it reports itself.
    fn refused(&self, _instance: &str, _is_denied: bool, _attempt: &str) {}
    fn refused_more(&self, _instance: &str, _count: u64) {}
    fn secret_shown(&self, _instance: &str, _credential: &str) {}
    fn progress(&self, _part: &str, _bytes: u64, _items: u64) {}
}

pub fn part() -> Part {
    Part {
        id: "docs".into(),
        kind: "folder".into(),
        bytes_estimate: None,
        items_estimate: None,
        attributes: Attributes::new(),
    }
}

impl Stage {
    pub fn new(component: &[u8]) -> Self {
        let worker = WorkerCommand::current(vec![WORKER.into()]).unwrap();
        let admitted = lockgate_trust::admit(component.to_vec()).unwrap();
        let code = Path::new(env!("CARGO_TARGET_TMPDIR")).join("code");
        let plugin = CodeCache::new(code).load(&admitted, &worker).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for name in ["source", "target"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let runtime = Runtime::new().unwrap();
        Self { folder, runtime, worker, plugin, heard: Arc::default() }
    }

    pub fn source(&self) -> PathBuf {
        self.folder.path().join("source")
    }

    pub fn target(&self) -> PathBuf {
        self.folder.path().join("target")
    }

    pub fn logged(&self) -> Vec<String> {
        self.heard.0.lock().unwrap().clone()
    }

    pub fn session(&self, path: PathBuf, access: Access, config: &str) -> Session {
        let folder = FolderGrant { path, access, locks: false };
        let folders = BTreeMap::from([("docs".parse().unwrap(), folder)]);
        Session::launch(&SessionOptions {
            plugin: &self.plugin,
            name: "case".into(),
            grants: &Grants { folders, ..Grants::default() },
            limits: Limits::default(),
            config: config.into(),
            observer: self.heard.clone(),
            runtime: self.runtime.handle().clone(),
            worker: self.worker.clone(),
        })
        .unwrap()
    }

    /// Saves the source folder.
    pub fn save(&self, config: &str, sink: Sink) -> Result<(Summary, Archive), Error> {
        let session = self.session(self.source(), Access::Read, config);
        let mut coordinator = session.instance("coordinator")?;
        let plan = coordinator.backup_begin(BackupRequest::default())?;
        assert_eq!(plan.parts, [part()]);
        let mut worker = session.instance("worker")?;
        worker.backup_join(&plan.mark)?;
        coordinator.backup_release()?;
        let archive = sink.archive.clone();
        let mut sink = sink;
        let summary = worker.export(&part(), &mut sink)?;
        coordinator.backup_end(Outcome::Completed)?;
        let archive = archive.lock().unwrap().clone();
        Ok((summary, archive))
    }

    /// Restores into the target folder and returns the fingerprint of what is there then.
    pub fn restore(&self, overwrite: bool, source: &mut Source) -> Result<String, Error> {
        let request =
            RestoreRequest { parts: vec![part()], overwrite, ..RestoreRequest::default() };
        let session = self.session(self.target(), Access::ReadWrite, "{}");
        let mut coordinator = session.instance("coordinator")?;
        let stages = coordinator.restore_begin(request.clone())?;
        assert_eq!(stages, [vec![part()]]);
        let mut worker = session.instance("worker")?;
        worker.restore_join(request)?;
        worker.import(&part(), source)?;
        let fingerprint = worker.fingerprint(&part())?;
        coordinator.restore_end(Outcome::Completed)?;
        Ok(fingerprint)
    }
}
