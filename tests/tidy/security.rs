//! The threat model names tests; they must exist.

use std::collections::BTreeSet;

use crate::{read, tracked};

const THREATS: &str = "SECURITY.md";
/// Fewer would mean that the table is not read any more.
const NAMED_MIN: usize = 20;

#[test]
fn every_threat_names_tests_that_exist() {
    let text = read(THREATS.as_ref()).expect("there is a threat model");
    let rows = text.lines().filter(|line| line.starts_with("| ") && line.ends_with(" |"));
    let mut named = BTreeSet::new();
    // The first row holds the titles.
    for row in rows.skip(1) {
        let cell = row.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default();
        let tests: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "no test in: {row}");
        named.extend(tests.into_iter().map(str::to_owned));
    }
    assert!(named.len() >= NAMED_MIN, "only {} tests are named", named.len());
    let sources =
        tracked().into_iter().filter(|path| path.extension().is_some_and(|it| it == "rs"));
    let code: String = sources.filter_map(|path| read(&path)).collect();
    let lost: Vec<&String> =
        named.iter().filter(|test| !code.contains(&format!("fn {test}("))).collect();
    assert!(lost.is_empty(), "{THREATS} names tests that do not exist: {lost:?}");
}
