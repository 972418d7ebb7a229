//! begin, join, export, end.

use std::io::Write as _;

use lockgate_plugin::{
    Backup, BackupPlan, BackupRequest, Entry, Error as Told, Finding, Outcome, Part, Result,
    Severity, Summary, archive, job,
};
use serde::{Deserialize, Serialize};

use crate::auth::Auth;
use crate::client::Client;
use crate::cluster::{self, Cluster};
use crate::config::Config;
use crate::error::Error;
use crate::fingerprint;
use crate::keyspace::KeyRange;
use crate::leases::{self, Cache, Granted};
use crate::limits::PAGE_KEYS_FIRST;
use crate::message::Number;
use crate::part::{self, Subject};
use crate::records;
use crate::scan::{self, KeyValue, Revision, Scan, What};
use crate::snapshot;
use crate::split::{self, Index, Piece};

/// Keys between two words of progress.
const PROGRESS_KEYS: u64 = 1_000;

/// A coordinator or a worker of a backup.
#[derive(Debug)]
pub struct Saving {
    config: Config,
    client: Client,
    mark: Mark,
    leases: Cache,
    /// Keys in a page, as the values were that were read last.
    page_keys: u64,
    /// Of the coordinator.
    before: Option<Cluster>,
}

/// What every worker reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    /// The cluster's number.
    cluster: String,
    revision: i64,
}

impl Backup for Saving {
    type Config = Config;

    fn begin(config: Config, request: BackupRequest) -> Result<(Self, BackupPlan)> {
        Ok(Self::start(config, &request)?)
    }

    fn join(config: Config, mark: Vec<u8>) -> Result<Self> {
        Ok(Self::take_part(config, &mark)?)
    }

    fn export(&mut self, part: Part) -> Result<Summary> {
        let subject = Subject::of(&part)?;
        Ok(self.export_subject(&part, &subject)?)
    }

    fn end(mut self, outcome: Outcome) -> Result<Vec<Finding>> {
        let Some(before) = self.before.take().filter(|_| outcome == Outcome::Completed) else {
            return Ok(Vec::new());
        };
        let after = Cluster::look(&mut self.client, &self.config)?;
        Ok(after.changes_since(&before))
    }
}

impl Saving {
    fn start(config: Config, request: &BackupRequest) -> Result<(Self, BackupPlan), Error> {
        let wanted = config.wanted()?;
        let mut client = Client::new(&config)?;
        let before = Cluster::look(&mut client, &config)?;
        for finding in before.findings().iter().filter(|it| it.severity > Severity::Notice) {
            log::warn!("{}", finding.message);
        }
        let mark = Mark { cluster: before.id().to_string(), revision: before.revision };
        let mut keys = At { client: &mut client, revision: mark.revision };
        let pieces = if wanted.is_empty() {
            split::split(&mut keys)?
        } else {
            let piece = |prefix: &Vec<u8>| {
                Ok(Piece::of_prefix(prefix, keys.count(&KeyRange::of_prefix(prefix))?))
            };
            wanted.iter().map(piece).collect::<Result<Vec<Piece>>>()?
        };
        let mut parts: Vec<Part> = pieces.iter().map(part::of_piece).collect();
        let others = [
            (config.leases, Subject::Leases),
            (config.cluster, Subject::Cluster),
            (config.physical_snapshot, Subject::Snapshot),
        ];
        parts
            .extend(others.iter().filter(|(wanted, _)| *wanted).map(|(_, subject)| subject.part()));
        if config.auth {
            parts.push(Auth::read(&mut client)?.name_in(Subject::Auth.part())?);
        }
        let version = before.status.version.as_str();
        for part in &mut parts {
            *part = std::mem::take(part)
                .with_attribute(part::SERVER, version)
                .with_attribute(part::REVISION, mark.revision.to_string());
        }
        let plan = BackupPlan::new(chosen(parts, &request.parts)?)
            .with_mark(serde_json::to_vec(&mark)?)
            .with_attribute("server", format!("etcd {version}"))
            .with_attribute("cluster", format!("{:x}", before.id().0))
            .with_attribute("revision", mark.revision.to_string())
            .with_attribute("consistency", "all keys at one revision");
        let saving = Self {
            config,
            client,
            mark,
            leases: Cache::default(),
            page_keys: PAGE_KEYS_FIRST,
            before: Some(before),
        };
        Ok((saving, plan))
    }

    fn take_part(config: Config, mark: &[u8]) -> Result<Self, Error> {
        let mark: Mark = serde_json::from_slice(mark)?;
        let mut client = Client::new(&config)?;
        let id = mark.cluster.parse().map_err(|_| Told::corrupt("the mark names no cluster"))?;
        client.keep_to(Number(id));
        let header = cluster::header(&mut client, &config.probe()?)?;
        if header.cluster_id.to_string() != mark.cluster {
            let text = "the endpoint leads to more than one cluster: name one member, or a balancer for one cluster";
            return Err(Told::conflict(text).into());
        }
        Ok(Self {
            config,
            client,
            mark,
            leases: Cache::default(),
            page_keys: PAGE_KEYS_FIRST,
            before: None,
        })
    }

    fn export_subject(&mut self, part: &Part, subject: &Subject) -> Result<Summary, Error> {
        match subject {
            Subject::Keys { ranges, .. } => self.export_keys(part, ranges),
            Subject::Leases => {
                let all = leases::all(&mut self.client)?;
                leases::write(&all)?;
                Ok(Summary::of_items(all.len() as u64))
            }
            Subject::Auth => {
                let auth = Auth::read(&mut self.client)?;
                auth.write()?;
                let items = (auth.users.len() + auth.roles.len()) as u64;
                Ok(Summary::of_items(items).with_fingerprint(auth.fingerprint(part)?))
            }
            Subject::Cluster => {
                let cluster = Cluster::look(&mut self.client, &self.config)?;
                let entry = Entry::new("cluster.json").with_media_type("application/json");
                let mut writer = archive::create(&entry)?;
                writer.write_all(&serde_json::to_vec_pretty(&cluster.description())?)?;
                writer.finish()?;
                Ok(Summary::of_items(cluster.members.len() as u64))
            }
            Subject::Snapshot => snapshot::export(&mut self.client, &part.id),
        }
    }

    fn export_keys(&mut self, part: &Part, ranges: &[KeyRange]) -> Result<Summary, Error> {
        let entry = Entry::new(records::ENTRY).with_media_type("application/octet-stream");
        let mut writer = records::Writer::new(archive::create(&entry)?)?;
        let mut keys = fingerprint::Keys::default();
        let mut used = Granted::new();
        let (mut items, mut given, mut ended, mut bytes) = (0, 0, 0, 0);
        for range in ranges {
            // Most ranges of a rest are empty, and the plan counted at the same revision.
            if part.items_estimate == Some(given) {
                break;
            }
            let mut scan = Scan::new(range, What::All, Revision::At(self.mark.revision))
                .with_page_keys(self.page_keys);
            while let Some(record) = scan.next(&mut self.client)? {
                let ttl = match self.granted(&record)? {
                    Lease::None => None,
                    Lease::Granted(ttl) => {
                        used.insert(record.lease, ttl);
                        Some(ttl)
                    }
                    Lease::Ended => {
                        ended += 1;
                        continue;
                    }
                };
                writer.add(&record)?;
                keys.add(&record, ttl);
                items += 1;
                bytes += (record.key.len() + record.value.len()) as u64;
                if items % PROGRESS_KEYS == 0 {
                    job::progress(&part.id, bytes, items);
                }
            }
            (self.page_keys, given) = (scan.page_keys(), given + scan.given());
            agree(scan.counted(), scan.given())?;
        }
        agree(part.items_estimate.unwrap_or(given), given)?;
        self.check_revision()?;
        writer.end()?.finish()?;
        if !used.is_empty() {
            leases::write(&used)?;
        }
        let summary = Summary::of_items(items).with_fingerprint(keys.finish());
        Ok(if ended == 0 {
            summary
        } else {
            summary.with_attribute("lease-ended", ended.to_string())
        })
    }

    fn granted(&mut self, record: &KeyValue) -> Result<Lease, Error> {
        if record.lease == 0 {
            return Ok(Lease::None);
        }
        let granted = self.leases.granted(&mut self.client, record.lease)?;
        Ok(granted.map_or(Lease::Ended, Lease::Granted))
    }

    /// A compaction refuses the revision first and removes keys of it then, so that a read after the last one tells whether
    /// any of them could have missed something.
    fn check_revision(&mut self) -> Result<(), Error> {
        scan::count(&mut self.client, &self.config.probe()?, self.mark.revision).map(drop)
    }
}

/// Whether as many keys came as there are.
fn agree(counted: u64, given: u64) -> Result<(), Error> {
    if counted == given {
        return Ok(());
    }
    let text = format!("the server counts {counted} keys and gave {given}");
    Err(Told::corrupt(text).into())
}

/// What becomes of a key by its lease.
enum Lease {
    None,
    Granted(i64),
    /// The server has removed the key since the revision.
    Ended,
}

/// The keys at a revision.
struct At<'a> {
    client: &'a mut Client,
    revision: i64,
}

impl Index for At<'_> {
    fn count(&mut self, range: &KeyRange) -> Result<u64> {
        Ok(scan::count(self.client, range, self.revision)?.0)
    }

    fn names(&mut self, range: &KeyRange, limit: u64) -> Result<Vec<Vec<u8>>> {
        let mut scan = Scan::new(range, What::Names, Revision::At(self.revision));
        let mut names = Vec::new();
        while (names.len() as u64) < limit {
            match scan.next(self.client)? {
                Some(record) => names.push(record.key),
                None => break,
            }
        }
        Ok(names)
    }
}

/// The parts that were asked for.
fn chosen(parts: Vec<Part>, asked: &[String]) -> Result<Vec<Part>, Error> {
    if let Some(unknown) = asked.iter().find(|id| parts.iter().all(|part| part.id != **id)) {
        return Err(Told::config(format!("there is no part {unknown:?} on the server")).into());
    }
    let is_chosen = |part: &Part| asked.is_empty() || asked.contains(&part.id);
    Ok(parts.into_iter().filter(is_chosen).collect())
}
