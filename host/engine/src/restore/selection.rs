use lockgate_repository::Snapshot;
use lockgate_types::{Attributes, EntryPath, Part};

use super::RestoreJob;
use super::target::FILES_PLUGIN;
use crate::manifest::{Manifest, PartRecord, path, source_folder};
use crate::restore::Target;
use crate::{Error, ErrorKind, Result};

/// Name of the one part that a snapshot without a manifest, or of another plugin, has when it is restored as files.
pub(super) const TREE_PART: &str = "tree";

/// The snapshot and the parts of it that will be restored.
pub struct Selected {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// What it says of itself; none when another program wrote it.
    pub manifest: Option<Manifest>,
    /// What will be restored.
    pub(super) parts: Vec<SelectedPart>,
}

/// One part and where its entries are in the tree.
pub(super) struct SelectedPart {
    pub part: Part,
    pub folder: EntryPath,
    pub fingerprint: Option<String>,
}

pub(super) fn select(job: &RestoreJob<'_>) -> Result<Selected> {
    let snapshot = job.archived.snapshot.clone();
    let manifest = one_of(job)?.cloned();
    let root = EntryPath::root();
    let parts = match (&manifest, &job.target) {
        (Some(manifest), Target::Folder(_)) if manifest.plugin.name != FILES_PLUGIN => as_tree(
            job,
            if job.source.is_some() { source_folder(&manifest.source)? } else { root },
        )?,
        (Some(manifest), _) => of_manifest(manifest, job)?,
        (None, Target::Folder(_)) => as_tree(job, root)?,
        (None, Target::Source { .. }) => return Err(foreign(&snapshot)),
    };
    Ok(Selected { snapshot, manifest, parts })
}

/// The manifest of the source that is wanted; none when that is no source's, or all of them as one tree.
fn one_of<'a>(job: &RestoreJob<'a>) -> Result<Option<&'a Manifest>> {
    let manifests = &job.archived.manifests;
    let id = job.archived.snapshot.id.short();
    if let Some(source) = job.source {
        let absent = || {
            Error::new(ErrorKind::NotFound, format!("snapshot {id} holds no source {source}"))
                .with_hint("`lockgate show SNAPSHOT` lists its sources")
        };
        let found = manifests.iter().find(|manifest| manifest.source == *source);
        return found.map(Some).ok_or_else(absent);
    }
    match (manifests.as_slice(), &job.target) {
        ([], _) => Ok(None),
        ([manifest], _) => Ok(Some(manifest)),
        (_, Target::Folder(_)) => Ok(None),
        (several, Target::Source { .. }) => Err(Error::new(
            ErrorKind::Configuration,
            format!("snapshot {id} holds {} sources: which one?", several.len()),
        )
        .with_hint("say it with --source NAME; `lockgate show SNAPSHOT` lists them")),
    }
}

fn foreign(snapshot: &Snapshot) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!(
            "snapshot {} was not written by lockgate and belongs to no source",
            snapshot.id.short()
        ),
    )
    .with_hint("restore its files into a folder: --target FOLDER")
}

fn as_tree(job: &RestoreJob<'_>, folder: EntryPath) -> Result<Vec<SelectedPart>> {
    if let Some(id) = job.parts.first() {
        return Err(Error::new(
            ErrorKind::NotFound,
            format!("--part {id}: this snapshot is restored as one tree of files"),
        )
        .with_hint("leave --part out"));
    }
    let part = Part {
        id: TREE_PART.to_owned(),
        kind: "folder".to_owned(),
        bytes_estimate: None,
        items_estimate: None,
        attributes: Attributes::new(),
    };
    Ok(vec![SelectedPart { part, folder, fingerprint: None }])
}

fn of_manifest(manifest: &Manifest, job: &RestoreJob<'_>) -> Result<Vec<SelectedPart>> {
    for id in &job.parts {
        if !manifest.parts.iter().any(|part| &part.id == id) {
            return Err(Error::new(ErrorKind::NotFound, format!("the snapshot has no part {id}"))
                .with_hint("`lockgate show SNAPSHOT` lists its parts"));
        }
    }
    let folder = source_folder(&manifest.source)?;
    let wanted = |part: &&PartRecord| job.parts.is_empty() || job.parts.contains(&part.id);
    manifest.parts.iter().filter(wanted).map(|part| selected(&folder, part)).collect()
}

fn selected(folder: &EntryPath, record: &PartRecord) -> Result<SelectedPart> {
    let folder = folder
        .join(&path(&record.id)?)
        .map_err(|error| Error::new(ErrorKind::Damaged, error.to_string()))?;
    // What the export found out is part of what was archived; what was planned goes before it.
    let mut attributes = record.summary.clone();
    attributes.extend(record.attributes.clone());
    let part = Part {
        id: record.id.clone(),
        kind: record.kind.clone(),
        bytes_estimate: Some(record.bytes),
        items_estimate: Some(record.items),
        attributes,
    };
    Ok(SelectedPart { part, folder, fingerprint: record.fingerprint.clone() })
}
