//! Which server this is, and whether it is one that this plugin knows.

use std::collections::BTreeMap;

use lockgate_plugin::{Error, Result, printable};

/// What was run in the tests.
pub const TESTED: &str =
    "tested: Cassandra 5.0; accepted by their documentation: Cassandra 4.0 and 4.1";

/// The protocol, as servers name it.
const PROTOCOL: &str = "5/v5";
/// The versions of CQL of Cassandra 4.0, 4.1 and 5.0.
const LANGUAGES: [&str; 3] = ["3.4.5", "3.4.6", "3.4.7"];

/// What a node says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// Major and minor.
    pub version: (u32, u32),
    /// As it stands.
    pub release: String,
    /// The cluster's name.
    pub cluster: String,
    /// The datacentre of the node.
    pub datacenter: String,
    /// The class that makes tokens of keys, without its package.
    pub partitioner: String,
}

impl Server {
    /// Reads a version like `5.0.9` or `4.1.0-SNAPSHOT`.
    ///
    /// # Errors
    /// When there is none.
    pub fn parse(release: &str) -> Result<(u32, u32)> {
        let mut numbers = release.split(['.', '-']).map(|number| number.parse::<u32>().ok());
        match (numbers.next().flatten(), numbers.next().flatten()) {
            (Some(major), Some(minor)) => Ok((major, minor)),
            _ => Err(Error::unsupported(format!(
                "cannot tell the server's version from {:?}",
                printable(release)
            ))),
        }
    }

    /// Whether the plugin was run against servers of this kind.
    pub fn is_tested(&self) -> bool {
        self.version == (5, 0)
    }

    /// Whether the times of elements of collections and of fields can be read, which began with 5.0 (CASSANDRA-8877).
    pub fn tells_times_of_elements(&self) -> bool {
        self.version >= (5, 0)
    }

    /// Whether a role can be made with the hash of its password, which began with 4.1 (CASSANDRA-17334).
    pub fn takes_hashed_passwords(&self) -> bool {
        self.version >= (4, 1)
    }

    /// Whether tokens are numbers of 64 bits, so that the ring can be cut.
    pub fn has_murmur_tokens(&self) -> bool {
        self.partitioner == "Murmur3Partitioner"
    }

    /// Refuses a server that the plugin does not know.
    ///
    /// # Errors
    /// When the version is outside of what is known and `allow_untested` is not set.
    pub fn admit(&self, allow_untested: bool) -> Result<()> {
        if allow_untested || matches!(self.version, (4, 0 | 1) | (5, 0)) {
            return Ok(());
        }
        Err(refused(&format!("server version {}", printable(&self.release))))
    }

    /// Refuses to restore what a newer server wrote.
    ///
    /// # Errors
    /// When `archived` is such a server and `allow_untested` is not set.
    pub fn admit_archive(&self, archived: &str, allow_untested: bool) -> Result<()> {
        if allow_untested || Self::parse(archived)? <= self.version {
            return Ok(());
        }
        Err(Error::unsupported(format!(
            "the backup is of Cassandra {} and the target is {self}, which may not understand its definitions; \
             set allow-untested-version = true to try",
            printable(archived)
        )))
    }
}

/// Refuses a server by what it says before anything else.
///
/// # Errors
/// When it does not speak the protocol, or another CQL and `allow_untested` is not set.
pub fn admit_options(options: &BTreeMap<String, Vec<String>>, allow_untested: bool) -> Result<()> {
    let said = |key: &str| options.get(key).map(Vec::as_slice).unwrap_or_default();
    let protocols = said("PROTOCOL_VERSIONS");
    if !protocols.iter().any(|protocol| protocol == PROTOCOL) {
        let shown = printable(protocols.join(", "));
        return Err(Error::unsupported(format!(
            "the server speaks the protocols {shown} and not {PROTOCOL}, which Cassandra does from 4.0 on ({TESTED})"
        )));
    }
    let languages = said("CQL_VERSION");
    if allow_untested || languages.iter().any(|language| LANGUAGES.contains(&language.as_str())) {
        return Ok(());
    }
    Err(refused(&format!("CQL {}", printable(languages.join(", ")))))
}

fn refused(what: &str) -> Error {
    Error::unsupported(format!(
        "{what} is not known to this plugin ({TESTED}); set allow-untested-version = true to try"
    ))
}

impl std::fmt::Display for Server {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Cassandra {}", printable(&self.release))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_admitted() {
        for (release, known) in [
            ("5.0.9", true),
            ("4.1.10", true),
            ("4.0", true),
            ("3.11.19", false),
            ("5.1-SNAPSHOT", false),
        ] {
            let version = Server::parse(release).unwrap();
            let server = Server { version, release: release.to_owned(), ..Server::default() };
            assert_eq!(server.admit(false).is_ok(), known, "{release}");
            assert!(server.admit(true).is_ok());
        }
        assert!(Server::parse("mystery").is_err() && Server::parse("").is_err());
        let target = Server { version: (4, 1), ..Server::default() };
        assert!(target.admit_archive("4.0.1", false).is_ok());
        assert!(target.admit_archive("5.0.9", false).is_err());
    }

    #[test]
    fn other_protocols_and_languages_are_refused() {
        let options = |protocol: &str, language: &str| {
            BTreeMap::from([
                ("PROTOCOL_VERSIONS".to_owned(), vec!["4/v4".to_owned(), protocol.to_owned()]),
                ("CQL_VERSION".to_owned(), vec![language.to_owned()]),
            ])
        };
        assert!(admit_options(&options("5/v5", "3.4.7"), false).is_ok());
        assert!(admit_options(&options("3/v3", "3.4.7"), true).is_err());
        assert!(admit_options(&options("5/v5", "3.9.7"), false).is_err());
        assert!(admit_options(&options("5/v5", "3.9.7"), true).is_ok());
    }
}
