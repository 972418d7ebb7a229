//! The statements that put a record back, and their values.
//!
//! Cells of one moment and one expiry are written together: `INSERT` for those that are the oldest, which also makes the row itself,
//! `UPDATE` for the others. Elements of collections are added, so that no tombstone is made.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::cql::{Body, Value};
use crate::error::Error;
use crate::logical::pipeline::Write;
use crate::logical::record::{Content, Element, Record, Stamp};
use crate::logical::shape::{Cell, Cells, Key, Shape};
use crate::schema::names::{qualified, quote_name};

const USING: &str = "USING TIMESTAMP ? AND TTL ?";

/// What can be done to the columns of rows, or of partitions.
#[derive(Debug, Default)]
struct Part {
    /// Makes the row; none for partitions.
    insert: Option<usize>,
    /// Sets simple columns; none when there are none.
    update: Option<usize>,
    /// For each column: adds to it, or sets each of its fields.
    columns: Vec<Vec<usize>>,
}

/// The statements of one table.
#[derive(Debug, Default)]
pub struct Statements {
    /// As CQL, to be prepared in this order.
    pub texts: Vec<String>,
    rows: Part,
    partitions: Part,
}

impl Statements {
    /// For a table of this shape.
    pub fn new(shape: &Shape, keyspace: &str, table: &str) -> Self {
        let target = qualified(keyspace, table);
        let mut statements = Self::default();
        let keys: Vec<&Key> = shape.keys().collect();
        statements.rows = statements.part(&target, &keys, &shape.regulars);
        if !shape.has_counters() {
            statements.rows.insert = Some(statements.insert(&target, &keys, &shape.regulars));
        }
        let keys: Vec<&Key> = shape.partition_key.iter().collect();
        statements.partitions = statements.part(&target, &keys, &shape.statics);
        statements
    }

    fn add(&mut self, text: String) -> usize {
        self.texts.push(text);
        self.texts.len() - 1
    }

    fn insert(&mut self, target: &str, keys: &[&Key], cells: &[Cell]) -> usize {
        let keys = keys.iter().map(|key| quote_name(&key.name));
        let singles = cells.iter().filter(|cell| cell.cells == Cells::Single);
        let names: Vec<String> = keys.chain(singles.map(|cell| quote_name(&cell.name))).collect();
        let marks = vec!["?"; names.len()].join(", ");
        self.add(format!("INSERT INTO {target} ({}) VALUES ({marks}) {USING}", names.join(", ")))
    }

    fn part(&mut self, target: &str, keys: &[&Key], cells: &[Cell]) -> Part {
        let bounds: Vec<String> =
            keys.iter().map(|key| format!("{} = ?", quote_name(&key.name))).collect();
        let bounds = bounds.join(" AND ");
        let set = |what: &str| format!("UPDATE {target} {USING} SET {what} WHERE {bounds}");
        let singles: Vec<String> = cells
            .iter()
            .filter(|cell| cell.cells == Cells::Single)
            .map(|cell| format!("{} = ?", quote_name(&cell.name)))
            .collect();
        let update = (!singles.is_empty()).then(|| self.add(set(&singles.join(", "))));
        let mut columns = Vec::new();
        for cell in cells {
            let name = quote_name(&cell.name);
            columns.push(match &cell.cells {
                Cells::Single => Vec::new(),
                Cells::Counter => vec![
                    self.add(format!("UPDATE {target} SET {name} = {name} + ? WHERE {bounds}")),
                ],
                Cells::List | Cells::Set | Cells::Map => {
                    vec![self.add(set(&format!("{name} = {name} + ?")))]
                }
                Cells::Fields(fields) => fields
                    .iter()
                    .map(|field| self.add(set(&format!("{name}.{} = ?", quote_name(field)))))
                    .collect(),
            });
        }
        Part { insert: None, update, columns }
    }

    /// The writes of a record. Those in the second list must be done in their order, one after the other.
    ///
    /// # Errors
    /// When the record does not fit the table.
    pub fn writes(
        &self,
        shape: &Shape,
        record: &Record<'_>,
        moment: &Moment,
    ) -> Result<(Vec<Write>, Vec<Write>), Error> {
        let (part, cells) = if record.is_row {
            (&self.rows, &shape.regulars)
        } else {
            (&self.partitions, &shape.statics)
        };
        let mut writing = Writing { record, moment, writes: Vec::new(), in_turn: Vec::new() };
        writing.singles(part, cells);
        for ((cell, content), statements) in cells.iter().zip(&record.contents).zip(&part.columns) {
            match content {
                Content::Null => {}
                Content::Single(_, value) if cell.cells == Cells::Counter => {
                    writing.counter(*statements.first().ok_or(NO_FIT)?, value);
                }
                Content::Single(..) => {}
                Content::Elements(elements) => writing.elements(cell, elements, statements)?,
            }
        }
        Ok((writing.writes, writing.in_turn))
    }
}

const NO_FIT: Error = Error::Protocol("the archived rows do not fit the table");

/// What stands for times that are not known, and where those of expiry are counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(
    /// Seconds since 1970.
    pub i32,
);

impl Moment {
    fn using(self, stamp: Stamp, body: &mut Body) {
        let written = stamp.written.unwrap_or_else(|| i64::from(self.0) * 1_000_000);
        // 0 is no expiry, also where the table has one of its own.
        let rest = stamp.expires.map_or(0, |expires| expires.saturating_sub(self.0).max(1));
        body.bytes(&written.to_be_bytes());
        body.bytes(&rest.to_be_bytes());
    }
}

struct Writing<'r> {
    record: &'r Record<'r>,
    moment: &'r Moment,
    writes: Vec<Write>,
    in_turn: Vec<Write>,
}

impl Writing<'_> {
    fn keys(&self, body: &mut Body) -> u16 {
        self.record.keys.iter().for_each(|key| body.bytes(key));
        self.record.keys.len() as u16
    }

    fn singles(&mut self, part: &Part, cells: &[Cell]) {
        let mut groups = BTreeSet::new();
        let mut oldest: Option<Stamp> = None;
        for content in &self.record.contents {
            match content {
                Content::Null => {}
                Content::Single(stamp, _) => {
                    groups.insert(*stamp);
                    oldest = Some(oldest.map_or(*stamp, |oldest| older(oldest, *stamp)));
                }
                Content::Elements(elements) => {
                    for element in elements {
                        oldest = Some(
                            oldest.map_or(element.stamp, |oldest| older(oldest, element.stamp)),
                        );
                    }
                }
            }
        }
        let oldest = oldest.unwrap_or_default();
        if let Some(statement) = part.insert {
            let mut body = Body::default();
            let count = self.keys(&mut body) + self.values(cells, oldest, &mut body) + 2;
            self.moment.using(oldest, &mut body);
            groups.remove(&oldest);
            self.push(statement, count, body, true);
        }
        let Some(statement) = part.update else { return };
        for stamp in groups {
            let mut body = Body::default();
            self.moment.using(stamp, &mut body);
            let count = 2 + self.values(cells, stamp, &mut body);
            let count = count + self.keys(&mut body);
            self.push(statement, count, body, true);
        }
    }

    /// The simple columns: those of `stamp`, and nothing for the others.
    fn values(&self, cells: &[Cell], stamp: Stamp, body: &mut Body) -> u16 {
        let mut count = 0;
        for (cell, content) in cells.iter().zip(&self.record.contents) {
            if cell.cells != Cells::Single {
                continue;
            }
            count += 1;
            body.value(match content {
                Content::Single(own, value) if *own == stamp => Value::Bytes(value),
                _ => Value::Unset,
            });
        }
        count
    }

    fn counter(&mut self, statement: usize, value: &[u8]) {
        let mut body = Body::default();
        body.bytes(value);
        let count = 1 + self.keys(&mut body);
        self.push(statement, count, body, false);
    }

    fn elements(
        &mut self,
        cell: &Cell,
        elements: &[Element<'_>],
        statements: &[usize],
    ) -> Result<(), Error> {
        if matches!(cell.cells, Cells::Fields(_)) {
            for element in elements {
                let place: [u8; 2] = element.key.try_into().map_err(|_| NO_FIT)?;
                let place = usize::from(u16::from_be_bytes(place));
                let statement = *statements.get(place).ok_or(NO_FIT)?;
                let mut value = Body::default();
                value.bytes(element.value);
                self.add(statement, element.stamp, &value, true);
            }
            return Ok(());
        }
        let statement = *statements.first().ok_or(NO_FIT)?;
        let is_list = cell.cells == Cells::List;
        // The order of a list is that in which it is added to.
        let mut groups: Vec<(Stamp, Vec<&Element<'_>>)> = Vec::new();
        for element in elements {
            let found = match is_list {
                true => groups.last_mut().filter(|(stamp, _)| *stamp == element.stamp),
                false => groups.iter_mut().find(|(stamp, _)| *stamp == element.stamp),
            };
            match found {
                Some((_, group)) => group.push(element),
                None => groups.push((element.stamp, vec![element])),
            }
        }
        let (before, is_in_turn) = (self.writes.len(), is_list && groups.len() > 1);
        for (stamp, group) in groups {
            let mut inner = Body::default();
            inner.int(i32::try_from(group.len()).map_err(|_| NO_FIT)?);
            for element in group {
                if !is_list {
                    inner.bytes(element.key);
                }
                if cell.cells != Cells::Set {
                    inner.bytes(element.value);
                }
            }
            let mut value = Body::default();
            value.bytes(&inner.0);
            self.add(statement, stamp, &value, !is_list);
        }
        if is_in_turn {
            self.in_turn.extend(self.writes.drain(before..));
        }
        Ok(())
    }

    fn add(&mut self, statement: usize, stamp: Stamp, value: &Body, is_repeatable: bool) {
        let mut body = Body::default();
        self.moment.using(stamp, &mut body);
        body.0.extend(&value.0);
        let count = 3 + self.keys(&mut body);
        self.push(statement, count, body, is_repeatable);
    }

    fn push(&mut self, statement: usize, count: u16, body: Body, is_repeatable: bool) {
        self.writes.push(Write { statement, values: (count, body.0), is_repeatable });
    }
}

/// The one that was written first, and among those the one that stays longer.
fn older(left: Stamp, right: Stamp) -> Stamp {
    let rank = |stamp: &Stamp| (stamp.written, stamp.expires.is_none(), stamp.expires);
    match left.written.cmp(&right.written) {
        Ordering::Less => left,
        Ordering::Greater => right,
        Ordering::Equal if rank(&left) >= rank(&right) => left,
        Ordering::Equal => right,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(name: &str, cells: Cells) -> Cell {
        Cell { name: name.to_owned(), cql_type: String::new(), cells }
    }

    fn shape(regulars: Vec<Cell>) -> Shape {
        let key = Key { name: "k".to_owned(), cql_type: "int".to_owned() };
        Shape { partition_key: vec![key], regulars, ..Shape::default() }
    }

    fn stamp(written: i64, expires: Option<i32>) -> Stamp {
        Stamp { written: Some(written), expires }
    }

    fn texts(shape: &Shape, contents: Vec<Content<'_>>) -> (Vec<String>, usize) {
        let statements = Statements::new(shape, "ks", "t");
        let record = Record { is_row: true, keys: vec![b"key"], contents };
        let (writes, in_turn) = statements.writes(shape, &record, &Moment(100)).unwrap();
        let text = |write: &Write| statements.texts[write.statement].clone();
        for write in writes.iter().chain(&in_turn) {
            assert_eq!(text(write).matches('?').count(), usize::from(write.values.0));
        }
        (writes.iter().chain(&in_turn).map(text).collect(), in_turn.len())
    }

    #[test]
    fn cells_of_one_moment_are_written_together_and_the_oldest_make_the_row() {
        let shape = shape(vec![cell("a", Cells::Single), cell("b", Cells::Single)]);
        let contents = |a, b| vec![Content::Single(a, b"1"), Content::Single(b, b"2")];
        let insert = "INSERT INTO \"ks\".\"t\" (\"k\", \"a\", \"b\") VALUES (?, ?, ?) USING TIMESTAMP ? AND TTL ?";
        let update = "UPDATE \"ks\".\"t\" USING TIMESTAMP ? AND TTL ? SET \"a\" = ?, \"b\" = ? WHERE \"k\" = ?";
        assert_eq!(texts(&shape, contents(stamp(1, None), stamp(1, None))).0, [insert]);
        assert_eq!(
            texts(&shape, contents(stamp(2, Some(200)), stamp(1, None))).0,
            [insert, update]
        );
        assert_eq!(texts(&shape, vec![Content::Null, Content::Null]).0, [insert]);
        assert_eq!(older(stamp(1, Some(5)), stamp(1, None)), stamp(1, None));
        assert_eq!(older(stamp(1, Some(5)), stamp(1, Some(9))), stamp(1, Some(9)));
    }

    #[test]
    fn elements_are_added_and_lists_in_turn() {
        let shape = shape(vec![cell("l", Cells::List), cell("m", Cells::Map)]);
        let element = |written, key| Element { stamp: stamp(written, None), key, value: b"v" };
        let list = Content::Elements(vec![element(2, b""), element(1, b""), element(2, b"")]);
        let map = Content::Elements(vec![element(2, b"a"), element(1, b"b"), element(2, b"c")]);
        let (written, in_turn) = texts(&shape, vec![list, map]);
        assert_eq!((written.len(), in_turn), (6, 3));
        let (written, in_turn) =
            texts(&shape, vec![Content::Elements(vec![element(1, b"")]), Content::Null]);
        assert_eq!((written.len(), in_turn), (2, 0));
    }

    #[test]
    fn fields_are_set_and_counters_added_to() {
        let fields = shape(vec![cell("u", Cells::Fields(vec!["a".into(), "b".into()]))]);
        let field = Element { stamp: stamp(1, None), key: &[0, 1], value: b"v" };
        let (written, _) = texts(&fields, vec![Content::Elements(vec![field])]);
        assert!(written[1].contains("SET \"u\".\"b\" = ?"), "{written:?}");
        let counters = shape(vec![cell("n", Cells::Counter)]);
        let (written, _) = texts(&counters, vec![Content::Single(Stamp::default(), b"12345678")]);
        assert_eq!(written, ["UPDATE \"ks\".\"t\" SET \"n\" = \"n\" + ? WHERE \"k\" = ?"]);
    }
}
