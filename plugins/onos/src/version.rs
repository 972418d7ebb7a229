//! Versions of ONOS, and which may read the state of which.

use std::fmt;

use lockgate_plugin::{Error, Result, printable};

use crate::config::Config;

/// A version as `2.7.0` or `2.7.1.20220823`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

/// The versions whose interface the plugin was written from.
const KNOWN: [(u32, u32); 8] = [(2, 0), (2, 1), (2, 2), (2, 3), (2, 4), (2, 5), (2, 6), (2, 7)];

impl Version {
    /// Reads one; what follows the third number is left out.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.trim().split(['.', '-']);
        let mut number = || numbers.next()?.parse().ok();
        Some(Self { major: number()?, minor: number()?, patch: number().unwrap_or(0) })
    }

    /// Refuses a version that is not known.
    ///
    /// # Errors
    /// With the versions that are.
    pub fn admit(text: &str, config: &Config) -> Result<()> {
        let is_known = Self::parse(text).is_some_and(|it| KNOWN.contains(&(it.major, it.minor)));
        if is_known || config.allow_untested_version {
            return Ok(());
        }
        Err(Error::unsupported(format!(
            "ONOS {} is not known (2.0 to 2.7 are); set allow-untested-version = true to try",
            printable(text)
        )))
    }

    /// Refuses a target that is older than the state, or more than one minor version newer.
    ///
    /// # Errors
    /// With both versions.
    pub fn admit_state(archived: &str, target: &str, config: &Config) -> Result<()> {
        if config.allow_untested_version || archived.is_empty() || target.is_empty() {
            return Ok(());
        }
        let (Some(from), Some(to)) = (Self::parse(archived), Self::parse(target)) else {
            return Err(Error::unsupported(format!(
                "versions {} and {} cannot be compared; set allow-untested-version = true to restore all the same",
                printable(archived),
                printable(target)
            )));
        };
        if to < from {
            return Err(Error::unsupported(format!(
                "the state is of ONOS {from}, and the target is {to}: an older version does not read it; install \
                 {from} or the version after it"
            )));
        }
        if to.major != from.major || to.minor > from.minor + 1 {
            return Err(Error::unsupported(format!(
                "the state is of ONOS {from}, and the target is {to}: a version reads its own state and that of the one before; restore \
                 into {}.{} first",
                from.major,
                from.minor + 1
            )));
        }
        Ok(())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_goes_into_its_own_version_and_the_next() {
        let may = |from, to| Version::admit_state(from, to, &Config::default()).is_ok();
        assert!(may("2.6.0", "2.6.0") && may("2.6.0", "2.7.0.20220101") && may("2.6.0", "2.6.3"));
        assert!(!may("2.7.0", "2.6.9") && !may("2.5.0", "2.7.0") && !may("1.15.0", "2.0.0"));
        assert!(may("", "2.7.0") && !may("x", "2.7.0"));
        assert!(Version::admit("2.7.0-rc2", &Config::default()).is_ok());
        let refused = Version::admit("3.0.0", &Config::default()).unwrap_err();
        assert!(refused.message().contains("ONOS 3.0.0 is not known (2.0 to 2.7"), "{refused}");
    }
}
