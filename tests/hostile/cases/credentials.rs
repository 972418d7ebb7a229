//! Credentials.

use crate::case::{Case, held};

const RESPOND: &[&str] = &["credentials.credential.respond"];

pub const ALL: &[Case] = &[
    Case::both(
        "credential-ungranted",
        &["credentials.open"],
        held(&[
            "credentials: the plugin asked for \"root\"",
            "credentials: the plugin asked for \"neighbour\"",
        ]),
    ),
    Case::both("credential-unknown-scheme", RESPOND, held(&["mysql_clear_password"])),
    Case::both("credential-reveal", RESPOND, held(&["credential account", "reveal"])),
    Case::both(
        "credential-secret-denied",
        &["credentials-reveal.reveal"],
        held(&["credential account", "`reveal = true`"]),
    ),
    Case::both("credential-challenge", RESPOND, held(&["mysql_native_password"])),
    Case::for_ever(
        "credential-oracle",
        &["credentials.credential.respond", "credentials.credential.principal"],
    ),
    Case::both(
        "credentials-denied",
        &["credentials.open"],
        held(&["credentials: the plugin asked for \"account\""]),
    )
    .ungranted(),
];
