//! Attacks the processor and the stack.

use lockgate_plugin::{Result, job};

use crate::Behaviours;

pub const ALL: Behaviours = &[
    ("loop", |_| {
        let mut number = 1_u64;
        loop {
            number = std::hint::black_box(number.wrapping_mul(3));
        }
    }),
    // Each turn calls the host, so that it never computes for long.
    ("spin", |_| {
        loop {
            std::hint::black_box(job::is_cancelled());
        }
    }),
    ("config-spin", |_| {
        loop {
            std::hint::black_box(job::config::<serde::de::IgnoredAny>()?);
        }
    }),
    ("recursion", |_| {
        std::hint::black_box(deeper(1));
        Ok(())
    }),
    ("panic", |_| panic!("the hostile plugin gives up")),
    ("trap", |_| std::process::abort()),
    ("fail", |_| Err(lockgate_plugin::Error::other("no more"))),
    ("memory", |_| memory()),
];

fn deeper(number: u64) -> u64 {
    let place = std::hint::black_box([number; 64]);
    if number == 0 { 0 } else { deeper(place[0] + 1) + place[63] }
}

fn memory() -> Result<()> {
    let mut taken: Vec<Vec<u8>> = Vec::new();
    loop {
        taken.push(std::hint::black_box(vec![1; 8 << 20]));
    }
}
