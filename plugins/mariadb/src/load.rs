//! Puts archived rows into a table: as the file of `LOAD DATA LOCAL` where the server allows that, else by `INSERT`.

use lockgate_plugin::Error as Told;
use lockgate_plugin::host::{Host, Stream};

use crate::encode::{Encoder, Style, statement};
use crate::error::Error;
use crate::limits::{
    CANCEL_CHECK_BYTES, COMMIT_BYTES, INSERT_BYTES, INSERT_ROW_BYTES_MAX, TRANSFER_BYTES,
};
use crate::rows::RowReader;
use crate::session::Session;
use crate::wire::command::Done;
use crate::wire::text::shown;

/// Loads all rows and returns their number. After a failure the session is of no use, and the table may hold some rows.
///
/// # Errors
/// When the archive is damaged, the server refuses rows, or the run was cancelled.
pub fn load<H: Host>(
    host: &H,
    session: &mut Session<H::Stream>,
    part: &str,
    target: &str,
    reader: &mut RowReader,
) -> Result<u64, Error> {
    let allowed = session.one("SELECT @@GLOBAL.local_infile, @@max_allowed_packet")?;
    let mut loading = Loading { host, part, target, bytes: 0, looked_at: 0 };
    if allowed.number(0) == Some(1) {
        loading.by_file(session, reader)?;
    } else {
        let packet = allowed.number(1).and_then(|bytes| usize::try_from(bytes).ok());
        loading.by_insert(session, reader, packet.unwrap_or(TRANSFER_BYTES))?;
    }
    Ok(reader.rows())
}

struct Loading<'a, H> {
    host: &'a H,
    part: &'a str,
    target: &'a str,
    bytes: u64,
    looked_at: u64,
}

/// Where in the rows the encoder stopped.
enum Filled {
    RowEnd,
    InsideRow,
    Last,
}

impl<H: Host> Loading<'_, H> {
    fn by_file(
        &mut self,
        session: &mut Session<H::Stream>,
        reader: &mut RowReader,
    ) -> Result<(), Error> {
        let load = statement(Style::File, self.target, reader.header());
        let mut encoder = Encoder::new(Style::File, reader.header());
        loop {
            let committed = (self.bytes, reader.rows());
            session.begin_file(&load)?;
            let is_last = loop {
                let filled = self.fill(reader, &mut encoder)?;
                session.send_file(&encoder.output)?;
                encoder.output.clear();
                match filled {
                    Filled::Last => break true,
                    Filled::RowEnd if self.bytes - committed.0 >= COMMIT_BYTES => break false,
                    Filled::RowEnd | Filled::InsideRow => {}
                }
            };
            let done = session.end_file()?;
            self.check(session, done, reader.rows() - committed.1)?;
            if is_last {
                return Ok(());
            }
        }
    }

    /// Encodes rows until there is enough to send.
    fn fill(&mut self, reader: &mut RowReader, encoder: &mut Encoder) -> Result<Filled, Error> {
        while let Some(message) = reader.next()? {
            let is_row_complete = encoder.take(message)?;
            let held = encoder.output.len();
            if held >= TRANSFER_BYTES / 2 {
                self.bytes += held as u64;
                self.tell(reader.rows())?;
                return Ok(if is_row_complete { Filled::RowEnd } else { Filled::InsideRow });
            }
        }
        Ok(Filled::Last)
    }

    fn by_insert(
        &mut self,
        session: &mut Session<H::Stream>,
        reader: &mut RowReader,
        packet_bytes: usize,
    ) -> Result<(), Error> {
        let insert = statement(Style::Insert, self.target, reader.header());
        let mut encoder = Encoder::new(Style::Insert, reader.header());
        let (mut inserted, mut committed) = (0, 0);
        session.execute("START TRANSACTION")?;
        let enough = INSERT_BYTES.min(packet_bytes / 2);
        loop {
            let message = reader.next()?;
            let is_last = message.is_none();
            let is_row_complete = message.map(|message| encoder.take(message)).transpose()?;
            let held = encoder.output.len();
            if held > INSERT_ROW_BYTES_MAX.min(packet_bytes.saturating_sub(insert.len() + 1)) {
                return Err(self.too_large());
            }
            let is_enough = is_row_complete == Some(true) && held >= enough;
            if held > 0 && (is_last || is_enough) {
                let mut text = insert.clone().into_bytes();
                text.append(&mut encoder.output);
                let done = session.execute_bytes(&text)?;
                self.bytes += text.len() as u64;
                self.check(session, done, reader.rows() - inserted)?;
                inserted = reader.rows();
                self.tell(inserted)?;
            }
            if is_last {
                return session.execute("COMMIT").map(drop);
            }
            if self.bytes - committed >= COMMIT_BYTES {
                committed = self.bytes;
                session.execute("COMMIT")?;
                session.execute("START TRANSACTION")?;
            }
        }
    }

    fn too_large(&self) -> Error {
        Told::unsupported(format!(
            "a row of {} is too large for an INSERT: set the server's local_infile to ON, or raise its max_allowed_packet",
            self.target
        ))
        .into()
    }

    /// `LOAD DATA LOCAL` turns errors into warnings, so the number of rows is compared.
    fn check<S: Stream>(
        &self,
        session: &mut Session<S>,
        done: Done,
        rows: u64,
    ) -> Result<(), Error> {
        if done.warnings == 0 && done.affected == rows {
            return Ok(());
        }
        let warnings = session.rows("SHOW WARNINGS LIMIT 5")?;
        let texts: Vec<String> = warnings.iter().map(|row| shown(row, 2)).collect();
        let texts = texts.join("; ");
        if done.affected != rows {
            let text = format!(
                "the server took {} of {rows} rows of {}: {texts}",
                done.affected, self.target
            );
            return Err(Told::conflict(text).into());
        }
        log::warn!("the server warns about rows of {}: {texts}", self.target);
        Ok(())
    }

    fn tell(&mut self, rows: u64) -> Result<(), Error> {
        if self.bytes - self.looked_at > CANCEL_CHECK_BYTES {
            self.looked_at = self.bytes;
            self.host.go_on()?;
            self.host.progress(self.part, self.bytes, rows);
        }
        Ok(())
    }
}
