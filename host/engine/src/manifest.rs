use std::collections::BTreeMap;
use std::time::Duration;

use lockgate_repository::{Reader, Snapshot};
use lockgate_sandbox::jail::{Isolation, Report};
use lockgate_trust::{Access, EndpointGrant, Grants};
use lockgate_types::{Attributes, Digest, EntryPath, Finding, Name};
use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result};

/// Where the manifest is, below the source's folder.
pub const MANIFEST_PATH: &str = ".lockgate/manifest.json";

/// Largest manifest that is read, in bytes: a million parts with short names.
const MANIFEST_BYTES_MAX: usize = 256 << 20;

/// What a snapshot of ours says of itself, as an ordinary file in its tree, so that every tool keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Manifest {
    /// Of the manifest's own shape.
    pub version: u32,
    /// The program that wrote it, with its version.
    pub program: String,
    /// Which source this is a backup of.
    pub source: Name,
    /// The consistent set that it was backed up in; none for a source alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<SetRecord>,
    /// What exported it.
    pub plugin: PluginRecord,
    /// What the plugin may promise.
    pub consistency: String,
    /// What a restore will not bring back.
    pub not_saved: Vec<String>,
    /// What the plugin said of the point in time: server version, position.
    pub attributes: Attributes,
    /// Handed to the next backup as `since`; hexadecimal.
    pub mark: String,
    /// What was exported.
    pub parts: Vec<PartRecord>,
    /// What the plugin noticed while it exported.
    pub findings: Vec<Finding>,
}

/// Several sources that were backed up as one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SetRecord {
    /// As the configuration calls it.
    pub name: Name,
    /// All of its sources, in the order in which they were asked for their points in time.
    pub sources: Vec<Name>,
    /// Milliseconds from the first source's `begin` until all were released: the points in time of all of them lie in between,
    /// and so long was held off whoever writes to a source that can hold its writers.
    pub held_ms: u64,
}

impl SetRecord {
    /// How long the sources were held.
    #[must_use]
    pub fn held(&self) -> Duration {
        Duration::from_millis(self.held_ms)
    }
}

/// Which plugin exported a snapshot, and with what it could reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PluginRecord {
    /// As the plugin calls itself.
    pub name: String,
    /// As the plugin calls itself.
    pub version: String,
    /// SHA-256 of the component.
    pub digest: Digest,
    /// The capabilities that were granted, in words.
    pub grants: Vec<String>,
    /// What kept it in; none in manifests of before this was recorded.
    #[serde(default)]
    pub isolation: Option<IsolationRecord>,
}

/// What kept a plugin in while it ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct IsolationRecord {
    /// `full` when every required layer of the jail held, else `reduced`.
    pub level: Isolation,
    /// The layers that did not hold, with the reasons; those that are not required too.
    pub missing: BTreeMap<String, String>,
}

impl IsolationRecord {
    pub(crate) fn new(jail: &Report) -> Self {
        let missing =
            jail.missing().map(|(layer, reason)| (layer.name().to_owned(), reason.to_owned()));
        Self {
            level: if jail.is_full() { Isolation::Full } else { Isolation::Reduced },
            missing: missing.collect(),
        }
    }
}

/// What a part held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PartRecord {
    /// Its path below the source's folder.
    pub id: String,
    /// As the plugin calls it.
    pub kind: String,
    /// Rows, keys, files.
    pub items: u64,
    /// Entries in the tree.
    pub entries: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// Of the exported data.
    pub fingerprint: Option<String>,
    /// As planned.
    pub attributes: Attributes,
    /// As exported.
    pub summary: Attributes,
}

impl Manifest {
    /// The version that this program writes.
    pub const VERSION: u32 = 1;
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The mark that a manifest keeps; none when it is not hexadecimal.
pub(crate) fn mark(manifest: &Manifest) -> Option<Vec<u8>> {
    let digits = manifest.mark.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.chunks(2).map(byte).collect()
}

/// Path of the folder that holds a source's parts.
pub(crate) fn source_folder(source: &Name) -> Result<EntryPath> {
    path(source.as_str())
}

/// Path of the manifest in the tree.
pub(crate) fn manifest_path(source: &Name) -> Result<EntryPath> {
    path(&format!("{source}/{MANIFEST_PATH}"))
}

pub(crate) fn path(text: &str) -> Result<EntryPath> {
    EntryPath::try_from(text).map_err(|error| Error::new(ErrorKind::Failed, error.to_string()))
}

/// Reads what a snapshot says of its sources, one manifest each; none when the snapshot is not one of ours.
///
/// # Errors
/// When the repository cannot be read, or a manifest is damaged or of a newer version.
pub async fn read_manifests(reader: &Reader, snapshot: &Snapshot) -> Result<Vec<Manifest>> {
    let mut manifests = Vec::new();
    for source in sources_of(snapshot) {
        manifests.extend(read_manifest(reader, snapshot, &source).await?);
    }
    Ok(manifests)
}

/// Reads the manifest of one source in a snapshot; none when it has none.
///
/// # Errors
/// When the repository cannot be read, or the manifest is damaged or of a newer version.
pub(crate) async fn read_manifest(
    reader: &Reader,
    snapshot: &Snapshot,
    source: &Name,
) -> Result<Option<Manifest>> {
    let path = manifest_path(source)?;
    let Some(node) = reader.node(&snapshot.tree, &path).await? else { return Ok(None) };
    let mut content = reader.content(&node);
    let mut bytes = Vec::new();
    loop {
        let more = content.read(1 << 20).await?;
        if more.is_empty() {
            break;
        }
        bytes.extend_from_slice(&more);
        if bytes.len() > MANIFEST_BYTES_MAX {
            return Err(damaged(snapshot, "is larger than 256 MiB"));
        }
    }
    let manifest: Manifest =
        serde_json::from_slice(&bytes).map_err(|error| damaged(snapshot, &error.to_string()))?;
    if manifest.version > Manifest::VERSION {
        let message = format!(
            "snapshot {}: its manifest has version {}, this program reads up to {}",
            snapshot.id.short(),
            manifest.version,
            Manifest::VERSION
        );
        return Err(Error::new(ErrorKind::Unsupported, message).with_hint("use a newer lockgate"));
    }
    if manifest.source != *source {
        return Err(damaged(snapshot, "names another source than the snapshot"));
    }
    Ok(Some(manifest))
}

/// The sources that a snapshot of ours belongs to: its paths are `/NAME`.
fn sources_of(snapshot: &Snapshot) -> Vec<Name> {
    let name = |path: &String| path.strip_prefix('/')?.parse().ok();
    snapshot.paths.iter().map(name).collect::<Option<Vec<Name>>>().unwrap_or_default()
}

fn damaged(snapshot: &Snapshot, cause: &str) -> Error {
    Error::new(
        ErrorKind::Damaged,
        format!("snapshot {}: manifest {MANIFEST_PATH}: {cause}", snapshot.id.short()),
    )
    .with_hint("`lockgate check --read-data` tells what is damaged")
}

/// What was granted, for people.
pub(crate) fn grants_in_words(grants: &Grants) -> Vec<String> {
    let account = |endpoint: &EndpointGrant| match &endpoint.credential {
        Some(credential) => format!(" with credential {credential}"),
        None => String::new(),
    };
    let endpoints = grants.endpoints.iter().map(|(name, endpoint)| {
        format!("connect to {name} at {}{}", endpoint.address, account(endpoint))
    });
    let is_answering = |name: &Name| {
        grants.endpoints.values().all(|endpoint| endpoint.credential.as_ref() != Some(name))
    };
    let folders = grants.folders.iter().map(|(name, folder)| {
        let locks = if folder.locks { " and lock its files" } else { "" };
        let access = match folder.access {
            Access::Read => "read",
            Access::ReadWrite => "read and change",
        };
        format!("{access} folder {name} at {}{locks}", folder.path.display())
    });
    let answering = grants.credentials.iter().filter(|(name, _)| is_answering(name));
    let credentials = answering.map(|(name, credential)| {
        format!("answer challenges with credential {name} of {}", credential.principal)
    });
    let clock = grants.clock.then(|| "read the clock".to_owned());
    let random = grants.random.then(|| "get random bytes".to_owned());
    endpoints.chain(folders).chain(credentials).chain(clock).chain(random).collect()
}
