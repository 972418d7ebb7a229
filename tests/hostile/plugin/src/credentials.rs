//! Attacks the credentials. The test grants `account`, which answers and does not reveal.

use lockgate_plugin::{Result, credentials, credentials_reveal};

use crate::{Behaviours, denied, held, refused};

/// Every scheme that the host knows, with a challenge of the right length.
const SCHEMES: [(&str, usize); 3] =
    [("mysql_native_password", 20), ("caching_sha2_password", 20), ("client_ed25519", 32)];

pub const ALL: Behaviours = &[
    ("credential-ungranted", |_| {
        for name in ["root", "", "account ", "../account", "neighbour"] {
            denied("a credential", credentials::open(name));
        }
        held()
    }),
    ("credential-unknown-scheme", |_| {
        let account = credentials::open("account")?;
        for scheme in ["", "plain", "mysql_clear_password", "\u{1b}[31m", "MYSQL_NATIVE_PASSWORD"] {
            refused(scheme, account.respond(scheme, &[7; 20], &[]));
        }
        held()
    }),
    ("credential-reveal", |_| {
        let account = credentials::open("account")?;
        let encrypted = [("encrypted".to_owned(), vec![1])];
        denied("the secret", account.respond("caching_sha2_password_full", &[], &encrypted));
        refused("the secret", account.respond("caching_sha2_password_full", &[], &[]));
        held()
    }),
    ("credential-secret-denied", |_| {
        let account = credentials::open("account")?;
        for _ in 0..100 {
            denied("the secret", credentials_reveal::reveal(&account));
        }
        held()
    }),
    ("credential-challenge", |_| {
        let account = credentials::open("account")?;
        for (scheme, length) in SCHEMES {
            for wrong in [0, 1, length - 1, length + 1, 1 << 20] {
                refused(scheme, account.respond(scheme, &vec![0; wrong], &[]));
            }
            let flood: Vec<_> = (0..10_000).map(|it| (format!("{it}"), vec![0; 8])).collect();
            account.respond(scheme, &vec![1; length], &flood).ok();
        }
        held()
    }),
    // Asks for ever; each answer is worth no more than the first.
    ("credential-oracle", |_| oracle()),
    ("credentials-denied", |_| {
        denied("a credential", credentials::open("account"));
        held()
    }),
];

fn oracle() -> Result<()> {
    let account = credentials::open("account")?;
    let mut number = 0_u32;
    loop {
        number += 1;
        let mut challenge = [1; 20];
        challenge[..4].copy_from_slice(&number.to_le_bytes());
        account.respond("mysql_native_password", &challenge, &[])?;
        std::hint::black_box(account.principal());
    }
}
