//! From the server's names to the ids of parts and back.
//!
//! An id is `DATABASE/SCHEMA/TABLE`, `DATABASE/_schema`, `DATABASE/_after`, `DATABASE/_large-objects` or `_roles`. Names may
//! hold anything, so what is not portable in a path is written as `%XX`, also an underscore in front, which is kept for
//! the ids that are no names.

use lockgate_plugin::path::escape;
use lockgate_plugin::{Error, Part, Result};

use crate::sql::{qualified, quote_name};

/// What a part holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Roles with their memberships and settings.
    Roles,
    /// Everything in a database that is made before rows.
    Schema,
    /// Definition and rows of a table.
    Table,
    /// Large objects of a database.
    LargeObjects,
    /// Everything in a database that is made after rows.
    After,
}

impl Kind {
    /// All kinds in the order of a restore.
    pub const ALL: [Self; 5] =
        [Self::Roles, Self::Schema, Self::Table, Self::LargeObjects, Self::After];

    /// As in `part.kind`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Roles => "roles",
            Self::Schema => "schema",
            Self::Table => "table",
            Self::LargeObjects => "large-objects",
            Self::After => "after",
        }
    }
}

/// What a part is about, in the server's names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// What the part holds.
    pub kind: Kind,
    /// Empty for [`Kind::Roles`].
    pub database: String,
    /// Empty except for [`Kind::Table`].
    pub schema: String,
    /// Empty except for [`Kind::Table`].
    pub table: String,
}

impl Subject {
    /// Of anything but a table.
    pub fn new(kind: Kind, database: &str) -> Self {
        let database = database.to_owned();
        Self { kind, database, schema: String::new(), table: String::new() }
    }

    /// Of a table.
    pub fn of_table(database: &str, schema: &str, table: &str) -> Self {
        let (schema, table) = (schema.to_owned(), table.to_owned());
        Self { schema, table, ..Self::new(Kind::Table, database) }
    }

    /// Reads the attributes that a backup gave to its parts.
    ///
    /// # Errors
    /// When the part is not one of this plugin.
    pub fn of(part: &Part) -> Result<Self> {
        let foreign = || Error::corrupt(format!("part {} is not one of this plugin", part.id));
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == part.kind);
        let kind = kind.ok_or_else(foreign)?;
        let named = |key: &str| part.attribute(key).ok_or_else(foreign);
        let subject = match kind {
            Kind::Roles => Self::new(kind, ""),
            Kind::Table => Self::of_table(named("database")?, named("schema")?, named("table")?),
            _ => Self::new(kind, named("database")?),
        };
        if subject.id() == part.id { Ok(subject) } else { Err(foreign()) }
    }

    /// A part with these names in its attributes.
    pub fn part(&self) -> Part {
        let mut part = Part::new(self.id(), self.kind.name());
        for (key, name) in
            [("database", &self.database), ("schema", &self.schema), ("table", &self.table)]
        {
            if !name.is_empty() {
                part = part.with_attribute(key, name);
            }
        }
        part
    }

    /// The id of its part.
    pub fn id(&self) -> String {
        let database = escape(&self.database);
        match self.kind {
            Kind::Roles => "_roles".to_owned(),
            Kind::Schema => format!("{database}/_schema"),
            Kind::After => format!("{database}/_after"),
            Kind::LargeObjects => format!("{database}/_large-objects"),
            Kind::Table => format!("{database}/{}/{}", escape(&self.schema), escape(&self.table)),
        }
    }

    /// For people.
    pub fn shown(&self) -> String {
        let database = quote_name(&self.database);
        match self.kind {
            Kind::Roles => "roles".to_owned(),
            Kind::Schema | Kind::After => format!("database {database}"),
            Kind::LargeObjects => format!("large objects of {database}"),
            Kind::Table => format!("{database}.{}", self.quoted()),
        }
    }

    /// A table as SQL.
    pub fn quoted(&self) -> String {
        qualified(&self.schema, &self.table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_must_fit_its_id() {
        for subject in [
            Subject::new(Kind::Roles, ""),
            Subject::new(Kind::After, "d/e"),
            Subject::of_table("d", "s.x", "a/b"),
        ] {
            assert_eq!(Subject::of(&subject.part()).unwrap(), subject);
        }
        let mut part = Subject::of_table("d", "s", "t").part();
        part.id = "d/s/u".to_owned();
        assert!(Subject::of(&part).is_err());
        part.kind = "index".to_owned();
        assert!(Subject::of(&part).is_err());
    }
}
