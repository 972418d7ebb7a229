//! Attacks with the clock.

use lockgate_plugin::{clock, credentials};

use crate::{Behaviours, denied, held};

pub const ALL: Behaviours = &[
    ("sleep", |_| {
        loop {
            clock::sleep(u32::MAX)?;
        }
    }),
    // Has an answer of the account in its memory, and lets itself be looked at.
    ("wait", |_| {
        let answer =
            credentials::open("account")?.respond("mysql_native_password", &[7; 20], &[])?;
        clock::sleep(4_000)?;
        std::hint::black_box(answer);
        Ok(())
    }),
    ("clock-spin", |_| {
        loop {
            clock::now()?;
            clock::monotonic()?;
        }
    }),
    ("clock-denied", |_| {
        denied("the time", clock::now());
        denied("the monotonic time", clock::monotonic());
        denied("sleep", clock::sleep(1));
        held()
    }),
];
