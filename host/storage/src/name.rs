use crate::limits;

/// Start of the names of the local service's temporary files. No object may have such a name.
pub(crate) const TEMPORARY_PREFIX: &str = ".lockgate-tmp-";

/// What is wrong with `name` as the name of an object that every service can hold; none when nothing is.
///
/// A name is relative, of components separated by `/`, each of printable ASCII and none of them empty, `.` or `..`.
pub(crate) fn fault(name: &str) -> Option<&'static str> {
    if name.is_empty() || name.len() > limits::NAME_BYTES_MAX {
        return Some("its length is not between 1 and 512 bytes");
    }
    if !name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return Some("it has a character that is not printable ASCII");
    }
    let mut components = 0;
    for component in name.split('/') {
        components += 1;
        if component.is_empty() || component == "." || component == ".." {
            return Some("it has an empty component, `.` or `..`");
        }
        if component.starts_with(TEMPORARY_PREFIX) {
            return Some("it looks like a temporary file");
        }
    }
    (components > limits::NAME_COMPONENTS_MAX).then_some("it has more than 16 components")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_the_location_are_refused() {
        for name in ["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a b", "a\0", "é", "a\\b"] {
            assert!(fault(name).is_some(), "{name:?}");
        }
        for name in ["config", "data/ab/abcdef", "locks/0123", "a.b-c_d"] {
            assert_eq!(fault(name), None, "{name:?}");
        }
    }

    #[test]
    fn long_and_deep_names_are_refused() {
        assert!(fault(&"a".repeat(513)).is_some());
        assert!(fault(&["a"; 17].join("/")).is_some());
        assert!(fault("data/.lockgate-tmp-1").is_some());
    }
}
