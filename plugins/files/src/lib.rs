//! Backs up granted folders, one part each, with everything that a file system knows about a name; restores them, and the
//! files of any other snapshot.
//!
//! The bytes of files go from the worker to the host and back without entering the plugin. What the parent snapshot holds
//! unchanged is not read.

mod config;
mod entry;
mod export;
mod fault;
mod import;
mod links;
mod obstacle;
mod trouble;
mod walk;

use std::collections::BTreeSet;

use lockgate_plugin::files::{self, Folder};
use lockgate_plugin::{
    Backup, BackupPlan, BackupRequest, Descriptor, Error, Finding, Part, Plugin, Restore,
    RestoreRequest, Result, Severity, Step, Summary,
};

use config::Config;

/// Kind of the parts.
const FOLDER: &str = "folder";

/// The plugin.
pub struct Files;

lockgate_plugin::export!(Files);

impl Plugin for Files {
    type Config = Config;
    type Backup = Saving;
    type Restore = Restoring;

    fn describe() -> Descriptor {
        Descriptor {
            name: "files".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            datastore: "folders of a file system".into(),
            server_versions: "Linux".into(),
            config_schema: include_str!("config.schema.json").into(),
            part_kinds: vec![FOLDER.into()],
            features: ["incremental", "selective-restore", "rename", "fingerprint"]
                .map(Into::into)
                .into(),
            consistency: "Each file is read once, while others may write: a file that is written meanwhile may be saved half \
                          old and half new, and files are saved as of different moments."
                .into(),
            not_saved: [
                "mode, owner and times of the granted folder itself",
                "times of change and of birth",
                "inode numbers and the flags of chattr(1)",
                "holes, as such: runs of zero bytes become holes",
                "what a socket, fifo or device holds",
            ]
            .map(Into::into)
            .into(),
            ..Descriptor::default()
        }
    }

    fn check(_config: Config) -> Result<Vec<Finding>> {
        let folders = files::folders()?;
        if folders.is_empty() {
            let finding = Finding::new(Severity::Critical, "no-folder", NO_FOLDER);
            return Ok(vec![finding]);
        }
        let look = |folder: Folder| match files::list_folder(&folder.name, b"") {
            Ok(_) => {
                let message = format!("folder {} can be read", folder.name);
                Finding::new(Severity::Ok, "readable", message)
            }
            Err(failure) => {
                let message = format!("folder {}: {}", folder.name, Error::from(failure));
                Finding::new(Severity::Critical, "unreadable", message)
            }
        };
        Ok(folders.into_iter().map(look).collect())
    }
}

const NO_FOLDER: &str = "no folder is granted to this source";

/// A backup.
pub struct Saving {
    config: Config,
}

impl Backup for Saving {
    type Config = Config;

    fn begin(config: Config, request: BackupRequest) -> Result<(Self, BackupPlan)> {
        let folders = files::folders()?;
        if folders.is_empty() {
            return Err(Error::config(NO_FOLDER));
        }
        let wanted = folders.into_iter().filter(|folder| request.asks_for(&folder.name));
        let parts = wanted.map(|folder| Part::new(folder.name, FOLDER)).collect();
        Ok((Self { config }, BackupPlan::new(parts).with_moment_of_export()))
    }

    fn join(config: Config, _mark: Vec<u8>) -> Result<Self> {
        Ok(Self { config })
    }

    fn export(&mut self, part: Part) -> Result<Summary> {
        export::export(&part.id, &self.config)
    }
}

/// A restore.
pub struct Restoring {
    config: Config,
    request: RestoreRequest,
}

impl Restore for Restoring {
    type Config = Config;

    fn preview(_config: Config, request: RestoreRequest) -> Result<Vec<Step>> {
        let targets = targets(&request)?;
        let step = |(part, target): (&Part, Folder)| Step {
            overwrites: request.overwrite,
            bytes_estimate: part.bytes_estimate,
            ..Step::new(&part.id, "restore files", format!("folder {}", target.name))
        };
        Ok(request.parts.iter().zip(targets).map(step).collect())
    }

    fn begin(config: Config, request: RestoreRequest) -> Result<(Self, Vec<Vec<Part>>)> {
        if let Some(folder) = targets(&request)?.iter().find(|folder| !folder.writable) {
            let name = &folder.name;
            return Err(Error::denied(format!(
                "folder {name} is granted read-only, which is too little to restore"
            )));
        }
        let stages = vec![request.parts.clone()];
        Ok((Self { config, request }, stages))
    }

    fn join(config: Config, request: RestoreRequest) -> Result<Self> {
        Ok(Self { config, request })
    }

    fn import(&mut self, part: Part) -> Result<()> {
        import::import(self.request.renamed(&part.id), self.request.overwrite)
    }

    fn fingerprint(&mut self, part: Part) -> Result<String> {
        export::fingerprint(self.request.renamed(&part.id), &self.config)
    }
}

/// The granted folders that the parts go into, in the parts' order.
fn targets(request: &RestoreRequest) -> Result<Vec<Folder>> {
    let granted = files::folders()?;
    let mut taken = BTreeSet::new();
    let target = |part: &Part| {
        let name = request.renamed(&part.id);
        if !taken.insert(name.to_owned()) {
            return Err(Error::conflict(format!("two parts would go into folder {name}")));
        }
        let found = granted.iter().find(|folder| folder.name == name);
        found.cloned().ok_or_else(|| {
            Error::denied(format!(
                "folder {name} is not granted; grant it, or rename part {}",
                part.id
            ))
        })
    };
    request.parts.iter().map(target).collect()
}
