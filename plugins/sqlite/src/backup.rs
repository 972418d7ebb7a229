//! The way out: finds the databases and exports each from a snapshot of its own.

use std::io::Write;

use lockgate_plugin::path::shown;
use lockgate_plugin::{
    Backup, BackupPlan, BackupRequest, Context, Entry, Error, Part, Result, Summary, archive, files,
};

use crate::config::Config;
use crate::format::{HEADER_BYTES, Header};
use crate::host::{File, Folder, Granted};
use crate::names::{Place, part_id, place};
use crate::snapshot::Snapshot;
use crate::walk::databases;

/// Kind of the parts.
pub const DATABASE: &str = "database";
/// The one entry of a part.
pub const ENTRY: &[u8] = b"database";
/// Media type of a database (<https://www.iana.org/assignments/media-types/application/vnd.sqlite3>).
const MEDIA_TYPE: &str = "application/vnd.sqlite3";
/// Files that are no databases and are named in an error.
const NAMED_MAX: usize = 5;

/// A backup.
#[derive(Debug)]
pub struct Saving {
    config: Config,
}

impl Backup for Saving {
    type Config = Config;

    fn begin(config: Config, request: BackupRequest) -> Result<(Self, BackupPlan)> {
        config.validate()?;
        let mut parts = Vec::new();
        let mut foreign = Vec::new();
        for folder in granted()? {
            for found in databases(&folder.name, &config)? {
                let id = part_id(&folder.name, &found.path);
                if !request.asks_for(&id) {
                    continue;
                }
                if let Some(why) = look(&folder.name, &found.path)? {
                    foreign.push(format!("{}/{} {why}", folder.name, shown(&found.path)));
                }
                let bytes_estimate = Some(found.size);
                parts.push(Part { bytes_estimate, ..Part::new(id, DATABASE) });
            }
        }
        refuse(&foreign)?;
        let plan = BackupPlan::new(parts)
            .with_moment_of_export()
            .with_attribute("consistency", "each database at one moment");
        Ok((Self { config }, plan))
    }

    fn join(config: Config, _mark: Vec<u8>) -> Result<Self> {
        Ok(Self { config })
    }

    fn export(&mut self, part: Part) -> Result<Summary> {
        let Place { folder, path } = place(&part.id)?;
        let folder = Granted::new(&folder);
        let mut snapshot = Snapshot::take(&folder, &path, &self.config)?;
        let copied = export(&mut snapshot).with_context(|| part.id.clone())?;
        if copied.unwritten > 0 {
            log::warn!("{}: {} pages were never written and are zero", part.id, copied.unwritten);
        }
        let summary = Summary::of_items(snapshot.pages.into()).with_fingerprint(copied.fingerprint);
        Ok(described(summary, &snapshot)
            .with_attribute("pages-from-log", copied.from_log.to_string()))
    }
}

fn export<F: Folder>(snapshot: &mut Snapshot<'_, F>) -> Result<crate::image::Copied> {
    let mut metadata = snapshot.main.metadata()?;
    metadata.size = snapshot.bytes();
    // A second name of the file is no business of the copy.
    metadata.links = 1;
    let entry = Entry::new(ENTRY)
        .with_media_type(MEDIA_TYPE)
        .with_size_hint(metadata.size)
        .with_metadata(metadata);
    let mut writer = archive::create(&entry)?;
    let copied = snapshot.copy(|block| Ok(writer.write_all(block)?))?;
    writer.finish()?;
    Ok(copied)
}

/// What a database says of itself, in attributes.
fn described<F: Folder>(summary: Summary, snapshot: &Snapshot<'_, F>) -> Summary {
    let summary = summary.with_attribute("journal-mode", snapshot.mode().name());
    let Some(header) = &snapshot.header else { return summary };
    let pairs = [
        ("page-size", header.page_size.to_string()),
        ("pages", snapshot.pages.to_string()),
        ("user-version", header.user_version.to_string()),
        ("application-id", header.application_id.to_string()),
        ("schema-cookie", header.schema_cookie.to_string()),
        ("encoding", header.encoding.to_owned()),
        ("auto-vacuum", header.auto_vacuum.to_owned()),
        ("written-by", header.library()),
    ];
    pairs.into_iter().fold(summary, |summary, (key, value)| summary.with_attribute(key, value))
}

/// The folders of the source.
///
/// # Errors
/// When there is none.
pub fn granted() -> Result<Vec<files::Folder>> {
    let folders = files::folders()?;
    if folders.is_empty() {
        return Err(Error::config("no folder is granted to this source; add `folders.NAME`"));
    }
    Ok(folders)
}

/// Why a file is no database. What is empty is one; what is gone is the export's to say.
///
/// # Errors
/// When it cannot be read.
pub fn look(folder: &str, path: &[u8]) -> Result<Option<String>> {
    let Some(file) = Granted::new(folder).open(path)? else { return Ok(None) };
    let bytes = File::read_at(&file, 0, HEADER_BYTES)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    Ok(Header::parse(&bytes).err().map(|foreign| foreign.to_string()))
}

/// Nothing is left out in silence: an encrypted database has to be saved in another way.
fn refuse(foreign: &[String]) -> Result<()> {
    let more = match foreign.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        count => format!(" and {count} others"),
    };
    match foreign.get(..NAMED_MAX).unwrap_or(foreign) {
        [] => Ok(()),
        named => Err(Error::unsupported(format!(
            "{}{more}; leave out with `exclude` what is not to be saved, and save encrypted databases through their application",
            named.join("; ")
        ))),
    }
}
