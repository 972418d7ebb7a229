//! Size of files and functions, and words that do not belong here.

use std::path::{Path, PathBuf};

use crate::{read, tracked};

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 80;
const LINE_CHARACTERS_MAX: usize = 140;
const FILE_BYTES_MAX: usize = 64 << 10;

fn sources() -> Vec<(PathBuf, String)> {
    let rust =
        tracked().into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "rs"));
    rust.filter_map(|path| read(&path).map(|text| (path, text))).collect()
}

#[test]
fn files_and_lines_stay_small() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= FILE_LINES_MAX, "{} has {lines} lines", path.display());
        // A text that is printed stays on one line, so that it can be searched for.
        let is_long =
            |line: &str| line.chars().count() > LINE_CHARACTERS_MAX && !line.contains('"');
        let long = text.lines().position(is_long);
        assert!(long.is_none(), "{}:{} is too long", path.display(), long.unwrap_or(0) + 1);
    }
}

#[test]
fn functions_fit_a_screen() {
    for (path, text) in sources() {
        for (name, lines) in functions(&text) {
            assert!(lines <= FUNCTION_LINES_MAX, "{}: {name} has {lines} lines", path.display());
        }
    }
}

/// Names and lengths of functions, told by the indentation that rustfmt gives: a function ends at the first line that closes a
/// brace at its own depth.
fn functions(text: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let Some(name) = code.split("fn ").nth(1).filter(|_| starts_function(code)) else {
            continue;
        };
        let depth = line.len() - code.len();
        let closes = |line: &&str| {
            line.len() - line.trim_start().len() == depth && line.trim_start().starts_with('}')
        };
        let length = lines[start..].iter().position(closes).unwrap_or(0);
        found.push((name.split(['(', '<']).next().unwrap_or_default().to_owned(), length + 1));
    }
    found
}

fn starts_function(code: &str) -> bool {
    let words = ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe", "fn", "extern"];
    code.split(' ').take_while(|word| *word != "fn").all(|word| words.contains(&word))
        && !code.ends_with(';')
}

#[test]
fn no_module_is_a_drawer_for_everything() {
    for path in tracked() {
        let banned = ["util", "utils", "common", "helper", "helpers", "manager", "misc"];
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let folder = path
            .parent()
            .and_then(Path::file_name)
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        assert!(!banned.contains(&stem) && !banned.contains(&folder), "{}", path.display());
    }
}

#[test]
fn nothing_is_left_for_later_in_the_code() {
    let markers = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["XX", "X"].concat()];
    for (path, text) in sources() {
        for marker in &markers {
            assert!(!text.contains(marker.as_str()), "{} has a {marker}", path.display());
        }
    }
}

#[test]
fn nothing_large_is_tracked() {
    for path in tracked().iter().filter(|path| !path.ends_with("Cargo.lock")) {
        let bytes = read(path).map_or(0, |text| text.len());
        assert!(bytes <= FILE_BYTES_MAX, "{} has {bytes} bytes", path.display());
    }
}
