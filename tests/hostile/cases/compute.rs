//! Processor, stack, memory, handles, time and random bytes.

use crate::case::{Case, end, held};

pub const ALL: &[Case] = &[
    Case::both("loop", &[], end(21, &["without calling the host"])),
    Case::for_ever("spin", &["job.is-cancelled"]),
    Case::for_ever("config-spin", &["job.config"]),
    Case::both("recursion", &[], end(21, &["crashed", "deeper"])),
    Case::both("panic", &[], end(21, &["the hostile plugin gives up"])),
    Case::both("trap", &[], end(21, &["crashed"])),
    Case::both("fail", &[], end(1, &["no more"])),
    Case::both("memory", &[], end(21, &["needs more than 67108864 bytes of memory"])),
    Case::both(
        "open-entries",
        &["archive.create", "archive.open"],
        end(1, &["64 entries are open"]),
    ),
    Case::both("open-files", &["files.open"], end(1, &["limit `handles` allows"])),
    Case::both("open-listings", &["files.list-folder"], end(1, &["limit `handles` allows"])),
    Case::both("open-connections", &["net.connect"], end(1, &["64 connections are open"])),
    Case::both("open-credentials", &["credentials.open"], end(1, &["limit `handles` allows"])),
    Case::for_ever("sleep", &["clock.sleep"]),
    Case::for_ever("clock-spin", &["clock.now", "clock.monotonic"]),
    Case::both(
        "clock-denied",
        &["clock.now", "clock.monotonic", "clock.sleep"],
        held(&[
            "the plugin asked for the time",
            "the plugin asked for the monotonic time",
            "the plugin asked for to sleep",
        ]),
    )
    .ungranted(),
    Case::both("random-4-gib", &["random.bytes"], held(&["4294967295 random bytes"])),
    Case::for_ever("random-spin", &["random.bytes"]),
    Case::both("random-denied", &["random.bytes"], held(&["the plugin asked for 32"])).ungranted(),
];
