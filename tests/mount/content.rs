//! What is seen through a mount.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::thread;

use anyhow::{Context as _, Result, ensure};
use lockgate_tests::random::Random;
use lockgate_tests::{folder, tree};
use rustix::io::Errno;

use crate::bed::{BELOW, Mounted, backed_up, can_mount, mount_line};

const LARGE_BYTES: usize = 48 << 20;
const READERS_COUNT: u64 = 6;
const READS_COUNT: u64 = 80;
const READ_BYTES_MAX: u64 = 2 << 20;

#[test]
fn a_mounted_snapshot_is_equal_to_what_was_saved() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let site = backed_up(|data| {
        folder::fill(&data.join("many"), 300, 6 << 20, 1)?;
        folder::oddities(data)
    })?;
    let mounted = Mounted::new(&site, &[])?;
    ensure!(mounted.names("")? == ["hosts", "ids", "snapshots", "sources", "tags"]);
    let count = tree::equal(&site.path("data"), &mounted.latest())?;
    ensure!(count > 300, "only {count} names were compared");
    let id = mounted.names("ids")?.pop().context("one snapshot")?;
    let ways = [format!("ids/{id}"), "sources/data/latest".to_owned()];
    for way in ways {
        tree::equal(&site.path("data/deep"), &mounted.point.join(way).join(BELOW).join("deep"))?;
    }
    let manifest = mounted.point.join("snapshots/latest/data/.lockgate/manifest.json");
    ensure!(fs::read_to_string(manifest)?.contains("\"plugin\""));
    mounted.end()?;
    ensure!(fs::read_dir(site.path("repository/locks"))?.next().is_none(), "the lock is left");
    Ok(())
}

#[test]
fn nothing_can_be_written_run_or_opened_as_a_device() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let site = backed_up(|data| {
        let mode = rustix::fs::Mode::from_raw_mode(0o666);
        let null = rustix::fs::makedev(1, 3);
        let kind = rustix::fs::FileType::CharacterDevice;
        rustix::fs::mknodat(rustix::fs::CWD, data.join("null"), kind, mode, null)?;
        fs::copy("/bin/true", data.join("true"))?;
        Ok(fs::write(data.join("plain"), "plain")?)
    })?;
    let mounted = Mounted::new(&site, &[])?;
    let below = mounted.latest();
    let errno = |error: std::io::Error| error.raw_os_error();
    let read_only = Some(Errno::ROFS.raw_os_error());
    ensure!(fs::write(below.join("plain"), "other").map_err(errno) == Err(read_only));
    ensure!(fs::write(below.join("new"), "new").map_err(errno) == Err(read_only));
    ensure!(fs::create_dir(mounted.point.join("new")).map_err(errno) == Err(read_only));
    ensure!(fs::remove_file(below.join("plain")).map_err(errno) == Err(read_only));
    ensure!(fs::rename(below.join("plain"), below.join("new")).map_err(errno) == Err(read_only));
    let device = below.join("null");
    let shown = std::os::unix::fs::MetadataExt::rdev(&fs::metadata(&device)?);
    ensure!(shown == rustix::fs::makedev(1, 3), "{shown}");
    let denied = Some(Errno::ACCESS.raw_os_error());
    ensure!(File::open(&device).map_err(errno).err() == Some(denied));
    let run = std::process::Command::new(below.join("true")).status().map_err(errno);
    ensure!(run.err() == Some(denied));
    let line = mount_line(&mounted.point)?;
    ensure!(line.contains("ro,nosuid,nodev,noexec") && line.contains("fuse.lockgate"), "{line}");
    mounted.end()?;
    Ok(())
}

#[test]
fn any_range_of_a_large_file_is_right_for_many_readers() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let content = Random::new(9).bytes(LARGE_BYTES);
    let site = backed_up(|data| Ok(fs::write(data.join("large"), &content)?))?;
    let mounted = Mounted::new(&site, &[])?;
    let path = mounted.latest().join("large");
    thread::scope(|scope| {
        let (path, content) = (&path, &content);
        let readers: Vec<_> = (0..READERS_COUNT)
            .map(|seed| scope.spawn(move || ranges(path, content, seed)))
            .collect();
        let whole = scope.spawn(move || -> Result<()> {
            let mut read = Vec::new();
            File::open(path)?.read_to_end(&mut read)?;
            ensure!(read == *content, "read from the beginning to the end, it differs");
            Ok(())
        });
        for reader in readers.into_iter().chain([whole]) {
            reader.join().expect("no reader panics")?;
        }
        Ok::<_, anyhow::Error>(())
    })?;
    let summary = mounted.end()?;
    ensure!(summary["errors"] == 0, "{summary}");
    Ok(())
}

fn ranges(path: &std::path::Path, content: &[u8], seed: u64) -> Result<()> {
    let (mut random, file) = (Random::new(seed), File::open(path)?);
    for _ in 0..READS_COUNT {
        // Beyond the end too.
        let start = random.below(content.len() as u64 + READ_BYTES_MAX);
        let mut buffer = vec![0; usize::try_from(1 + random.below(READ_BYTES_MAX))?];
        let mut length = 0;
        while length < buffer.len() {
            match file.read_at(&mut buffer[length..], start + length as u64)? {
                0 => break,
                more => length += more,
            }
        }
        let begin = content.len().min(usize::try_from(start)?);
        let end = content.len().min(begin + buffer.len());
        ensure!(buffer[..length] == content[begin..end], "{start} and {length} bytes on");
    }
    Ok(())
}
