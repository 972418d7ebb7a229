//! What is backed up: five kinds of data, made from a seed, and a change of a twentieth of each.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use lockgate_tests::random::Random;

const MIB: usize = 1 << 20;
/// Of the whole, in a backup after a change.
pub const CHANGED: usize = 20;

/// A kind of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Set {
    /// 16 files of 128 MiB that do not shrink.
    Random,
    /// 32 files of 64 MiB, lines of a dump.
    Text,
    /// 200,000 files of up to 8 KiB, half of them text.
    Small,
    /// 4 files of 64 MiB, and of each two copies whose bytes are moved a little every 4 MiB.
    Shifted,
    /// One entry of 4 GiB: 16 MiB of a dump, 16 MiB that do not shrink, and so on.
    Stream,
}

impl Set {
    pub const ALL: [Self; 5] = [Self::Random, Self::Text, Self::Small, Self::Shifted, Self::Stream];

    pub fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Text => "text",
            Self::Small => "small",
            Self::Shifted => "shifted",
            Self::Stream => "stream",
        }
    }

    /// Makes the data, `scale` times its full size, in the folder `data`, which is new.
    pub fn make(self, data: &Path, scale: f64) -> Result<()> {
        fs::create_dir_all(data)?;
        let scaled = |full: usize| ((full as f64 * scale) as usize).max(1);
        let mut random = Random::new(1 + self as u64);
        let file = |number: usize| data.join(format!("file-{number:03}"));
        match self {
            Self::Random => (0..16).try_for_each(|number| {
                write(&file(number), |file| noise(&mut random, scaled(128 * MIB), file))
            }),
            Self::Text => (0..32).try_for_each(|number| {
                write(&file(number), |file| rows(&mut random, scaled(64 * MIB), file))
            }),
            Self::Small => (0..scaled(200_000)).try_for_each(|number| {
                let below = data.join(format!("{:03}/{:02}", number / 10_000, number / 100 % 100));
                if number % 100 == 0 {
                    fs::create_dir_all(&below)?;
                }
                small(&mut random, &below.join(format!("file-{number:06}")))
            }),
            Self::Shifted => (0..12).try_for_each(|number| match number % 3 {
                0 => {
                    write(&file(number), |file| mixed(&mut random, scaled(64 * MIB), 4 * MIB, file))
                }
                _ => shift(&mut random, &file(number / 3 * 3), &file(number)),
            }),
            Self::Stream => write(&data.join("stream"), |file| {
                mixed(&mut random, scaled(4096 * MIB), 16 * MIB, file)
            }),
        }
    }

    /// Changes a twentieth of the bytes: rows that are new in the middle, ranges that are overwritten, small files that are new.
    pub fn change(self, data: &Path) -> Result<()> {
        let mut random = Random::new(100 + self as u64);
        let mut files = Vec::new();
        list(data, &mut files)?;
        files.sort();
        for (number, path) in files.iter().enumerate() {
            match self {
                Self::Small if number % CHANGED == 0 => small(&mut random, path)?,
                Self::Small => {}
                Self::Text => insert(&mut random, path)?,
                Self::Random | Self::Shifted | Self::Stream => overwrite(&mut random, path)?,
            }
        }
        Ok(())
    }
}

fn write(path: &Path, fill: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
    let mut file = File::create(path).with_context(|| path.display().to_string())?;
    fill(&mut file)
}

fn noise(random: &mut Random, length: usize, file: &mut File) -> Result<()> {
    let mut left = length;
    while left > 0 {
        let bytes = random.bytes(left.min(MIB));
        file.write_all(&bytes)?;
        left -= bytes.len();
    }
    Ok(())
}

/// Rows as a dump of a database has them: zstd makes about a third of them.
fn rows(random: &mut Random, length: usize, file: &mut File) -> Result<()> {
    const WORDS: [&str; 16] = [
        "alder", "basin", "cobalt", "drift", "ember", "fjord", "grain", "hazel", "inlet", "jasper",
        "kiln", "larch", "mica", "nectar", "oxbow", "pumice",
    ];
    let (mut written, mut text, mut row) = (0, Vec::with_capacity(2 * MIB), 0);
    while written < length {
        text.clear();
        while text.len() < MIB {
            row += 1;
            let (name, choice) = (random.number(), random.number());
            let word = |shift: u32| WORDS[(choice >> shift) as usize % WORDS.len()];
            let (amount, day, second) = (choice % 10_000_000, choice >> 40 & 1023, choice >> 50);
            writeln!(
                text,
                "INSERT INTO entry VALUES ({row},'{name:016x}','{} {}','{}-{}',{amount},{day},{second},'{} {} {}');",
                word(8),
                word(12),
                word(16),
                choice >> 60,
                word(20),
                word(24),
                word(28)
            )?;
        }
        text.truncate(length - written);
        file.write_all(&text)?;
        written += text.len();
    }
    Ok(())
}

fn mixed(random: &mut Random, length: usize, step: usize, file: &mut File) -> Result<()> {
    for (number, start) in (0..length).step_by(step).enumerate() {
        let length = step.min(length - start);
        if number % 2 == 0 { rows(random, length, file)? } else { noise(random, length, file)? }
    }
    Ok(())
}

fn small(random: &mut Random, path: &Path) -> Result<()> {
    let length = usize::try_from(random.below(8192))?;
    let is_text = random.below(2) == 0;
    Ok(fs::write(path, if is_text { random.text(length) } else { random.bytes(length) })?)
}

/// A copy with a few bytes more every 4 MiB.
fn shift(random: &mut Random, from: &Path, to: &Path) -> Result<()> {
    let original = fs::read(from)?;
    write(to, |file| {
        for piece in original.chunks(4 * MIB) {
            let length = usize::try_from(1 + random.below(300))?;
            file.write_all(&random.bytes(length))?;
            file.write_all(piece)?;
        }
        Ok(())
    })
}

/// Puts new rows at two places.
fn insert(random: &mut Random, path: &Path) -> Result<()> {
    let old = fs::read(path)?;
    let (third, fresh) = (old.len() / 3, old.len() / CHANGED / 2);
    write(path, |file| {
        for (number, piece) in old.chunks(third.max(1)).enumerate() {
            if number == 1 || number == 2 {
                rows(random, fresh, file)?;
            }
            file.write_all(piece)?;
        }
        Ok(())
    })
}

/// Overwrites two ranges.
fn overwrite(random: &mut Random, path: &Path) -> Result<()> {
    let mut file = File::options().read(true).write(true).open(path)?;
    let length = usize::try_from(file.metadata()?.len())?;
    let fresh = length / CHANGED / 2;
    for _ in 0..2 {
        file.seek(SeekFrom::Start(random.below((length - fresh).max(1) as u64)))?;
        noise(random, fresh, &mut file)?;
    }
    Ok(())
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { list(&path, files)? } else { files.push(path) }
    }
    Ok(())
}

/// Gives back the space of all files in `folder`. Their names stay: ext4 without a journal passes over what was deleted in the
/// last minutes one by one (`recently_deleted` in the kernel's `fs/ext4/ialloc.c`), and whoever makes many files next would
/// take several times as long for what another program left.
pub fn empty(folder: &Path) -> Result<()> {
    let mut files = Vec::new();
    list(folder, &mut files)?;
    files.iter().try_for_each(|path| Ok(File::options().write(true).open(path)?.set_len(0)?))
}

/// Reads every file once, so that all programs find it in memory.
pub fn warm(data: &Path) -> Result<u64> {
    let (mut files, mut bytes, mut buffer) = (Vec::new(), 0, vec![0; MIB]);
    list(data, &mut files)?;
    for path in files {
        let mut file = File::open(path)?;
        loop {
            let length = file.read(&mut buffer)?;
            bytes += length as u64;
            if length == 0 {
                break;
            }
        }
    }
    Ok(bytes)
}
