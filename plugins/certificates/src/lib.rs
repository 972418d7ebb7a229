//! Backs up folders of keys, certificates and passwords. What is not known to be public is sealed for age recipients before
//! it leaves the plugin, so that the repository's password alone does not show it.
//!
//! The way of a backup: [`walk`] lists parts and names, [`quiet`] finds a moment without changes, [`inspect`] tells what each
//! file is, [`seal`] seals it, [`export`] writes it. The way back: [`import`]. [`notes`] is what was found out, which
//! [`health`] judges; [`fingerprint`] proves a restore.

mod config;
mod date;
mod export;
mod fingerprint;
mod health;
mod import;
mod inspect;
mod names;
mod notes;
mod place;
mod quiet;
mod seal;
mod walk;

use std::collections::BTreeSet;

use lockgate_plugin::files::{self, Folder};
use lockgate_plugin::{
    Backup, BackupPlan, BackupRequest, Descriptor, Error, Finding, Kind, Part, Plugin, Restore,
    RestoreRequest, Result, Step, Summary,
};

use config::Config;
use place::Place;
use seal::Recipients;

/// The plugin.
pub struct Certificates;

lockgate_plugin::export!(Certificates);

impl Plugin for Certificates {
    type Config = Config;
    type Backup = Saving;
    type Restore = Restoring;

    fn describe() -> Descriptor {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Descriptor {
            name: "certificates".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            datastore: "folders of keys, certificates and passwords".into(),
            server_versions: "files as OpenSSL 3, OpenSSH, Java keystores and PKCS #12 have them; sealed as age v1".into(),
            config_schema: config::SCHEMA.into(),
            part_kinds: words(&[walk::FOLDER, walk::FILES]),
            features: words(&["incremental", "selective-restore", "rename", "fingerprint"]),
            consistency: "Each part is as it was at one moment at which nothing in it had changed for settle-ms, so that a key \
                          and its certificate are of one renewal; parts are of different moments. A part of more than \
                          10000 names or 16 MiB is saved file by file, and its summary says when it changed meanwhile."
                .into(),
            not_saved: words(&[
                "mode, owner and times of the granted folder itself",
                "sockets, fifos and devices",
                "that two names are one file (hard links): each is saved as a file",
                "inode numbers, times of access, change and birth, flags of chattr(1)",
            ]),
            ..Descriptor::default()
        }
    }

    fn check(config: Config) -> Result<Vec<Finding>> {
        health::check(&config)
    }
}

/// A backup.
pub struct Saving {
    config: Config,
    recipients: Recipients,
}

impl Backup for Saving {
    type Config = Config;

    fn begin(config: Config, request: BackupRequest) -> Result<(Self, BackupPlan)> {
        let saving = Self::join(config, Vec::new())?;
        let mut parts = walk::parts(&saving.config)?;
        parts.retain(|part| request.asks_for(&part.id));
        let plan = BackupPlan::new(parts)
            .with_moment_of_export()
            .with_attribute("sealed with", "age v1, X25519")
            .with_attribute("recipients", saving.config.recipients.join(" "));
        Ok((saving, plan))
    }

    fn join(config: Config, _mark: Vec<u8>) -> Result<Self> {
        let recipients = Recipients::parse(&config.recipients)?;
        Ok(Self { config, recipients })
    }

    fn export(&mut self, part: Part) -> Result<Summary> {
        export::export(&Place::parse(&part.id)?, &self.config, &self.recipients)
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
        let places = targets(&request)?;
        let step = |(part, (place, _)): (&Part, (Place, Folder))| {
            let is_there = match &place.top {
                Some(top) => files::status(&place.folder, top).is_ok(),
                None => !files::list_folder(&place.folder, b"")?.next(1)?.is_empty(),
            };
            Ok(Step {
                overwrites: request.overwrite && is_there,
                bytes_estimate: part.bytes_estimate,
                ..Step::new(&part.id, "restore files", place.id())
            })
        };
        request.parts.iter().zip(places).map(step).collect()
    }

    fn begin(config: Config, request: RestoreRequest) -> Result<(Self, Vec<Vec<Part>>)> {
        let targets = targets(&request)?;
        if let Some((place, _)) = targets.iter().find(|(_, folder)| !folder.writable) {
            return Err(Error::denied(format!(
                "folder {} is granted read-only, which is too little to restore",
                place.folder
            )));
        }
        if !request.overwrite {
            targets.iter().try_for_each(|(place, _)| refuse_filled(place))?;
        }
        // An identity that does not fit is told before anything is changed.
        request.parts.iter().try_for_each(|part| fingerprint::key(part).map(drop))?;
        // Files at the top come first: whether one is in the way is seen only in the archive.
        let (files, folders) =
            request.parts.iter().cloned().partition(|part| part.kind == walk::FILES);
        let stages =
            [files, folders].into_iter().filter(|stage: &Vec<Part>| !stage.is_empty()).collect();
        Ok((Self { config, request }, stages))
    }

    fn join(config: Config, request: RestoreRequest) -> Result<Self> {
        Ok(Self { config, request })
    }

    fn import(&mut self, part: Part) -> Result<()> {
        let target = Place::of_restore(&self.request, &part.id)?;
        import::import(&Place::parse(&part.id)?, &target, self.request.overwrite)
    }

    fn fingerprint(&mut self, part: Part) -> Result<String> {
        let target = Place::of_restore(&self.request, &part.id)?;
        fingerprint::live(&part, &target, &self.config)
    }
}

/// Refuses a folder at the top that holds something.
fn refuse_filled(place: &Place) -> Result<()> {
    let Some(top) = &place.top else { return Ok(()) };
    let Ok(found) = files::status(&place.folder, top) else { return Ok(()) };
    let is_empty = found.kind == Kind::Directory
        && files::list_folder(&place.folder, top)?.next(1)?.is_empty();
    if is_empty { Ok(()) } else { Err(Error::conflict(format!("{} exists already", place.id()))) }
}

/// Where the parts go, in their order.
fn targets(request: &RestoreRequest) -> Result<Vec<(Place, Folder)>> {
    let granted = files::folders()?;
    let mut taken = BTreeSet::new();
    let target = |part: &Part| {
        let place = Place::of_restore(request, &part.id)?;
        if !taken.insert(place.clone()) {
            return Err(Error::conflict(format!("two parts would go to {}", place.id())));
        }
        let found = granted.iter().find(|folder| folder.name == place.folder);
        let folder = found.cloned().ok_or_else(|| {
            let name = &place.folder;
            Error::denied(format!(
                "folder {name} is not granted; grant it, or rename part {}",
                part.id
            ))
        })?;
        Ok((place, folder))
    };
    request.parts.iter().map(target).collect()
}
