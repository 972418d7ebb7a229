//! Definitions as they are archived: JSON Lines (<https://jsonlines.org>), one object a line, in an order in which they can
//! be made.

use std::collections::BTreeSet;
use std::io::{BufRead, Read, Write};

use lockgate_plugin::host::Host;
use lockgate_plugin::{Entry, Hasher};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::limits::DEFINITIONS_BYTES_MAX;
use crate::sql::{Kind as TokenKind, Token, tokens};

/// When an object is made in a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Before any rows.
    Before,
    /// After the rows of its table.
    Table,
    /// After all rows.
    After,
}

/// One object, or one aspect of an object that is made by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Definition {
    /// Name of the query that found it: `table`, `routine`, `foreign-key`, ...
    pub kind: String,
    /// Empty for what is in no schema.
    pub schema: String,
    /// That of the table for what belongs to one.
    pub name: String,
    /// Says what it is in SQL, as behind `COMMENT ON`; unique in a database.
    pub address: String,
    /// When it is made.
    pub stage: Stage,
    /// Schema and name of the table that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<(String, String)>,
    /// What makes it, with its comment.
    pub statements: Vec<String>,
    /// What gives it its owner and privileges.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<String>,
    /// Addresses of what must be there before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
}

impl Definition {
    /// A hash that does not change when the server writes the same expression in another way, which it does when one was
    /// restored (casts and brackets move): that of the different words. Of what has no expressions, all words count.
    /// Owners and privileges do not count.
    fn hash(&self) -> u128 {
        let mut hasher = Hasher::default();
        let mut add = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        add(&self.kind);
        add(&normal(&self.address));
        let is_exact = EXACT.contains(&self.kind.as_str());
        for statement in &self.statements {
            if is_exact {
                add(&normal(statement));
                continue;
            }
            let all = tokens(statement);
            let words = all.iter().filter(|token| token.kind != TokenKind::Other).map(word);
            words.collect::<BTreeSet<_>>().iter().for_each(|word| add(word));
        }
        hasher.finish()
    }
}

/// Kinds that have no expressions.
const EXACT: [&str; 6] = ["sequence", "identity", "enum", "routine", "extension", "schema"];

/// A statement in one spelling: the server puts names into quotes only where it must, and we always do.
fn normal(statement: &str) -> String {
    tokens(statement).iter().map(word).collect()
}

fn word(token: &Token<'_>) -> String {
    match (token.kind, token.name()) {
        (TokenKind::Text, _) => token.text.replace('"', ""),
        (_, Some(name)) => format!("\"{name}\""),
        _ => token.text.to_owned(),
    }
}

/// The fingerprint of definitions: their number and the sum of their hashes.
pub fn fingerprint<'a>(definitions: impl Iterator<Item = &'a Definition>) -> String {
    let (mut count, mut sum) = (0_u64, 0_u128);
    for definition in definitions {
        count += 1;
        sum = sum.wrapping_add(definition.hash());
    }
    format!("{count}-{sum:032x}")
}

/// A short sign for an address, for long lists of them.
pub fn sign(address: &str) -> String {
    format!("{:012x}", Hasher::hash(normal(address).as_bytes()) & 0xffff_ffff_ffff)
}

/// Writes definitions as one entry.
///
/// # Errors
/// When the host does not take them.
pub fn write<'a, H: Host>(
    host: &H,
    path: &str,
    definitions: impl Iterator<Item = &'a Definition>,
) -> Result<u64, Error> {
    let mut output = host.create(&Entry::new(path).with_media_type("application/jsonl"))?;
    let mut count = 0;
    for definition in definitions {
        let mut line = serde_json::to_vec(definition)?;
        line.push(b'\n');
        output.write_all(&line)?;
        count += 1;
    }
    output.finish()?;
    Ok(count)
}

/// Reads definitions back.
///
/// # Errors
/// When the entry is missing, too large or damaged.
pub fn read<H: Host>(host: &H, path: &str) -> Result<Vec<Definition>, Error> {
    let source: Box<dyn BufRead> = host.open(path)?;
    let mut text = Vec::new();
    source.take(DEFINITIONS_BYTES_MAX as u64 + 1).read_to_end(&mut text)?;
    if text.len() > DEFINITIONS_BYTES_MAX {
        let message = format!("{path} in the archive is larger than 64 MiB");
        return Err(lockgate_plugin::Error::corrupt(message).into());
    }
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| Ok(serde_json::from_slice(line)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(statement: &str) -> Definition {
        Definition {
            kind: "check".into(),
            schema: "s".into(),
            name: "t".into(),
            address: "CONSTRAINT c ON s.t".into(),
            stage: Stage::Before,
            table: None,
            statements: vec![statement.into()],
            grants: Vec::new(),
            needs: Vec::new(),
        }
    }

    #[test]
    fn casts_that_move_do_not_count_and_values_do() {
        let one = check("CHECK (((x)::text = ANY ((ARRAY['a'::character varying])::text[])))");
        let other = check("CHECK (((x)::text = ANY (ARRAY[('a'::character varying)::text])))");
        let changed = check("CHECK (((x)::text = ANY (ARRAY[('b'::character varying)::text])))");
        let of = |definition: &Definition| fingerprint([definition].into_iter());
        assert_eq!(of(&one), of(&other));
        assert_ne!(of(&one), of(&changed));
    }
}
