//! Other names in statements that the server wrote with full names.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::Definition;
use crate::sql::{Kind, Token, quote_name, quote_text, tokens};

/// Longest name of a server, in bytes.
const NAME_BYTES_MAX: usize = 63;

/// Which schemas and objects take which names.
#[derive(Clone, Debug, Default)]
pub struct Renames {
    /// Schemas that take another name as a whole.
    pub schemas: BTreeMap<String, String>,
    /// Objects by schema and name.
    pub objects: BTreeMap<(String, String), (String, String)>,
    /// Objects that are known: `a.b` in a statement may as well be a column of a table `a`.
    known: BTreeSet<(String, String)>,
}

impl Renames {
    /// Learns the names of objects.
    pub fn learn<'a>(&mut self, definitions: impl Iterator<Item = &'a Definition>) {
        for definition in definitions {
            let schema = &definition.schema;
            self.known.insert((schema.clone(), definition.name.clone()));
            self.known.extend(own_name(definition).map(|name| (schema.clone(), name)));
        }
    }

    /// Learns the name of one object.
    pub fn know(&mut self, schema: &str, name: &str) {
        self.known.insert((schema.to_owned(), name.to_owned()));
    }

    /// Whether nothing takes another name.
    pub fn is_empty(&self) -> bool {
        self.schemas.is_empty() && self.objects.is_empty()
    }

    /// The new schema and name of an object.
    pub fn of(&self, schema: &str, name: &str) -> (String, String) {
        let (schema, name) = (schema.to_owned(), name.to_owned());
        if let Some(new) = self.objects.get(&(schema.clone(), name.clone())) {
            return new.clone();
        }
        match self.schemas.get(&schema) {
            Some(new) => (new.clone(), name),
            None => (schema, name),
        }
    }

    /// Names what belongs to a table that takes another name: its indexes and sequences share the schema with those of
    /// the table that may still be there.
    pub fn name_belongings<'a>(&mut self, definitions: impl Iterator<Item = &'a Definition>) {
        for definition in definitions {
            let Some((schema, table)) = &definition.table else { continue };
            let Some((new_schema, new_table)) =
                self.objects.get(&(schema.clone(), table.clone())).cloned()
            else {
                continue;
            };
            if let Some(name) = own_name(definition).filter(|_| new_table != *table) {
                let new_name = renamed(&name, table, &new_table);
                self.objects.insert((schema.clone(), name), (new_schema, new_name));
            }
        }
    }

    /// A definition with all its names.
    pub fn apply(&self, definition: &Definition) -> Definition {
        if self.is_empty() {
            return definition.clone();
        }
        let schema = &definition.schema;
        let all = |texts: &[String]| texts.iter().map(|text| self.rewrite(text, schema)).collect();
        let mut renamed = definition.clone();
        (renamed.schema, renamed.name) = self.of(schema, &definition.name);
        renamed.address = self.rewrite(&definition.address, schema);
        renamed.statements = all(&definition.statements);
        renamed.grants = all(&definition.grants);
        renamed.needs = all(&definition.needs);
        renamed.table = definition.table.as_ref().map(|(schema, table)| self.of(schema, table));
        renamed
    }

    /// A statement with other names. `home` is the schema of what it is about, for names that stand alone.
    pub fn rewrite(&self, statement: &str, home: &str) -> String {
        if self.is_empty() {
            return statement.to_owned();
        }
        let tokens = tokens(statement);
        let doubtful = self.doubtful(&tokens);
        let mut output = String::with_capacity(statement.len() + 64);
        let mut words: [Option<&Token<'_>>; 2] = [None, None];
        let mut is_qualified = false;
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let mut used = 1;
            match token.kind {
                Kind::Word if !is_qualified => {
                    let (text, count) = self.word(&tokens, at, words, (home, &doubtful));
                    output.push_str(&text);
                    used = count;
                }
                Kind::Text => output.push_str(&self.literal(&tokens, at, home)),
                _ => output.push_str(token.text),
            }
            is_qualified = tokens.get(at + used - 1).is_some_and(|last| last.text == ".");
            if token.kind == Kind::Word {
                words = [Some(token), words[0]];
            }
            at += used;
        }
        output
    }

    /// Schemas whose name stands alone somewhere: a table or alias may be called so too, and `name.x` be a column of it.
    fn doubtful(&self, tokens: &[Token<'_>]) -> BTreeSet<&str> {
        let mut doubtful = BTreeSet::new();
        for (at, token) in tokens.iter().enumerate() {
            let is_alone = tokens.get(at + 1).is_none_or(|next| next.text != ".");
            let found = token.name().and_then(|name| self.schemas.get_key_value(&name));
            doubtful.extend(found.filter(|_| is_alone).map(|(name, _)| name.as_str()));
        }
        doubtful
    }

    /// The text for the word at `at`, and how many tokens it stands for. `words` are the last two before it.
    fn word(
        &self,
        tokens: &[Token<'_>],
        at: usize,
        words: [Option<&Token<'_>>; 2],
        (home, doubtful): (&str, &BTreeSet<&str>),
    ) -> (String, usize) {
        let token = tokens.get(at);
        let own = token.map_or("", |token| token.text).to_owned();
        let Some(name) = token.and_then(Token::name) else { return (own, 1) };
        let is_after = |keyword: &str| words[0].is_some_and(|word| word.is_keyword(keyword));
        let schema = self.schemas.get(&name);
        if tokens.get(at + 1).is_some_and(|next| next.text == ".") {
            let member = tokens.get(at + 2);
            let Some(second) = member.and_then(Token::name) else {
                // An operator of the schema.
                let is_operator = is_after("OPERATOR") || is_after("COMMUTATOR");
                let new = schema.filter(|_| is_operator);
                return (new.map_or(own, |new| quote_name(new)), 1);
            };
            let pair = (name, second);
            if let Some((schema, name)) = self.objects.get(&pair) {
                return (format!("{}.{}", quote_name(schema), quote_name(name)), 3);
            }
            let is_sure = !doubtful.contains(pair.0.as_str()) || self.known.contains(&pair);
            let new = schema.filter(|_| is_sure);
            return (new.map_or(own, |new| quote_name(new)), 1);
        }
        let is_schema = is_after("SCHEMA")
            || (is_after("EXISTS") && tokens.get(2).is_some_and(|word| word.is_keyword("SCHEMA")));
        if let Some(new) = schema.filter(|_| is_schema) {
            return (quote_name(new), 1);
        }
        let is_own = is_after("INDEX")
            || is_after("CONSTRAINT")
            || (is_after("ON") && words[1].is_some_and(|word| word.is_keyword("CLUSTER")));
        match self.objects.get(&(home.to_owned(), name)).filter(|_| is_own) {
            Some((_, new)) => (quote_name(new), 1),
            None => (own, 1),
        }
    }

    /// A text that names a relation, as in `nextval('s.t'::regclass)`, or any other text as it is.
    fn literal(&self, tokens: &[Token<'_>], at: usize, home: &str) -> String {
        let own = tokens.get(at).map_or("", |token| token.text);
        let behind = |offset: usize| tokens.get(at + offset);
        let is_name = behind(1).is_some_and(|token| token.text == ":")
            && behind(2).is_some_and(|token| token.text == ":")
            && behind(3).is_some_and(|token| token.is_keyword("regclass"));
        let inside = own.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
        match inside.filter(|_| is_name) {
            Some(inside) => quote_text(&self.rewrite(&inside.replace("''", "'"), home)),
            None => own.to_owned(),
        }
    }
}

/// The name that a belonging has in its schema: of an index, of a constraint with one, of a sequence.
pub fn own_name(definition: &Definition) -> Option<String> {
    match definition.kind.as_str() {
        "index" | "identity" | "sequence-owner" | "statistics" => Some(definition.name.clone()),
        // CONSTRAINT name ON ...
        "key" => tokens(&definition.address).iter().filter_map(Token::name).nth(1),
        _ => None,
    }
}

/// The name that something of a table takes when the table takes another one.
pub fn renamed(name: &str, table: &str, new_table: &str) -> String {
    let new = match name.strip_prefix(table) {
        Some(rest) => format!("{new_table}{rest}"),
        None => format!("{name}_{new_table}"),
    };
    if new.len() <= NAME_BYTES_MAX {
        return new;
    }
    let sign = crate::catalog::definition::sign(&new);
    let end = (0..=NAME_BYTES_MAX - sign.len() - 1).rev().find(|end| new.is_char_boundary(*end));
    format!("{}_{sign}", new.get(..end.unwrap_or(0)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renames() -> Renames {
        let mut renames = Renames::default();
        renames.schemas.insert("shop".into(), "copy".into());
        let pair = |schema: &str, name: &str| (schema.to_owned(), name.to_owned());
        renames.objects.insert(pair("crm", "orders"), pair("crm", "orders_old"));
        renames.objects.insert(pair("crm", "orders_pkey"), pair("crm", "orders_old_pkey"));
        renames.know("shop", "item");
        renames
    }

    #[test]
    fn full_names_change_and_nothing_else() {
        for (statement, expected) in [
            ("CREATE TABLE shop.item (shop int)", "CREATE TABLE \"copy\".item (shop int)"),
            (
                "SELECT shop.id, 'shop.item' FROM shop.item shop",
                "SELECT shop.id, 'shop.item' FROM \"copy\".item shop",
            ),
            ("CREATE SCHEMA IF NOT EXISTS shop", "CREATE SCHEMA IF NOT EXISTS \"copy\""),
            ("GRANT USAGE ON SCHEMA shop TO shop", "GRANT USAGE ON SCHEMA \"copy\" TO shop"),
            ("nextval('shop.item'::regclass)", "nextval('\"copy\".item'::regclass)"),
            ("a OPERATOR(shop.+) b", "a OPERATOR(\"copy\".+) b"),
            (
                "COMMENT ON COLUMN crm.orders.orders IS 'crm.orders'",
                "COMMENT ON COLUMN \"crm\".\"orders_old\".orders IS 'crm.orders'",
            ),
            (
                "ALTER TABLE ONLY crm.orders ADD CONSTRAINT orders_pkey PRIMARY KEY (id)",
                "ALTER TABLE ONLY \"crm\".\"orders_old\" ADD CONSTRAINT \"orders_old_pkey\" PRIMARY KEY (id)",
            ),
            (
                "ALTER TABLE crm.orders CLUSTER ON orders_pkey",
                "ALTER TABLE \"crm\".\"orders_old\" CLUSTER ON \"orders_old_pkey\"",
            ),
            ("SELECT $$ shop.item $$", "SELECT $$ shop.item $$"),
            (
                "CREATE TRIGGER t ON crm.x EXECUTE FUNCTION shop.f()",
                "CREATE TRIGGER t ON crm.x EXECUTE FUNCTION \"copy\".f()",
            ),
        ] {
            assert_eq!(renames().rewrite(statement, "crm"), expected);
        }
    }

    #[test]
    fn belongings_take_names_that_fit() {
        assert_eq!(renamed("orders_pkey", "orders", "old"), "old_pkey");
        assert_eq!(renamed("by_date", "orders", "old"), "by_date_old");
        let long = renamed("orders_pkey", "orders", &"ö".repeat(31));
        assert!(long.len() <= NAME_BYTES_MAX, "{long}");
        assert_ne!(long, renamed("orders_key", "orders", &"ö".repeat(31)));
    }
}
