//! Which server this is, and whether it is one that this plugin knows.

use lockgate_plugin::{Error, Result};

/// What was run in the tests.
pub const TESTED: &str =
    "tested: MariaDB 10.11; accepted by their documentation: MariaDB 10.4 to 11, MySQL 8";

/// Who made the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// MariaDB Server.
    MariaDb,
    /// MySQL Server and what calls itself so.
    MySql,
}

/// A server by product and version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Who made it.
    pub product: Product,
    /// Major, minor and patch.
    pub version: (u32, u32, u32),
}

impl Server {
    /// Reads the version of a greeting, for example `5.5.5-10.11.19-MariaDB-log`. MariaDB puts `5.5.5-` in front because
    /// old clients refuse versions from 10 on.
    ///
    /// # Errors
    /// When there is no version in it.
    pub fn parse(text: &str) -> Result<Self> {
        let product = if text.contains("MariaDB") { Product::MariaDb } else { Product::MySql };
        let bare = match product {
            Product::MariaDb => text.strip_prefix("5.5.5-").unwrap_or(text),
            Product::MySql => text,
        };
        let end = bare.find(|next: char| !next.is_ascii_digit() && next != '.');
        let numbers = bare.get(..end.unwrap_or(bare.len())).unwrap_or_default();
        let mut numbers = numbers.split('.').map(|number| number.parse::<u32>().ok());
        let mut next = || numbers.next().flatten();
        match (next(), next(), next()) {
            (Some(major), Some(minor), patch) => {
                Ok(Self { product, version: (major, minor, patch.unwrap_or(0)) })
            }
            _ => Err(Error::unsupported(format!("cannot tell the server's version from {text:?}"))),
        }
    }

    /// Whether the plugin was run against servers of this kind.
    pub fn is_tested(&self) -> bool {
        self.product == Product::MariaDb && (self.version.0, self.version.1) == (10, 11)
    }

    /// Refuses a server that the plugin does not know.
    ///
    /// # Errors
    /// When the version is outside of what is known and `allow_untested` is not set.
    pub fn admit(&self, allow_untested: bool) -> Result<()> {
        let (major, minor, _) = self.version;
        let known = match self.product {
            Product::MariaDb => (major == 10 && minor >= 4) || major == 11,
            Product::MySql => major == 8,
        };
        if known || allow_untested {
            return Ok(());
        }
        Err(Error::unsupported(format!(
            "server version {self} is not known to this plugin ({TESTED}); set allow-untested-version = true to try"
        )))
    }

    /// Refuses to restore what a newer server, or one of another product, wrote.
    ///
    /// # Errors
    /// When `archived` is such a server and `allow_untested` is not set.
    pub fn admit_archive(&self, archived: &Self, allow_untested: bool) -> Result<()> {
        let release = |server: &Self| (server.version.0, server.version.1);
        if allow_untested
            || (archived.product == self.product && release(archived) <= release(self))
        {
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
        let product = match self.product {
            Product::MariaDb => "MariaDB",
            Product::MySql => "MySQL",
        };
        let (major, minor, patch) = self.version;
        write!(formatter, "{product} {major}.{minor}.{patch}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_admitted() {
        for (text, shown, known) in [
            ("5.5.5-10.11.19-MariaDB-0+deb12u1-log", "MariaDB 10.11.19", true),
            ("11.8.2-MariaDB", "MariaDB 11.8.2", true),
            ("10.3.39-MariaDB", "MariaDB 10.3.39", false),
            ("12.0.1-MariaDB", "MariaDB 12.0.1", false),
            ("8.0.36", "MySQL 8.0.36", true),
            ("5.7.44-log", "MySQL 5.7.44", false),
            ("9.1.0", "MySQL 9.1.0", false),
        ] {
            let server = Server::parse(text).unwrap();
            assert_eq!(server.to_string(), shown);
            assert_eq!(server.admit(false).is_ok(), known, "{text}");
            assert!(server.admit(true).is_ok());
        }
        assert!(Server::parse("mystery").is_err());
        assert!(Server::parse("").is_err());
    }

    #[test]
    fn a_printed_server_is_read_back() {
        let server = Server::parse("10.11.19-MariaDB").unwrap();
        let printed = server.to_string();
        let (product, version) = printed.split_once(' ').unwrap();
        assert_eq!(Server::parse(&format!("{version}-{product}")).unwrap(), server);
    }
}
