//! Between the contract's types as generated and the ones that cross to the host.

use lockgate_types as host;

use super::bindings::exports::lockgate::datastore::{backup, identity, restore};
use super::bindings::lockgate::datastore::{archive, job, types};
use super::fault::{Fault, Reply};
use crate::protocol::Level;

/// A map from the pairs; of equal keys the last one stands.
pub fn attributes(list: Vec<types::Attribute>) -> host::Attributes {
    list.into_iter().map(|pair| (pair.key, pair.value)).collect()
}

fn pairs(map: host::Attributes) -> Vec<types::Attribute> {
    map.into_iter().map(|(key, value)| types::Attribute { key, value }).collect()
}

/// Checks that the plugin's bytes are a path.
pub fn path(bytes: Vec<u8>) -> Reply<host::EntryPath> {
    host::EntryPath::new(bytes).map_err(|error| Fault::other(error.to_string()))
}

impl From<host::Failure> for types::Failure {
    fn from(failure: host::Failure) -> Self {
        match failure {
            host::Failure::Config(text) => Self::Config(text),
            host::Failure::Auth(text) => Self::Auth(text),
            host::Failure::Denied(text) => Self::Denied(text),
            host::Failure::Unreachable(text) => Self::Unreachable(text),
            host::Failure::Unsupported(text) => Self::Unsupported(text),
            host::Failure::Conflict(text) => Self::Conflict(text),
            host::Failure::Corrupt(text) => Self::Corrupt(text),
            host::Failure::Cancelled => Self::Cancelled,
            host::Failure::Other(text) => Self::Other(text),
        }
    }
}

impl From<types::Failure> for host::Failure {
    fn from(failure: types::Failure) -> Self {
        match failure {
            types::Failure::Config(text) => Self::Config(text),
            types::Failure::Auth(text) => Self::Auth(text),
            types::Failure::Denied(text) => Self::Denied(text),
            types::Failure::Unreachable(text) => Self::Unreachable(text),
            types::Failure::Unsupported(text) => Self::Unsupported(text),
            types::Failure::Conflict(text) => Self::Conflict(text),
            types::Failure::Corrupt(text) => Self::Corrupt(text),
            types::Failure::Cancelled => Self::Cancelled,
            types::Failure::Other(text) => Self::Other(text),
        }
    }
}

impl From<job::Level> for Level {
    fn from(level: job::Level) -> Self {
        match level {
            job::Level::Trace => Self::Trace,
            job::Level::Debug => Self::Debug,
            job::Level::Info => Self::Info,
            job::Level::Warn => Self::Warn,
            job::Level::Error => Self::Error,
        }
    }
}

impl From<host::Part> for types::Part {
    fn from(part: host::Part) -> Self {
        Self {
            id: part.id,
            kind: part.kind,
            bytes_estimate: part.bytes_estimate,
            items_estimate: part.items_estimate,
            attributes: pairs(part.attributes),
        }
    }
}

impl From<types::Part> for host::Part {
    fn from(part: types::Part) -> Self {
        Self {
            id: part.id,
            kind: part.kind,
            bytes_estimate: part.bytes_estimate,
            items_estimate: part.items_estimate,
            attributes: attributes(part.attributes),
        }
    }
}

impl From<types::Finding> for host::Finding {
    fn from(finding: types::Finding) -> Self {
        Self {
            severity: match finding.severity {
                types::Severity::Ok => host::Severity::Ok,
                types::Severity::Notice => host::Severity::Notice,
                types::Severity::Warning => host::Severity::Warning,
                types::Severity::Critical => host::Severity::Critical,
            },
            code: finding.code,
            message: finding.message,
            attributes: attributes(finding.attributes),
        }
    }
}

impl From<identity::Descriptor> for host::Descriptor {
    fn from(descriptor: identity::Descriptor) -> Self {
        Self {
            name: descriptor.name,
            version: descriptor.version,
            datastore: descriptor.datastore,
            server_versions: descriptor.server_versions,
            config_schema: descriptor.config_schema,
            part_kinds: descriptor.part_kinds,
            features: descriptor.features,
            consistency: descriptor.consistency,
            not_saved: descriptor.not_saved,
            attributes: attributes(descriptor.attributes),
        }
    }
}

impl From<host::BackupRequest> for backup::Request {
    fn from(request: host::BackupRequest) -> Self {
        Self { parts: request.parts, since: request.since, attributes: pairs(request.attributes) }
    }
}

impl From<backup::Plan> for host::BackupPlan {
    fn from(plan: backup::Plan) -> Self {
        Self {
            parts: plan.parts.into_iter().map(Into::into).collect(),
            mark: plan.mark,
            attributes: attributes(plan.attributes),
        }
    }
}

impl From<backup::Summary> for host::Summary {
    fn from(summary: backup::Summary) -> Self {
        Self {
            items: summary.items,
            fingerprint: summary.fingerprint,
            attributes: attributes(summary.attributes),
        }
    }
}

impl From<host::Outcome> for backup::Outcome {
    fn from(outcome: host::Outcome) -> Self {
        match outcome {
            host::Outcome::Completed => Self::Completed,
            host::Outcome::Failed(reason) => Self::Failed(reason),
            host::Outcome::Cancelled => Self::Cancelled,
        }
    }
}

impl From<host::RestoreRequest> for restore::Request {
    fn from(request: host::RestoreRequest) -> Self {
        Self {
            parts: request.parts.into_iter().map(Into::into).collect(),
            rename: request.rename,
            disaster_recovery: request.disaster_recovery,
            overwrite: request.overwrite,
            attributes: pairs(request.attributes),
        }
    }
}

impl From<restore::Step> for host::Step {
    fn from(step: restore::Step) -> Self {
        Self {
            part: step.part,
            action: step.action,
            target: step.target,
            overwrites: step.overwrites,
            bytes_estimate: step.bytes_estimate,
            attributes: attributes(step.attributes),
        }
    }
}

/// The plugin's entry, its path and times checked.
pub fn entry(entry: archive::Entry) -> Reply<host::Entry> {
    Ok(host::Entry {
        path: path(entry.path)?,
        media_type: entry.media_type,
        size_hint: entry.size_hint,
        metadata: entry.metadata.map(metadata).transpose()?,
        attributes: attributes(entry.attributes),
    })
}

impl From<host::Entry> for archive::Entry {
    fn from(entry: host::Entry) -> Self {
        Self {
            path: entry.path.into(),
            media_type: entry.media_type,
            size_hint: entry.size_hint,
            metadata: entry.metadata.map(Into::into),
            attributes: pairs(entry.attributes),
        }
    }
}

/// The plugin's metadata, its times checked.
pub fn metadata(metadata: types::Metadata) -> Reply<host::Metadata> {
    Ok(host::Metadata {
        kind: kind(metadata.kind),
        mode: metadata.mode & 0o7777,
        owner: metadata.owner,
        group: metadata.group,
        owner_name: metadata.owner_name,
        group_name: metadata.group_name,
        size: metadata.size,
        modified: timestamp(metadata.modified)?,
        accessed: timestamp(metadata.accessed)?,
        changed: timestamp(metadata.changed)?,
        inode: metadata.inode,
        device: metadata.device,
        links: metadata.links,
        device_number: metadata.device_number,
        link_target: metadata.link_target,
        extended_attributes: metadata
            .extended_attributes
            .into_iter()
            .map(|pair| host::ExtendedAttribute { name: pair.name, value: pair.value })
            .collect(),
    })
}

impl From<host::Metadata> for types::Metadata {
    fn from(metadata: host::Metadata) -> Self {
        let timestamp = |time: host::Timestamp| types::Timestamp {
            seconds: time.seconds,
            nanoseconds: time.nanoseconds,
        };
        Self {
            kind: match metadata.kind {
                host::Kind::Regular => types::Kind::Regular,
                host::Kind::Directory => types::Kind::Directory,
                host::Kind::Symlink => types::Kind::Symlink,
                host::Kind::Fifo => types::Kind::Fifo,
                host::Kind::Socket => types::Kind::Socket,
                host::Kind::CharacterDevice => types::Kind::CharacterDevice,
                host::Kind::BlockDevice => types::Kind::BlockDevice,
            },
            mode: metadata.mode,
            owner: metadata.owner,
            group: metadata.group,
            owner_name: metadata.owner_name,
            group_name: metadata.group_name,
            size: metadata.size,
            modified: timestamp(metadata.modified),
            accessed: timestamp(metadata.accessed),
            changed: timestamp(metadata.changed),
            inode: metadata.inode,
            device: metadata.device,
            links: metadata.links,
            device_number: metadata.device_number,
            link_target: metadata.link_target,
            extended_attributes: metadata
                .extended_attributes
                .into_iter()
                .map(|pair| types::ExtendedAttribute { name: pair.name, value: pair.value })
                .collect(),
        }
    }
}

fn kind(kind: types::Kind) -> host::Kind {
    match kind {
        types::Kind::Regular => host::Kind::Regular,
        types::Kind::Directory => host::Kind::Directory,
        types::Kind::Symlink => host::Kind::Symlink,
        types::Kind::Fifo => host::Kind::Fifo,
        types::Kind::Socket => host::Kind::Socket,
        types::Kind::CharacterDevice => host::Kind::CharacterDevice,
        types::Kind::BlockDevice => host::Kind::BlockDevice,
    }
}

fn timestamp(time: types::Timestamp) -> Reply<host::Timestamp> {
    if time.nanoseconds >= 1_000_000_000 {
        return Err(Fault::other(format!(
            "{} nanoseconds are more than a second",
            time.nanoseconds
        )));
    }
    Ok(host::Timestamp { seconds: time.seconds, nanoseconds: time.nanoseconds })
}
