//! Stands in the way of other programs: locks what it may not, all there is, and for ever.

use lockgate_plugin::file_locks::{self, Mode};
use lockgate_plugin::files;

use crate::{Behaviours, Way, denied, held, refused};

pub const ALL: Behaviours = &[
    ("lock-ungranted", |_| {
        let file = files::open("kept", b"file")?;
        for mode in [Mode::Shared, Mode::Exclusive] {
            denied("a lock", file_locks::acquire(&file, 0, 1, mode, 0));
            denied("a look for locks", file_locks::is_free(&file, 0, 1, mode));
        }
        held()
    }),
    // What was opened and not created may be read, and nobody may be kept from reading it too.
    ("lock-exclusive", |_| {
        let file = files::open("given", b"file")?;
        for offset in [0, 1 << 30, 1 << 40] {
            let lock = file_locks::acquire(&file, offset, 1, Mode::Exclusive, u32::MAX);
            denied("an exclusive lock", lock);
        }
        held()
    }),
    ("lock-odd-range", |_| {
        let file = files::open("given", b"file")?;
        let odd = [(0, 0), (0, u64::MAX), (u64::MAX, 1), (1 << 63, 1), (1, (1 << 63) - 1)];
        for (offset, length) in odd {
            refused("a lock", file_locks::acquire(&file, offset, length, Mode::Shared, 0));
            refused("a look for locks", file_locks::is_free(&file, offset, length, Mode::Shared));
        }
        let _first = file_locks::acquire(&file, 10, 10, Mode::Shared, 0)?;
        refused("a lock twice", file_locks::acquire(&file, 19, 10, Mode::Shared, 0));
        held()
    }),
    ("lock-flood", |_| {
        let file = files::open("given", b"file")?;
        let mut locks = Vec::new();
        for number in 0..100_000 {
            match file_locks::acquire(&file, 2 * number, 1, Mode::Shared, 0) {
                Ok(lock) => locks.push(lock),
                Err(_) => return held(),
            }
        }
        panic!("BREACH: {} locks", locks.len());
    }),
    ("lock-spin", |way| {
        if way == Way::Import {
            // One that is never let go, and somebody who waits for it.
            let mine = files::create("given", b"locked", true)?;
            let _lock = file_locks::acquire(&mine, 0, 1, Mode::Exclusive, 0)?;
            let other = files::open("given", b"locked")?;
            file_locks::acquire(&other, 0, 1, Mode::Shared, u32::MAX)?;
        }
        let file = files::open("given", b"file")?;
        loop {
            file_locks::acquire(&file, 0, 1, Mode::Shared, u32::MAX)?;
            file_locks::is_free(&file, 0, 1, Mode::Exclusive)?;
        }
    }),
];
