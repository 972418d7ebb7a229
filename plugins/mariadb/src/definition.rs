//! What is not rows: definitions as statements, with what must be set when they are run. Archived as JSON Lines
//! (<https://jsonlines.org>), one definition a line.

use std::io::{BufRead, Read, Write};

use lockgate_plugin::Entry;
use lockgate_plugin::host::Host;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::limits::DEFINITIONS_BYTES_MAX;
use crate::names::quote_name;
use lockgate_plugin::Hasher;

/// What a session must have set while the definition is run, because the server keeps it with the object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Setting {
    /// <https://mariadb.com/kb/en/sql-mode/>.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sql_mode: Option<String>,
    /// Of the text.
    pub character_set_client: String,
    /// Of literals in the text.
    pub collation_connection: String,
    /// Of an event's schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
#[allow(missing_docs, reason = "the fields are named as in the server's documentation")]
pub enum Definition {
    /// Options of the database itself.
    Database { character_set: String, collation: String, comment: String },
    /// With the number that it gives next.
    Sequence { name: String, sql: String, next: String, round: String },
    /// `what` is the word behind CREATE: FUNCTION, PROCEDURE, PACKAGE, PACKAGE BODY.
    Routine { what: String, name: String, sql: String, setting: Setting },
    /// So that what uses the view can be made before the view itself.
    ViewColumns { name: String, columns: Vec<String> },
    /// A view.
    View { name: String, sql: String, setting: Setting },
    /// An event of the scheduler.
    Event { name: String, sql: String, setting: Setting },
    /// A trigger of the table that the part holds.
    Trigger {
        name: String,
        definer: String,
        timing: String,
        event: String,
        body: String,
        setting: Setting,
    },
    /// An account or a role with what it may do. Holds the hash of the password, as the server gives it.
    Account { user: String, host: String, role: bool, create: String, grants: Vec<String> },
}

impl Definition {
    fn line(&self) -> Result<Vec<u8>, Error> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }

    /// A hash that is equal for equal definitions. The name of a trigger does not count: a restored table may have
    /// had to take another one.
    fn hash(&self) -> Result<u128, Error> {
        let mut counted = self.clone();
        if let Self::Trigger { name, .. } = &mut counted {
            name.clear();
        }
        Ok(Hasher::hash(&counted.line()?))
    }
}

/// The sum of the definitions' hashes; the order makes no difference.
///
/// # Errors
/// When a definition has no JSON form.
pub fn sum(definitions: &[Definition]) -> Result<u128, Error> {
    let mut sum = 0_u128;
    for definition in definitions {
        sum = sum.wrapping_add(definition.hash()?);
    }
    Ok(sum)
}

/// Writes definitions as one entry.
///
/// # Errors
/// When the host does not take them.
pub fn write<H: Host>(host: &H, path: &str, definitions: &[Definition]) -> Result<(), Error> {
    let entry = Entry::new(path).with_media_type("application/jsonl");
    let mut output = host.create(&entry)?;
    for definition in definitions {
        output.write_all(&definition.line()?)?;
    }
    Ok(output.finish()?)
}

/// Writes a text as one entry.
///
/// # Errors
/// When the host does not take it.
pub fn write_text<H: Host>(host: &H, path: &str, text: &str) -> Result<(), Error> {
    let mut output = host.create(&Entry::new(path).with_media_type("application/sql"))?;
    output.write_all(text.as_bytes())?;
    Ok(output.finish()?)
}

/// Reads definitions back.
///
/// # Errors
/// When the entry is missing, too large or damaged.
pub fn read<H: Host>(host: &H, path: &str) -> Result<Vec<Definition>, Error> {
    let text = read_text(host, path)?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// Reads a text back.
///
/// # Errors
/// When the entry is missing, too large or not UTF-8.
pub fn read_text<H: Host>(host: &H, path: &str) -> Result<String, Error> {
    let source: Box<dyn BufRead> = host.open(path)?;
    let mut text = Vec::new();
    source.take(DEFINITIONS_BYTES_MAX as u64 + 1).read_to_end(&mut text)?;
    if text.len() > DEFINITIONS_BYTES_MAX {
        let message = format!("{path} in the archive is larger than 64 MiB");
        return Err(lockgate_plugin::Error::corrupt(message).into());
    }
    String::from_utf8(text).map_err(|error| lockgate_plugin::Error::from(error).into())
}

/// A table's definition under another name; none when it is not the definition of `name`.
///
/// When the name really changes, the symbols of foreign keys are left out, so that the server makes new ones: they are
/// unique in a database, and the table with the old name may still be there.
pub fn renamed(sql: &str, name: &str, new_name: &str) -> Option<String> {
    let body = sql.strip_prefix("CREATE TABLE ")?.strip_prefix(&quote_name(name))?;
    let body = if name == new_name { body.to_owned() } else { without_symbols(body) };
    Some(format!("CREATE TABLE {}{body}", quote_name(new_name)))
}

/// What of a table's definition counts for its fingerprint: not its name, not the symbols of foreign keys, and not the
/// next number, which goes on without any change to rows.
pub fn normal(sql: &str, name: &str) -> Option<String> {
    let body = sql.strip_prefix("CREATE TABLE ")?.strip_prefix(&quote_name(name))?;
    let body = without_symbols(body);
    let options = body.rfind("\n) ").unwrap_or(body.len());
    let (columns, options) = body.split_at(options);
    Some(format!("{columns}{}", without_next_number(options)))
}

fn without_next_number(options: &str) -> String {
    const KEY: &str = " AUTO_INCREMENT=";
    // The comment, which may hold anything, comes behind it.
    let comment = options.find(" COMMENT=").unwrap_or(options.len());
    match options.find(KEY).filter(|at| *at < comment) {
        None => options.to_owned(),
        Some(at) => {
            let (front, behind) = options.split_at(at);
            let rest = behind.get(KEY.len()..).unwrap_or_default();
            format!("{front}{}", rest.trim_start_matches(|digit: char| digit.is_ascii_digit()))
        }
    }
}

fn without_symbols(body: &str) -> String {
    let lines = body.split('\n').map(|line| {
        let symbol = line.strip_prefix("  CONSTRAINT `")?;
        // A backtick inside of a name is doubled, so the name ends before the first ` FOREIGN KEY`.
        let keyword = symbol.find("` FOREIGN KEY (")?;
        Some(format!("  {}", symbol.get(keyword + 2..)?))
    });
    let lines: Vec<String> = lines
        .zip(body.split('\n'))
        .map(|(new, old)| new.unwrap_or_else(|| old.to_owned()))
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQL: &str = "CREATE TABLE `a``b` (\n  `id` int(11) NOT NULL AUTO_INCREMENT COMMENT ' AUTO_INCREMENT=7',\n  \
                       CONSTRAINT `fk` FOREIGN KEY (`id`) REFERENCES `p` (`id`)\n\
                       ) ENGINE=InnoDB AUTO_INCREMENT=42 DEFAULT CHARSET=latin1 COMMENT='x AUTO_INCREMENT=9'";

    #[test]
    fn a_definition_takes_a_new_name() {
        assert_eq!(renamed(SQL, "a`b", "a`b").as_deref(), Some(SQL));
        let new = renamed(SQL, "a`b", "c").unwrap();
        assert!(new.starts_with("CREATE TABLE `c` (\n"));
        assert!(new.contains("\n  FOREIGN KEY (`id`) REFERENCES"));
        assert_eq!(renamed(SQL, "other", "c"), None);
    }

    #[test]
    fn the_name_and_the_next_number_do_not_count() {
        let other =
            SQL.replace("`a``b`", "`c`").replace("=42", "=43").replace("`fk`", "`c_ibfk_1`");
        assert_eq!(normal(SQL, "a`b"), normal(&other, "c"));
        assert_ne!(normal(SQL, "a`b"), normal(&other.replace("latin1", "utf8mb4"), "c"));
        assert!(normal(SQL, "a`b").unwrap().contains("COMMENT='x AUTO_INCREMENT=9'"));
    }
}
