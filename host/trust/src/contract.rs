//! Versions of the contract that components are built for.

/// Where all interfaces of the contract come from.
pub const CONTRACT_PACKAGE: &str = "lockgate:datastore";

/// Whether a component that was built for one version fits a host that speaks the other: the numbers are equal up to the first
/// that is not zero (<https://semver.org>, rules 4 and 8).
#[must_use]
pub fn are_compatible(one: &str, other: &str) -> bool {
    significant(one) == significant(other)
}

fn significant(version: &str) -> &str {
    let mut end = 0;
    for number in version.split('.') {
        end += number.len() + 1;
        if number != "0" {
            break;
        }
    }
    version.get(..end.saturating_sub(1)).unwrap_or(version)
}

/// The contract's version in the name of an interface, `lockgate:datastore/backup@0.1.0`; none when it is of another package.
pub(crate) fn version_of(interface: &str) -> Option<&str> {
    let rest = interface.strip_prefix(CONTRACT_PACKAGE)?.strip_prefix('/')?;
    Some(rest.split_once('@').map_or("", |(_, version)| version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_breaking_versions_are_told_apart() {
        for (one, other) in [("0.1.0", "0.1.7"), ("1.2.3", "1.9.0")] {
            assert!(are_compatible(one, other), "{one} {other}");
        }
        for (one, other) in
            [("0.1.0", "0.2.0"), ("0.1.0", "0.10.0"), ("1.0.0", "2.0.0"), ("no version", "0.1.0")]
        {
            assert!(!are_compatible(one, other), "{one} {other}");
        }
    }

    #[test]
    fn the_version_stands_behind_the_name() {
        assert_eq!(version_of("lockgate:datastore/backup@0.1.0"), Some("0.1.0"));
        assert_eq!(version_of("lockgate:datastore/backup"), Some(""));
        assert_eq!(version_of("wasi:cli/run@0.2.0"), None);
    }
}
