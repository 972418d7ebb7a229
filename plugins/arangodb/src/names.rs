//! From the server's names to the ids of parts and back.
//!
//! An id is `database/DB`, `collection/DB/NAME`, `views/DB`, `graphs/DB` or `users`. What is not portable in a path is written
//! as `%XX`.

use lockgate_plugin::path::escape;
use lockgate_plugin::{Error, Part, Result};

/// Attribute of a part: the name of the database.
pub const DATABASE: &str = "database";
/// Attribute of a part: the name of the collection.
pub const NAME: &str = "name";

/// The database that each server has.
pub const SYSTEM: &str = "_system";

/// What a part holds, in the order of a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// What collections need: the database itself, its analyzers, its functions and services.
    Database,
    /// A collection.
    Collection,
    /// Graphs of a database.
    Graphs,
    /// Views of a database.
    Views,
    /// Users of the server, which come last: they may change who is asking.
    Users,
}

impl Kind {
    /// All kinds in the order of a restore.
    pub const ALL: [Self; 5] =
        [Self::Database, Self::Collection, Self::Graphs, Self::Views, Self::Users];

    /// As in `part.kind`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Collection => "collection",
            Self::Graphs => "graphs",
            Self::Views => "views",
            Self::Users => "users",
        }
    }
}

/// What a part is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// What the part holds.
    pub kind: Kind,
    /// Users are in the system database.
    pub database: String,
    /// Of the collection; empty for the other kinds.
    pub name: String,
}

impl Subject {
    /// Something that is no collection.
    pub fn new(kind: Kind, database: &str) -> Self {
        Self { kind, database: database.to_owned(), name: String::new() }
    }

    /// A collection.
    pub fn collection(database: &str, name: &str) -> Self {
        Self { kind: Kind::Collection, database: database.to_owned(), name: name.to_owned() }
    }

    /// Reads the attributes that a backup gave to its parts.
    ///
    /// # Errors
    /// When the part is not one of this plugin.
    pub fn of(part: &Part) -> Result<Self> {
        let foreign = || Error::corrupt(format!("part {} is not one of this plugin", part.id));
        let kind =
            Kind::ALL.into_iter().find(|kind| kind.name() == part.kind).ok_or_else(foreign)?;
        let database = part.attribute(DATABASE).ok_or_else(foreign)?;
        let name = part.attribute(NAME);
        let subject = match (kind, name) {
            (Kind::Collection, Some(name)) => Self::collection(database, name),
            (Kind::Collection, None) => return Err(foreign()),
            (kind, _) => Self::new(kind, database),
        };
        if subject.id() == part.id { Ok(subject) } else { Err(foreign()) }
    }

    /// The id of its part.
    pub fn id(&self) -> String {
        let database = escape(&self.database);
        match self.kind {
            Kind::Users => "users".to_owned(),
            Kind::Collection => format!("collection/{database}/{}", escape(&self.name)),
            kind => format!("{}/{database}", kind.name()),
        }
    }

    /// A part without estimates.
    pub fn part(&self) -> Part {
        let part = Part::new(self.id(), self.kind.name()).with_attribute(DATABASE, &self.database);
        match self.kind {
            Kind::Collection => part.with_attribute(NAME, &self.name),
            _ => part,
        }
    }

    /// For people.
    pub fn shown(&self) -> String {
        match self.kind {
            Kind::Database => format!("database {}", self.database),
            Kind::Collection => format!("collection {}.{}", self.database, self.name),
            Kind::Graphs => format!("graphs of {}", self.database),
            Kind::Views => format!("views of {}", self.database),
            Kind::Users => "users".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_must_fit_its_id() {
        for subject in [
            Subject::collection("a b", "c/d"),
            Subject::new(Kind::Views, "é"),
            Subject::new(Kind::Users, SYSTEM),
        ] {
            assert_eq!(Subject::of(&subject.part()).unwrap(), subject);
        }
        assert_eq!(Subject::collection("a b", "c/d").id(), "collection/a%20b/c%2Fd");
        let part = |id: &str, kind: &str| Part::new(id, kind).with_attribute(DATABASE, "a");
        assert!(Subject::of(&part("collection/a/b", "collection")).is_err());
        assert!(Subject::of(&part("views/b", "views")).is_err());
        assert!(Subject::of(&part("views/a", "table")).is_err());
        assert!(Subject::of(&Part::new("users", "users")).is_err());
    }
}
