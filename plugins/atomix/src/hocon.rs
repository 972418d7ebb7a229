//! Reads HOCON (<https://github.com/lightbend/config/blob/main/HOCON.md>), and with it JSON, as far as configurations of Atomix have it: a
//! list of all values, each with its path of keys and its place in the text, so that values can be replaced and all else stays as
//! its author wrote it. Substitutions (`${x}`) stay as they stand; `include` is refused, because it leads to files that are not saved.

use std::ops::Range;

use lockgate_plugin::{Error, Result};

use crate::limits::{DEPTH_MAX, VALUES_MAX};

/// A value that is neither an object nor a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Keys from the top; places in lists are numbers from 0.
    pub path: Vec<String>,
    /// Without quotes.
    pub text: String,
    /// Where it stands in the text, with its quotes.
    pub place: Range<usize>,
}

/// All values of a text, in their order. A later one with the same path is the stronger one.
///
/// # Errors
/// When the text is no HOCON, or has what is not read; names the line.
pub fn read(text: &str) -> Result<Vec<Value>> {
    let mut reader = Reader { text, at: 0, path: Vec::new(), values: Vec::new() };
    reader.blank();
    let outcome = if reader.eat("{") {
        reader.members(true).and_then(|()| {
            reader.blank();
            if reader.rest().is_empty() { Ok(()) } else { Err("something follows the object") }
        })
    } else {
        reader.members(false)
    };
    outcome.map_err(|what| {
        let line = text.get(..reader.at).unwrap_or(text).matches('\n').count() + 1;
        Error::corrupt(format!("line {line}: {what}"))
    })?;
    Ok(reader.values)
}

/// The text with other values at some places, which must be in their order.
#[must_use]
pub fn replaced(text: &str, changes: &[(Range<usize>, String)]) -> String {
    let mut result = String::with_capacity(text.len());
    let mut at = 0;
    for (place, value) in changes {
        result.push_str(text.get(at..place.start).unwrap_or_default());
        // JSON's way of quoting is HOCON's too.
        result.push_str(&serde_json::Value::from(value.as_str()).to_string());
        at = place.end;
    }
    result.push_str(text.get(at..).unwrap_or_default());
    result
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    path: Vec<String>,
    values: Vec<Value>,
}

type Read<T> = Result<T, &'static str>;

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn eat(&mut self, word: &str) -> bool {
        let is_there = self.rest().starts_with(word);
        if is_there {
            self.at += word.len();
        }
        is_there
    }

    /// Skips spaces, lines, commas and comments.
    fn blank(&mut self) {
        loop {
            let rest = self.rest();
            let inked = rest
                .trim_start_matches(|it: char| it.is_whitespace() || it == ',' || it == '\u{feff}');
            self.at += rest.len() - inked.len();
            if !inked.starts_with('#') && !inked.starts_with("//") {
                return;
            }
            self.at += inked.find('\n').unwrap_or(inked.len());
        }
    }

    /// Members of an object up to its brace, or to the end of the text.
    fn members(&mut self, has_brace: bool) -> Read<()> {
        if self.path.len() > DEPTH_MAX {
            return Err("there are too many objects inside of one another");
        }
        loop {
            self.blank();
            if self.rest().is_empty() {
                return if has_brace { Err("an object does not end") } else { Ok(()) };
            }
            if has_brace && self.eat("}") {
                return Ok(());
            }
            let keys = self.keys()?;
            let depth = self.path.len();
            self.path.extend(keys);
            if !self.rest().starts_with('{') {
                let is_assigned = self.eat(":") || self.eat("=") || self.eat("+=");
                if !is_assigned {
                    return Err("a key has no value");
                }
                self.blank();
            }
            self.value()?;
            self.path.truncate(depth);
        }
    }

    /// `a.b."c d"` up to what follows the key.
    fn keys(&mut self) -> Read<Vec<String>> {
        let mut keys = vec![String::new()];
        let mut spaces = String::new();
        loop {
            let mut characters = self.rest().chars();
            let Some(next) = characters.next() else { return Err("a key has no value") };
            match next {
                ':' | '=' | '{' => break,
                '+' if self.rest().starts_with("+=") => break,
                '"' => {
                    let quoted = self.quoted()?;
                    keys.last_mut().ok_or("a key is empty")?.push_str(&quoted);
                }
                '.' => {
                    self.at += 1;
                    keys.push(String::new());
                }
                ' ' | '\t' => {
                    self.at += 1;
                    spaces.push(next);
                    continue;
                }
                '}' | '[' | ']' | ',' | '#' | '\n' | '\r' | '$' => {
                    return Err("there is something where a key should be");
                }
                _ => {
                    let key = keys.last_mut().ok_or("a key is empty")?;
                    if !key.is_empty() {
                        key.push_str(&spaces);
                    }
                    key.push(next);
                    self.at += next.len_utf8();
                    if key == "include"
                        && self.rest().trim_start().starts_with(['"', 'f', 'u', 'c', 'r'])
                        && self.rest().starts_with([' ', '\t'])
                    {
                        return Err("include is not supported: put what it includes into the file");
                    }
                }
            }
            spaces.clear();
        }
        if keys.len() + self.path.len() > 2 * DEPTH_MAX {
            Err("a key has too many names")
        } else {
            Ok(keys)
        }
    }

    fn value(&mut self) -> Read<()> {
        if self.eat("{") {
            return self.members(true);
        }
        if self.eat("[") {
            return self.list();
        }
        if self.values.len() >= VALUES_MAX {
            return Err("there are too many values");
        }
        let start = self.at;
        let mut quoted = None;
        let mut pieces = 0;
        let mut end = start;
        loop {
            let rest = self.rest();
            let Some(next) = rest.chars().next() else { break };
            match next {
                ',' | '}' | ']' | '\n' | '\r' | '#' => break,
                '/' if rest.starts_with("//") => break,
                '"' => quoted = Some(self.quoted()?),
                '$' if rest.starts_with("${") => {
                    self.at += rest.find('}').ok_or("a substitution does not end")? + 1;
                }
                ' ' | '\t' => {
                    self.at += 1;
                    continue;
                }
                _ => self.at += next.len_utf8(),
            }
            pieces += 1;
            end = self.at;
        }
        let raw = self.text.get(start..end).unwrap_or_default();
        let text = match quoted {
            Some(text) if pieces == 1 => text,
            _ => raw.to_owned(),
        };
        self.values.push(Value { path: self.path.clone(), text, place: start..end });
        Ok(())
    }

    fn list(&mut self) -> Read<()> {
        if self.path.len() > DEPTH_MAX {
            return Err("there are too many lists inside of one another");
        }
        for index in 0_usize.. {
            self.blank();
            if self.rest().is_empty() {
                break;
            }
            if self.eat("]") {
                return Ok(());
            }
            self.path.push(index.to_string());
            let before = self.at;
            self.value()?;
            self.path.pop();
            if self.at == before {
                return Err("there is something where a value should be");
            }
        }
        Err("a list does not end")
    }

    /// A text in quotes, or in three.
    fn quoted(&mut self) -> Read<String> {
        const END: &str = "a text does not end";
        if self.eat("\"\"\"") {
            let end = self.rest().find("\"\"\"").ok_or(END)?;
            let text = self.rest().get(..end).unwrap_or_default().to_owned();
            self.at += end + 3;
            return Ok(text);
        }
        let rest = self.rest();
        let mut is_escaped = false;
        for (index, character) in rest.char_indices().skip(1) {
            match character {
                '\n' => break,
                '"' if !is_escaped => {
                    let raw = rest.get(..=index).unwrap_or_default();
                    self.at += index + 1;
                    return serde_json::from_str(raw).map_err(|_| "a text has an unknown escape");
                }
                _ => is_escaped = character == '\\' && !is_escaped,
            }
        }
        Err(END)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGENT: &str = r#"
# An agent.
cluster { cluster-id: prod, node { id: m1, address: "10.0.0.1:5679" } // here
  multicast.enabled = false
  discovery {
    type: bootstrap
    nodes.1 { id: m1, address: "10.0.0.1:5679" }
    nodes.2: { id: m2
      address: ${HOST}":5679" }
  }
}
partition-groups."my raft" {
  members: [m1, "m2",
    m3 ] # all
  storage { directory: """C:\data""", level = disk }
}
"#;

    fn shown(text: &str) -> Vec<(String, String)> {
        let values = read(text).unwrap();
        values.into_iter().map(|value| (value.path.join("/"), value.text)).collect()
    }

    #[test]
    fn an_agents_configuration_is_read() {
        let expected = [
            ("cluster/cluster-id", "prod"),
            ("cluster/node/id", "m1"),
            ("cluster/node/address", "10.0.0.1:5679"),
            ("cluster/multicast/enabled", "false"),
            ("cluster/discovery/type", "bootstrap"),
            ("cluster/discovery/nodes/1/id", "m1"),
            ("cluster/discovery/nodes/1/address", "10.0.0.1:5679"),
            ("cluster/discovery/nodes/2/id", "m2"),
            ("cluster/discovery/nodes/2/address", "${HOST}\":5679\""),
            ("partition-groups/my raft/members/0", "m1"),
            ("partition-groups/my raft/members/1", "m2"),
            ("partition-groups/my raft/members/2", "m3"),
            ("partition-groups/my raft/storage/directory", "C:\\data"),
            ("partition-groups/my raft/storage/level", "disk"),
        ];
        assert_eq!(shown(AGENT), expected.map(|(key, text)| (key.to_owned(), text.to_owned())));
    }

    #[test]
    fn json_is_read_too() {
        let json = r#"{"cluster": {"node": {"id": "m\u00e41", "port": 5679}}, "list": [{"a": []}, true, null]}"#;
        let expected = [
            ("cluster/node/id", "mä1"),
            ("cluster/node/port", "5679"),
            ("list/1", "true"),
            ("list/2", "null"),
        ];
        assert_eq!(shown(json), expected.map(|(key, text)| (key.to_owned(), text.to_owned())));
        assert_eq!(shown(""), []);
    }

    #[test]
    fn a_replaced_value_leaves_all_else_as_it_was() {
        let changes: Vec<_> = read(AGENT)
            .unwrap()
            .into_iter()
            .filter(|value| value.text == "10.0.0.1:5679")
            .map(|value| (value.place, "h\"x:1".to_owned()))
            .collect();
        let text = replaced(AGENT, &changes);
        assert_eq!(text, AGENT.replace("\"10.0.0.1:5679\"", r#""h\"x:1""#));
        assert!(read(&text).is_ok());
    }

    #[test]
    fn mistakes_are_told_with_their_line_and_nothing_panics() {
        for (text, line, what) in [
            ("a {\n b: 1", 2, "does not end"),
            ("a: 1\n\"b", 2, "does not end"),
            ("a: [1, 2", 1, "does not end"),
            ("a: [1, }", 1, "should be"),
            ("a\nb: 1", 1, "should be"),
            ("{a: 1} b", 1, "follows"),
            ("include \"other.conf\"", 1, "include"),
            ("a: \"\\q\"", 1, "escape"),
        ] {
            let message = read(text).unwrap_err().message().to_owned();
            assert!(message.starts_with(&format!("line {line}: ")), "{text:?}: {message}");
            assert!(message.contains(what), "{text:?}: {message}");
        }
        assert_eq!(shown("includes: 1"), [("includes".to_owned(), "1".to_owned())]);
        assert!(read(&"{a:".repeat(10_000)).is_err() && read(&"a:[".repeat(10_000)).is_err());
        assert!(read(&format!("a: {}", "[".repeat(10_000))).is_err());
        for end in 0..AGENT.len() {
            if let Some(cut) = AGENT.get(..end) {
                let _ = read(cut);
                let _ = read(&format!("{cut}\u{0}\\\"{{[${{"));
            }
        }
    }
}
