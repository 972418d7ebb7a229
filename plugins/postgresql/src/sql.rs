//! Names, texts and tokens of SQL: <https://www.postgresql.org/docs/15/sql-syntax-lexical.html>.

/// A name as SQL, always in quotes.
pub fn quote_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The name of something in a schema as SQL.
pub fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quote_name(schema), quote_name(name))
}

/// Text as SQL, for sessions with `standard_conforming_strings`.
pub fn quote_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A piece of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// What it is.
    pub kind: Kind,
    /// As it stands there.
    pub text: &'a str,
}

/// What a piece of a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A name or a keyword, with quotes or without.
    Word,
    /// `'text'` without any prefix.
    Text,
    /// Anything else: numbers, operators, spaces, other literals.
    Other,
}

impl Token<'_> {
    /// The name that a word stands for.
    pub fn name(&self) -> Option<String> {
        if self.kind != Kind::Word {
            return None;
        }
        let quoted = self.text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        Some(quoted.map_or_else(|| self.text.to_lowercase(), |name| name.replace("\"\"", "\"")))
    }

    /// Whether it is this keyword.
    pub fn is_keyword(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(keyword)
    }
}

/// Cuts a statement into pieces that together are the statement. Anything is taken; what has no end goes to the end.
pub fn tokens(statement: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = statement;
    while !rest.is_empty() {
        let (kind, length) = next(rest);
        let (text, behind) = rest.split_at(length);
        tokens.push(Token { kind, text });
        rest = behind;
    }
    tokens
}

fn next(rest: &str) -> (Kind, usize) {
    let first = rest.chars().next().unwrap_or(' ');
    match first {
        '\'' => (Kind::Text, quoted(rest, '\'', 1)),
        '"' => (Kind::Word, quoted(rest, '"', 1)),
        '$' => (Kind::Other, dollar_quoted(rest).unwrap_or(1)),
        'e' | 'E' if rest.get(1..2) == Some("'") => (Kind::Other, escaped(rest)),
        _ if first.is_alphabetic() || first == '_' => {
            let is_outside = |next: char| !(next.is_alphanumeric() || next == '_' || next == '$');
            (Kind::Word, rest.find(is_outside).unwrap_or(rest.len()))
        }
        _ if first.is_ascii_digit() => {
            let is_outside = |next: char| !(next.is_ascii_alphanumeric() || next == '.');
            (Kind::Other, rest.find(is_outside).unwrap_or(rest.len()))
        }
        _ => (Kind::Other, first.len_utf8()),
    }
}

/// Length of a literal that begins behind `start` bytes, in which the quote is doubled.
fn quoted(rest: &str, quote: char, start: usize) -> usize {
    let mut characters = rest.char_indices().skip(start).peekable();
    while let Some((at, character)) = characters.next() {
        if character == quote {
            match characters.peek() {
                Some((_, following)) if *following == quote => {
                    characters.next();
                }
                _ => return at + 1,
            }
        }
    }
    rest.len()
}

/// Length of `E'...'`.
fn escaped(rest: &str) -> usize {
    let mut characters = rest.char_indices().skip(2).peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => {
                characters.next();
            }
            '\'' => match characters.peek() {
                Some((_, '\'')) => {
                    characters.next();
                }
                _ => return at + 1,
            },
            _ => {}
        }
    }
    rest.len()
}

/// Length of `$tag$...$tag$`, when it is one.
fn dollar_quoted(rest: &str) -> Option<usize> {
    let tag_end = rest.get(1..)?.find('$')? + 2;
    let tag = rest.get(..tag_end)?;
    let inside = tag.get(1..tag_end - 1)?;
    let is_tag = inside.chars().all(|next| next.is_alphanumeric() || next == '_');
    if !is_tag || inside.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let body = rest.get(tag_end..)?;
    Some(body.find(tag).map_or(rest.len(), |end| tag_end + end + tag.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_cannot_be_left() {
        assert_eq!(quote_name("a\"; DROP"), "\"a\"\"; DROP\"");
        assert_eq!(quote_text("it's \\"), "'it''s \\'");
        assert_eq!(qualified("a.b", "c"), "\"a.b\".\"c\"");
    }

    #[test]
    fn a_statement_is_cut_and_stays_the_same() {
        let statements = [
            "SELECT \"a\"\"b\".c, 'it''s', E'\\'x''', $1, $f$ 'not \" $$ end$f$ || x::\"T\"",
            "CREATE TABLE größe (a int DEFAULT 1.5e3)",
            "'open",
            "\"open",
            "$x$ open",
            "E'open\\",
            "$",
            "",
        ];
        for statement in statements {
            let joined: String = tokens(statement).iter().map(|token| token.text).collect();
            assert_eq!(joined, statement);
        }
        let cut = tokens("\"a\"\"b\".C + 'x'");
        let names: Vec<String> = cut.iter().filter_map(Token::name).collect();
        assert_eq!(names, ["a\"b", "c"]);
        assert_eq!(cut.iter().filter(|token| token.kind == Kind::Text).count(), 1);
    }
}
