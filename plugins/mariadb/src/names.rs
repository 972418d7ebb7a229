//! From the server's names to the ids of parts and back, and into SQL.
//!
//! An id is `DATABASE/TABLE`, `DATABASE/_schema`, `DATABASE/_views` or `_users`. Names may hold anything, so what is not
//! portable in a path is written as `%XX`, also an underscore in front, which is kept for the ids that are no names.

use lockgate_plugin::path::escape;
use lockgate_plugin::{Error, Part, Result};

/// What a part holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Options of a database, its sequences and routines, and the columns of its views.
    Schema,
    /// Definition, rows and triggers of a table.
    Table,
    /// Views and events of a database.
    Views,
    /// Accounts, roles and grants.
    Users,
}

impl Kind {
    /// All kinds in the order of a restore.
    pub const ALL: [Self; 4] = [Self::Schema, Self::Table, Self::Views, Self::Users];

    /// As in `part.kind`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Schema => "schema",
            Self::Table => "table",
            Self::Views => "views",
            Self::Users => "users",
        }
    }
}

/// What a part is about, in the server's names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// What the part holds.
    pub kind: Kind,
    /// Empty for [`Kind::Users`].
    pub database: String,
    /// Empty except for [`Kind::Table`].
    pub table: String,
}

impl Subject {
    /// Reads the attributes that a backup gave to its parts.
    ///
    /// # Errors
    /// When the part is not one of this plugin.
    pub fn of(part: &Part) -> Result<Self> {
        let foreign = || Error::corrupt(format!("part {} is not one of this plugin", part.id));
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == part.kind);
        let kind = kind.ok_or_else(foreign)?;
        let named = |key: &str| part.attribute(key).map(str::to_owned).ok_or_else(foreign);
        let database = if kind == Kind::Users { String::new() } else { named("database")? };
        let table = if kind == Kind::Table { named("table")? } else { String::new() };
        let subject = Self { kind, database, table };
        if subject.id() == part.id { Ok(subject) } else { Err(foreign()) }
    }

    /// The id of its part.
    pub fn id(&self) -> String {
        match self.kind {
            Kind::Users => "_users".to_owned(),
            Kind::Schema => format!("{}/_schema", escape(&self.database)),
            Kind::Views => format!("{}/_views", escape(&self.database)),
            Kind::Table => format!("{}/{}", escape(&self.database), escape(&self.table)),
        }
    }

    /// For people and for SQL.
    pub fn quoted(&self) -> String {
        match self.kind {
            Kind::Users => "accounts".to_owned(),
            Kind::Schema | Kind::Views => quote_name(&self.database),
            Kind::Table => qualified(&self.database, &self.table),
        }
    }
}

/// A name as SQL: <https://mariadb.com/kb/en/identifier-names/>.
pub fn quote_name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// The name of something in a database as SQL.
pub fn qualified(database: &str, name: &str) -> String {
    format!("{}.{}", quote_name(database), quote_name(name))
}

/// Text as SQL, for sessions without `NO_BACKSLASH_ESCAPES`: <https://mariadb.com/kb/en/string-literals/>.
pub fn quote_text(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for character in text.chars() {
        match character {
            '\0' => quoted.push_str("\\0"),
            '\'' | '\\' => quoted.extend(['\\', character]),
            other => quoted.push(other),
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_cannot_be_left() {
        assert_eq!(quote_name("a`; DROP"), "`a``; DROP`");
        assert_eq!(quote_text("it's \\"), "'it\\'s \\\\'");
    }

    #[test]
    fn a_subject_must_fit_its_id() {
        let part = |id: &str, kind: &str| {
            Part::new(id, kind).with_attribute("database", "shop").with_attribute("table", "a/b")
        };
        assert_eq!(Subject::of(&part("shop/a%2Fb", "table")).unwrap().quoted(), "`shop`.`a/b`");
        assert!(Subject::of(&part("shop/other", "table")).is_err());
        assert!(Subject::of(&part("shop/_schema", "schema")).is_ok());
        assert!(Subject::of(&part("shop/_schema", "index")).is_err());
    }
}
