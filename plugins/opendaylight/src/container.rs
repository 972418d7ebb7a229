//! Containers at the top of the configuration: listed, read into the archive, and written back.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufReader, Read, Write};

use lockgate_plugin::http::Response;
use lockgate_plugin::{Context, Entry, Error, Part, Result, Summary, archive, job, printable};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::client;
use crate::digest::{Digest, digest};
use crate::limits::PROGRESS_BYTES;
use crate::node::{MODULES, Node};
use crate::pieces;

/// Kind of a part that is a container; its id is `config/MODULE:CONTAINER`.
pub const KIND: &str = "container";
const PREFIX: &str = "config/";
/// Path of its entry.
const ENTRY: &str = "data.json";
/// Bytes that are read of an answer at a time.
const READ_BYTES: usize = 256 << 10;

/// What stands at the top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A container, which is what almost all models have.
    Container,
    /// A list or a leaf.
    Other,
}

/// The id of the part of the container `name`.
pub fn id(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// The container of a part.
///
/// # Errors
/// When the part is of none.
pub fn name(part: &Part) -> Result<&str> {
    let name = part.id.strip_prefix(PREFIX).filter(|name| is_name(name));
    name.ok_or_else(|| Error::corrupt(format!("part {} is of no container", printable(&part.id))))
}

/// `MODULE:CONTAINER`, both identifiers of YANG (RFC 7950, section 6.2).
fn is_name(name: &str) -> bool {
    let is_identifier = |word: &str| {
        word.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && word.chars().all(|one| one.is_ascii_alphanumeric() || matches!(one, '_' | '-' | '.'))
    };
    name.split_once(':').is_some_and(|(module, own)| is_identifier(module) && is_identifier(own))
}

fn target(name: &str) -> String {
    format!("/rests/data/{name}")
}

/// Everything at the top of the configuration, by name.
///
/// # Errors
/// When the server does not tell.
pub fn list() -> Result<BTreeMap<String, Shape>> {
    // With less depth the server gives nothing at all; with this one, lists come as so many empty entries.
    let found: Option<BTreeMap<String, Shape>> =
        client::read("/rests/data?content=config&depth=3").context("listing the containers")?;
    let found = found.unwrap_or_default();
    match found.keys().find(|name| !is_name(name)) {
        Some(odd) => Err(Error::corrupt(format!("the server names a container {odd:?}"))),
        None => Ok(found),
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = Shape;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("data")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Shape::Container)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Shape, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Shape::Other)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
                Ok(Shape::Other)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Shape, E> {
                Ok(Shape::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
                Ok(Shape::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
                Ok(Shape::Other)
            }

            fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
                Ok(Shape::Other)
            }

            fn visit_unit<E>(self) -> Result<Shape, E> {
                Ok(Shape::Other)
            }
        }
        json.deserialize_any(Look)
    }
}

/// Whether there is such a container.
///
/// # Errors
/// When the server does not tell.
pub fn is_there(name: &str) -> Result<bool> {
    Ok(client::get(&format!("{}?content=config&depth=1", target(name)))?.is_some())
}

fn open(name: &str) -> Result<Option<Response>> {
    client::get(&format!("{}?content=config", target(name)))
}

/// Writes the container into the archive.
///
/// # Errors
/// When it cannot be read, or is gone.
pub fn export(part: &Part, node: &Node) -> Result<Summary> {
    let name = name(part)?;
    let response = open(name)?
        .ok_or_else(|| Error::conflict("it was deleted while the backup ran: run it again"))?;
    let mut writer =
        archive::create(&Entry::new(ENTRY).with_media_type("application/yang-data+json"))?;
    let copy = Copy { source: response, writer: &mut writer, part: &part.id, bytes: 0, told: 0 };
    let Digest { fingerprint, leaves, modules } =
        digest(BufReader::with_capacity(READ_BYTES, copy))?;
    writer.finish()?;
    let mut modules: Vec<String> = modules.iter().map(|module| node.module(module)).collect();
    modules.sort();
    let summary = Summary::of_items(leaves).with_fingerprint(fingerprint);
    Ok(summary.with_attribute(MODULES, modules.join(" ")))
}

/// Reads, and writes what it read.
struct Copy<'a, W> {
    source: Response,
    writer: &'a mut W,
    part: &'a str,
    bytes: u64,
    told: u64,
}

impl<W: Write> Read for Copy<'_, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.writer.write_all(buffer.get(..count).unwrap_or_default())?;
        self.bytes += count as u64;
        if self.bytes - self.told > PROGRESS_BYTES {
            self.told = self.bytes;
            job::go_on()?;
            job::progress(self.part, self.bytes, 0);
        }
        Ok(count)
    }
}

/// The fingerprint of the container as it is now; none when it is not there.
///
/// # Errors
/// When it cannot be read.
pub fn live(name: &str) -> Result<Option<String>> {
    let Some(response) = open(name)? else { return Ok(None) };
    Ok(Some(digest(BufReader::with_capacity(READ_BYTES, response))?.fingerprint))
}

/// Replaces the container by what the archive has.
///
/// # Errors
/// When the server refuses; what is larger than one transaction is then perhaps there in part.
pub fn import(part: &Part) -> Result<()> {
    let name = name(part)?;
    let target = target(name);
    let (mut count, mut bytes) = (0_u64, 0_u64);
    let sent = pieces::transactions(archive::open(ENTRY.as_bytes())?, name, &mut |body| {
        job::go_on()?;
        client::send(if count == 0 { "PUT" } else { "PATCH" }, &target, body)?;
        count += 1;
        bytes += body.len() as u64;
        job::progress(&part.id, bytes, 0);
        Ok(())
    });
    sent.map_err(|error| match count {
        0 => error,
        _ => error.context(format!(
            "{count} transactions of it are there and the rest is not: restore it again with --overwrite"
        )),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_models() {
        for name in ["car:cars", "network-topology:network-topology", "_a.b:c1"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["cars", "a:b/c", "a:b?x", ":a", "a:", "a:b:c", "a:..", "ä:b", "a:b c", ""] {
            assert!(!is_name(name), "{name}");
        }
        assert_eq!(name(&Part::new("config/car:cars", KIND)), Ok("car:cars"));
        assert!(name(&Part::new("config/car:cars/../x", KIND)).is_err());
        assert!(name(&Part::new("models", "models")).is_err());
    }

    #[test]
    fn the_top_has_containers_and_others() {
        let top: BTreeMap<String, Shape> =
            serde_json::from_str(r#"{"a:b":{"c":[{},{}]},"a:l":[{}],"a:x":"y","a:n":1}"#).unwrap();
        let is_container = |name: &str| top.get(name) == Some(&Shape::Container);
        assert!(is_container("a:b") && !is_container("a:l") && !is_container("a:x"));
        assert_eq!(top.len(), 4);
    }
}
