//! Takes handles of every kind and gives none back.

use lockgate_plugin::bindings::lockgate::datastore::{archive, net};
use lockgate_plugin::{Entry, Failure, Result, credentials, files};

use crate::{Behaviours, Way};

pub const ALL: Behaviours = &[
    ("open-entries", |way| match way {
        Way::Export => {
            let mut number = 0;
            take(|| {
                number += 1;
                archive::create(&Entry::new(format!("open-{number}")))
            })
        }
        Way::Import => take(|| archive::open(b"data")),
    }),
    ("open-files", |_| take(|| files::open("given", b"file"))),
    ("open-listings", |_| take(|| files::list_folder("given", b""))),
    ("open-connections", |_| take(|| net::connect("server"))),
    ("open-credentials", |_| take(|| credentials::open("account"))),
];

fn take<T>(mut open: impl FnMut() -> Result<T, Failure>) -> Result<()> {
    let mut taken = Vec::new();
    for _ in 0..1_000_000 {
        taken.push(open()?);
    }
    panic!("BREACH: a million handles");
}
