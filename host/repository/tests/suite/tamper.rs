//! Whoever can write to the storage can change, cut, remove, swap and put back whatever is there. None of it goes unnoticed, and
//! no restore ever gives a wrong byte: each single bit, each length and each pair of a small repository is tried.
//!
//! With `LOCKGATE_TEST_SCALE=full` all of them, else a tenth, another one with every seed in `LOCKGATE_TEST_SEED`.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use lockgate_repository::{CheckOptions, InitOptions, ReadData, Repository, Snapshot};
use lockgate_storage::{Storage, StorageOptions};

use crate::history::{Files, restored};
use crate::referee::{PASSWORD, noise, write};

/// Every object by its name.
type Objects = BTreeMap<String, Bytes>;

/// A repository in memory as it was after each of two backups.
struct World {
    first: Objects,
    objects: Objects,
    snapshots: Vec<(Snapshot, Files)>,
}

/// What is done to the storage, as the bytes that names get; none removes the object.
type Change = Vec<(String, Option<Bytes>)>;

pub fn memory() -> Storage {
    Storage::open(&"memory:".parse().unwrap(), &StorageOptions::new()).unwrap()
}

/// All objects of a storage.
pub async fn objects(storage: &Storage) -> Objects {
    let mut objects = Objects::new();
    for object in storage.list("").await.unwrap() {
        objects.insert(object.name.clone(), storage.get(&object.name).await.unwrap());
    }
    objects
}

pub async fn replace(storage: &Storage, name: &str, bytes: Option<&Bytes>) {
    storage.delete(name).await.unwrap();
    if let Some(bytes) = bytes {
        storage.put(name, vec![bytes.clone()]).await.unwrap();
    }
}

impl World {
    /// Of about `bytes` bytes.
    async fn new(bytes: usize) -> Self {
        let mut options = InitOptions::default();
        options.scrypt_n = 2;
        let storage = memory();
        let repository = Repository::init(storage.clone(), PASSWORD, options).await.unwrap();
        let part = bytes / 8;
        let text = "all that is said twice is stored once; ".repeat(part / 16).into_bytes();
        let one = vec![
            ("first", noise(1, part)),
            ("shared", noise(2, 2 * part)),
            ("below/text", text.clone()),
        ];
        let two = vec![
            ("shared", noise(2, 2 * part)),
            ("new", noise(3, 2 * part)),
            ("below/it/too", text),
            ("empty", vec![]),
        ];
        let mut snapshots = Vec::new();
        let mut states = Vec::new();
        for files in [one, two] {
            let snapshot = write(&repository, &files).await.unwrap();
            states.push(objects(&storage).await);
            let files = files.into_iter().map(|(path, bytes)| (path.to_owned(), bytes)).collect();
            snapshots.push((snapshot, files));
        }
        let [first, objects] = <[Objects; 2]>::try_from(states).unwrap();
        Self { first, objects, snapshots }
    }

    /// Tries every change on copies of the repository, on all processors. Gives how many there were.
    fn try_all(&self, changes: impl Iterator<Item = Change> + Send) -> u64 {
        let (changes, tried) = (Mutex::new(changes), AtomicU64::new(0));
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let runtime =
                        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    runtime.block_on(async {
                        let storage = memory();
                        for (name, bytes) in &self.objects {
                            storage.put(name, vec![bytes.clone()]).await.unwrap();
                        }
                        loop {
                            let Some(change) = changes.lock().unwrap().next() else { return };
                            self.try_one(&storage, change).await;
                            tried.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                });
            }
        });
        tried.into_inner()
    }

    async fn try_one(&self, storage: &Storage, change: Change) {
        for (name, bytes) in &change {
            replace(storage, name, bytes.as_ref()).await;
        }
        let names: Vec<&str> = change.iter().map(|(name, _)| name.as_str()).collect();
        assert!(
            self.is_noticed(storage).await,
            "not noticed: {names:?} {:?}",
            self.difference(&change)
        );
        for name in names {
            replace(storage, name, self.objects.get(name)).await;
        }
    }

    /// Where a change begins, for the message of a failure.
    fn difference(&self, change: &Change) -> Vec<Option<usize>> {
        let first = |(name, new): &(String, Option<Bytes>)| {
            let (old, new) = (self.objects.get(name)?, new.as_ref()?);
            old.iter().zip(new).position(|(old, new)| old != new)
        };
        change.iter().map(first).collect()
    }

    /// By opening, by a check, or by asking for a snapshot that was there; and whatever is restored is right.
    async fn is_noticed(&self, storage: &Storage) -> bool {
        let Ok(repository) = Repository::open(storage.clone(), PASSWORD).await else { return true };
        let mut options = CheckOptions::default();
        (options.read_data, options.lock) = (ReadData::All, false);
        let is_clean = repository.check(options).await.is_ok_and(|report| report.is_clean());
        let mut all_are_there = true;
        for (snapshot, files) in &self.snapshots {
            let Ok(found) = repository.snapshot(&snapshot.id.to_string()).await else {
                all_are_there = false;
                continue;
            };
            assert!(found.tree == snapshot.tree && found.time == snapshot.time, "another snapshot");
            match restored(&repository, &found).await {
                Ok(given) => assert!(given == *files, "a restore gave something else"),
                Err(_) => all_are_there = false,
            }
        }
        !is_clean || !all_are_there
    }
}

fn is_full() -> bool {
    std::env::var("LOCKGATE_TEST_SCALE").is_ok_and(|scale| scale == "full")
}

/// About one of ten, or all.
fn is_chosen(number: usize) -> bool {
    let seed: u64 =
        std::env::var("LOCKGATE_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let mixed = (number as u64 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .wrapping_mul(0xbf58_476d_1ce4_e5b9);
    is_full() || (mixed >> 32).is_multiple_of(10)
}

/// The kind of an object: the folder it lies in.
fn kind(name: &str) -> &str {
    name.split('/').next().unwrap_or_default()
}

async fn world() -> World {
    World::new(if is_full() { 48 << 10 } else { 6 << 10 }).await
}

#[tokio::test]
async fn every_flipped_bit_is_noticed() {
    let world = world().await;
    let size: usize = world.objects.values().map(Bytes::len).sum();
    assert!(size <= 64 << 10, "{size}");
    let bits = world
        .objects
        .iter()
        .flat_map(|(name, bytes)| (0..bytes.len() * 8).map(move |bit| (name, bytes, bit)));
    let chosen = bits.enumerate().filter(|(number, _)| is_chosen(*number));
    let flipped = chosen.map(|(_, (name, bytes, bit))| {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        vec![(name.clone(), Some(Bytes::from(flipped)))]
    });
    let tried = world.try_all(flipped);
    println!(
        "bits flipped: {tried} of {} in {} objects, unnoticed: 0",
        size * 8,
        world.objects.len()
    );
    assert!(tried > size as u64 / 2);
}

#[tokio::test]
async fn every_other_length_is_noticed() {
    let world = world().await;
    let lengths = world
        .objects
        .iter()
        .flat_map(|(name, bytes)| (0..=bytes.len()).map(move |length| (name, bytes, length)));
    let chosen = lengths.enumerate().filter(|(number, _)| is_chosen(*number));
    let cut = chosen.map(|(_, (name, bytes, length))| {
        // At its full length it gets one more byte.
        let changed = match length == bytes.len() {
            true => [bytes.as_ref(), &[0]].concat().into(),
            false => bytes.slice(..length),
        };
        vec![(name.clone(), Some(changed))]
    });
    let tried = world.try_all(cut);
    println!("lengths tried: {tried}, unnoticed: 0");
}

#[tokio::test]
async fn every_object_that_is_gone_swapped_or_put_back_is_noticed() {
    let world = world().await;
    let gone: Vec<Change> = world.objects.keys().map(|name| vec![(name.clone(), None)]).collect();
    let mut swapped: Vec<Change> = Vec::new();
    let mut back: Vec<Change> = Vec::new();
    for (one, ours) in &world.objects {
        for (two, theirs) in
            world.objects.iter().filter(|(two, _)| kind(one) == kind(two) && one != *two)
        {
            if one < two {
                swapped.push(vec![
                    (one.clone(), Some(theirs.clone())),
                    (two.clone(), Some(ours.clone())),
                ]);
            }
            // What is put back under a name is what another name had before.
            back.push(vec![(one.clone(), Some(theirs.clone()))]);
        }
    }
    back.extend(mixtures(&world));
    let counts = [gone.len(), swapped.len(), back.len()];
    let tried = world.try_all(gone.into_iter().chain(swapped).chain(back));
    println!("removed, swapped, put back: {counts:?}, unnoticed: 0");
    assert_eq!(tried, counts.iter().sum::<usize>() as u64);
}

/// Some of the kinds as they were after the first backup, the others as they are now.
fn mixtures(world: &World) -> Vec<Change> {
    let kinds = ["data", "index", "snapshots"];
    let chosen = (1..1_u32 << kinds.len()).map(|mask| {
        let is_old = |name: &str| {
            kinds.iter().enumerate().any(|(bit, it)| *it == kind(name) && mask >> bit & 1 == 1)
        };
        let new = world.objects.keys().filter(|name| !world.first.contains_key(*name));
        new.filter(|name| is_old(name)).map(|name| (name.clone(), None)).collect::<Change>()
    });
    chosen.collect()
}
