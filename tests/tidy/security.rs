//! The threat model, the operations and the promises name tests; they must exist.

use std::collections::BTreeSet;

use crate::{read, tracked};

const THREATS: &str = "SECURITY.md";
/// Fewer would mean that the table is not read any more.
const NAMED_MIN: usize = 20;

/// The operations of others, each with what proves it here.
const OPERATIONS: &str = "docs/backups.md";
const OPERATIONS_TITLES: &str = "| operation | command | REST call | test |";

#[test]
fn every_threat_names_tests_that_exist() {
    let text = read(THREATS.as_ref()).expect("there is a threat model");
    let rows = text.lines().filter(|line| line.starts_with("| ") && line.ends_with(" |"));
    // The first row holds the titles.
    let named = named_in(rows.skip(1));
    assert!(named.len() >= NAMED_MIN, "only {} tests are named", named.len());
    they_exist(&named, THREATS);
}

#[test]
fn every_operation_names_tests_that_exist() {
    let text = read(OPERATIONS.as_ref()).expect("there is a table of operations");
    let rows = text.lines().skip_while(|line| *line != OPERATIONS_TITLES).skip(2);
    let named = named_in(rows.take_while(|line| line.starts_with('|')));
    assert!(!named.is_empty(), "{OPERATIONS} has no table of operations");
    they_exist(&named, OPERATIONS);
}

/// What users may rely on.
const PROMISES: &str = "PROMISES.md";

#[test]
fn every_promise_names_tests_that_exist() {
    let text = read(PROMISES.as_ref()).expect("there are promises");
    let rows = text.lines().filter(|line| line.starts_with("| P"));
    let named = named_in(rows);
    assert!(named.len() >= NAMED_MIN, "only {} tests are named", named.len());
    they_exist(&named, PROMISES);
    let numbers: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("| P")?.split(' ').next()).collect();
    let expected: Vec<String> = (1..=numbers.len()).map(|number| number.to_string()).collect();
    assert_eq!(numbers, expected, "{PROMISES} numbers its promises one after the other");
}

/// The tests in the last cells of these rows.
fn named_in<'a>(rows: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for row in rows {
        let cell = row.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default();
        let tests: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "no test in: {row}");
        named.extend(tests.into_iter().map(str::to_owned));
    }
    named
}

fn they_exist(named: &BTreeSet<String>, document: &str) {
    let sources =
        tracked().into_iter().filter(|path| path.extension().is_some_and(|it| it == "rs"));
    let code: String = sources.filter_map(|path| read(&path)).collect();
    let lost: Vec<&String> =
        named.iter().filter(|test| !code.contains(&format!("fn {test}("))).collect();
    assert!(lost.is_empty(), "{document} names tests that do not exist: {lost:?}");
}
