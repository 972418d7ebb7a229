//! Names in CQL: <https://cassandra.apache.org/doc/5.0/cassandra/developing/cql/definitions.html#identifiers>.

/// A name as CQL.
pub fn quote_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The name of something in a keyspace as CQL.
pub fn qualified(keyspace: &str, name: &str) -> String {
    format!("{}.{}", quote_name(keyspace), quote_name(name))
}

/// Text as CQL.
pub fn quote_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A piece of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    /// A word or a quoted name, as it stands.
    Name(&'a str),
    /// Anything else: spaces, signs, texts, comments, bodies of functions.
    Other(&'a str),
}

/// The first piece of `text`, which is not empty, and its length.
fn token(text: &str) -> (Token<'_>, usize) {
    let end_after = |from: usize, end: &str| {
        let rest = text.get(from..).unwrap_or_default();
        rest.find(end).map_or(text.len(), |at| from + at + end.len())
    };
    let first = text.chars().next().unwrap_or(' ');
    let length = match first {
        // A doubled quote is read as two texts or two names side by side, which comes to the same but for names.
        '\'' => end_after(1, "'"),
        '"' => {
            let mut end = end_after(1, "\"");
            while text.get(end..).is_some_and(|rest| rest.starts_with('"')) {
                end = end_after(end + 1, "\"");
            }
            end
        }
        '$' if text.starts_with("$$") => end_after(2, "$$"),
        '/' if text.starts_with("/*") => end_after(2, "*/"),
        '-' if text.starts_with("--") => end_after(2, "\n"),
        '/' if text.starts_with("//") => end_after(2, "\n"),
        first if first.is_ascii_alphanumeric() || first == '_' => {
            let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
            text.find(|character| !is_word(character)).unwrap_or(text.len())
        }
        first => first.len_utf8(),
    };
    let piece = text.get(..length).unwrap_or(text);
    let is_name = first == '"' || first == '_' || first.is_ascii_alphanumeric();
    (if is_name { Token::Name(piece) } else { Token::Other(piece) }, length)
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let (mut found, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let (piece, length) = token(rest);
        found.push(piece);
        rest = rest.get(length..).unwrap_or_default();
    }
    found
}

/// The name that a word or quoted name stands for.
pub fn plain(name: &str) -> String {
    match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => name.to_ascii_lowercase(),
    }
}

/// Whether `name` stands in `text` as a name.
pub fn mentions(text: &str, name: &str) -> bool {
    tokens(text).into_iter().any(|piece| matches!(piece, Token::Name(word) if plain(word) == name))
}

/// The statement with other names: those that stand as `KEYSPACE.NAME`, and that of an index, which has no keyspace in front.
pub fn renamed(
    statement: &str,
    qualified_name: impl Fn(&str, &str) -> Option<(String, String)>,
    index: impl Fn(&str) -> String,
) -> String {
    let pieces = tokens(statement);
    let mut text = String::with_capacity(statement.len());
    let (mut at, mut is_after_index) = (0, false);
    while let Some(piece) = pieces.get(at) {
        let behind = (pieces.get(at + 1), pieces.get(at + 2));
        match (piece, behind) {
            (Token::Name(left), (Some(Token::Other(".")), Some(Token::Name(right)))) => {
                match qualified_name(&plain(left), &plain(right)) {
                    Some((keyspace, name)) => text.push_str(&qualified(&keyspace, &name)),
                    None => text.push_str(&format!("{left}.{right}")),
                }
                at += 2;
                is_after_index = false;
            }
            (Token::Name(word), _) if is_after_index => {
                text.push_str(&quote_name(&index(&plain(word))));
                is_after_index = false;
            }
            (Token::Name(word), _) => {
                // Only in front: a column may have this name too.
                is_after_index = word.eq_ignore_ascii_case("INDEX")
                    && matches!(text.trim_end(), "CREATE" | "CREATE CUSTOM");
                text.push_str(word);
            }
            (Token::Other(other), _) => text.push_str(other),
        }
        at += 1;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to_copy(statement: &str) -> String {
        let name = |keyspace: &str, name: &str| {
            (keyspace == "Shop").then(|| ("copy".to_owned(), name.to_owned()))
        };
        renamed(statement, name, |index| format!("{index}_2"))
    }

    #[test]
    fn qualified_names_and_indexes_change_and_texts_do_not() {
        for (before, after) in [
            ("CREATE TABLE \"Shop\".t (a int)", "CREATE TABLE \"copy\".\"t\" (a int)"),
            (
                "CREATE CUSTOM INDEX i ON \"Shop\".t (a)",
                "CREATE CUSTOM INDEX \"i_2\" ON \"copy\".\"t\" (a)",
            ),
            ("WITH comment = '\"Shop\".t ''x'' '", "WITH comment = '\"Shop\".t ''x'' '"),
            ("AS $$return \"Shop\".t;$$", "AS $$return \"Shop\".t;$$"),
            ("p = 1.0 AND other.t", "p = 1.0 AND other.t"),
            (
                "CREATE INDEX index ON \"Shop\".\"a\"\"b\" (index)",
                "CREATE INDEX \"index_2\" ON \"copy\".\"a\"\"b\" (index)",
            ),
        ] {
            assert_eq!(to_copy(before), after);
        }
    }

    #[test]
    fn cut_statements_come_to_an_end() {
        let statement = "CREATE 'a' \"b\"\"c\" $$d$$ /* e */ -- f\n // g\n ä";
        for end in (0..statement.len()).filter(|end| statement.is_char_boundary(*end)) {
            assert!(to_copy(&statement[..end]).len() <= 3 * statement.len());
        }
        assert_eq!(to_copy(statement), statement);
    }

    #[test]
    fn quotes_cannot_be_left() {
        assert_eq!(quote_name("a\"; DROP"), "\"a\"\"; DROP\"");
        assert_eq!(quote_text("it's"), "'it''s'");
        assert!(mentions("list<frozen<\"Addr\">>", "Addr") && !mentions("list<addr>", "Addr"));
        assert_eq!((plain("AbC").as_str(), plain("\"A\"\"b\"").as_str()), ("abc", "A\"b"));
    }
}
