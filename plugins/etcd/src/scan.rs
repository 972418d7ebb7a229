//! Keys of a range, in their order and page by page, without holding a page.

use std::io::BufRead;

use lockgate_plugin::Error as Told;
use lockgate_plugin::http::Response;
use serde_json::json;

use crate::client::Client;
use crate::error::Error;
use crate::json::{Json, Place, base64};
use crate::keyspace::{KeyRange, shown, successor};
use crate::limits::{
    AHEAD_KEYS, NAMES_PAGE, PAGE_BYTES, PAGE_GROWTH, PAGE_KEYS_FIRST, PAGE_KEYS_MAX,
    PAGE_KEYS_NEXT, VALUE_BYTES_MAX,
};
use crate::message::Done;
use crate::window::Window;

/// A key with what belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyValue {
    /// Never empty.
    pub key: Vec<u8>,
    /// May be empty.
    pub value: Vec<u8>,
    /// Number of the lease; 0 for none.
    pub lease: i64,
}

/// What of a range is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Keys with their values.
    All,
    /// Keys alone.
    Names,
}

/// Goes through a range.
#[derive(Debug)]
pub struct Scan {
    range: KeyRange,
    what: What,
    revision: Revision,
    /// The first key that the next page may have; none when there is no next page.
    next: Option<Vec<u8>>,
    page: Option<Page<Response>>,
    /// The end of the current page's question.
    asked_to: Option<Vec<u8>>,
    page_keys: u64,
    window: Window,
    /// Of the current page.
    seen: Seen,
    /// The first key of the current page.
    first: Vec<u8>,
    last: Vec<u8>,
    counted: Option<u64>,
    given: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    keys: u64,
    bytes: u64,
}

/// Which version of the store is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revision {
    /// Exactly this.
    At(i64),
    /// That of the first answer, in all pages.
    Pinned,
    /// Each page as it is when it is read.
    Moving,
}

impl Scan {
    /// Nothing is asked yet.
    #[must_use]
    pub fn new(range: &KeyRange, what: What, revision: Revision) -> Self {
        Self {
            next: (!range.is_empty()).then(|| range.from.clone()),
            range: range.clone(),
            what,
            revision,
            page: None,
            asked_to: None,
            page_keys: if what == What::Names { NAMES_PAGE } else { PAGE_KEYS_FIRST },
            window: Window::default(),
            seen: Seen::default(),
            first: Vec::new(),
            last: Vec::new(),
            counted: None,
            given: 0,
        }
    }

    /// Begins with pages of about this size, what [`Scan::page_keys`] was for another range.
    #[must_use]
    pub fn with_page_keys(self, keys: u64) -> Self {
        Self { page_keys: keys.clamp(1, PAGE_KEYS_NEXT), ..self }
    }

    /// How many keys the next page may have, by what was seen.
    #[must_use]
    pub fn page_keys(&self) -> u64 {
        self.page_keys
    }

    /// How many keys the server counts in the range, once the first page was read.
    #[must_use]
    pub fn counted(&self) -> u64 {
        self.counted.unwrap_or_default()
    }

    /// How many keys were given.
    #[must_use]
    pub fn given(&self) -> u64 {
        self.given
    }

    /// The next key.
    ///
    /// # Errors
    /// The server's, or that it does not give what it was asked for.
    pub fn next(&mut self, client: &mut Client) -> Result<Option<KeyValue>, Error> {
        loop {
            if self.page.is_none() && !self.turn(client)? {
                return Ok(None);
            }
            let Some(page) = &mut self.page else { return Ok(None) };
            match page.next() {
                Ok(Some(found)) => return self.take(found).map(Some),
                Ok(None) => self.close_page()?,
                // Another member has the same revision.
                Err(error) if matches!(self.revision, Revision::At(_)) && client.turn(&error) => {
                    self.page = None;
                    let is_new = self.last.is_empty();
                    self.next = Some(if is_new {
                        self.range.from.clone()
                    } else {
                        successor(self.last.clone())
                    });
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Asks for the next page, if there is one.
    fn turn(&mut self, client: &mut Client) -> Result<bool, Error> {
        let Some(from) = self.next.take() else { return Ok(false) };
        let rest = KeyRange { from, to: self.range.to.clone() };
        // The first answer tells how many keys there are.
        let ahead = self.counted.map_or(0, |counted| counted.saturating_sub(self.given));
        let asked = if ahead > AHEAD_KEYS { self.window.of(&rest) } else { rest };
        let revision = match self.revision {
            Revision::At(revision) => revision,
            Revision::Pinned | Revision::Moving => 0,
        };
        let question = json!({
            "key": first_key(&asked),
            "range_end": end_key(&asked),
            "limit": self.page_keys.to_string(),
            "revision": revision.to_string(),
            "keys_only": self.what == What::Names,
        });
        let answer = client.post("/v3/kv/range", &serde_json::to_vec(&question)?)?;
        self.page = Some(Page::new(answer)?);
        self.asked_to = asked.to;
        self.seen = Seen::default();
        Ok(true)
    }

    /// Order and range are the server's promise; a restore counts on them.
    fn take(&mut self, found: KeyValue) -> Result<KeyValue, Error> {
        if !self.range.contains(&found.key)
            || (found.key <= self.last && !self.last.is_empty())
            || found.key.is_empty()
        {
            let text = format!("the server gave {} where it must not be", shown(&found.key));
            return Err(Told::corrupt(text).into());
        }
        if self.seen.keys == 0 {
            self.first.clone_from(&found.key);
        }
        self.last.clone_from(&found.key);
        self.seen.keys += 1;
        self.seen.bytes += (found.key.len() + found.value.len()) as u64;
        self.given += 1;
        Ok(found)
    }

    fn close_page(&mut self) -> Result<(), Error> {
        let Some(page) = self.page.take() else { return Ok(()) };
        let end = page.end;
        // Before the first whole page there are only keys of pages that broke off.
        self.counted.get_or_insert(self.given - self.seen.keys + end.count);
        if self.revision == Revision::Pinned {
            self.revision = Revision::At(end.revision);
        }
        self.learn();
        if end.more && self.seen.keys == 0 {
            return Err(
                Told::corrupt("the server says that there is more, and gives nothing").into()
            );
        }
        self.next = if end.more {
            self.window.fit(&self.first, &self.last);
            Some(successor(self.last.clone()))
        } else {
            // The window is used up, or the range.
            let used_up = self.asked_to.take().filter(|to| self.range.to.as_ref() != Some(to));
            used_up.inspect(|to| self.window.widen(to))
        };
        Ok(())
    }

    fn learn(&mut self) {
        if self.what == What::All && self.seen.keys > 0 {
            let fitting = PAGE_BYTES * self.seen.keys / self.seen.bytes.max(1);
            self.page_keys = fitting.clamp(1, (self.page_keys * PAGE_GROWTH).min(PAGE_KEYS_MAX));
        }
    }
}

/// The first key of a question: no key is empty, so that one NUL stands for the first that can be.
fn first_key(range: &KeyRange) -> String {
    base64(if range.from.is_empty() { b"\0" } else { &range.from })
}

/// One NUL stands for no end.
fn end_key(range: &KeyRange) -> String {
    base64(range.to.as_deref().unwrap_or(b"\0"))
}

/// How many keys there are in a range, and the store's revision (or that which was asked for).
///
/// # Errors
/// The server's.
pub fn count(client: &mut Client, range: &KeyRange, revision: i64) -> Result<(u64, Done), Error> {
    if range.is_empty() {
        return Ok((0, Done::default()));
    }
    let question = json!({
        "key": first_key(range),
        "range_end": end_key(range),
        "revision": revision.to_string(),
        "count_only": true,
    });
    let done: Done = client.ask("/v3/kv/range", &question)?;
    Ok((done.count.size(), done))
}

/// An answer to a range, read while it comes.
#[derive(Debug)]
struct Page<R> {
    json: Json<R>,
    object: Place,
    /// While inside of the keys.
    keys: Option<Place>,
    end: End,
}

/// What an answer says beside its keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct End {
    more: bool,
    count: u64,
    revision: i64,
}

impl<R: BufRead> Page<R> {
    fn new(source: R) -> Result<Self, Error> {
        let mut json = Json::new(source);
        let object = json.object()?;
        Ok(Self { json, object, keys: None, end: End::default() })
    }

    /// The next key. None at the end of the answer, when `end` is complete.
    fn next(&mut self) -> Result<Option<KeyValue>, Error> {
        loop {
            if let Some(keys) = &mut self.keys {
                if self.json.element(keys)? {
                    return Ok(Some(key_value(&mut self.json)?));
                }
                self.keys = None;
            }
            match self.json.member(&mut self.object)?.as_deref() {
                Some("kvs") => self.keys = Some(self.json.array()?),
                Some("more") => self.end.more = self.json.boolean()?,
                Some("count") => self.end.count = self.json.number()?,
                Some("header") => self.end.revision = revision(&mut self.json)?,
                Some(_) => self.json.skip()?,
                None if self.json.is_over()? => return Ok(None),
                None => return Err(Told::corrupt("something follows the server's answer").into()),
            }
        }
    }
}

fn revision<R: BufRead>(json: &mut Json<R>) -> Result<i64, Error> {
    let mut place = json.object()?;
    let mut revision = 0;
    while let Some(name) = json.member(&mut place)? {
        match name.as_str() {
            "revision" => revision = json.number()?,
            _ => json.skip()?,
        }
    }
    Ok(revision)
}

fn key_value<R: BufRead>(json: &mut Json<R>) -> Result<KeyValue, Error> {
    let mut place = json.object()?;
    let mut found = KeyValue::default();
    while let Some(name) = json.member(&mut place)? {
        match name.as_str() {
            "key" => found.key = json.bytes(VALUE_BYTES_MAX)?,
            "value" => found.value = json.bytes(VALUE_BYTES_MAX)?,
            "lease" => found.lease = json.number()?,
            _ => json.skip()?,
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(text: &str) -> Result<(Vec<KeyValue>, End), Error> {
        let mut page = Page::new(text.as_bytes())?;
        let mut found = Vec::new();
        while let Some(next) = page.next()? {
            found.push(next);
        }
        Ok((found, page.end))
    }

    #[test]
    fn an_answer_is_read_whatever_the_order_of_its_members() {
        let text = r#"{"more":true,"kvs":[{"key":"AP8=","create_revision":"2","mod_revision":"3","version":"1","value":"Yg==",
            "lease":"-7"}, {"key":"YQ=="}], "header":{"revision":"9","raft_term":"2"}, "count":"5"}"#;
        let (found, end) = pages(text).unwrap();
        let odd = KeyValue { key: b"\0\xff".to_vec(), value: b"b".to_vec(), lease: -7 };
        let bare = KeyValue { key: b"a".to_vec(), ..KeyValue::default() };
        assert_eq!(found, [odd, bare]);
        assert_eq!(end, End { more: true, count: 5, revision: 9 });
    }

    #[test]
    fn an_answer_that_breaks_off_or_goes_on_is_refused() {
        for wrong in [
            r#"{"kvs":[{"key":"YQ=="}"#,
            r#"{"kvs":[]} {}"#,
            r#"{"kvs":{}}"#,
            r#"{"kvs":[{"key":7}]}"#,
            "[]",
        ] {
            assert!(pages(wrong).is_err(), "{wrong}");
        }
    }
}
