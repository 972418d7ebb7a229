//! The way back: each database is written beside its place and then put there.

use std::collections::BTreeSet;

use lockgate_plugin::files::{self, File as Open};
use lockgate_plugin::path::{join, shown};
use lockgate_plugin::{
    Context, Error, Extraction, Finding, Fingerprint, Kind, Metadata, Outcome, Part, Restore,
    RestoreRequest, Result, Severity, Step, archive,
};

use crate::backup::{ENTRY, granted};
use crate::config::Config;
use crate::format::{self, HEADER_BYTES, Header};
use crate::host::{File, Folder, Granted};
use crate::index;
use crate::names::{Place, parent, target};
use crate::snapshot::{Snapshot, beside};

/// Files that belong to a database and would be taken for the new one's.
const BELONGINGS: [&str; 3] = ["-wal", "-journal", "-shm"];
/// Mode of folders that are made.
const FOLDER_MODE: u32 = 0o755;

/// A restore.
#[derive(Debug)]
pub struct Restoring {
    config: Config,
    request: RestoreRequest,
}

impl Restore for Restoring {
    type Config = Config;

    fn preview(config: Config, request: RestoreRequest) -> Result<Vec<Step>> {
        config.validate()?;
        let places = places(&request)?;
        let step = |(part, place): (&Part, &Place)| {
            let folder = Granted::new(&place.folder);
            Ok(Step {
                overwrites: in_the_way(&folder, &place.path)?.is_some(),
                bytes_estimate: part.bytes_estimate,
                ..Step::new(&part.id, "restore database", words(place))
            })
        };
        request.parts.iter().zip(&places).map(step).collect()
    }

    fn begin(config: Config, request: RestoreRequest) -> Result<(Self, Vec<Vec<Part>>)> {
        config.validate()?;
        for place in places(&request)? {
            admit(&place, request.overwrite).with_context(|| words(&place))?;
        }
        let stages = vec![request.parts.clone()];
        Ok((Self { config, request }, stages))
    }

    fn join(config: Config, request: RestoreRequest) -> Result<Self> {
        Ok(Self { config, request })
    }

    fn import(&mut self, part: Part) -> Result<()> {
        let place = target(&self.request, &part.id)?;
        let imported = import(&place, self.request.overwrite);
        if imported.is_err() {
            // The host refuses this when the run is cancelled; `end` does it then.
            let _ = files::remove(&place.folder, &temporary(&place.path));
        }
        imported.with_context(|| words(&place))
    }

    fn fingerprint(&mut self, part: Part) -> Result<String> {
        let place = target(&self.request, &part.id)?;
        let folder = Granted::new(&place.folder);
        let mut snapshot = Snapshot::take(&folder, &place.path, &self.config)?;
        Ok(snapshot.copy(|_| Ok(())).with_context(|| words(&place))?.fingerprint)
    }

    fn end(self, outcome: Outcome) -> Result<Vec<Finding>> {
        if matches!(outcome, Outcome::Completed) {
            return Ok(Vec::new());
        }
        let mut findings = Vec::new();
        for place in places(&self.request)? {
            let path = temporary(&place.path);
            if Granted::new(&place.folder).status(&path)?.is_none() {
                continue;
            }
            if let Err(failure) = files::remove(&place.folder, &path) {
                let text =
                    format!("{}/{} was left: {}", place.folder, shown(&path), Error::from(failure));
                findings.push(Finding::new(Severity::Warning, "leftover", text));
            }
        }
        Ok(findings)
    }
}

fn words(place: &Place) -> String {
    format!("{}/{}", place.folder, shown(&place.path))
}

/// Where the parts go, in their order.
fn places(request: &RestoreRequest) -> Result<Vec<Place>> {
    let folders = granted()?;
    let mut taken = BTreeSet::new();
    let place = |part: &Part| {
        let place = target(request, &part.id)?;
        if !taken.insert(place.clone()) {
            return Err(Error::conflict(format!("two parts would become {}", words(&place))));
        }
        if folders.iter().any(|folder| folder.name == place.folder) {
            return Ok(place);
        }
        Err(Error::denied(format!(
            "folder {} is not granted; grant it, or rename part {}",
            place.folder, part.id
        )))
    };
    request.parts.iter().map(place).collect()
}

/// The first thing that is where the database is to be.
fn in_the_way(folder: &Granted, path: &[u8]) -> Result<Option<Vec<u8>>> {
    let belongings = BELONGINGS.map(|ending| beside(path, ending));
    for path in std::iter::once(path.to_vec()).chain(belongings) {
        if folder.status(&path)?.is_some() {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Whether the database may be put there; also asked again right before.
fn admit(place: &Place, overwrite: bool) -> Result<()> {
    let folder = Granted::new(&place.folder);
    let is_writable = |it: &files::Folder| it.name == place.folder && it.writable;
    if !granted()?.iter().any(is_writable) {
        return Err(Error::denied(
            "its folder is granted read-only, which is too little to restore",
        ));
    }
    match in_the_way(&folder, &place.path)? {
        None => Ok(()),
        Some(path) if !overwrite => {
            Err(Error::conflict(format!("{} exists already", shown(&path))))
        }
        Some(_) => freeze(&folder, &place.path).map(drop),
    }
}

/// What is there is in nobody's use, and stays so for as long as the lock is held.
fn freeze(folder: &Granted, path: &[u8]) -> Result<Option<<Open as File>::Lock>> {
    let used = || {
        Error::conflict(
            "is in use: a program has it open or locked; stop the application that uses it, and restore again",
        )
    };
    if let Some(shared) = folder.open(&beside(path, "-shm"))?
        && !File::is_free(&shared, index::OPEN)?
    {
        return Err(used());
    }
    let Some(main) = folder.open(path)? else { return Ok(None) };
    let lock = main.lock(format::LOCKED, 0)?.ok_or_else(used)?;
    if File::is_free(&main, format::LOCKED)? { Ok(Some(lock)) } else { Err(used()) }
}

/// The name beside the database under which it is written.
fn temporary(path: &[u8]) -> Vec<u8> {
    let mut name = Fingerprint::new();
    name.add(path);
    let digest = name.finish();
    let short = digest.rsplit(':').next().and_then(|it| it.get(..16)).unwrap_or("new");
    join(parent(path), format!(".lockgate-{short}").as_bytes())
}

fn import(place: &Place, overwrite: bool) -> Result<()> {
    let (folder, path) = (&place.folder, &place.path);
    let entry = archive::open(ENTRY)?.entry();
    make_folders(folder, path, entry.metadata.as_ref())?;
    let new = temporary(path);
    let file = files::create(folder, &new, true)?;
    archive::extract(&[Extraction { path: ENTRY.to_vec(), target: &file, offset: 0 }])?;
    check(&file)?;
    if let Some(metadata) = &entry.metadata {
        for refused in file.apply(metadata)? {
            log::warn!("{}: {refused}", words(place));
        }
    }
    file.sync()?;
    put(place, &new, overwrite)?;
    // Once more, for the new name.
    Ok(file.sync()?)
}

/// What was archived is a database still.
fn check(file: &Open) -> Result<()> {
    let bytes = File::read_at(file, 0, HEADER_BYTES)?;
    match Header::parse(&bytes) {
        Ok(_) => Ok(()),
        Err(_) if bytes.is_empty() => Ok(()),
        Err(foreign) => Err(Error::corrupt(format!("what was archived {foreign}"))),
    }
}

/// Gives the finished file its name. What belongs to an older database goes first: a log of it would be taken for the new one's.
fn put(place: &Place, new: &[u8], overwrite: bool) -> Result<()> {
    let (name, path) = (&place.folder, &place.path);
    admit(place, overwrite)?;
    let folder = Granted::new(name);
    let _frozen = if overwrite { freeze(&folder, path)? } else { None };
    if overwrite {
        for ending in BELONGINGS {
            let path = beside(path, ending);
            if folder.status(&path)?.is_some() {
                files::remove(name, &path)?;
            }
        }
    }
    files::link(name, path, new, overwrite)?;
    Ok(files::remove(name, new)?)
}

/// Makes the folders above `path` that are missing, with the database's owner.
fn make_folders(folder: &str, path: &[u8], metadata: Option<&Metadata>) -> Result<()> {
    let seam = Granted::new(folder);
    let mut missing = Vec::new();
    let mut above = parent(path);
    while !above.is_empty() && seam.status(above)?.is_none() {
        missing.push(above.to_vec());
        above = parent(above);
    }
    for path in missing.into_iter().rev() {
        let made = Metadata::new(Kind::Directory, FOLDER_MODE).beside(metadata);
        files::make(folder, &path, &made, false)?;
        for refused in files::apply(folder, &path, &made)? {
            log::warn!("{folder}/{}: {refused}", shown(&path));
        }
    }
    Ok(())
}
