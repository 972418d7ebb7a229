//! From the server's names to the ids of parts and back, and to the names in the target.
//!
//! An id is `KEYSPACE/TABLE`, `KEYSPACE/_schema` or `_roles`.

use std::collections::BTreeSet;

use lockgate_plugin::path::escape;
use lockgate_plugin::{Error, Part, Result};

use crate::schema::names::{qualified, quote_name};

/// What a part holds, in the order of a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Types, functions and aggregates of a keyspace.
    Schema,
    /// Definition and rows of a table.
    Table,
    /// Roles and what they may do.
    Roles,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Schema, Self::Table, Self::Roles];

    /// As in `part.kind`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Schema => "schema",
            Self::Table => "table",
            Self::Roles => "roles",
        }
    }
}

/// What a part is about, in the server's names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// What the part holds.
    pub kind: Kind,
    /// Empty for roles.
    pub keyspace: String,
    /// Empty except for tables.
    pub table: String,
}

impl Subject {
    /// Reads the attributes that a backup gave to its parts.
    ///
    /// # Errors
    /// When the part is not one of this way.
    pub fn of(part: &Part) -> Result<Self> {
        let foreign = || Error::corrupt(format!("part {} is not one of this plugin", part.id));
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == part.kind);
        let kind = kind.ok_or_else(foreign)?;
        let named = |key: &str| part.attribute(key).map(str::to_owned).ok_or_else(foreign);
        let keyspace = if kind == Kind::Roles { String::new() } else { named("keyspace")? };
        let table = if kind == Kind::Table { named("table")? } else { String::new() };
        let subject = Self { kind, keyspace, table };
        if subject.id() == part.id { Ok(subject) } else { Err(foreign()) }
    }

    /// The id of its part.
    pub fn id(&self) -> String {
        match self.kind {
            Kind::Roles => "_roles".to_owned(),
            Kind::Schema => format!("{}/_schema", escape(&self.keyspace)),
            Kind::Table => format!("{}/{}", escape(&self.keyspace), escape(&self.table)),
        }
    }

    /// For people and for CQL.
    pub fn quoted(&self) -> String {
        match self.kind {
            Kind::Roles => "roles".to_owned(),
            Kind::Schema => quote_name(&self.keyspace),
            Kind::Table => qualified(&self.keyspace, &self.table),
        }
    }
}

/// The renames of a restore: `shop` to `shop_copy`, `shop.orders` to `orders_copy` or `archive.orders`; views like tables.
#[derive(Clone, Debug, Default)]
pub struct Targets(Vec<(String, String)>);

impl Targets {
    /// Of a restore's request.
    pub fn new(rename: &[(String, String)]) -> Self {
        Self(rename.to_vec())
    }

    fn new_name(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(from, _)| from == name).map(|(_, to)| to.as_str())
    }

    /// The target of a keyspace.
    pub fn keyspace(&self, archived: &str) -> String {
        self.new_name(archived).unwrap_or(archived).to_owned()
    }

    /// Where an archived part goes. What is said of the table is stronger than what is said of its keyspace.
    pub fn of(&self, archived: &Subject) -> Subject {
        let mut target =
            Subject { keyspace: self.keyspace(&archived.keyspace), ..archived.clone() };
        if archived.kind == Kind::Table {
            let full = format!("{}.{}", archived.keyspace, archived.table);
            let new_name = self.new_name(&full).or_else(|| self.new_name(&archived.id()));
            match new_name.map(|name| name.split_once('.').ok_or(name)) {
                Some(Ok((keyspace, table))) => {
                    (target.keyspace, target.table) = (keyspace.to_owned(), table.to_owned());
                }
                Some(Err(table)) => target.table = table.to_owned(),
                None => {}
            }
        }
        target
    }

    /// The name of a view in the target: that of the rename, or with the new table's name at the end when the old one may be taken.
    pub fn view(&self, archived: &Subject, target: &Subject, view: &str) -> String {
        match self.new_name(&format!("{}.{view}", archived.keyspace)) {
            Some(name) => name.rsplit('.').next().unwrap_or(name).to_owned(),
            None => Self::beside(archived, target, view),
        }
    }

    /// The name of an index, which is one of the keyspace, in the target.
    pub fn beside(archived: &Subject, target: &Subject, name: &str) -> String {
        if archived.table == target.table {
            name.to_owned()
        } else {
            format!("{name}_{}", target.table)
        }
    }

    /// Checks the renames against the parts.
    ///
    /// # Errors
    /// When a rename is of nothing that is restored, two parts go to one place, or a new name is none.
    pub fn check(&self, parts: &[Part]) -> Result<()> {
        let archived: Result<Vec<Subject>> = parts.iter().map(Subject::of).collect();
        let archived = archived?;
        let keyspaces: BTreeSet<&str> =
            archived.iter().map(|subject| subject.keyspace.as_str()).collect();
        for (from, to) in &self.0 {
            // Views have no parts, so that any name in a keyspace that is restored may be one.
            let keyspace = from.split(['.', '/']).next().unwrap_or(from);
            if !keyspaces.contains(keyspace) || keyspace.is_empty() {
                let text = format!("rename: nothing that is restored is called {from:?}");
                return Err(Error::config(text));
            }
            let is_name = |name: &str| {
                let is_word =
                    |character: char| character.is_ascii_alphanumeric() || character == '_';
                (1..=48).contains(&name.len()) && name.chars().all(is_word)
            };
            if !to.split('.').all(is_name) || to.split('.').count() > 2 {
                return Err(Error::config(format!(
                    "rename: {to:?} is not a name: letters, digits and _, at most 48"
                )));
            }
        }
        let mut taken = BTreeSet::new();
        for subject in &archived {
            let target = self.of(subject);
            if !taken.insert(target.clone()) {
                let text = format!("rename: two parts would become {}", target.quoted());
                return Err(Error::config(text));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(table: &str) -> Part {
        Part::new(format!("shop/{table}"), "table")
            .with_attribute("keyspace", "shop")
            .with_attribute("table", table)
    }

    fn targets(pairs: &[(&str, &str)]) -> Targets {
        Targets(pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect())
    }

    #[test]
    fn keyspaces_tables_views_and_indexes_take_new_names() {
        let renames = targets(&[("shop", "copy"), ("shop.a", "a2"), ("shop/b", "other.b2")]);
        let of = |table: &str| renames.of(&Subject::of(&part(table)).unwrap());
        assert_eq!(of("a").quoted(), "\"copy\".\"a2\"");
        assert_eq!(of("b").quoted(), "\"other\".\"b2\"");
        assert_eq!(of("c").quoted(), "\"copy\".\"c\"");
        let archived = Subject::of(&part("a")).unwrap();
        assert_eq!(renames.view(&archived, &of("a"), "v"), "v_a2");
        assert_eq!(targets(&[("shop.v", "w")]).view(&archived, &archived, "v"), "w");
        assert!(renames.check(&[part("a"), part("b")]).is_ok());
    }

    #[test]
    fn renames_of_nothing_and_onto_each_other_are_refused() {
        assert!(targets(&[("shops", "copy")]).check(&[part("a")]).is_err());
        assert!(targets(&[("shop.a", "b")]).check(&[part("a"), part("b")]).is_err());
        for name in ["", "a b", "a.b.c", "ä"] {
            assert!(targets(&[("shop.a", name)]).check(&[part("a")]).is_err(), "{name}");
        }
    }

    #[test]
    fn a_subject_must_fit_its_id() {
        let mut foreign = part("a");
        foreign.id = "shop/b".to_owned();
        assert!(Subject::of(&foreign).is_err());
        foreign.kind = "index".to_owned();
        assert!(Subject::of(&foreign).is_err());
    }
}
