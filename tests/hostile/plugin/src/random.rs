//! Attacks the source of random bytes.

use lockgate_plugin::random;

use crate::{Behaviours, denied, held, refused};

pub const ALL: Behaviours = &[
    ("random-4-gib", |_| {
        refused("4 GiB of random bytes", random::bytes(u32::MAX));
        held()
    }),
    ("random-spin", |_| {
        loop {
            std::hint::black_box(random::bytes(64 << 10)?);
        }
    }),
    ("random-denied", |_| {
        denied("random bytes", random::bytes(32));
        held()
    }),
];
