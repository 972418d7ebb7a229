//! Reads a part at a moment when nothing changes in it, so that a key and a certificate that are renewed together are saved
//! together.

use lockgate_plugin::{Error, Fingerprint, Kind, Metadata, Result, Timestamp, clock, job};

use crate::config::Config;
use crate::place::Place;
use crate::walk::walk;

/// Milliseconds that a part may take to become quiet.
const PATIENCE_MS: u64 = 60_000;

/// What a part looks like, without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Over names, kinds, sizes, inodes and times.
    print: String,
    /// The last change of anything, in nanoseconds since 1970.
    newest: i128,
    /// How many names there are.
    pub names: u64,
    /// Bytes of all regular files.
    pub bytes: u64,
}

/// Looks at all names of a part.
///
/// # Errors
/// When a folder cannot be listed.
pub fn look(place: &Place, config: &Config) -> Result<Look> {
    let mut print = Fingerprint::new();
    let (mut newest, mut names, mut bytes) = (0, 0, 0);
    walk(place, config, |found| {
        let metadata = &found.metadata;
        print.add(&found.path);
        for number in identity(metadata) {
            print.add(number.to_le_bytes());
        }
        newest = newest.max(nanoseconds(metadata.changed)).max(nanoseconds(metadata.modified));
        names += 1;
        if metadata.kind == Kind::Regular {
            bytes += metadata.size;
        }
        Ok(())
    })?;
    Ok(Look { print: print.finish(), newest, names, bytes })
}

/// What is different once a name leads to other content.
pub fn identity(metadata: &Metadata) -> [i128; 6] {
    [
        metadata.inode.into(),
        metadata.size.into(),
        nanoseconds(metadata.modified),
        nanoseconds(metadata.changed),
        metadata.mode.into(),
        metadata.device.into(),
    ]
}

fn nanoseconds(time: Timestamp) -> i128 {
    i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanoseconds)
}

/// Has `read` read the part between two looks that are the same, after a time without changes; again until that works.
///
/// # Errors
/// When the part does not become quiet, and what `read` fails with while the part is quiet.
pub fn while_quiet<T>(
    place: &Place,
    config: &Config,
    mut read: impl FnMut(&Look) -> Result<T>,
) -> Result<T> {
    let begun = clock::monotonic()?;
    let settle = i128::from(config.settle_ms) * 1_000_000;
    loop {
        job::go_on()?;
        let before = look(place, config)?;
        let age = i128::from(clock::now()?) - before.newest;
        // A time in the future tells nothing about when the change was.
        if age < 0 || age >= settle {
            let result = read(&before);
            if look(place, config)? == before {
                return result;
            }
        }
        let waited = clock::monotonic()?.saturating_sub(begun) / 1_000_000;
        if waited > PATIENCE_MS {
            return Err(Error::other(format!(
                "{}: something in it changes all the time; it was not quiet for {} ms within {} s",
                place.id(),
                config.settle_ms,
                PATIENCE_MS / 1000
            )));
        }
        clock::sleep((config.settle_ms / 4).clamp(5, 250))?;
    }
}
