//! Names of users and groups.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// Most bytes that are read of each table.
const TABLE_BYTES_MAX: u64 = 16 << 20;

/// What the system's own tables (`passwd(5)`, `group(5)`) say. They are read once, before any plugin runs; names that only a
/// directory server knows stay empty, and numbers are always kept beside the names.
#[derive(Debug, Default)]
pub struct Owners {
    users: HashMap<u32, String>,
    groups: HashMap<u32, String>,
}

impl Owners {
    /// Reads the system's tables; a table that cannot be read is empty.
    pub fn load() -> Self {
        let table = |path: &str| {
            File::open(Path::new(path))
                .map(|file| parse(file.take(TABLE_BYTES_MAX)))
                .unwrap_or_default()
        };
        Self { users: table("/etc/passwd"), groups: table("/etc/group") }
    }

    /// The user's name; empty when the tables have none.
    pub fn user(&self, number: u32) -> String {
        self.users.get(&number).cloned().unwrap_or_default()
    }

    /// The group's name; empty when the tables have none.
    pub fn group(&self, number: u32) -> String {
        self.groups.get(&number).cloned().unwrap_or_default()
    }
}

/// Both tables have lines of fields separated by `:`, the name first and the number third. The first line for a number counts.
fn parse(table: impl Read) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    for line in BufReader::new(table).lines().map_while(Result::ok) {
        let mut fields = line.split(':');
        if let (Some(name), Some(number)) = (fields.next(), fields.nth(1))
            && let Ok(number) = number.parse()
        {
            names.entry(number).or_insert_with(|| name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_of_a_number_counts_and_odd_lines_do_not_matter() {
        let names = parse(
            "root:x:0:0:root:/root:/bin/sh\n\n+::\ntoor:x:0:\nweb:x:33:a,b\nbad:x:-1:\n".as_bytes(),
        );
        assert_eq!(names.get(&0).map(String::as_str), Some("root"));
        assert_eq!(names.get(&33).map(String::as_str), Some("web"));
        assert_eq!(names.len(), 2);
    }
}
