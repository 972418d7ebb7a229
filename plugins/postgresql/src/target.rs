//! Where the parts of a restore go.

use std::collections::BTreeSet;

use lockgate_plugin::path::{escape, unescape};
use lockgate_plugin::{Error as Told, Part, Result};

use crate::names::{Kind, Subject};
use crate::rename::Renames;

/// The renames of a restore: `shop` to `shop_copy` (databases), `shop.public` to `old` (schemas), `shop.public.orders` to
/// `orders_copy`, `old.orders` or `shop2.old.orders` (tables). Names with dots are written as in the ids of parts, with `/`.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    rename: Vec<(String, String)>,
}

impl Targets {
    /// Of a restore's request.
    pub fn new(rename: &[(String, String)]) -> Self {
        Self { rename: rename.to_vec() }
    }

    /// Where an archived part goes. What is said of the table is stronger than what is said of its schema or database.
    pub fn of(&self, archived: &Subject) -> Subject {
        let mut target = archived.clone();
        if archived.kind == Kind::Roles {
            return target;
        }
        if let Some(to) = self.find(&[archived.database.clone(), archived.database_id()]) {
            target.database = to.to_owned();
        }
        if archived.kind != Kind::Table {
            return target;
        }
        if let Some(mut names) = self.find(&schema_spellings(archived)).map(components) {
            target.schema = names.pop().unwrap_or_default();
            target.database = names.pop().unwrap_or(target.database);
        }
        if let Some(mut names) = self.find(&table_spellings(archived)).map(components) {
            target.table = names.pop().unwrap_or_default();
            target.schema = names.pop().unwrap_or(target.schema);
            target.database = names.pop().unwrap_or(target.database);
        }
        target
    }

    fn find(&self, spellings: &[String]) -> Option<&str> {
        let found = self.rename.iter().find(|(from, _)| spellings.contains(from));
        found.map(|(_, to)| to.as_str())
    }

    /// The renames of schemas and tables within an archived database.
    pub fn renames(
        &self,
        database: &str,
        schemas: &BTreeSet<String>,
        tables: &[Subject],
    ) -> Renames {
        let mut renames = Renames::default();
        for schema in schemas {
            let to = self.find(&schema_spellings(&Subject::of_table(database, schema, "")));
            if let Some(new) = to.and_then(|to| components(to).pop()) {
                renames.schemas.insert(schema.clone(), new);
            }
        }
        for table in tables.iter().filter(|table| table.database == database) {
            renames.know(&table.schema, &table.table);
            if self.find(&table_spellings(table)).is_some() {
                let Subject { schema, table: name, .. } = self.of(table);
                renames.objects.insert((table.schema.clone(), table.table.clone()), (schema, name));
            }
        }
        renames
    }

    /// Checks the renames against the parts.
    ///
    /// # Errors
    /// When a rename is of nothing that is restored, two parts go to one place, or a new name is none.
    pub fn check(&self, parts: &[Part]) -> Result<()> {
        let archived: Result<Vec<Subject>> = parts.iter().map(Subject::of).collect();
        let archived = archived?;
        for (from, to) in &self.rename {
            let fits = |subject: &Subject| {
                let mut spellings = vec![subject.database.clone(), subject.database_id()];
                if subject.kind == Kind::Table {
                    spellings.extend(schema_spellings(subject));
                    spellings.extend(table_spellings(subject));
                }
                subject.kind != Kind::Roles && spellings.contains(from)
            };
            if !archived.iter().any(fits) {
                let text = format!("rename: nothing that is restored is called {from:?}");
                return Err(Told::config(text));
            }
            let names = components(to);
            let is_name =
                |name: &String| !name.is_empty() && name.len() <= 63 && !name.contains('\0');
            if !names.iter().all(is_name) || names.len() > 3 {
                return Err(Told::config(format!("rename: {to:?} is not a name")));
            }
        }
        let mut taken = BTreeSet::new();
        for subject in archived {
            let target = self.of(&subject);
            if !taken.insert(target.clone()) {
                let text = format!("rename: two parts would become {}", target.shown());
                return Err(Told::config(text));
            }
        }
        Ok(())
    }
}

impl Subject {
    fn database_id(&self) -> String {
        escape(&self.database)
    }
}

fn schema_spellings(table: &Subject) -> [String; 2] {
    let id = table.id();
    let parent = id.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned();
    [format!("{}.{}", table.database, table.schema), parent]
}

fn table_spellings(table: &Subject) -> [String; 2] {
    [format!("{}.{}.{}", table.database, table.schema, table.table), table.id()]
}

fn components(name: &str) -> Vec<String> {
    if !name.contains('/') {
        return name.split('.').map(str::to_owned).collect();
    }
    let text = |part| String::from_utf8(unescape(part)?).ok();
    name.split('/').map(|part| text(part).unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(pairs: &[(&str, &str)]) -> Targets {
        let owned: Vec<(String, String)> =
            pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        Targets::new(&owned)
    }

    fn id(targets: &Targets, schema: &str, table: &str) -> String {
        targets.of(&Subject::of_table("shop", schema, table)).id()
    }

    #[test]
    fn databases_schemas_and_tables_take_new_names() {
        let renames = targets(&[
            ("shop", "copy"),
            ("shop.public", "old"),
            ("shop.public.a", "a2"),
            ("shop/public/b.c", "x.b2"),
            ("shop.crm.d", "other.y.z"),
        ]);
        assert_eq!(id(&renames, "public", "a"), "copy/old/a2");
        assert_eq!(id(&renames, "public", "b.c"), "copy/x/b2");
        assert_eq!(id(&renames, "public", "e"), "copy/old/e");
        assert_eq!(id(&renames, "crm", "d"), "other/y/z");
        assert_eq!(renames.of(&Subject::new(Kind::Schema, "shop")).id(), "copy/_schema");
        let schemas = ["public".to_owned(), "crm".to_owned()].into();
        let tables = [Subject::of_table("shop", "public", "a")];
        let within = renames.renames("shop", &schemas, &tables);
        assert_eq!(within.schemas.len(), 1);
        assert_eq!(within.of("public", "a"), ("old".to_owned(), "a2".to_owned()));
    }

    #[test]
    fn renames_of_nothing_and_onto_each_other_are_refused() {
        let parts = |names: &[&str]| -> Vec<Part> {
            names.iter().map(|name| Subject::of_table("shop", "public", name).part()).collect()
        };
        assert!(targets(&[("shops", "copy")]).check(&parts(&["a"])).is_err());
        assert!(targets(&[("shop.public.a", "b")]).check(&parts(&["a", "b"])).is_err());
        assert!(targets(&[("shop.public.a", "")]).check(&parts(&["a"])).is_err());
        assert!(targets(&[("shop.public", "old")]).check(&parts(&["a", "b"])).is_ok());
    }
}
