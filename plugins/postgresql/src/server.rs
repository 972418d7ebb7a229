//! Which server this is, and whether it is one that this plugin knows.

use lockgate_plugin::{Error, Result};

/// What was run in the tests, and what is accepted.
pub const TESTED: &str = "tested: PostgreSQL 15; accepted by their documentation: 12 to 17";

const KNOWN: std::ops::RangeInclusive<u32> = 12..=17;

/// The version of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Server {
    /// The release: catalogs and syntax change with it.
    pub major: u32,
    /// The update within the release.
    pub minor: u32,
}

impl Server {
    /// Reads the parameter `server_version`, for example `15.20 (Debian 15.20-0+deb12u1)` or `18beta1`.
    ///
    /// # Errors
    /// When there is no version in it.
    pub fn parse(text: &str) -> Result<Self> {
        let end = text.find(|next: char| !next.is_ascii_digit() && next != '.');
        let mut numbers = text.get(..end.unwrap_or(text.len())).unwrap_or_default().split('.');
        let mut next = || numbers.next().and_then(|number| number.parse::<u32>().ok());
        match next() {
            Some(major) => Ok(Self { major, minor: next().unwrap_or(0) }),
            None => {
                Err(Error::unsupported(format!("cannot tell the server's version from {text:?}")))
            }
        }
    }

    /// Whether the plugin was run against servers of this release.
    pub fn is_tested(self) -> bool {
        self.major == 15
    }

    /// Refuses a server that the plugin does not know.
    ///
    /// # Errors
    /// When the version is outside of what is known and `allow_untested` is not set.
    pub fn admit(self, allow_untested: bool) -> Result<()> {
        if KNOWN.contains(&self.major) || allow_untested {
            return Ok(());
        }
        Err(Error::unsupported(format!(
            "server version {self} is not known to this plugin ({TESTED}); set allow-untested-version = true to try"
        )))
    }

    /// Refuses to restore what a newer release wrote.
    ///
    /// # Errors
    /// When `archived` is such a server and `allow_untested` is not set.
    pub fn admit_archive(self, archived: Self, allow_untested: bool) -> Result<()> {
        if allow_untested || archived.major <= self.major {
            return Ok(());
        }
        Err(Error::unsupported(format!(
            "the backup is of {archived} and the target is {self}, which may not understand its definitions; \
             set allow-untested-version = true to try"
        )))
    }
}

impl std::fmt::Display for Server {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "PostgreSQL {}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_admitted() {
        for (text, shown, known) in [
            ("15.20 (Debian 15.20-0+deb12u1)", "PostgreSQL 15.20", true),
            ("12.1", "PostgreSQL 12.1", true),
            ("11.22", "PostgreSQL 11.22", false),
            ("18beta1", "PostgreSQL 18.0", false),
            ("9.6.24", "PostgreSQL 9.6", false),
        ] {
            let server = Server::parse(text).unwrap();
            assert_eq!(server.to_string(), shown);
            assert_eq!(server.admit(false).is_ok(), known, "{text}");
            assert!(server.admit(true).is_ok());
        }
        assert!(Server::parse("mystery").is_err() && Server::parse("").is_err());
    }

    #[test]
    fn a_newer_backup_is_refused() {
        let (old, new) = (Server { major: 14, minor: 9 }, Server { major: 15, minor: 1 });
        assert!(new.admit_archive(old, false).is_ok());
        assert!(old.admit_archive(new, false).is_err() && old.admit_archive(new, true).is_ok());
    }
}
