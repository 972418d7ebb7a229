//! A plugin that misbehaves while it exports or imports, in the way that its configuration names.

use std::io::{Read as _, Write as _};

use lockgate_plugin::{
    Backup, BackupPlan, BackupRequest, Descriptor, Entry, Part, Plugin, Restore, RestoreRequest,
    Result, Step, Summary, archive,
};

struct Hostile;

/// How the plugin misbehaves.
#[derive(Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Behaviour {
    /// Does what it should, to show that the others fail for their own reason.
    Good,
    /// Computes for ever.
    Loop,
    /// Takes memory for ever.
    Memory,
    /// Panics.
    Panic,
    /// Calls itself until the stack ends.
    Recursion,
    /// Announces another size than it gives.
    Lie,
    /// Opens entries and never finishes them.
    Handles,
    /// Fails after it has written.
    Fail,
    /// Says goodbye with control characters.
    Terminal,
    /// Writes the same entry twice.
    Twice,
    /// Behaves, and writes `count` entries of `bytes` each that no two runs of bytes repeat in.
    Bulk,
}

#[derive(Clone, Copy, serde::Deserialize)]
struct Config {
    behaviour: Behaviour,
    #[serde(default)]
    in_restore: bool,
    #[serde(default)]
    count: u64,
    #[serde(default)]
    bytes: u64,
}

impl Plugin for Hostile {
    type Config = Config;
    type Backup = Job;
    type Restore = Job;

    fn describe() -> Descriptor {
        Descriptor { name: "hostile".into(), version: "0.1.0".into(), ..Descriptor::default() }
    }
}

struct Job(Config);

impl Backup for Job {
    type Config = Config;

    fn begin(config: Config, _: BackupRequest) -> Result<(Self, BackupPlan)> {
        Ok((Self(config), BackupPlan::new(vec![Part::new("victim", "text")])))
    }

    fn join(config: Config, _mark: Vec<u8>) -> Result<Self> {
        Ok(Self(config))
    }

    fn export(&mut self, _: Part) -> Result<Summary> {
        write("data", None)?;
        if !self.0.in_restore {
            match self.0.behaviour {
                Behaviour::Bulk => bulk(self.0.count, self.0.bytes)?,
                behaviour => misbehave(behaviour)?,
            }
        }
        Ok(Summary::of_items(1))
    }
}

impl Restore for Job {
    type Config = Config;

    fn preview(_: Config, _: RestoreRequest) -> Result<Vec<Step>> {
        Ok(Vec::new())
    }

    fn begin(config: Config, request: RestoreRequest) -> Result<(Self, Vec<Vec<Part>>)> {
        Ok((Self(config), vec![request.parts]))
    }

    fn join(config: Config, _: RestoreRequest) -> Result<Self> {
        Ok(Self(config))
    }

    fn import(&mut self, _: Part) -> Result<()> {
        match self.0.behaviour {
            Behaviour::Bulk => read_all(),
            behaviour => misbehave(behaviour),
        }
    }
}

/// Entries in folders of a thousand. The bytes are a counter's, so that they are all different and quick to make.
fn bulk(count: u64, bytes: u64) -> Result<()> {
    let mut number = 0_u64;
    let mut piece = vec![0; 1 << 20];
    for entry in 0..count {
        let mut writer =
            archive::create(&Entry::new(format!("bulk/{:04}/{entry:07}", entry / 1000)))?;
        let mut left = bytes;
        while left > 0 {
            let length = left.min(1 << 20) as usize;
            for word in piece[..length].chunks_mut(64) {
                number += 1;
                let digits = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
                let kept = digits.len().min(word.len());
                word[..kept].copy_from_slice(&digits[..kept]);
            }
            writer.write_all(&piece[..length])?;
            left -= length as u64;
        }
        writer.finish()?;
    }
    Ok(())
}

/// Lists every entry, and reads the first of every ten to its end.
fn read_all() -> Result<()> {
    let is_folder = |entry: &Entry| {
        entry
            .metadata
            .as_ref()
            .is_some_and(|metadata| metadata.kind == lockgate_plugin::Kind::Directory)
    };
    let mut piece = vec![0; 1 << 20];
    let mut seen = 0_u64;
    for entry in archive::entries(b"") {
        let entry = entry?;
        if is_folder(&entry) {
            continue;
        }
        if seen % 10 == 0 {
            let mut reader = archive::open(&entry.path)?;
            while reader.read(&mut piece)? > 0 {}
        }
        seen += 1;
    }
    Ok(())
}

fn write(name: &str, announced: Option<u64>) -> Result<()> {
    let mut entry = Entry::new(name);
    entry.size_hint = announced;
    let mut writer = archive::create(&entry)?;
    writer.write_all(b"a few bytes")?;
    writer.finish()?;
    Ok(())
}

fn misbehave(behaviour: Behaviour) -> Result<()> {
    match behaviour {
        Behaviour::Good | Behaviour::Bulk => Ok(()),
        Behaviour::Loop => {
            let mut number = 1_u64;
            loop {
                number = std::hint::black_box(number.wrapping_mul(3));
            }
        }
        Behaviour::Memory => {
            let mut taken: Vec<Vec<u8>> = Vec::new();
            loop {
                taken.push(std::hint::black_box(vec![1; 8 << 20]));
            }
        }
        Behaviour::Panic => panic!("the hostile plugin gives up"),
        Behaviour::Recursion => {
            std::hint::black_box(deeper(1));
            Ok(())
        }
        Behaviour::Lie => write("liar", Some(1 << 40)),
        Behaviour::Handles => {
            let mut open = Vec::new();
            for number in 0..100_000 {
                open.push(archive::create(&Entry::new(format!("open-{number}")))?);
            }
            Ok(())
        }
        Behaviour::Fail => Err(lockgate_plugin::Error::other("no more")),
        Behaviour::Terminal => {
            Err(lockgate_plugin::Error::other("\u{1b}]0;owned\u{7}\u{1b}[31m\nsecond line"))
        }
        Behaviour::Twice => {
            write("same", None)?;
            write("same", None)
        }
    }
}

fn deeper(number: u64) -> u64 {
    let place = std::hint::black_box([number; 64]);
    if number == 0 { 0 } else { deeper(place[0] + 1) + place[63] }
}

lockgate_plugin::export!(Hostile);
