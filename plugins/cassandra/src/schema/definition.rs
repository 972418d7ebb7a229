//! What is not rows: statements as the server states them. Archived as JSON Lines (<https://jsonlines.org>), one a line.

use std::io::{Read, Write};

use lockgate_plugin::host::Host;
use lockgate_plugin::{Entry, Error as Told, Hasher};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::limits::DEFINITIONS_BYTES_MAX;

/// One object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// `type`, `function`, `aggregate`, `table`, `index`, `materialized_view`, `trigger`.
    pub kind: String,
    /// As it stands in statements.
    pub name: String,
    /// Makes it.
    pub sql: String,
}

/// Writes values as one entry.
///
/// # Errors
/// When the host does not take them.
pub fn write<H: Host, T: Serialize>(host: &H, path: &str, values: &[T]) -> Result<(), Error> {
    let mut output = host.create(&Entry::new(path).with_media_type("application/jsonl"))?;
    for value in values {
        output.write_all(&line(value)?)?;
    }
    Ok(output.finish()?)
}

/// Reads them back.
///
/// # Errors
/// When the entry is missing, too large or damaged.
pub fn read<H: Host, T: DeserializeOwned>(host: &H, path: &str) -> Result<Vec<T>, Error> {
    let mut text = String::new();
    let max = DEFINITIONS_BYTES_MAX as u64;
    host.open(path)?.take(max + 1).read_to_string(&mut text)?;
    if text.len() as u64 > max {
        return Err(Told::corrupt(format!("{path} has more than {max} bytes")).into());
    }
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// A text that is equal for equal values; the order makes no difference.
///
/// # Errors
/// When a value has no JSON form.
pub fn fingerprint<T: Serialize>(values: &[T]) -> Result<String, Error> {
    let mut sum = 0_u128;
    for value in values {
        sum = sum.wrapping_add(Hasher::hash(&line(value)?));
    }
    Ok(format!("{}-{sum:032x}", values.len()))
}

fn line<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}
