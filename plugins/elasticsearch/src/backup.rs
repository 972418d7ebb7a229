//! begin, join, release, export, end.

use std::collections::BTreeMap;
use std::io::Write;

use lockgate_plugin::http::segment;
use lockgate_plugin::{
    Backup, BackupPlan, BackupRequest, Context, Entry, Error, Failure, Finding, Outcome, Part,
    Result, Severity, Summary, archive, job, listed,
};
use serde::{Deserialize, Serialize};

use crate::catalog::{Catalog, Index};
use crate::config::Config;
use crate::definition::{self, Definition};
use crate::document::{self, Action, DocumentWriter, Tally};
use crate::health;
use crate::limits::HELD_SHARDS_MAX;
use crate::names::{Kind, NAME, Subject};
use crate::object;
use crate::page::{Layout, Reader, View};
use crate::point;
use crate::server::{self, Server};

/// How long a point in time outlives a backup that was killed while it was opened or read, in the server's words.
const SHORT_KEEP_ALIVE: &str = "5m";
/// Documents between two words on the progress.
const PROGRESS_DOCUMENTS: u64 = 10_000;

/// A coordinator or a worker of a backup.
#[derive(Debug)]
pub struct Saving {
    config: Config,
    server: Server,
    mark: Mark,
    findings: Vec<Finding>,
}

/// What the coordinator tells the workers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Mark {
    /// Points in time that the coordinator holds, by index.
    points: BTreeMap<String, String>,
    /// The indexes of each part, as they are read.
    parts: BTreeMap<String, Vec<Read>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Read {
    index: String,
    shards: u32,
    window: u64,
}

impl Backup for Saving {
    type Config = Config;

    fn begin(config: Config, request: BackupRequest) -> Result<(Self, BackupPlan)> {
        config.validate()?;
        let server = Server::probe(&config)?;
        let mut catalog = Catalog::read(&config)?;
        catalog
            .retain(|kind, name| request.asks_for(&Subject { kind, name: name.to_owned() }.id()));
        refuse_red(&catalog)?;
        let mut parts = parts_with_documents(&catalog, &server)?;
        parts.extend(other_parts(&config, &request, &server)?);
        let mut findings = std::mem::take(&mut catalog.findings);
        findings.push(health::cluster()?);
        findings.retain(|finding| finding.severity != Severity::Ok);

        let mut saving = Self { config, server, mark: Mark::default(), findings };
        match saving.hold(&catalog) {
            // In a cancelled run nothing can be closed any more but in `end`, which follows what began.
            Err(error) if *error.failure() != Failure::Cancelled => {
                saving.close_points();
                return Err(error);
            }
            _ => {}
        }
        saving.mark.parts = reads(&catalog);
        let plan = BackupPlan::new(parts)
            .with_attribute("server", server.to_string())
            .with_attribute("shards", catalog.shards().to_string())
            .with_attribute("points-in-time", saving.mark.points.len().to_string())
            .with_mark(serde_json::to_vec(&saving.mark)?);
        // Those beyond what may be held are as they are at their turn.
        let holds_all = saving.mark.points.len() == catalog.all().count();
        let plan = if holds_all { plan } else { plan.with_moment_of_export() };
        Ok((saving, plan))
    }

    fn join(config: Config, mark: Vec<u8>) -> Result<Self> {
        let server = Server::probe(&config)?;
        let mark = serde_json::from_slice(&mark)?;
        Ok(Self { config, server, mark, findings: Vec::new() })
    }

    /// From now on the points wait for their turn. Not longer before: the answer that tells the id of one may be lost when
    /// the run is cancelled, and nobody could close it.
    fn release(&mut self) -> Result<()> {
        let keep_alive = format!("{}m", self.config.keep_alive_minutes);
        self.mark.points.values().try_for_each(|id| point::prolong(id, &keep_alive))
    }

    fn export(&mut self, part: Part) -> Result<Summary> {
        let subject = Subject::of(&part)?;
        let exported = match subject.kind {
            Kind::Index => self.export_index(&part, &subject.name),
            Kind::DataStream => self.export_stream(&part),
            kind => export_objects(&part, kind, &self.config),
        };
        exported.with_context(|| subject.shown())
    }

    fn end(mut self, outcome: Outcome) -> Result<Vec<Finding>> {
        self.close_points();
        if outcome == Outcome::Completed {
            let after = health::cluster()?;
            if !self.findings.iter().any(|before| before.code == after.code)
                && after.severity != Severity::Ok
            {
                self.findings.push(after);
            }
        }
        Ok(self.findings)
    }
}

impl Saving {
    /// Opens points in time for as many indexes as may be held at once. The rest gets one at its turn.
    fn hold(&mut self, catalog: &Catalog) -> Result<()> {
        let mut shards = 0;
        let mut later = Vec::new();
        for index in catalog.all() {
            shards += u64::from(index.layout.shards);
            if shards > HELD_SHARDS_MAX {
                later.push(index.name.clone());
                continue;
            }
            let point = point::open(self.server.product, &index.name, SHORT_KEEP_ALIVE)
                .with_context(|| format!("opening a point in time of index {}", index.name))?;
            self.mark.points.insert(index.name.clone(), point);
        }
        if !later.is_empty() {
            let text = format!(
                "more than {HELD_SHARDS_MAX} shards: indexes that are read as they are at their turn: {}",
                listed(&later)
            );
            self.findings.push(Finding::new(Severity::Notice, "read-later", text));
        }
        Ok(())
    }

    /// Best effort: one that stays ends by itself after `keep-alive-minutes`.
    fn close_points(&mut self) {
        let points = std::mem::take(&mut self.mark.points);
        let mut left = Vec::new();
        for (index, point) in points {
            if point::close(self.server.product, &point).is_err() {
                left.push(index);
            }
        }
        if !left.is_empty() {
            let text = format!(
                "points in time that could not be closed, and stay up to {} minutes: {}",
                self.config.keep_alive_minutes,
                listed(&left)
            );
            self.findings.push(Finding::new(Severity::Warning, "points-left", text));
        }
    }

    fn export_index(&self, part: &Part, name: &str) -> Result<Summary> {
        let definition = Definition::read(name)?
            .ok_or_else(|| Error::conflict("it was deleted while the backup ran"))?;
        let mut writer =
            archive::create(&Entry::new(definition::ENTRY).with_media_type("application/json"))?;
        serde_json::to_writer(&mut writer, &definition)?;
        writer.finish()?;
        let tally = self.export_documents(part, Action::Index)?;
        Ok(Summary::of_items(tally.count).with_fingerprint(of_index(
            tally,
            definition.hash(),
            definition.hash_of_aliases(),
        )))
    }

    fn export_stream(&self, part: &Part) -> Result<Summary> {
        let tally = self.export_documents(part, Action::Create)?;
        Ok(Summary::of_items(tally.count).with_fingerprint(tally.text()))
    }

    fn export_documents(&self, part: &Part, action: Action) -> Result<Tally> {
        let reads = self.mark.parts.get(&part.id);
        let reads = reads.ok_or_else(|| Error::corrupt("the part is not in the plan"))?;
        let entry = Entry::new(document::ENTRY).with_media_type("application/x-ndjson");
        let mut writer = DocumentWriter::new(archive::create(&entry)?, action);
        for read in reads {
            let layout = Layout { shards: read.shards, window: read.window };
            let keep_alive = SHORT_KEEP_ALIVE.to_owned();
            match self.mark.points.get(&read.index) {
                Some(id) => {
                    let view = View::Point { id: id.clone(), keep_alive };
                    copy(part, view, layout, &mut writer)?;
                }
                None => {
                    let product = self.server.product;
                    let id = point::open(product, &read.index, &keep_alive)?;
                    let view = View::Point { id: id.clone(), keep_alive };
                    let copied = copy(part, view, layout, &mut writer);
                    let closed = point::close(product, &id);
                    copied.and(closed)?;
                }
            }
        }
        let tally = writer.tally();
        writer.into_inner().finish()?;
        Ok(tally)
    }
}

fn copy<W: Write>(
    part: &Part,
    view: View,
    layout: Layout,
    writer: &mut DocumentWriter<W>,
) -> Result<()> {
    Reader::new(view, layout).each(|hit| {
        writer.write(hit)?;
        let count = writer.tally().count;
        if count.is_multiple_of(PROGRESS_DOCUMENTS) {
            job::progress(&part.id, 0, count);
        }
        Ok(())
    })
}

/// The fingerprint of what a part with documents became: of `name` as it is now at the server.
///
/// # Errors
/// When it cannot be read.
pub fn live_documents(part: &Part, kind: Kind, name: &str, has_aliases: bool) -> Result<String> {
    if kind == Kind::DataStream {
        let backing = definition::backing(name)?;
        let backing = backing.ok_or_else(|| Error::conflict("there is no such data stream"))?;
        let mut writer = DocumentWriter::new(std::io::sink(), Action::Create);
        for index in backing {
            read_live(part, &index, &mut writer)?;
        }
        return Ok(writer.tally().text());
    }
    let mut writer = DocumentWriter::new(std::io::sink(), Action::Index);
    let definition = read_live(part, name, &mut writer)?;
    let aliases = if has_aliases {
        definition.hash_of_aliases()
    } else {
        // Left out on purpose: those of the archive stand for them.
        let archived = part.attribute(definition::ALIASES).unwrap_or_default();
        u128::from_str_radix(archived, 16)
            .map_err(|_| Error::corrupt(format!("part {} does not tell its aliases", part.id)))?
    };
    Ok(of_index(writer.tally(), definition.hash(), aliases))
}

fn read_live<W: Write>(
    part: &Part,
    index: &str,
    writer: &mut DocumentWriter<W>,
) -> Result<Definition> {
    let definition = Definition::read(index)?;
    let definition =
        definition.ok_or_else(|| Error::conflict(format!("there is no index {index}")))?;
    crate::client::must("POST", &format!("/{}/_refresh", segment(index)), None)?;
    let view = View::Live { index: index.to_owned() };
    copy(part, view, definition.layout(), writer)?;
    Ok(definition)
}

fn of_index(tally: Tally, definition: u128, aliases: u128) -> String {
    format!("{}-{:032x}", tally.text(), definition.wrapping_add(aliases))
}

/// A red index has lost documents, perhaps for a while only: a backup of the rest would look like one of all.
fn refuse_red(catalog: &Catalog) -> Result<()> {
    let red: Vec<String> =
        catalog.all().filter(|index| index.is_red).map(|index| index.name.clone()).collect();
    if red.is_empty() {
        return Ok(());
    }
    Err(Error::conflict(format!(
        "primary shards are missing (red): {}; `GET /_cluster/allocation/explain` says why; leave them out with `exclude` \
         in `config` to save the rest",
        listed(&red)
    )))
}

fn parts_with_documents(catalog: &Catalog, server: &Server) -> Result<Vec<Part>> {
    let part = |kind: Kind, name: &str, indexes: &[Index]| {
        let subject = Subject { kind, name: name.to_owned() };
        let mut part = Part::new(subject.id(), kind.name())
            .with_attribute(server::ATTRIBUTE, server.to_string())
            .with_attribute(NAME, name);
        part.bytes_estimate = indexes.iter().map(|index| index.bytes).sum();
        part.items_estimate = indexes.iter().map(|index| index.documents).sum();
        part
    };
    let mut parts = Vec::new();
    for index in &catalog.indexes {
        let definition = Definition::read(&index.name)?;
        let definition = definition
            .ok_or_else(|| Error::conflict(format!("index {} was just deleted", index.name)))?;
        let mut part = part(Kind::Index, &index.name, std::slice::from_ref(index));
        let aliases = format!("{:032x}", definition.hash_of_aliases());
        part = part.with_attribute(definition::ALIASES, aliases);
        parts.push(part);
    }
    for (name, backing) in &catalog.streams {
        parts.push(part(Kind::DataStream, name, backing));
    }
    Ok(parts)
}

fn other_parts(config: &Config, request: &BackupRequest, server: &Server) -> Result<Vec<Part>> {
    let kinds = [
        (Kind::Pipelines, config.pipelines),
        (Kind::Templates, config.templates),
        (Kind::Settings, config.cluster_settings),
    ];
    let mut parts = Vec::new();
    for (kind, is_wanted) in kinds {
        if is_wanted && request.asks_for(kind.name()) {
            let part = object::part(kind, &object::read_taken(kind, config)?)?;
            parts.push(part.with_attribute(server::ATTRIBUTE, server.to_string()));
        }
    }
    Ok(parts)
}

fn reads(catalog: &Catalog) -> BTreeMap<String, Vec<Read>> {
    let id = |kind, name: &str| Subject { kind, name: name.to_owned() }.id();
    let read = |index: &Index| Read {
        index: index.name.clone(),
        shards: index.layout.shards,
        window: index.layout.window,
    };
    let indexes =
        catalog.indexes.iter().map(|index| (id(Kind::Index, &index.name), vec![read(index)]));
    let streams = catalog
        .streams
        .iter()
        .map(|(name, backing)| (id(Kind::DataStream, name), backing.iter().map(read).collect()));
    indexes.chain(streams).collect()
}

fn export_objects(part: &Part, kind: Kind, config: &Config) -> Result<Summary> {
    let objects = object::read_taken(kind, config)?;
    if object::part(kind, &objects)?.attributes.first() != part.attributes.first() {
        return Err(Error::conflict("they were changed while the backup ran: run it again"));
    }
    object::write(&objects)?;
    let fingerprint = object::fingerprint(&objects, &object::names(part)?);
    Ok(Summary::of_items(objects.len() as u64).with_fingerprint(fingerprint))
}
