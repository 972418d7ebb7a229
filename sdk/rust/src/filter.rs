//! Names of a datastore (tables, indexes, ...) to take and to leave out. In a pattern `*` stands for any text and everything else
//! for itself; for paths of files there is [`crate::glob`].

use serde::{Deserialize, Serialize};

use crate::glob::matches_sequence;
use crate::{Error, Result};

/// What a source names, in a form that can be kept with a backup: another source may be restored into.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Patterns of what is taken. Empty for all.
    pub include: Vec<String>,
    /// Patterns of what is left out; stronger than `include`.
    pub exclude: Vec<String>,
}

impl Filter {
    /// Whether all that goes by `name` is taken.
    #[must_use]
    pub fn takes(&self, name: &str) -> bool {
        takes(&self.include, &self.exclude, &[name])
    }

    /// Whether `name` in `group` (a table in a database, ...) is taken: it goes by the group's name and by `GROUP.NAME`.
    #[must_use]
    pub fn takes_in(&self, group: &str, name: &str) -> bool {
        takes(&self.include, &self.exclude, &[group, &format!("{group}.{name}")])
    }
}

/// Whether something is taken that goes by each of `names`.
#[must_use]
pub fn takes(include: &[String], exclude: &[String], names: &[&str]) -> bool {
    let named = |pattern: &String| names.iter().any(|name| fits(pattern, name));
    (include.is_empty() || include.iter().any(named)) && !exclude.iter().any(named)
}

/// Whether `name` fits `pattern`. Takes time in proportion to the product of lengths.
#[must_use]
pub fn fits(pattern: &str, name: &str) -> bool {
    let is_star = |byte: &u8| *byte == b'*';
    matches_sequence(pattern.as_bytes(), name.as_bytes(), is_star, |own, other| own == other)
}

/// Refuses empty patterns in the list that the configuration has under `key`.
///
/// # Errors
/// [`Error::config`] that names the key.
pub fn check(key: &str, patterns: &[String]) -> Result<()> {
    match patterns.iter().any(String::is_empty) {
        true => Err(Error::config(format!("{key}: a pattern is empty"))),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*b*c", "aXXbYYbc", true),
            ("a*b", "acd", false),
            ("a*a", "a", false),
            ("a?[b", "a?[b", true),
            ("a?", "ab", false),
            ("", "", true),
            ("", "a", false),
            ("**a", "bb/a", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_left_out_is_stronger() {
        let filter = Filter { include: vec!["shop".into()], exclude: vec!["shop.log_*".into()] };
        assert!(filter.takes_in("shop", "orders") && !filter.takes_in("shop", "log_1"));
        assert!(!filter.takes_in("crm", "orders") && Filter::default().takes("crm"));
        assert!(check("include", &filter.include).is_ok() && check("a", &[String::new()]).is_err());
    }
}
