//! Behaves, to show that the others fail for their own reason.

use std::io::{Read as _, Write as _};

use lockgate_plugin::{Entry, Result, archive};

use crate::{Behaviours, Way};

pub const ALL: Behaviours = &[("good", |_| Ok(()))];

/// One small entry.
pub fn write(name: &str) -> Result<()> {
    let mut writer = archive::create(&Entry::new(name))?;
    writer.write_all(b"a few bytes")?;
    writer.finish()
}

/// `count` entries of `bytes` each that no two runs of bytes repeat in; at restore, lists all and reads some.
pub fn bulk(way: Way, count: u64, bytes: u64) -> Result<()> {
    match way {
        Way::Export => write_all(count, bytes),
        Way::Import => read_all(),
    }
}

/// Entries in folders of a thousand. The bytes are a counter's, so that they are all different and quick to make.
fn write_all(count: u64, bytes: u64) -> Result<()> {
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
        if seen.is_multiple_of(10) {
            let mut reader = archive::open(&entry.path)?;
            while reader.read(&mut piece)? > 0 {}
        }
        seen += 1;
    }
    Ok(())
}
