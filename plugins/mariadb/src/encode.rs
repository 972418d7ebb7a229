//! Rows in the two forms in which a server takes many of them: the file of `LOAD DATA`
//! (<https://mariadb.com/kb/en/load-data-infile/>) and the values of `INSERT`.

use crate::error::Error;
use crate::names::quote_name;
use crate::rows::{Form, Header};
use crate::wire::frames::Message;
use crate::wire::value::{CellPiece, CellScanner, Cursor};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Cells between tabs, rows between line feeds.
    File,
    /// `(...),(...)`
    Insert,
}

/// Turns archived rows into one of the forms.
#[derive(Debug)]
pub struct Encoder {
    style: Style,
    forms: Vec<Form>,
    /// What was encoded and not taken yet.
    pub output: Vec<u8>,
    column: usize,
    in_cell: bool,
    large: Option<CellScanner>,
}

impl Encoder {
    /// For the columns of `header`.
    pub fn new(style: Style, header: &Header) -> Self {
        let forms = header.columns.iter().map(|column| column.form).collect();
        Self { style, forms, output: Vec::new(), column: 0, in_cell: false, large: None }
    }

    /// Takes a row or a piece of one; says whether a row is complete now.
    ///
    /// # Errors
    /// When the row is damaged or has not the columns of the header.
    #[inline]
    pub fn take(&mut self, message: Message<'_>) -> Result<bool, Error> {
        match message {
            Message::Whole(row) => {
                let mut cursor = Cursor::new(row);
                while !cursor.rest().is_empty() {
                    match cursor.cell()? {
                        None => self.tell(CellPiece::Null),
                        Some(content) => {
                            self.tell(CellPiece::Begin);
                            self.tell(CellPiece::Content(content));
                        }
                    }
                }
                self.end_row()?;
                Ok(true)
            }
            Message::Frame(0) => self.end_large(),
            Message::Frame(_) => {
                self.large.get_or_insert_default();
                Ok(false)
            }
            Message::Piece { bytes, ends } => {
                let mut scanner = self.large.take().unwrap_or_default();
                scanner.take(bytes, |piece| self.tell(piece))?;
                self.large = Some(scanner);
                if ends { self.end_large() } else { Ok(false) }
            }
        }
    }

    fn end_large(&mut self) -> Result<bool, Error> {
        self.large.take().unwrap_or_default().finish()?;
        self.end_row()?;
        Ok(true)
    }

    #[inline]
    fn tell(&mut self, piece: CellPiece<'_>) {
        match piece {
            CellPiece::Null => {
                self.end_cell();
                self.separate();
                let null: &[u8] = if self.style == Style::File { b"\\N" } else { b"NULL" };
                self.output.extend_from_slice(null);
                self.column += 1;
            }
            CellPiece::Begin => {
                self.end_cell();
                self.separate();
                if self.style == Style::Insert {
                    if self.form() == Form::Text {
                        self.output.extend_from_slice(b"CONVERT(");
                    }
                    self.output.extend_from_slice(b"_binary'");
                }
                self.in_cell = true;
            }
            CellPiece::Content(content) => self.escape(content),
        }
    }

    fn form(&self) -> Form {
        self.forms.get(self.column).copied().unwrap_or(Form::Bytes)
    }

    #[inline]
    fn separate(&mut self) {
        match (self.style, self.column) {
            (Style::File, 0) => {}
            (Style::File, _) => self.output.push(b'\t'),
            (Style::Insert, 0) if self.output.is_empty() => self.output.push(b'('),
            (Style::Insert, 0) => self.output.extend_from_slice(b",("),
            (Style::Insert, _) => self.output.push(b','),
        }
    }

    #[inline]
    fn end_cell(&mut self) {
        if !self.in_cell {
            return;
        }
        self.in_cell = false;
        if self.style == Style::Insert {
            self.output.push(b'\'');
            if self.form() == Form::Text {
                self.output.extend_from_slice(b" USING utf8mb4)");
            }
        }
        self.column += 1;
    }

    fn end_row(&mut self) -> Result<(), Error> {
        self.end_cell();
        if self.column != self.forms.len() {
            return Err(Error::Protocol("an archived row does not have the columns of its table"));
        }
        self.column = 0;
        self.output.push(if self.style == Style::File { b'\n' } else { b')' });
        Ok(())
    }

    #[inline]
    fn escape(&mut self, content: &[u8]) {
        let special: fn(&u8) -> bool = match self.style {
            Style::File => |byte| matches!(byte, b'\\' | b'\t' | b'\n'),
            Style::Insert => |byte| matches!(byte, b'\\' | b'\''),
        };
        let mut rest = content;
        while let Some(at) = rest.iter().position(special) {
            let (front, behind) = rest.split_at(at);
            self.output.extend_from_slice(front);
            self.output.push(b'\\');
            // A backslash before a real tab or line feed stands for that byte too.
            self.output.extend(behind.first());
            rest = behind.get(1..).unwrap_or_default();
        }
        self.output.extend_from_slice(rest);
    }
}

/// The statement that takes rows in this style into `target`; for [`Style::Insert`] the values are to follow.
pub fn statement(style: Style, target: &str, header: &Header) -> String {
    let name = |index: usize| header.columns.get(index).map(|column| quote_name(&column.name));
    let all = || (0..header.columns.len()).filter_map(name);
    if style == Style::Insert {
        let columns: Vec<String> = all().collect();
        return format!("INSERT INTO {target} ({}) VALUES ", columns.join(", "));
    }
    let mut columns = Vec::new();
    let mut converted = Vec::new();
    for (index, (column, name)) in header.columns.iter().zip(all()).enumerate() {
        if column.form == Form::Text {
            columns.push(format!("@v{index}"));
            converted.push(format!("{name} = CONVERT(@v{index} USING utf8mb4)"));
        } else {
            columns.push(name);
        }
    }
    let set =
        if converted.is_empty() { String::new() } else { format!(" SET {}", converted.join(", ")) };
    format!(
        "LOAD DATA LOCAL INFILE 'rows' INTO TABLE {target} CHARACTER SET binary \
         FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' ({}){set}",
        columns.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Column;

    fn header() -> Header {
        let column = |name: &str, form| Column { name: name.into(), sql_type: "x".into(), form };
        Header { columns: vec![column("a", Form::Bytes), column("b`", Form::Text)] }
    }

    const ROW: &[u8] = b"\x06a\\\t\n'\0\x01b";

    fn encoded(style: Style, pieces: usize) -> Vec<u8> {
        let mut encoder = Encoder::new(style, &header());
        if pieces == 0 {
            assert!(encoder.take(Message::Whole(ROW)).unwrap());
        } else {
            encoder.take(Message::Frame(ROW.len())).unwrap();
            for (index, bytes) in ROW.chunks(pieces).enumerate() {
                let ends = (index + 1) * pieces >= ROW.len();
                assert_eq!(encoder.take(Message::Piece { bytes, ends }).unwrap(), ends);
            }
        }
        encoder.take(Message::Whole(b"\xfb\x00")).unwrap();
        encoder.output
    }

    #[test]
    fn rows_are_escaped_whole_and_in_pieces() {
        for pieces in [0, 1, 2, 3, 100] {
            assert_eq!(encoded(Style::File, pieces), b"a\\\\\\\t\\\n'\0\tb\n\\N\t\n");
            let insert: &[u8] = b"(_binary'a\\\\\t\n\\'\0',CONVERT(_binary'b' USING utf8mb4)),(NULL,CONVERT(_binary'' USING utf8mb4))";
            assert_eq!(encoded(Style::Insert, pieces), insert);
        }
    }

    #[test]
    fn a_row_with_another_number_of_cells_is_refused() {
        for row in [&b"\x01a"[..], b"\x01a\x01b\x01c", b"\x05a"] {
            assert!(Encoder::new(Style::File, &header()).take(Message::Whole(row)).is_err());
        }
    }

    #[test]
    fn columns_that_must_be_text_are_converted() {
        let load = statement(Style::File, "`s`.`t`", &header());
        assert!(load.ends_with("(`a`, @v1) SET `b``` = CONVERT(@v1 USING utf8mb4)"), "{load}");
    }
}
