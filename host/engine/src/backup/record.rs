use lockgate_repository::{Node, SnapshotDraft};
use lockgate_types::{Attributes, Digest, Entry, EntryPath, Finding, Severity};

use super::barrier::Begun;
use super::member::Member;
use super::{BackupJob, Run};
use crate::manifest::{self, IsolationRecord, Manifest, PluginRecord, SetRecord, grants_in_words};
use crate::{Error, ErrorKind, Result};

pub(super) fn manifest(member: &Member<'_>, begun: &mut Begun, set: Option<SetRecord>) -> Manifest {
    let Begun { descriptor, plan, parts, .. } = begun;
    Manifest {
        version: Manifest::VERSION,
        program: concat!("lockgate ", env!("CARGO_PKG_VERSION")).to_owned(),
        source: member.name.clone(),
        set,
        plugin: PluginRecord {
            name: descriptor.name.clone(),
            version: descriptor.version.clone(),
            digest: member.plugin.admitted.digest,
            grants: grants_in_words(&member.grants),
            isolation: Some(IsolationRecord::new(member.session.jail())),
        },
        consistency: descriptor.consistency.clone(),
        not_saved: descriptor.not_saved.clone(),
        attributes: plan.attributes.clone(),
        mark: manifest::hexadecimal(&plan.mark),
        parts: std::mem::take(parts),
        findings: Vec::new(),
    }
}

/// Stores the manifest in the source's folder, after all that it tells of.
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
    stream.finish(manifest::manifest_path(&manifest.source)?, Node::from_entry(&entry))?;
    Ok(())
}

/// The snapshot that the new one follows, if it follows one and not several.
pub(super) fn parent(members: &[Member<'_>]) -> Option<Digest> {
    let mut ids = members.iter().map(|member| Some(member.parent.as_ref()?.snapshot.id));
    let first = ids.next()?;
    ids.all(|id| id == first).then_some(first)?
}

pub(super) fn draft(job: &BackupJob<'_>, parent: Option<Digest>) -> SnapshotDraft {
    SnapshotDraft {
        paths: job.sources.iter().map(|(name, _)| format!("/{name}")).collect(),
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
