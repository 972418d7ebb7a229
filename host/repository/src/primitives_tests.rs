//! What the data path is made of, each piece alone on one thread, and the share of that limit that a whole run reaches.
//!
//! `sh tests/bench.sh primitives` runs it in the release profile. Figures are CPU seconds, so that other work on the
//! machine changes them less; the kernel's part, which copies what is read and stored, is measured like the others.

use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;

use lockgate_storage::{Storage, StorageOptions};
use rustix::time::{ClockId, clock_gettime};

use crate::chunk::{Chunker, Cutter};
use crate::compress::{Compression, Expander, Shrinker};
use crate::hash::{Engine, sha256};
use crate::seal::{MasterKey, OVERHEAD};
use crate::{InitOptions, Node, Repository, Snapshot, SnapshotDraft, WriteOptions};

/// MiB of data: half of it random bytes, half lines of a dump.
const MIB: usize = 128;
/// How often each piece is measured; the best counts, which other work on the machine disturbed least.
const ROUNDS: usize = 3;

fn seconds(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// CPU seconds of this thread in `work`, which is done several times.
fn took<T>(work: impl FnMut() -> T) -> f64 {
    spent(ClockId::ThreadCPUTime, work)
}

fn spent<T>(clock: ClockId, mut work: impl FnMut() -> T) -> f64 {
    let once = |_| {
        let start = seconds(clock);
        black_box(work());
        seconds(clock) - start
    };
    (0..ROUNDS).map(once).fold(f64::INFINITY, f64::min)
}

fn data() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bytes = Vec::with_capacity((MIB << 20) + 4096);
    // Whole files of one kind: regions of 8 MiB.
    while bytes.len() < MIB << 20 {
        let end = bytes.len() + (8 << 20);
        while bytes.len() < end {
            bytes.extend_from_slice(&next().to_le_bytes());
        }
        let end = bytes.len() + (8 << 20);
        let mut row = 0;
        while bytes.len() < end {
            row += 1;
            let (name, amount) = (next(), next() % 1_000_000);
            let region = ["north", "quiet", "meadow", "copper"][(name % 4) as usize];
            writeln!(bytes, "({row},'{name:016x}','{region} {}',{amount},'open'),", amount % 40)
                .unwrap();
        }
        bytes.truncate(end);
    }
    bytes
}

/// One line of the table; the seconds again.
fn print(what: &str, bytes: usize, seconds: f64) -> f64 {
    let mib = bytes as f64 / f64::from(1 << 20);
    println!("| {what} | {:.0} | {:.3} |", mib / seconds, seconds * 1024.0 / mib);
    seconds
}

fn cut<'a>(chunker: &Chunker, data: &'a [u8]) -> Vec<&'a [u8]> {
    let (mut cutter, mut rest, mut chunks) = (Cutter::default(), data, Vec::new());
    while let Some(length) = cutter.cut(chunker, rest) {
        chunks.push(&rest[..length]);
        rest = &rest[length..];
    }
    chunks.push(rest);
    chunks
}

/// Seconds of writing and of reading that nothing can be without.
struct Limit {
    write: f64,
    read: f64,
}

/// Prints what could take the place of a piece.
fn alternatives(data: &[u8], chunks: &[&[u8]]) {
    print("copy", data.len(), took(|| black_box(data).to_vec()));
    let rabin = Chunker::restic(0x003d_a335_8b4d_c173).unwrap();
    print("chunker, restic's", data.len(), took(|| cut(&rabin, data)));
    for engine in Engine::supported() {
        let name = format!("SHA-256, {engine:?}");
        print(&name, data.len(), took(|| engine.digests(chunks)));
    }
    let mut fastest = Shrinker::new(Compression::Fastest).unwrap();
    let spent =
        took(|| chunks.iter().filter(|chunk| fastest.shrink(chunk).unwrap().is_some()).count());
    print("zstd, fastest", data.len(), spent);
}

/// Prints each piece alone over what it gets in a run.
fn pieces(data: &[u8], source: &File) -> Limit {
    let key = MasterKey::generate().unwrap();
    let gear = Chunker::keyed(&key);
    // Not zeros, which would be pages that nobody has touched.
    let mut copy = vec![1; data.len()];
    let read_in = took(|| source.read_exact_at(&mut copy, 0).unwrap());
    print("read from the page cache", data.len(), read_in);
    let chunking = print("chunker, keyed", data.len(), took(|| cut(&gear, data)));
    let chunks = cut(&gear, data);
    alternatives(data, &chunks);
    let hash = took(|| Engine::detect().digests(&chunks));

    let mut shrinker = Shrinker::new(Compression::Auto).unwrap();
    let mut packed = Vec::new();
    let shrink = print(
        "zstd, auto",
        data.len(),
        took(|| {
            for chunk in &chunks {
                black_box(shrinker.shrink(chunk).unwrap());
            }
        }),
    );
    for chunk in &chunks {
        let shrunken = shrinker.shrink(chunk).unwrap();
        packed.push((shrunken.unwrap_or(chunk).to_vec(), chunk.len(), shrunken.is_some()));
    }
    let stored: usize = packed.iter().map(|(bytes, ..)| bytes.len()).sum();

    let mut sealed: Vec<Vec<u8>> =
        packed.iter().map(|(bytes, ..)| vec![1; bytes.len() + OVERHEAD]).collect();
    let seal = print(
        "seal",
        stored,
        took(|| {
            for ((bytes, ..), sealed) in packed.iter().zip(&mut sealed) {
                key.seal_into(bytes, sealed).unwrap();
            }
        }),
    );
    let mut plain = vec![1; 8 << 20];
    let open = print(
        "open",
        stored,
        took(|| {
            sealed.iter().for_each(|sealed| key.open_into(sealed, &mut plain).unwrap());
        }),
    );
    let mut expander = Expander::new().unwrap();
    let expand = print(
        "expand",
        data.len(),
        took(|| {
            for (bytes, length, _) in packed.iter().filter(|(.., is_shrunken)| *is_shrunken) {
                expander.expand(bytes, *length, &mut plain).unwrap();
            }
        }),
    );
    let compare = print("compare", data.len(), took(|| copy == data));
    let name = print(
        "SHA-256 of packs",
        stored,
        took(|| sealed.iter().for_each(|pack| _ = black_box(sha256(pack)))),
    );
    let mut file = None;
    let store = took(|| {
        let mut fresh = tempfile::tempfile().unwrap();
        sealed.iter().for_each(|bytes| fresh.write_all(bytes).unwrap());
        fresh.sync_all().unwrap();
        file = Some(fresh);
    });
    print("write to a file, and sync", stored, store);
    let restore = took(|| tempfile::tempfile().unwrap().write_all(data).unwrap());
    print("write to a file", data.len(), restore);
    let fetch = took(|| file.as_ref().map(|file| file.read_exact_at(&mut copy[..stored], 0)));
    Limit {
        write: read_in + chunking + hash + shrink + seal + open + expand + compare + name + store,
        read: fetch + open + expand + hash + restore,
    }
}

#[test]
#[ignore = "measures: sh tests/bench.sh primitives"]
fn primitives_alone_and_the_share_of_them_that_a_run_reaches() {
    let data = data();
    let mut source = tempfile::tempfile().unwrap();
    source.write_all(&data).unwrap();
    println!("| piece | MiB/s | CPU s per GiB |");
    println!("|---|---|---|");
    let limit = pieces(&data, &source);

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut run = None;
    let wrote = spent(ClockId::ProcessCPUTime, || run = Some(runtime.block_on(write(&source))));
    print("**all of writing**", data.len(), wrote);
    let (_folder, repository, snapshot) = run.unwrap();
    let mut target = tempfile::tempfile().unwrap();
    let read = spent(ClockId::ProcessCPUTime, || {
        target = tempfile::tempfile().unwrap();
        runtime.block_on(read(&repository, &snapshot, &target));
    });
    print("**all of reading**", data.len(), read);
    let mut back = vec![0; data.len()];
    target.read_exact_at(&mut back, 0).unwrap();
    assert!(back == data, "something else came back");
    let (writing, reading) = (100.0 * limit.write / wrote, 100.0 * limit.read / read);
    println!("\nof the limit: {writing:.0} % when writing, {reading:.0} % when reading");
}

/// A first backup of `source` into a new repository.
async fn write(source: &File) -> (tempfile::TempDir, Repository, Snapshot) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("fs:{}", folder.path().display()).parse().unwrap();
    let storage = Storage::open(&url, &StorageOptions::default()).unwrap();
    let init = Repository::init(storage, "secret", InitOptions { scrypt_n: 16 });
    let repository = init.await.unwrap();
    let writer = repository.writer(WriteOptions::default()).await.unwrap();
    let mut stream = writer.stream();
    let source = source.try_clone().unwrap();
    crate::layout::off_reactor(move || {
        stream.write_file(&source, 0, None).unwrap();
        stream.finish("content".try_into().unwrap(), Node::default()).unwrap();
    })
    .await;
    let snapshot = writer.commit(SnapshotDraft::default()).await.unwrap();
    (folder, repository, snapshot)
}

/// Restores it into `target`.
async fn read(repository: &Repository, snapshot: &Snapshot, target: &File) {
    let reader = repository.reader().await.unwrap();
    let node = reader.node(&snapshot.tree, &"content".try_into().unwrap()).await.unwrap().unwrap();
    let length = reader.extract(&node, target.try_clone().unwrap(), 0).await.unwrap();
    assert_eq!(length, node.size);
}
