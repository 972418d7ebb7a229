//! Divides the JSON of a container into requests that the server's journal can take: list entries are gathered, and an entry that is
//! too large itself is sent as several, each with its keys.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;

use lockgate_plugin::{Error, Result};
use serde::Deserializer as _;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::digest::from_json;
use crate::limits::{TRANSACTION_BYTES, VALUE_BYTES_MAX};

/// Reads `source`, which is `{"MODULE:CONTAINER": {...}}` of the container `name`, and gives the bodies of the requests, of about
/// `most` bytes: the first to replace what is there, the others to be merged.
///
/// # Errors
/// Those of `send`, and when `source` is not what it should be.
pub fn divide(
    source: impl Read,
    name: &str,
    most: usize,
    send: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut failure = None;
    let mut json = serde_json::Deserializer::from_reader(source);
    let divider = Divider { name, most, send, failure: &mut failure };
    let divided = json.deserialize_map(divider).and_then(|()| json.end());
    match failure {
        Some(failure) => Err(failure),
        None => divided.map_err(from_json),
    }
}

/// [`divide`] as a restore needs it.
///
/// # Errors
/// Those of [`divide`].
pub fn transactions(
    source: impl Read,
    name: &str,
    send: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    divide(source, name, TRANSACTION_BYTES, send)
}

struct Divider<'a> {
    name: &'a str,
    most: usize,
    send: &'a mut dyn FnMut(&[u8]) -> Result<()>,
    /// Serde's errors cannot carry ours.
    failure: &'a mut Option<Error>,
}

impl<'de> Visitor<'de> for Divider<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a container")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some(name) = map.next_key::<String>()? else {
            return Err(A::Error::custom("there is no container"));
        };
        if name != self.name {
            return Err(A::Error::custom("it is another container"));
        }
        map.next_value_seed(Container(self))?;
        match map.next_key::<String>()? {
            None => Ok(()),
            Some(_) => Err(A::Error::custom("there is more than one container")),
        }
    }
}

struct Container<'a>(Divider<'a>);

impl<'de> DeserializeSeed<'de> for Container<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Container<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Divider { name, most, send, failure } = self.0;
        let mut sender = Sender { most, send, sent: 0 };
        let mut batch = Batch::new(format!("{{{}:", quoted(name)), String::new(), "}".to_owned());
        while let Some(key) = map.next_key::<String>()? {
            let member = Member { key: &key, batch: &mut batch, sender: &mut sender, failure };
            map.next_value_seed(member)?;
        }
        let last =
            if sender.sent == 0 || !batch.is_empty() { batch.flush(&mut sender) } else { Ok(()) };
        last.map_err(|error| keep(failure, error))
    }
}

fn keep<E: serde::de::Error>(failure: &mut Option<Error>, error: Error) -> E {
    let text = error.to_string();
    *failure = Some(error);
    E::custom(text)
}

/// A member of the container: a list is taken entry by entry.
struct Member<'a, 'b> {
    key: &'a str,
    batch: &'a mut Batch,
    sender: &'a mut Sender<'b>,
    failure: &'a mut Option<Error>,
}

impl<'de> DeserializeSeed<'de> for Member<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl Member<'_, '_> {
    fn plain<E: serde::de::Error>(self, value: &Value) -> Result<(), E> {
        let Self { key, batch, sender, failure } = self;
        batch.member(key, &value.to_string(), sender).map_err(|error| keep(failure, error))
    }
}

impl<'de> Visitor<'de> for Member<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.plain(&value.into())
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.plain(&value.into())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.plain(&value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.plain(&value.into())
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        self.plain(&value.into())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.plain(&Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { key, batch, sender, failure } = self;
        let mut is_empty = true;
        while let Some(entry) = list.next_element::<Box<RawValue>>()? {
            is_empty = false;
            batch.entry(key, entry.get(), sender).map_err(|error| keep(failure, error))?;
        }
        if is_empty {
            batch.member(key, "[]", sender).map_err(|error| keep(failure, error))?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let Self { key, batch, sender, failure } = self;
        let mut text = String::from("{");
        while let Some((name, value)) = object.next_entry::<String, Box<RawValue>>()? {
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(&quoted(&name));
            text.push(':');
            text.push_str(value.get());
        }
        text.push('}');
        batch.member(key, &text, sender).map_err(|error| keep(failure, error))
    }
}

struct Sender<'a> {
    most: usize,
    send: &'a mut dyn FnMut(&[u8]) -> Result<()>,
    sent: u64,
}

/// Members of one object that go into one request.
struct Batch {
    /// Before the object.
    head: String,
    /// The members that every request needs, above all the keys of a list entry.
    fixed: String,
    /// Behind the object.
    tail: String,
    body: String,
    /// The list that the body ends in.
    list: Option<String>,
}

impl Batch {
    const fn new(head: String, fixed: String, tail: String) -> Self {
        Self { head, fixed, tail, body: String::new(), list: None }
    }

    fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    fn member(&mut self, key: &str, value: &str, sender: &mut Sender<'_>) -> Result<()> {
        if value.len() > sender.most {
            self.flush_if_any(sender)?;
            let head = format!("{}{{{}{}:", self.head, with_comma(&self.fixed), quoted(key));
            return send_large(value, head, format!("}}{}", self.tail), sender);
        }
        self.make_room(value.len(), sender)?;
        self.end_list();
        self.comma();
        self.body.push_str(&quoted(key));
        self.body.push(':');
        self.body.push_str(value);
        Ok(())
    }

    fn entry(&mut self, list: &str, value: &str, sender: &mut Sender<'_>) -> Result<()> {
        if value.len() > sender.most {
            self.flush_if_any(sender)?;
            let head = format!("{}{{{}{}:[", self.head, with_comma(&self.fixed), quoted(list));
            return send_large(value, head, format!("]}}{}", self.tail), sender);
        }
        self.make_room(value.len(), sender)?;
        if self.list.as_deref() == Some(list) {
            self.body.push(',');
        } else {
            self.end_list();
            self.comma();
            self.body.push_str(&quoted(list));
            self.body.push_str(":[");
            self.list = Some(list.to_owned());
        }
        self.body.push_str(value);
        Ok(())
    }

    fn make_room(&mut self, bytes: usize, sender: &mut Sender<'_>) -> Result<()> {
        if self.body.len() + bytes > sender.most { self.flush_if_any(sender) } else { Ok(()) }
    }

    fn comma(&mut self) {
        if !self.body.is_empty() {
            self.body.push(',');
        }
    }

    fn end_list(&mut self) {
        if self.list.take().is_some() {
            self.body.push(']');
        }
    }

    fn flush_if_any(&mut self, sender: &mut Sender<'_>) -> Result<()> {
        if self.is_empty() { Ok(()) } else { self.flush(sender) }
    }

    fn flush(&mut self, sender: &mut Sender<'_>) -> Result<()> {
        self.end_list();
        let between =
            if self.body.is_empty() { self.fixed.clone() } else { with_comma(&self.fixed) };
        let text = [&self.head, "{", &between, &self.body, "}", &self.tail].concat();
        self.body = String::new();
        sender.sent += 1;
        (sender.send)(text.as_bytes())
    }
}

/// Sends a value that is larger than a request should be, as several where that is possible.
fn send_large(value: &str, head: String, tail: String, sender: &mut Sender<'_>) -> Result<()> {
    let is_complex = |raw: &&RawValue| raw.get().starts_with(['{', '[']);
    let members: BTreeMap<String, &RawValue> = match serde_json::from_str(value) {
        Ok(members) => members,
        Err(_) if value.len() <= VALUE_BYTES_MAX.max(sender.most) => {
            sender.sent += 1;
            return (sender.send)([&head, value, &tail].concat().as_bytes());
        }
        Err(_) => {
            return Err(Error::unsupported(format!(
                "a value of {} MiB, which fits in no entry of the server's journal",
                value.len() >> 20
            )));
        }
    };
    let plain = members.iter().filter(|(_, raw)| !is_complex(raw));
    let fixed: Vec<String> =
        plain.map(|(key, raw)| format!("{}:{}", quoted(key), raw.get())).collect();
    let fixed = fixed.join(",");
    if fixed.len() > VALUE_BYTES_MAX.max(sender.most) {
        return Err(Error::unsupported(format!(
            "a list entry with {} MiB of values, which fits in no entry of the server's journal",
            fixed.len() >> 20
        )));
    }
    let sent = sender.sent;
    let mut batch = Batch::new(head, fixed, tail);
    for (key, raw) in members.iter().filter(|(_, raw)| is_complex(raw)) {
        if raw.get().starts_with('{') {
            batch.member(key, raw.get(), sender)?;
            continue;
        }
        let entries: Vec<&RawValue> = serde_json::from_str(raw.get())?;
        for entry in &entries {
            batch.entry(key, entry.get(), sender)?;
        }
        if entries.is_empty() {
            batch.member(key, "[]", sender)?;
        }
    }
    if sender.sent == sent { batch.flush(sender) } else { batch.flush_if_any(sender) }
}

fn with_comma(fixed: &str) -> String {
    if fixed.is_empty() { String::new() } else { format!("{fixed},") }
}

fn quoted(name: &str) -> String {
    Value::from(name).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str, most: usize) -> Vec<String> {
        let mut sent = Vec::new();
        divide(text.as_bytes(), "a:c", most, &mut |body| {
            sent.push(String::from_utf8(body.to_vec())?);
            Ok(())
        })
        .unwrap();
        sent
    }

    #[test]
    fn what_is_small_is_one_request() {
        let whole = r#"{"a:c":{"n":1,"l":[{"k":"x"},{"k":"y"}],"o":{"p":["q"]},"e":[],"t":true}}"#;
        assert_eq!(pieces(whole, 1000), [whole]);
        assert_eq!(pieces(r#"{"a:c":{}}"#, 1000), [r#"{"a:c":{}}"#]);
    }

    #[test]
    fn entries_of_a_list_are_gathered() {
        let sent = pieces(r#"{"a:c":{"l":[{"k":"x"},{"k":"y"},{"k":"z"}],"m":2}}"#, 24);
        assert_eq!(
            sent,
            [r#"{"a:c":{"l":[{"k":"x"},{"k":"y"}]}}"#, r#"{"a:c":{"l":[{"k":"z"}],"m":2}}"#]
        );
    }

    #[test]
    fn a_large_entry_keeps_its_keys_in_each_piece() {
        let sent = pieces(
            r#"{"a:c":{"t":[{"id":"one","node":[{"n":"aaaaaaaa"},{"n":"bbbbbbbb"}],"z":"last"}]}}"#,
            20,
        );
        assert_eq!(
            sent,
            [
                r#"{"a:c":{"t":[{"id":"one","z":"last","node":[{"n":"aaaaaaaa"}]}]}}"#,
                r#"{"a:c":{"t":[{"id":"one","z":"last","node":[{"n":"bbbbbbbb"}]}]}}"#,
            ]
        );
    }

    #[test]
    fn foreign_bytes_are_refused() {
        for text in [
            "",
            "[]",
            "{}",
            "{\"a:c\":1}",
            "{\"x\":{}}",
            "{\"a:c\":{},\"b\":{}}",
            "{\"a:c\":{\"l\":[{]}}",
        ] {
            let refused = divide(text.as_bytes(), "a:c", 10, &mut |_| Ok(()));
            assert!(refused.is_err(), "{text}");
        }
        let stopped = divide(&b"{\"a:c\":{\"l\":[1]}}"[..], "a:c", 10, &mut |_| {
            Err(Error::unreachable("gone"))
        });
        assert_eq!(stopped, Err(Error::unreachable("gone")));
    }
}
