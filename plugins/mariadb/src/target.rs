//! Where the parts of a restore go.

use std::collections::BTreeSet;

use lockgate_plugin::{Error as Told, Part, Result};

use crate::names::{Kind, Subject};

/// The renames of a restore: `shop` to `shop_copy`, `shop.orders` to `orders_copy` or `archive.orders`.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    rename: Vec<(String, String)>,
}

impl Targets {
    /// Of a restore's request.
    pub fn new(rename: &[(String, String)]) -> Self {
        Self { rename: rename.to_vec() }
    }

    /// Where an archived part goes. What is said of the table is stronger than what is said of its database.
    pub fn of(&self, archived: &Subject) -> Subject {
        let mut target = archived.clone();
        if let Some(database) = self.new_name(&archived.database) {
            target.database = database.to_owned();
        }
        if archived.kind == Kind::Table {
            let full = format!("{}.{}", archived.database, archived.table);
            let new_name = self.new_name(&full).or_else(|| self.new_name(&archived.id()));
            match new_name.map(|name| name.split_once('.').ok_or(name)) {
                Some(Ok((database, table))) => {
                    (target.database, target.table) = (database.to_owned(), table.to_owned());
                }
                Some(Err(table)) => target.table = table.to_owned(),
                None => {}
            }
        }
        target
    }

    fn new_name(&self, name: &str) -> Option<&str> {
        self.rename.iter().find(|(from, _)| from == name).map(|(_, to)| to.as_str())
    }

    /// Checks the renames against the parts.
    ///
    /// # Errors
    /// When a rename is of nothing that is restored, two parts go to one place, or a new name is empty.
    pub fn check(&self, parts: &[Part]) -> Result<()> {
        let archived: Result<Vec<Subject>> = parts.iter().map(Subject::of).collect();
        let archived = archived?;
        for (from, to) in &self.rename {
            let is_used = archived.iter().any(|subject| {
                let full = format!("{}.{}", subject.database, subject.table);
                [&subject.database, &full, &subject.id()].contains(&from)
            });
            if !is_used {
                let text = format!("rename: nothing that is restored is called {from:?}");
                return Err(Told::config(text));
            }
            if to.is_empty() || to.starts_with('.') || to.ends_with('.') {
                return Err(Told::config(format!("rename: {to:?} is not a name")));
            }
        }
        let mut taken = BTreeSet::new();
        for subject in archived {
            let target = self.of(&subject);
            if !taken.insert((target.kind, target.database.clone(), target.table.clone())) {
                let text = format!("rename: two parts would become {}", target.quoted());
                return Err(Told::config(text));
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
            .with_attribute("database", "shop")
            .with_attribute("table", table)
    }

    fn targets(pairs: &[(&str, &str)]) -> Targets {
        let owned: Vec<(String, String)> =
            pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        Targets::new(&owned)
    }

    fn name(targets: &Targets, table: &str) -> String {
        targets.of(&Subject::of(&part(table)).unwrap()).quoted()
    }

    #[test]
    fn databases_and_tables_take_new_names() {
        let renames = targets(&[("shop", "copy"), ("shop.a", "a2"), ("shop/b", "other.b2")]);
        assert_eq!(name(&renames, "a"), "`copy`.`a2`");
        assert_eq!(name(&renames, "b"), "`other`.`b2`");
        assert_eq!(name(&renames, "c"), "`copy`.`c`");
        assert!(renames.check(&[part("a"), part("b")]).is_ok());
    }

    #[test]
    fn renames_of_nothing_and_onto_each_other_are_refused() {
        assert!(targets(&[("shops", "copy")]).check(&[part("a")]).is_err());
        assert!(targets(&[("shop.a", "b")]).check(&[part("a"), part("b")]).is_err());
        assert!(targets(&[("shop.a", "")]).check(&[part("a")]).is_err());
    }
}
