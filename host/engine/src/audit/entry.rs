use jiff::Timestamp;
use lockgate_types::Digest;
use serde::{Deserialize, Serialize};

use crate::IsolationRecord;

/// One line of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Entry {
    /// When it happened.
    pub time: Timestamp,
    /// Which run: the same in all entries of one.
    pub run: String,
    /// Name of the source.
    pub source: String,
    /// What happened.
    #[serde(flatten)]
    pub event: AuditEvent,
    /// SHA-256 of the line before, without its line feed; none in the first line.
    pub previous: Option<Digest>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
#[non_exhaustive]
pub enum AuditEvent {
    /// A run begins.
    Started {
        /// What the run is for: `backup`, `restore`, ...
        purpose: String,
        /// The user whose rights it has, by number.
        user: u32,
        /// The number of its process.
        process: u32,
    },
    /// A plugin is let in, with what it may reach.
    Launched {
        /// As the plugin calls itself.
        plugin: String,
        /// As the plugin calls itself.
        version: String,
        /// SHA-256 of the component.
        digest: Digest,
        /// What was granted, in words.
        grants: Vec<String>,
        /// What keeps it in.
        isolation: IsolationRecord,
    },
    /// The plugin asked for something and did not get it.
    Refused {
        /// Which instance of the plugin.
        instance: String,
        /// Whether it was not granted; otherwise it was wrong, too large or could not be done.
        denied: bool,
        /// What it asked for and why not, as the plugin was told.
        attempt: String,
    },
    /// More was refused in this run than is recorded one by one.
    RefusedMore {
        /// How much more.
        count: u64,
    },
    /// The plugin was shown a secret.
    SecretShown {
        /// Which instance of the plugin.
        instance: String,
        /// Name of the credential.
        credential: String,
    },
    /// The run is over.
    Ended {
        /// `completed`, `failed` or `cancelled`.
        outcome: String,
        /// What went wrong, as the operator was told.
        error: Option<String>,
    },
}
