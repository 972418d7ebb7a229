//! Strings and lists that are longer than anything can be: as long as the instance's memory allows.

use lockgate_plugin::bindings::lockgate::datastore::{archive, job, net};
use lockgate_plugin::{Attribute, Entry, Error, Result, credentials, files};

use crate::{Behaviours, Way, refused};

/// Above what one call may make the host allocate, below what an instance has.
const LENGTH: usize = 24 << 20;

pub const ALL: Behaviours = &[
    ("long-log", |_| {
        job::log(job::Level::Error, &text(), &[]);
        unheard()
    }),
    ("long-field", |_| {
        job::log(job::Level::Error, "", &[Attribute::new("a", text())]);
        unheard()
    }),
    ("many-fields", |_| {
        let fields: Vec<_> = (0..300_000).map(|it| Attribute::new(it.to_string(), "")).collect();
        job::log(job::Level::Error, "many fields", &fields);
        unheard()
    }),
    ("long-progress", |_| {
        job::progress(&text(), 0, 0);
        unheard()
    }),
    ("long-path", |way| match way {
        Way::Export => used(archive::create(&Entry::new(text()))),
        Way::Import => used(archive::open(text().as_bytes())),
    }),
    ("long-attribute", |way| match way {
        Way::Export => used(archive::create(&Entry::new("a").with_attribute("a", text()))),
        Way::Import => used(archive::entries(b"", Some(text().as_bytes()), 1)),
    }),
    ("long-write", |way| match way {
        Way::Export => {
            let writer = archive::create(&Entry::new("long"))?;
            for _ in 0..8 {
                writer.write(text().as_bytes())?;
            }
            Err(Error::other("wrote long pieces"))
        }
        Way::Import => {
            let file = files::create("given", b"long", true)?;
            used(file.write_at(0, text().as_bytes()))
        }
    }),
    ("long-folder-name", |_| used(files::open(&text(), b"file"))),
    ("long-endpoint-name", |_| used(net::connect(&text()))),
    ("long-host-name", |_| used(net::connect_member("cluster", &text(), 80))),
    ("long-credential-name", |_| used(credentials::open(&text()))),
    ("long-challenge", |_| {
        let account = credentials::open("account")?;
        used(account.respond("mysql_native_password", text().as_bytes(), &[]))
    }),
    ("long-name-below-the-limit", |_| {
        // Control characters take most room when they are quoted.
        let name = "\u{1b}".repeat(15 << 20);
        refused("a name", files::open(&name, b"file"));
        refused("a name", net::connect(&name));
        refused("a name", credentials::open(&name));
        crate::held()
    }),
    ("long-error", |_| Err(Error::other(text()))),
    ("long-panic", |_| panic!("{}", text())),
];

fn text() -> String {
    "x".repeat(LENGTH)
}

fn used<T>(answer: Result<T, lockgate_plugin::Failure>) -> Result<()> {
    refused("a text of 24 MiB", answer);
    crate::held()
}

fn unheard() -> Result<()> {
    Err(Error::other("said it"))
}
