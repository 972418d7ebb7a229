use lockgate_repository::{Node, SnapshotDraft};
use lockgate_types::{Attributes, BackupPlan, Descriptor, Entry, EntryPath, Finding, Severity};

use super::{BackupJob, Run};
use crate::manifest::{self, IsolationRecord, Manifest, PartRecord, PluginRecord, grants_in_words};
use crate::{Error, ErrorKind, Result};

pub(super) fn manifest(
    run: &Run<'_>,
    descriptor: &Descriptor,
    plan: &BackupPlan,
    parts: Vec<PartRecord>,
) -> Manifest {
    Manifest {
        version: Manifest::VERSION,
        program: concat!("lockgate ", env!("CARGO_PKG_VERSION")).to_owned(),
        source: run.job.name.clone(),
        plugin: PluginRecord {
            name: descriptor.name.clone(),
            version: descriptor.version.clone(),
            digest: run.plugin.admitted.digest,
            grants: grants_in_words(run.grants),
            isolation: Some(IsolationRecord::new(run.session.jail())),
        },
        consistency: descriptor.consistency.clone(),
        not_saved: descriptor.not_saved.clone(),
        attributes: plan.attributes.clone(),
        mark: manifest::hexadecimal(&plan.mark),
        parts,
        findings: Vec::new(),
    }
}

/// Stores the manifest as the last entry of the source's folder.
pub(super) fn add_manifest(run: &Run<'_>, manifest: &Manifest) -> Result<()> {
    let json = serde_json::to_vec_pretty(manifest)
        .map_err(|error| Error::new(ErrorKind::Failed, format!("manifest: {error}")))?;
    let entry = Entry {
        path: EntryPath::root(),
        media_type: "application/json".to_owned(),
        size_hint: None,
        metadata: None,
        attributes: Attributes::new(),
    };
    let length = u64::try_from(json.len()).unwrap_or(u64::MAX);
    let mut stream = run.writer.stream();
    stream.write(&mut json.as_slice(), length)?;
    stream.finish(manifest::manifest_path(run.job.name)?, Node::from_entry(&entry))?;
    Ok(())
}

pub(super) fn draft(job: &BackupJob<'_>, parent: Option<lockgate_types::Digest>) -> SnapshotDraft {
    SnapshotDraft {
        paths: vec![format!("/{}", job.name)],
        hostname: job.hostname.clone(),
        tags: job.tags.clone(),
        parent,
        ..SnapshotDraft::default()
    }
}

/// The snapshot exists, but the plugin could not clean up behind itself: the operator must hear of it.
pub(super) fn end_failed(error: &Error) -> Finding {
    Finding {
        severity: Severity::Warning,
        code: "end-failed".to_owned(),
        message: format!("the backup is complete, but the plugin could not end its work: {error}"),
        attributes: Attributes::new(),
    }
}
