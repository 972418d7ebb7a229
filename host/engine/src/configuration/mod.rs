//! The one configuration file: repositories, sources and sets, in TOML.
//!
//! The file names where secrets are found and never holds one.

mod cron;
#[cfg(test)]
mod example_tests;
mod maintenance;
mod notifications;
mod parse;
mod schedules;
mod secret;
mod service;

use std::collections::BTreeMap;
use std::path::PathBuf;

use lockgate_sandbox::Limits;
use lockgate_sandbox::jail::Isolation;
use lockgate_trust::{CredentialGrant, EndpointGrant, FolderGrant, Grants, Policy, Root, Rule};
use lockgate_types::Name;
use serde::Deserialize;

pub use cron::{Cron, CronError, Zone, ZoneError};
pub use maintenance::MaintenanceCommands;
pub use notifications::{MailEncryption, Notification, Occasion, Ping, Smtp, Webhook};
pub use parse::{Mistake, parse};
pub use schedules::{Missed, Prune, Schedule};
pub use secret::{Secret, SecretError};
pub use service::{Role, Service, Tls, Token, User};

/// The configuration file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Configuration {
    /// Folder with the plugins' components, instead of the one that was installed.
    pub plugins: Option<PathBuf>,
    /// What to do when the machine lacks a layer of the jail: `full` (refuse) or `reduced`.
    pub isolation: Option<Isolation>,
    /// The audit log; beside the configuration when it is not absolute. When it is named, what cannot be recorded does not run.
    pub audit: Option<PathBuf>,
    /// Which plugins may run.
    pub trust: Trust,
    /// Where backups are kept, by name.
    pub repositories: BTreeMap<Name, Repository>,
    /// What is backed up, by name.
    pub sources: BTreeMap<Name, Source>,
    /// Sources that are backed up as of one moment, by name.
    pub sets: BTreeMap<Name, Set>,
    /// When backups are made without being asked for, by name.
    pub schedules: BTreeMap<Name, Schedule>,
    /// The HTTP service.
    pub service: Service,
    /// Who is told of what, by name.
    pub notifications: BTreeMap<Name, Notification>,
}

/// Which plugins may run: where the lock file is, and whose signatures are demanded.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Trust {
    /// The lock file; beside the configuration when it is not absolute.
    pub lock: Option<PathBuf>,
    /// How many of the keys must have signed each plugin.
    pub signatures: Rule,
    /// Public keys that are trusted, by names of the operator's.
    pub keys: BTreeMap<Name, Root>,
}

impl Trust {
    /// Whose signatures are demanded.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy { rule: self.signatures, roots: self.keys.clone() }
    }
}

/// Where backups are kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Repository {
    /// For example `fs:/srv/backup` or `s3:https://host/bucket/folder`.
    pub url: String,
    /// A file whose first line is the password.
    pub password_file: Option<PathBuf>,
    /// An environment variable that holds the password.
    pub password_variable: Option<String>,
    /// A command whose first line of output is the password; no shell.
    pub password_command: Option<Vec<String>>,
    /// Options of the storage service, for example `region`.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// KiB a second that are uploaded, on average.
    pub limit_upload_kib: Option<u32>,
    /// KiB a second that are downloaded, on average.
    pub limit_download_kib: Option<u32>,
    /// How new data is written.
    #[serde(default)]
    pub write: Write,
    /// What a backup does that goes to several repositories, when this one fails.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// How long, in seconds and in all, the other repositories of a backup wait for this one.
    #[serde(default = "patience_seconds_default")]
    pub patience_seconds: u32,
    /// What schedules keep here, instead of what they say themselves.
    pub keep: Option<lockgate_repository::Policy>,
    /// When space is given back here, instead of what schedules say.
    pub prune: Option<Prune>,
}

/// What a backup does that goes to several repositories, when one fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// Goes on with the others; what this one missed is copied to it later.
    #[default]
    CatchUp,
    /// Fails.
    Fail,
}

/// How new data is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Write {
    /// `off`, `fastest`, `auto`, `better` or `max`.
    pub compression: String,
    /// `keyed`, or `restic` where restic writes to the repository too.
    pub chunking: String,
    /// Open every sealed chunk again before it is stored.
    pub verify: bool,
    /// Size at which a pack is complete, in MiB.
    pub pack_mib: u32,
    /// Memory for chunks and packs on their way, in MiB.
    pub memory_mib: u32,
    /// Packs that are uploaded at once.
    pub uploads: u32,
}

impl Default for Write {
    fn default() -> Self {
        Self {
            compression: "auto".to_owned(),
            chunking: "keyed".to_owned(),
            verify: true,
            pack_mib: 16,
            memory_mib: 128,
            uploads: 4,
        }
    }
}

/// What is backed up: a plugin, what it may reach, and its own settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Source {
    /// Name of a component in the plugins' folder, or the path of one.
    pub plugin: String,
    /// The repository, or several: what is read goes to all of them. May be left out when there is only one.
    #[serde(default, deserialize_with = "schedules::one_or_more")]
    pub repository: Vec<Name>,
    /// Parts that are exported or imported at once.
    #[serde(default = "parallel_default")]
    pub parallel: u32,
    /// It is overdue when no backup that can be restored is younger than this many hours; never without it.
    pub fresh_hours: Option<u32>,
    /// Servers that the plugin may reach.
    #[serde(default)]
    pub endpoints: BTreeMap<Name, EndpointGrant>,
    /// Folders that the plugin may look at.
    #[serde(default)]
    pub folders: BTreeMap<Name, FolderGrant>,
    /// Credentials that answer challenges for the plugin.
    #[serde(default)]
    pub credentials: BTreeMap<Name, CredentialGrant>,
    /// Whether the plugin may read the clock.
    #[serde(default)]
    pub clock: bool,
    /// Whether the plugin gets random bytes.
    #[serde(default)]
    pub random: bool,
    /// What the plugin may use up.
    #[serde(default)]
    pub limits: Limits,
    /// What takes the application out of service, beside the plugin's own mode.
    pub maintenance: Option<MaintenanceCommands>,
    /// The plugin's own settings.
    #[serde(default)]
    pub config: toml::Table,
}

/// Sources that are backed up as of one moment, into one snapshot.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Set {
    /// In the order in which they are asked for their points in time: first those that can hold their writers.
    pub sources: Vec<Name>,
    /// Longest time between the first source's point in time and the last one's, in seconds. When it passes, the backup fails.
    #[serde(default = "hold_seconds_default")]
    pub hold_seconds: u32,
    /// It is overdue when no backup of the set that can be restored is younger than this many hours; never without it.
    pub fresh_hours: Option<u32>,
    /// At a restore: what comes after what. The others are restored in the order of `sources`.
    #[serde(default)]
    pub after: BTreeMap<Name, Vec<Name>>,
    /// What takes the application of these sources out of service, before the sources themselves.
    pub maintenance: Option<MaintenanceCommands>,
}

impl Repository {
    /// Whether the settings say where the password is.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.password_file.is_some()
            || self.password_variable.is_some()
            || self.password_command.is_some()
    }

    /// A repository of which only the location is known.
    #[must_use]
    pub fn at(url: String) -> Self {
        Self {
            url,
            password_file: None,
            password_variable: None,
            password_command: None,
            options: BTreeMap::new(),
            limit_upload_kib: None,
            limit_download_kib: None,
            write: Write::default(),
            on_failure: OnFailure::default(),
            patience_seconds: patience_seconds_default(),
            keep: None,
            prune: None,
        }
    }
}

fn patience_seconds_default() -> u32 {
    600
}

fn parallel_default() -> u32 {
    4
}

fn hold_seconds_default() -> u32 {
    60
}

impl Source {
    /// The source that backs up one folder, granted under `name`.
    #[must_use]
    pub fn of_folder(name: Name, path: PathBuf) -> Self {
        let grant = FolderGrant { path, access: lockgate_trust::Access::Read, locks: false };
        Self {
            plugin: "files".to_owned(),
            repository: Vec::new(),
            parallel: parallel_default(),
            fresh_hours: None,
            endpoints: BTreeMap::new(),
            folders: BTreeMap::from([(name, grant)]),
            credentials: BTreeMap::new(),
            clock: false,
            random: false,
            limits: Limits::default(),
            maintenance: None,
            config: toml::Table::new(),
        }
    }

    /// Everything that the operator lets the plugin reach.
    #[must_use]
    pub fn grants(&self) -> Grants {
        Grants {
            endpoints: self.endpoints.clone(),
            folders: self.folders.clone(),
            credentials: self.credentials.clone(),
            clock: self.clock,
            random: self.random,
        }
    }

    /// The plugin's own settings as the contract hands them over: JSON.
    #[must_use]
    pub fn config_json(&self) -> String {
        serde_json::to_string(&self.config).unwrap_or_else(|_| "{}".to_owned())
    }
}
