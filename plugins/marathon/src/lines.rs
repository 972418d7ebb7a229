//! The entry of a part: definitions as JSON Lines (<https://jsonlines.org>), in the order of their ids.

use std::io::{BufRead, Read, Write};

use lockgate_plugin::{Context as _, Entry, Error, Result, archive};

use crate::definition::{Definition, Sort};
use crate::limits::LINE_BYTES_MAX;
use crate::names;

/// Path of the entry.
pub const ENTRY: &str = "definitions.jsonl";

/// Writes the entry of a part.
///
/// # Errors
/// When the host does not take it.
pub fn write(definitions: &[Definition]) -> Result<()> {
    let mut writer = archive::create(&Entry::new(ENTRY).with_media_type("application/x-ndjson"))?;
    for definition in definitions {
        let mut line = serde_json::to_vec(definition)?;
        line.push(b'\n');
        writer.write_all(&line)?;
    }
    writer.finish()
}

/// Reads the entry of the part that stands for `node`.
///
/// # Errors
/// When it is not what [`write`] writes.
pub fn read(node: &str) -> Result<Vec<Definition>> {
    read_from(archive::open(ENTRY.as_bytes())?, node)
}

fn read_from(mut input: impl BufRead, node: &str) -> Result<Vec<Definition>> {
    let mut definitions: Vec<Definition> = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        (&mut input).take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            break;
        }
        let number = definitions.len() + 1;
        if line.last() != Some(&b'\n') {
            return Err(Error::corrupt(format!(
                "line {number} of {ENTRY} is cut off, or too long"
            )));
        }
        let one: Definition =
            serde_json::from_slice(&line).with_context(|| format!("line {number} of {ENTRY}"))?;
        names::check(one.id()).with_context(|| format!("line {number} of {ENTRY}"))?;
        if !names::is_inside(one.id(), node) {
            return Err(Error::corrupt(format!(
                "{ENTRY} holds {}, which is not below {node}",
                one.id()
            )));
        }
        definitions.push(one);
    }
    match definitions.first() {
        Some(first)
            if first.id() == node && (definitions.len() == 1 || first.kind == Sort::Group) =>
        {
            Ok(definitions)
        }
        _ => Err(Error::corrupt(format!("{ENTRY} does not begin with {node}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_and_hostile_lines_are_errors() {
        let good = "{\"kind\":\"group\",\"definition\":{\"id\":\"/a\"}}\n{\"kind\":\"app\",\"definition\":{\"id\":\"/a/b\"}}\n";
        assert_eq!(read_from(good.as_bytes(), "/a").unwrap().len(), 2);
        for end in 0..good.len() {
            let cut = read_from(&good.as_bytes()[..end], "/a");
            // What ends with a line is whole, as far as lines tell.
            assert!(cut.is_err() || good[..end].ends_with('\n'), "{end}");
        }
        for wrong in
            ["\n", "{}\n", "[]\n", "{\"kind\":\"app\",\"definition\":{\"id\":\"/b\"}}\n", "\u{0}\n"]
        {
            assert!(read_from(wrong.as_bytes(), "/a").is_err(), "{wrong:?}");
            assert!(read_from(format!("{good}{wrong}").as_bytes(), "/a").is_err(), "{wrong:?}");
        }
    }
}
