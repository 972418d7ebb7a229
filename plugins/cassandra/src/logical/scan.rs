//! Reads all rows of a table in the order of their tokens, several ranges of tokens at a time.

use std::collections::VecDeque;

use lockgate_plugin::host::{Host, Stream};
use lockgate_plugin::{Error as Told, Hasher};

use crate::config::Consistency;
use crate::cql::{Answer, Body, Parameters, Prepared, Rows, Session, wait};
use crate::error::Error;
use crate::error::code::TOO_LARGE;
use crate::limits::{
    FIRST_PAGE_ROWS, PAGE_BYTES, PAGE_ROWS_MAX, RANGE_BYTES, RANGES_MAX, RANGES_UNDER_WAY,
};
use crate::logical::names::Subject;
use crate::logical::record::Recorder;
use crate::logical::shape::Shape;
use crate::schema;
use crate::schema::names::quote_text;

/// A table that is read.
#[derive(Clone, Copy, Debug)]
pub struct Scan<'a> {
    /// The id of its part.
    pub part: &'a str,
    /// The table.
    pub table: &'a Subject,
    /// How many replicas answer.
    pub consistency: Consistency,
    /// The second at which it is looked at, for what expires.
    pub now: i32,
}

/// How much was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Rows, and partitions that share something.
    pub records: u64,
    /// Equal for equal rows and columns.
    pub fingerprint: String,
}

/// The columns of a table.
///
/// # Errors
/// When the server cannot be asked, or there is no such table.
pub fn shape<S: Stream>(session: &mut Session<S>, table: &Subject) -> Result<Shape, Error> {
    let columns = schema::columns(session, &table.keyspace, &table.table)?;
    if columns.is_empty() {
        return Err(Told::conflict(format!("there is no table {}", table.quoted())).into());
    }
    let fields = schema::fields(session, &table.keyspace)?;
    Ok(Shape::new(&columns, &fields))
}

impl Scan<'_> {
    /// Reads all rows; `take` gets records, encoded, some at a time.
    ///
    /// # Errors
    /// When the server cannot be read, or `take` fails.
    pub fn run<H: Host>(
        &self,
        host: &H,
        session: &mut Session<H::Stream>,
        shape: &Shape,
        mut take: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<Read, Error> {
        let by_token = session.server().has_murmur_tokens();
        let of_elements = session.server().tells_times_of_elements();
        let Subject { keyspace, table, .. } = self.table;
        let select =
            session.connection.prepare(&shape.select(keyspace, table, by_token, of_elements))?;
        let ranges = if by_token { ranges(session, self.table)? } else { VecDeque::from([None]) };
        let mut recorder = Recorder::new(shape, of_elements, self.now);
        let mut pages = Pages::new(self, session, &select, ranges);
        let (mut records, mut sum, mut bytes) = (0, 0_u128, 0);
        let mut encoded = Vec::new();
        while let Some(mut page) = pages.next()? {
            if page.is_altered {
                return Err(self.altered());
            }
            while let Some(values) = page.next_row()? {
                let (shared, row) = recorder.records(&values)?;
                for record in shared.iter().chain(&row) {
                    let start = encoded.len();
                    record.encode(&mut encoded)?;
                    sum = sum.wrapping_add(Hasher::hash(encoded.get(start..).unwrap_or_default()));
                    records += 1;
                }
                if encoded.len() >= PAGE_BYTES {
                    bytes += encoded.len() as u64;
                    take(&encoded)?;
                    encoded.clear();
                }
            }
            host.progress(self.part, bytes, records);
            host.go_on()?;
        }
        take(&encoded)?;
        let columns = Hasher::hash(&serde_json::to_vec(shape)?);
        let fingerprint = format!("{records}-{:032x}", sum.wrapping_add(columns));
        Ok(Read { records, fingerprint })
    }

    fn altered(&self) -> Error {
        Told::conflict(format!(
            "{} was altered while it was read: run the backup again",
            self.table.quoted()
        ))
        .into()
    }
}

/// Pages of more are read one at a time, so that memory is bounded.
const LARGE_PAGE_BYTES: usize = 8 * PAGE_BYTES;

/// Tokens in `(from, to]`; none for all.
type Range = Option<(i64, i64)>;

/// Cuts the ring by the estimate that the node has of its part of the table.
fn ranges<S: Stream>(session: &mut Session<S>, table: &Subject) -> Result<VecDeque<Range>, Error> {
    let rows = session.rows(&format!(
        "SELECT mean_partition_size, partitions_count FROM system.size_estimates \
         WHERE keyspace_name = {} AND table_name = {}",
        quote_text(&table.keyspace),
        quote_text(&table.table)
    ))?;
    let size = |column: usize, row: &crate::cql::Row| {
        u64::try_from(row.bigint(column).unwrap_or(0)).unwrap_or(0)
    };
    let bytes = rows
        .iter()
        .fold(0_u64, |sum, row| sum.saturating_add(size(0, row).saturating_mul(size(1, row))));
    Ok(cut(bytes.div_ceil(RANGE_BYTES)))
}

/// Equal ranges in order. The lowest number is no token.
fn cut(count: u64) -> VecDeque<Range> {
    let count = i128::from(count.clamp(1, RANGES_MAX));
    let (low, high) = (i128::from(i64::MIN), i128::from(i64::MAX));
    let bound = |place: i128| i64::try_from(low + (high - low) * place / count).unwrap_or(i64::MAX);
    (0..count).map(|place| Some((bound(place), bound(place + 1)))).collect()
}

/// A range whose next page is asked for, or here.
#[derive(Debug)]
struct Active {
    range: Range,
    stream: i16,
    /// Where the page that is asked for begins.
    state: Option<Vec<u8>>,
    page: Option<Rows>,
    tries: u32,
}

/// Pages in the order of the tokens.
struct Pages<'a, S> {
    scan: &'a Scan<'a>,
    session: &'a mut Session<S>,
    select: &'a Prepared,
    waiting: VecDeque<Range>,
    active: VecDeque<Active>,
    page_rows: i32,
    /// None before the first page: then it is not known how large rows are.
    under_way_max: usize,
    next_stream: i16,
}

impl<'a, S: Stream> Pages<'a, S> {
    fn new(
        scan: &'a Scan<'a>,
        session: &'a mut Session<S>,
        select: &'a Prepared,
        waiting: VecDeque<Range>,
    ) -> Self {
        Self {
            scan,
            session,
            select,
            waiting,
            active: VecDeque::new(),
            page_rows: FIRST_PAGE_ROWS,
            under_way_max: 1,
            next_stream: 0,
        }
    }

    /// The next page. When it is not the last of its range, the one behind it is asked for at once.
    fn next(&mut self) -> Result<Option<Rows>, Error> {
        loop {
            while self.active.len() < self.under_way_max
                && let Some(range) = self.waiting.pop_front()
            {
                self.next_stream = (self.next_stream + 1) % i16::MAX;
                let active =
                    Active { range, stream: self.next_stream, state: None, page: None, tries: 0 };
                self.ask(&active)?;
                self.active.push_back(active);
            }
            let Some(front) = self.active.front_mut() else { return Ok(None) };
            let Some(mut page) = front.page.take() else {
                self.receive()?;
                continue;
            };
            self.learn(&page);
            let front = self.active.pop_front();
            if let (Some(mut front), Some(state)) = (front, page.paging_state.take()) {
                (front.state, front.tries) = (Some(state), 0);
                self.ask(&front)?;
                self.session.connection.flush()?;
                self.active.push_front(front);
            }
            return Ok(Some(page));
        }
    }

    /// Has the next pages hold about [`PAGE_BYTES`].
    fn learn(&mut self, page: &Rows) {
        let is_large = page.bytes_left() > LARGE_PAGE_BYTES;
        self.under_way_max = if is_large { 1 } else { RANGES_UNDER_WAY };
        if let Some(row_bytes) = page.bytes_left().checked_div(page.left) {
            let rows = PAGE_BYTES / row_bytes.max(1);
            // Rows differ: growth is slow.
            let most = self.page_rows.saturating_mul(4).min(PAGE_ROWS_MAX);
            self.page_rows = i32::try_from(rows).unwrap_or(most).clamp(1, most);
        }
    }

    fn ask(&mut self, active: &Active) -> Result<(), Error> {
        let mut values = Body::default();
        let mut count = 0;
        if let Some((from, to)) = active.range {
            values.bytes(&from.to_be_bytes());
            values.bytes(&to.to_be_bytes());
            count = 2;
        }
        let parameters = Parameters {
            consistency: self.scan.consistency,
            page_rows: Some(self.page_rows),
            paging_state: active.state.as_deref(),
            now: Some(self.scan.now),
        };
        let connection = &mut self.session.connection;
        connection.send_execute(active.stream, self.select, (count, &values.0), &parameters)
    }

    fn receive(&mut self) -> Result<(), Error> {
        let (stream, answer) = self.session.connection.receive()?;
        let place = self.active.iter().position(|active| active.stream == stream);
        let mut active = place
            .and_then(|place| self.active.remove(place))
            .ok_or(Error::Protocol("an answer belongs to no question"))?;
        match answer {
            Ok(Answer::Rows(rows)) => active.page = Some(rows),
            Ok(Answer::Done) => return Err(Error::Protocol("a query gives no rows")),
            Err(refused) if refused.code == TOO_LARGE && self.page_rows > 1 => {
                // Large rows after many small ones.
                (self.page_rows, self.under_way_max) = ((self.page_rows / 16).max(1), 1);
                self.ask(&active)?;
            }
            Err(refused) => {
                wait(&refused, &mut active.tries).ok_or(Error::Server(refused))??;
                self.ask(&active)?;
            }
        }
        self.active.insert(place.unwrap_or_default(), active);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_the_ring_without_gaps() {
        for count in [0, 1, 2, 3, 1000, u64::MAX] {
            let ranges: Vec<(i64, i64)> = cut(count).into_iter().flatten().collect();
            assert_eq!(ranges.len() as u64, count.clamp(1, RANGES_MAX));
            assert_eq!((ranges[0].0, ranges[ranges.len() - 1].1), (i64::MIN, i64::MAX));
            assert!(ranges.windows(2).all(|pair| pair[0].1 == pair[1].0 && pair[0].0 < pair[0].1));
        }
    }
}
