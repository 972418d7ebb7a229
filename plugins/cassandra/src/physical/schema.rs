//! Definitions of a keyspace, in the server's own words.
//! <https://cassandra.apache.org/doc/5.0/cassandra/managing/tools/cqlsh.html#describe>

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, Read, Write};

use lockgate_plugin::host::Stream;
use lockgate_plugin::{Context, Entry, Error, Result, archive, printable};
use serde::{Deserialize, Serialize};

use crate::cql::Session;
use crate::limits::DEFINITIONS_BYTES_MAX;
use crate::schema::names::{quote_name, quote_text};
use crate::schema::{self, create_keyspace};

/// The entry of a part.
const ENTRY: &str = "definitions.jsonl";

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Definition {
    /// The keyspace itself.
    Keyspace {
        /// Class and numbers of replicas.
        replication: BTreeMap<String, String>,
        /// Whether writes go to the log of commits.
        durable: bool,
    },
    /// Something in it.
    Object {
        /// As the server says: `type`, `table`, ...
        kind: String,
        /// Its name.
        name: String,
        /// The table that an index or view belongs to, or the table itself; empty for others.
        table: String,
        /// One or more statements.
        text: String,
    },
}

/// All of a keyspace, in an order in which it can be made.
///
/// # Errors
/// When the server does not say.
pub fn read<S: Stream>(session: &mut Session<S>, keyspace: &str) -> Result<Vec<Definition>> {
    let statement = format!(
        "SELECT replication, durable_writes FROM system_schema.keyspaces WHERE keyspace_name = {}",
        quote_text(keyspace)
    );
    let row = session.one(&statement)?;
    let pairs = row.texts(0, true)?;
    let replication =
        pairs.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
    let mut all = vec![Definition::Keyspace { replication, durable: row.flag(1) }];
    let mut last = String::new();
    // With what makes old SSTables readable: columns that were dropped.
    for row in
        session.rows(&format!("DESCRIBE KEYSPACE {} WITH INTERNALS", quote_name(keyspace)))?
    {
        let (kind, name) = (row.text(1)?.to_owned(), unquoted(row.text(2)?));
        let table = match kind.as_str() {
            "keyspace" => continue,
            "table" => {
                last.clone_from(&name);
                name.clone()
            }
            "index" | "materialized_view" => last.clone(),
            _ => String::new(),
        };
        all.push(Definition::Object { kind, name, table, text: row.text(3)?.to_owned() });
    }
    Ok(all)
}

/// Writes definitions into the archive.
///
/// # Errors
/// When the host does not take them.
pub fn save(definitions: &[Definition]) -> Result<()> {
    let entry = Entry::new(ENTRY).with_media_type("application/jsonl");
    let mut writer = archive::create(&entry)?;
    for definition in definitions {
        serde_json::to_writer(&mut writer, definition)?;
        writer.write_all(b"\n")?;
    }
    writer.finish()
}

/// Reads definitions from the archive.
///
/// # Errors
/// When they cannot be read.
pub fn load() -> Result<Vec<Definition>> {
    parse(archive::open(ENTRY.as_bytes())?.take(DEFINITIONS_BYTES_MAX as u64))
}

fn parse(lines: impl BufRead) -> Result<Vec<Definition>> {
    let parsed = |line: std::io::Result<String>| {
        serde_json::from_str(&line?).context("a definition in the archive")
    };
    lines.lines().map(parsed).collect()
}

/// What of a restore is about one keyspace.
#[derive(Clone, Copy, Debug)]
pub struct Making<'a> {
    /// Its name.
    pub keyspace: &'a str,
    /// The tables that are restored; empty for all.
    pub tables: &'a BTreeSet<String>,
    /// What the operator wants instead of the saved replication.
    pub replication: Option<&'a BTreeMap<String, String>>,
    /// Whether tables that are there may be dropped.
    pub overwrite: bool,
}

impl Making<'_> {
    /// Makes everything but views.
    ///
    /// # Errors
    /// When the server refuses, or has something else of the same name.
    pub fn make<S: Stream>(
        &self,
        session: &mut Session<S>,
        definitions: &[Definition],
    ) -> Result<()> {
        let mut standing = Vec::new();
        for definition in definitions {
            match definition {
                Definition::Keyspace { replication, durable } => {
                    let replication = self.replication.unwrap_or(replication);
                    let statement = create_keyspace(self.keyspace, replication, *durable);
                    session.execute(&statement)?;
                    session.agree()?;
                    standing = schema::tables(session, self.keyspace)?;
                }
                Definition::Object { kind, name, table, text } => match kind.as_str() {
                    "materialized_view" => {}
                    "table" | "index" if !self.wants(table) => {}
                    "table" => {
                        if standing.contains(name) {
                            if !self.overwrite {
                                return Err(in_the_way(self.keyspace, name));
                            }
                            schema::drop_table(session, self.keyspace, name)?;
                        }
                        self.run(session, text)?;
                    }
                    "index" => self.run(session, text)?,
                    // Types, functions and aggregates may be there and be used by others.
                    _ => self.run(session, &if_absent(text))?,
                },
            }
        }
        session.agree()?;
        self.compare(session, definitions)
    }

    /// Makes the views, and returns their names.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn make_views<S: Stream>(
        &self,
        session: &mut Session<S>,
        definitions: &[Definition],
    ) -> Result<Vec<String>> {
        let mut made = Vec::new();
        for definition in definitions {
            if let Definition::Object { kind, name, table, text } = definition
                && kind == "materialized_view"
                && self.wants(table)
            {
                self.run(session, text)?;
                made.push(name.clone());
            }
        }
        session.agree()?;
        Ok(made)
    }

    fn wants(&self, table: &str) -> bool {
        self.tables.is_empty() || self.tables.contains(table)
    }

    fn run<S: Stream>(&self, session: &mut Session<S>, text: &str) -> Result<()> {
        for statement in statements(text) {
            let statement = without_id(statement);
            session.execute(&statement).map_err(Error::from).with_context(|| {
                let beginning: String = statement.chars().take(80).collect();
                format!("keyspace {}: {}", self.keyspace, printable(beginning))
            })?;
        }
        Ok(())
    }

    /// What was there before must be what was saved, or rows would be read as something else.
    fn compare<S: Stream>(
        &self,
        session: &mut Session<S>,
        definitions: &[Definition],
    ) -> Result<()> {
        let now = read(session, self.keyspace)?;
        let shared = |definition: &&Definition| matches!(definition, Definition::Object { table, .. } if table.is_empty());
        for definition in definitions.iter().filter(shared) {
            if let Definition::Object { kind, name, .. } = definition
                && !now.contains(definition)
            {
                return Err(Error::conflict(format!(
                    "{kind} {}.{} is there and is another one than in the backup: drop it, or restore into another cluster",
                    self.keyspace,
                    printable(name)
                )));
            }
        }
        Ok(())
    }
}

/// A table that may not be dropped.
pub fn in_the_way(keyspace: &str, table: &str) -> Error {
    Error::conflict(format!(
        "table {keyspace}.{table} exists; --overwrite drops it and makes it anew from the backup"
    ))
}

/// A name that may be quoted, as it is.
fn unquoted(name: &str) -> String {
    let inner = name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.map_or_else(|| name.to_owned(), |inner| inner.replace("\"\"", "\""))
}

/// The statements of a text, which the server ends with semicolons.
fn statements(text: &str) -> Vec<&str> {
    let (mut all, mut start, mut at) = (Vec::new(), 0, 0);
    let bytes = text.as_bytes();
    while let Some(&byte) = bytes.get(at) {
        let end = match byte {
            b'\'' | b'"' => Some(char::from(byte).to_string()),
            b'$' if bytes.get(at + 1) == Some(&b'$') => Some("$$".to_owned()),
            _ => None,
        };
        if let Some(end) = end {
            // A doubled quote ends one text and begins the next.
            let inside = at + end.len();
            let rest = text.get(inside..).unwrap_or_default();
            at = rest.find(&end).map_or(bytes.len(), |length| inside + length + end.len());
            continue;
        }
        at += 1;
        if byte == b';' {
            all.push(text.get(start..at - 1).unwrap_or_default().trim());
            start = at;
        }
    }
    all.push(text.get(start..).unwrap_or_default().trim());
    all.retain(|statement| !statement.is_empty());
    all
}

/// A statement that makes a table, without the identity of the one that was saved: the new one is another.
fn without_id(statement: &str) -> String {
    const MARK: &str = " WITH ID = ";
    const UUID_LEN: usize = 36;
    let cut = || {
        let (before, after) = statement.split_once(MARK)?;
        let rest = after.get(UUID_LEN..)?.trim_start().strip_prefix("AND ")?;
        Some(format!("{before} WITH {rest}"))
    };
    cut().unwrap_or_else(|| statement.to_owned())
}

fn if_absent(text: &str) -> String {
    let kinds = ["TYPE", "FUNCTION", "AGGREGATE"];
    for kind in kinds {
        if let Some(rest) = text.strip_prefix(&format!("CREATE {kind} ")) {
            return format!("CREATE {kind} IF NOT EXISTS {rest}");
        }
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_at_the_ends_of_statements_only() {
        let text =
            "CREATE TABLE a (b int) WITH comment = 'it''s; here';\n\nALTER TABLE a DROP \"c;\";\n";
        let cut = statements(text);
        assert_eq!(cut.len(), 2, "{cut:?}");
        assert!(cut[0].ends_with("here'") && cut[1] == "ALTER TABLE a DROP \"c;\"");
        assert_eq!(statements("CREATE FUNCTION f AS $$ return 1; $$;").len(), 1);
        // Damaged texts come to an end too.
        for damaged in ["'", "$$", "a;'b", ";;", "", "\"é"] {
            assert!(statements(damaged).len() <= 2, "{damaged}");
        }
    }

    #[test]
    fn a_table_gets_another_identity() {
        let id = "5a1c395e-b41f-11e5-9f22-ba0be0483c18";
        let text = format!("CREATE TABLE k.t (a int) WITH ID = {id}\n    AND comment = ''");
        assert_eq!(without_id(&text), "CREATE TABLE k.t (a int) WITH comment = ''");
        assert_eq!(without_id("ALTER TABLE k.t DROP a"), "ALTER TABLE k.t DROP a");
        assert_eq!(without_id("x WITH ID = é"), "x WITH ID = é");
        assert_eq!(if_absent("CREATE TYPE k.a (b int)"), "CREATE TYPE IF NOT EXISTS k.a (b int)");
    }

    #[test]
    fn keyspaces_are_made_with_quotes() {
        assert_eq!(unquoted(&quote_name("a\"B")), "a\"B");
        assert_eq!((unquoted("ab"), unquoted("\"")), ("ab".to_owned(), "\"".to_owned()));
        let replication = BTreeMap::from([("class".to_owned(), "It's".to_owned())]);
        assert_eq!(
            create_keyspace("a\"b", &replication, true),
            "CREATE KEYSPACE IF NOT EXISTS \"a\"\"b\" WITH replication = {'class': 'It''s'} AND durable_writes = true"
        );
    }

    #[test]
    fn definitions_are_lines_and_damaged_ones_are_refused() {
        let definitions = [
            Definition::Keyspace { replication: BTreeMap::new(), durable: true },
            Definition::Object {
                kind: "table".to_owned(),
                name: "t".to_owned(),
                table: "t".to_owned(),
                text: "CREATE\nTABLE".to_owned(),
            },
        ];
        let lines: Vec<String> =
            definitions.iter().map(|one| serde_json::to_string(one).unwrap()).collect();
        assert_eq!(parse(lines.join("\n").as_bytes()).unwrap(), definitions);
        for damaged in ["x", "{}", r#"{"is":"object"}"#, "\u{0}"] {
            assert!(parse(damaged.as_bytes()).is_err(), "{damaged}");
        }
        assert!(parse(&[0xff, b'\n'][..]).is_err());
    }
}
