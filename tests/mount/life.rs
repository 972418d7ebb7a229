//! A mount while its repository changes, or is damaged.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use lockgate_tests::random::Random;
use rustix::io::Errno;

use crate::bed::{BELOW, Mounted, backed_up, backup, can_mount};

const FILE_BYTES: usize = 3 << 20;

#[test]
fn a_new_snapshot_appears_and_a_forgotten_one_goes() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let old = Random::new(1).bytes(FILE_BYTES);
    let site = backed_up(|data| Ok(fs::write(data.join("old"), &old)?))?;
    let mut mounted = Mounted::new(&site, &["--refresh", "1"])?;
    let first = mounted.names("ids")?;
    let mut open = File::open(mounted.point.join("ids").join(&first[0]).join(BELOW).join("old"))?;

    fs::remove_file(site.path("data/old"))?;
    fs::write(site.path("data/new"), Random::new(2).bytes(FILE_BYTES))?;
    backup(&site)?;
    mounted.wait_until("a second snapshot", |mounted| Ok(mounted.names("ids")?.len() == 2))?;
    let new = fs::read(mounted.latest().join("new"))?;
    ensure!(new == fs::read(site.path("data/new"))?, "the new file differs");

    site.lockgate.ok(&["forget", &first[0]])?;
    mounted.wait_until("one snapshot", |mounted| Ok(mounted.names("ids")?.len() == 1))?;
    ensure!(mounted.names("ids")? != first, "the wrong one is gone");
    // Our lock keeps what was there when the mount began, whatever is pruned meanwhile.
    for _ in 0..2 {
        site.lockgate.ok(&["prune", "--keep-delete", "0s", "--max-unused", "0%"])?;
    }
    let mut read = Vec::new();
    open.read_to_end(&mut read)?;
    ensure!(read == old, "what was open differs");
    drop(open);
    mounted.end()?;
    Ok(())
}

#[test]
fn only_the_snapshots_that_were_asked_for_are_shown() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let site = backed_up(|data| Ok(fs::write(data.join("one"), "1")?))?;
    site.lockgate.ok(&["tag", "--all", "--add", "../../etc,..,kept"])?;
    fs::write(site.path("data/two"), "2")?;
    backup(&site)?;
    let mounted = Mounted::new(&site, &["--tag", "kept"])?;
    ensure!(mounted.names("ids")?.len() == 1);
    // Texts that lead elsewhere are names like others.
    ensure!(mounted.names("tags")? == [".._.._etc", "__", "kept"], "{:?}", mounted.names("tags")?);
    let below = mounted.point.join("tags/__/latest").join(BELOW);
    ensure!(fs::read(below.join("one"))? == b"1" && !below.join("two").exists());
    mounted.end()?;
    Ok(())
}

#[test]
fn damage_is_an_error_of_the_file_that_it_is_in() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let first = Random::new(3).bytes(FILE_BYTES);
    let site = backed_up(|data| Ok(fs::write(data.join("first"), &first)?))?;
    let packs = packs(&site.path("repository/data"))?;
    fs::write(site.path("data/second"), Random::new(4).bytes(FILE_BYTES))?;
    backup(&site)?;
    let new = self::packs(&site.path("repository/data"))?;
    let size = |path: &&PathBuf| fs::metadata(path).map_or(0, |it| it.len());
    let pack = new.difference(&packs).max_by_key(size).context("a new pack")?;
    let mut bytes = fs::read(pack)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(pack)?;
    fs::write(pack, bytes)?;

    let mounted = Mounted::new(&site, &[])?;
    let damaged = fs::read(mounted.latest().join("second")).map_err(|error| error.raw_os_error());
    ensure!(damaged == Err(Some(Errno::IO.raw_os_error())), "{:?}", damaged.map(|it| it.len()));
    ensure!(fs::read(mounted.latest().join("first"))? == first, "the other file differs");
    let log = mounted.log()?;
    let told = log.lines().filter(|line| line.contains("/data/data/second: ")).count();
    ensure!(told == 1, "{log}");
    let summary = mounted.end()?;
    ensure!(summary["errors"].as_u64() >= Some(1), "{summary}");
    Ok(())
}

fn packs(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    for below in fs::read_dir(folder)? {
        for pack in fs::read_dir(below?.path())? {
            found.insert(pack?.path());
        }
    }
    Ok(found)
}
