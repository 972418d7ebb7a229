//! Snapshots as folders: by id, by time, and by what they say of themselves.
//!
//! ```text
//! ids/1a2b3c4d/             snapshots/2026-11-22T05:00:00Z/    snapshots/latest
//! hosts/HOST/TIME/, latest  sources/SOURCE/TIME/, latest       tags/TAG/TIME/, latest
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use lockgate_repository::{Snapshot, Time};
use lockgate_types::{Digest, Timestamp};

use crate::names;

/// The name of the link to the newest snapshot of a folder.
const LATEST: &str = "latest";
/// Digits of an id that people see.
const SHORT_DIGITS: usize = 8;

/// A folder that no snapshot holds.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// The time of the newest snapshot below it.
    pub(crate) modified: Timestamp,
    pub(crate) names: BTreeMap<Arc<str>, Shown>,
}

/// What such a folder holds.
#[derive(Clone, Debug)]
pub(crate) enum Shown {
    Listing(Arc<Listing>),
    /// The name that it leads to, in the same folder, and the time of that.
    Link(Arc<str>, Timestamp),
    Root(Arc<Root>),
}

/// The root of a snapshot.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Root {
    pub(crate) id: Digest,
    pub(crate) tree: Digest,
    pub(crate) time: Timestamp,
}

/// The way from the root of the file system to a folder of it that no snapshot holds.
pub(crate) type Way = Arc<[Arc<str>]>;

/// All folders for `snapshots`, the oldest of which is first.
pub(crate) fn build(snapshots: &[Snapshot]) -> Listing {
    let (mut ids, mut all) = (Listing::default(), Group::default());
    let [mut hosts, mut sources, mut tags] = [(); 3].map(|()| Groups::new());
    let mut short = HashMap::new();
    for snapshot in snapshots {
        *short.entry(short_id(&snapshot.id)).or_insert(0) += 1;
    }
    for snapshot in snapshots {
        let (id, tree, time) = (snapshot.id, snapshot.tree, snapshot.time.timestamp);
        let root = Arc::new(Root { id, tree, time });
        let name = short_id(&id);
        let is_alone = short.get(&name) == Some(&1);
        let name = if is_alone { name } else { id.to_string() };
        ids.put(name, Shown::Root(Arc::clone(&root)), time);
        let time = time_name(snapshot.time);
        all.add(&time, &root);
        let paths = snapshot.paths.iter().map(|path| path.trim_start_matches('/'));
        add(&mut hosts, [snapshot.hostname.as_str()], &time, &root);
        add(&mut sources, paths, &time, &root);
        add(&mut tags, snapshot.tags.iter().map(String::as_str), &time, &root);
    }
    let mut top = Listing::default();
    let newest = snapshots.last().map_or(Timestamp::default(), |it| it.time.timestamp);
    let folders = [
        ("ids", ids),
        ("snapshots", all.finish()),
        ("hosts", finish(hosts)),
        ("sources", finish(sources)),
        ("tags", finish(tags)),
    ];
    for (name, folder) in folders {
        top.put(name, Shown::Listing(Arc::new(folder)), newest);
    }
    top
}

impl Listing {
    fn put(&mut self, name: impl Into<Arc<str>>, shown: Shown, time: Timestamp) {
        self.names.insert(name.into(), shown);
        self.modified = self.modified.max(time);
    }

    /// The folder that `way` leads to, when it is still there.
    pub(crate) fn at(self: &Arc<Self>, way: &[Arc<str>]) -> Option<Arc<Self>> {
        let mut listing = Arc::clone(self);
        for name in way {
            let Some(Shown::Listing(below)) = listing.names.get(name) else { return None };
            let below = Arc::clone(below);
            listing = below;
        }
        Some(listing)
    }
}

/// Snapshots that have something in common, by time.
#[derive(Default)]
struct Group {
    listing: Listing,
    /// How often each time was there.
    times: HashMap<String, u32>,
    latest: Option<Arc<str>>,
}

type Groups = BTreeMap<String, Group>;

impl Group {
    fn add(&mut self, time: &str, root: &Arc<Root>) {
        let count = self.times.entry(time.to_owned()).or_insert(0);
        let name: Arc<str> = match *count {
            0 => time.into(),
            before => format!("{time}-{before}").into(),
        };
        *count += 1;
        self.latest = Some(Arc::clone(&name));
        self.listing.put(name, Shown::Root(Arc::clone(root)), root.time);
    }

    fn finish(mut self) -> Listing {
        if let Some(latest) = self.latest {
            let time = self.listing.modified;
            self.listing.put(LATEST, Shown::Link(latest, time), time);
        }
        self.listing
    }
}

/// Texts that become the same name share a folder.
fn add<'a>(
    groups: &mut Groups,
    texts: impl IntoIterator<Item = &'a str>,
    time: &str,
    root: &Arc<Root>,
) {
    let names: BTreeSet<String> = texts.into_iter().map(names::of_text).collect();
    for name in names {
        groups.entry(name).or_default().add(time, root);
    }
}

fn finish(groups: Groups) -> Listing {
    let mut listing = Listing::default();
    for (name, group) in groups {
        let group = group.finish();
        let modified = group.modified;
        listing.put(name, Shown::Listing(Arc::new(group)), modified);
    }
    listing
}

fn short_id(id: &Digest) -> String {
    id.to_string().chars().take(SHORT_DIGITS).collect()
}

/// To the second, by the clock of the machine that made the backup.
fn time_name(time: Time) -> String {
    let timestamp = Timestamp { nanoseconds: 0, ..time.timestamp };
    names::of_text(&Time { timestamp, ..time }.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(id: u8, time: &str, host: &str, path: &str, tags: &[&str]) -> Snapshot {
        Snapshot {
            id: Digest([id; 32]),
            time: time.parse().unwrap(),
            parent: None,
            tree: Digest([id; 32]),
            paths: vec![path.to_owned()],
            hostname: host.to_owned(),
            username: String::new(),
            uid: 0,
            gid: 0,
            excludes: Vec::new(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            original: None,
            program_version: String::new(),
            summary: None,
        }
    }

    fn names(listing: &Arc<Listing>, way: &[&str]) -> Vec<String> {
        let way: Vec<Arc<str>> = way.iter().map(|name| (*name).into()).collect();
        let listing = listing.at(&way).expect("it is there");
        listing.names.keys().map(|name| name.to_string()).collect()
    }

    #[test]
    fn snapshots_are_found_by_all_that_they_say() {
        let view = Arc::new(build(&[
            snapshot(1, "2026-01-01T05:00:00.5Z", "a", "/home", &["x", "x"]),
            snapshot(2, "2026-01-01T05:00:00.7Z", "b", "/home", &[]),
            snapshot(3, "2026-01-01T06:00:00+01:00", "b", "/srv/data", &["x"]),
        ]));
        assert_eq!(names(&view, &[]), ["hosts", "ids", "snapshots", "sources", "tags"]);
        assert_eq!(names(&view, &["ids"]), ["01010101", "02020202", "03030303"]);
        let times = ["2026-01-01T05:00:00Z", "2026-01-01T05:00:00Z-1"];
        let other = "2026-01-01T06:00:00+01:00";
        assert_eq!(names(&view, &["snapshots"]), [times[0], times[1], other, LATEST]);
        assert_eq!(names(&view, &["hosts"]), ["a", "b"]);
        assert_eq!(names(&view, &["hosts", "b"]), [times[0], other, LATEST]);
        assert_eq!(names(&view, &["sources"]), ["home", "srv_data"]);
        assert_eq!(names(&view, &["tags", "x"]), [times[0], other, LATEST]);
        let folder = view.at(&["hosts".into(), "b".into()]).unwrap();
        assert!(matches!(&folder.names[LATEST], Shown::Link(target, _) if **target == *other));
    }

    #[test]
    fn hostile_texts_stay_in_their_folder() {
        let time = "2026-01-01T05:00:00Z";
        let view = Arc::new(build(&[
            snapshot(1, time, "..", "/../etc", &["../..", "", "a\0b", "latest", "."]),
            snapshot(2, time, "__", "", &["a_b"]),
        ]));
        assert_eq!(names(&view, &["hosts"]), ["__"]);
        assert_eq!(names(&view, &["sources"]), [".._etc", "_"]);
        assert_eq!(names(&view, &["tags"]), [".._..", "_", "a_b", "latest"]);
        assert_eq!(names(&view, &["hosts", "__"]).len(), 3);
        assert!(view.at(&["ids".into(), "01010101".into()]).is_none());
        assert!(view.at(&["hosts".into(), "gone".into()]).is_none());
    }

    #[test]
    fn ids_that_begin_alike_are_shown_whole() {
        let mut other = snapshot(1, "2026-01-01T05:00:00Z", "a", "/a", &[]);
        other.id.0[31] = 9;
        let view = Arc::new(build(&[snapshot(1, "2026-01-01T05:00:00Z", "a", "/a", &[]), other]));
        assert!(names(&view, &["ids"]).iter().all(|name| name.len() == 64));
    }
}
