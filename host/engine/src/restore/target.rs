use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use lockgate_sandbox::{Instance, Limits, Session};
use lockgate_trust::{Access, FolderGrant, Grants};
use lockgate_types::Name;

use super::selection::{Selected, TREE_PART};
use super::{RestoreJob, Target};
use crate::configuration::Source;
use crate::host::Launch;
use crate::progress::Event;
use crate::trust::both_sides;
use crate::{Error, ErrorKind, Host, Plugin, Result, audit};

/// The plugin that knows folders; it also restores what other plugins and other programs archived, as files.
pub(super) const FILES_PLUGIN: &str = "files";

/// Parts that are imported into a folder at once.
const FOLDER_PARALLEL: usize = 4;

/// Whether the target may be changed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Preview,
    Restore,
}

/// A plugin that runs and can reach the target.
pub(super) struct Placed {
    pub session: Session,
    pub parallel: usize,
    plugin: Plugin,
}

impl Placed {
    /// The instance that leads the restore. It must be the plugin that it says it is.
    pub fn coordinator(&self) -> Result<Instance> {
        let mut coordinator = self.session.instance("coordinator")?;
        self.plugin.check_descriptor(&coordinator.describe()?)?;
        Ok(coordinator)
    }

    /// The plugin with its version.
    pub fn plugin_shown(&self) -> String {
        format!("{} {}", self.plugin.name, self.plugin.declaration.version)
    }
}

pub(super) fn place(
    host: &Host,
    job: &RestoreJob<'_>,
    selected: &Selected,
    run: &Arc<audit::Run>,
    purpose: Purpose,
) -> Result<Placed> {
    match &job.target {
        Target::Source { name, source } => {
            into_source(host, (name, source), selected, run, purpose)
        }
        Target::Folder(folder) => into_folder(host, folder, selected, run, purpose),
    }
}

fn into_source(
    host: &Host,
    (name, source): (&Name, &Source),
    selected: &Selected,
    run: &Arc<audit::Run>,
    purpose: Purpose,
) -> Result<Placed> {
    host.observer.event(&Event::Stage("admit"));
    let plugin = host.admit(&source.plugin)?;
    let mut given = source.grants();
    if purpose == Purpose::Preview {
        given = given.read_only();
    }
    let (grants, limits) = both_sides(&plugin, name.as_str(), &given, &source.limits)?;
    if let Some(manifest) = &selected.manifest {
        let archived = &manifest.plugin.name;
        if plugin.name.as_str() != archived {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "snapshot {} was written by plugin {archived}, source {name} has plugin {}",
                    selected.snapshot.id.short(),
                    plugin.name
                ),
            )
            .with_hint("name a source of the same plugin with --into, or a folder with --target"));
        }
    }
    host.observer.event(&Event::Stage("launch"));
    let (name, config) = (name.to_string(), source.config_json());
    let session = host.launch(&plugin, Launch { run, name, grants: &grants, limits, config })?;
    Ok(Placed { session, parallel: usize::try_from(source.parallel).unwrap_or(1), plugin })
}

fn into_folder(
    host: &Host,
    folder: &Path,
    selected: &Selected,
    run: &Arc<audit::Run>,
    purpose: Purpose,
) -> Result<Placed> {
    host.observer.event(&Event::Stage("admit"));
    let plugin = host.admit(FILES_PLUGIN)?;
    let mut folders = BTreeMap::new();
    for part in &selected.parts {
        let id = &part.part.id;
        let name: Name = id.parse().map_err(|error| {
            Error::new(ErrorKind::Damaged, format!("part of a files snapshot: {error}"))
        })?;
        let path = if id == TREE_PART { folder.to_owned() } else { folder.join(name.as_str()) };
        let path = ready(&path, purpose)?;
        let access = if purpose == Purpose::Preview { Access::Read } else { Access::ReadWrite };
        folders.insert(name, FolderGrant { path, access, locks: false });
    }
    let given = Grants { folders, ..Grants::default() };
    let (grants, limits) = both_sides(&plugin, FILES_PLUGIN, &given, &Limits::default())?;
    host.observer.event(&Event::Stage("launch"));
    let (name, config) = (FILES_PLUGIN.to_owned(), "{}".to_owned());
    let session = host.launch(&plugin, Launch { run, name, grants: &grants, limits, config })?;
    Ok(Placed { session, parallel: FOLDER_PARALLEL, plugin })
}

/// The folder itself, made when it is missing; for a preview the nearest folder that exists, which is not changed.
fn ready(path: &Path, purpose: Purpose) -> Result<std::path::PathBuf> {
    let fail = |error: std::io::Error| {
        Error::new(ErrorKind::Failed, format!("target folder {}: {error}", path.display()))
    };
    let absolute = std::path::absolute(path).map_err(fail)?;
    match purpose {
        Purpose::Restore => {
            std::fs::create_dir_all(&absolute).map_err(fail)?;
            Ok(absolute)
        }
        Purpose::Preview if absolute.is_dir() => Ok(absolute),
        Purpose::Preview => Ok(std::env::temp_dir()),
    }
}
