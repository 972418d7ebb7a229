//! Puts one table back.

use std::collections::BTreeSet;

use lockgate_plugin::host::{Host, Stream};
use lockgate_plugin::{Error as Told, Filter, Part};

use super::Restoring;
use super::make::{dependents, make, make_missing};
use crate::catalog::definition::{self, sign};
use crate::catalog::{Catalog, Definition, Stage};
use crate::error::Error;
use crate::names::{Kind, Subject};
use crate::session::Session;
use crate::sql::quote_text;
use crate::table::{DEFINITIONS, load};

impl<H: Host> Restoring<H> {
    /// Makes a table, unless its database's definitions did, fills it, and makes what stands on the rows: all at once or not
    /// at all.
    pub(super) fn import_table(
        &mut self,
        part: &Part,
        archived: &Subject,
        target: &Subject,
    ) -> Result<(), Error> {
        let (has_schema, has_after) =
            (self.has(Kind::Schema, archived, target), self.has(Kind::After, archived, target));
        let definitions = self.table_definitions(archived)?;
        let (overwrite, owners) = (self.request.overwrite, self.config.owners);
        let restored = self.restored_tables(archived);
        let is_alone = self.is_alone(part, archived, target)?;
        self.enter(&target.database)?;
        let Self { host, session: Some(session), .. } = self else {
            return Err(Error::Protocol("there is no session"));
        };
        let is_of_extension = part.attribute("extension").is_some();
        let own = Some((target.schema.clone(), target.table.clone()));
        let owned = owned_sequences(&definitions, &own);
        let is_own = |definition: &&Definition| {
            let name = (definition.schema.as_str(), definition.name.as_str());
            definition.table == own || (definition.kind == "sequence" && owned.contains(&name))
        };
        if !has_schema {
            for definition in definitions.iter().filter(|found| !is_own(found)) {
                make_missing(session, definition, owners)?;
            }
        }
        session.execute("BEGIN")?;
        let mut again = Vec::new();
        if is_of_extension {
            let condition = part.attribute("condition").unwrap_or_default();
            session.execute(&format!("DELETE FROM ONLY {} {condition}", target.quoted()))?;
        } else if !has_schema && overwrite {
            again = drop_table(session, target, &restored)?;
        }
        let make_all = |session: &mut Session<H::Stream>,
                        is_wanted: &dyn Fn(&Definition) -> bool| {
            for definition in definitions.iter().filter(is_own).filter(|found| is_wanted(found)) {
                let is_part = ["attach", "attach-index"].contains(&definition.kind.as_str());
                if !(is_part && is_alone) && is_makeable(session, definition, target)? {
                    make(session, definition, owners, overwrite)?;
                }
            }
            Ok::<(), Error>(())
        };
        if !has_schema && !is_of_extension {
            make_all(session, &|found| found.stage == Stage::Before && found.kind != "attach")?;
        }
        let rows = load(host, session, &part.id, target)?;
        host.progress(&part.id, 0, rows);
        make_all(session, &|found| found.stage == Stage::Table)?;
        if !has_schema {
            // To attach a partition before it has its keys would make them twice.
            make_all(session, &|found| found.kind == "attach")?;
        }
        if !has_after {
            make_all(session, &|found| found.stage == Stage::After && found.kind != "foreign-key")?;
        }
        for definition in &again {
            make(session, definition, true, true)
                .map_err(|error| error.during("putting back what needs the table"))?;
        }
        session.execute("COMMIT").map(drop)
    }

    /// Tables that are restored from the same database, where they go.
    fn restored_tables(&self, archived: &Subject) -> BTreeSet<(String, String)> {
        self.archived
            .values()
            .filter(|subject| subject.kind == Kind::Table && subject.database == archived.database)
            .map(|subject| self.targets.of(subject))
            .map(|place| (place.schema, place.table))
            .collect()
    }

    /// Whether it is a copy whose parent is not restored: it is no part of the table that the original is a part of.
    fn is_alone(&self, part: &Part, archived: &Subject, target: &Subject) -> Result<bool, Error> {
        let parents: Vec<(String, String)> =
            serde_json::from_str(part.attribute("parents").unwrap_or("[]"))?;
        let is_restored = |(schema, table): &(String, String)| {
            let parent = Subject::of_table(&archived.database, schema, table);
            self.archived.contains_key(&parent.id())
        };
        Ok(archived != target && !parents.iter().any(is_restored))
    }

    fn table_definitions(&self, archived: &Subject) -> Result<Vec<Definition>, Error> {
        let definitions = definition::read(&self.host, DEFINITIONS)?;
        let mut renames = self.renames(archived)?;
        renames.learn(definitions.iter());
        renames.name_belongings(definitions.iter());
        Ok(definitions.iter().map(|definition| renames.apply(definition)).collect())
    }
}

/// Sequences that a table owns: they go and come with it.
fn owned_sequences<'a>(
    definitions: &'a [Definition],
    table: &Option<(String, String)>,
) -> BTreeSet<(&'a str, &'a str)> {
    definitions
        .iter()
        .filter(|found| found.kind == "sequence-owner" && found.table == *table)
        .map(|found| (found.schema.as_str(), found.name.as_str()))
        .collect()
}

/// A partition, or its index, is attached when there is something to attach it to; so it is with publications.
fn is_makeable<S: Stream>(
    session: &mut Session<S>,
    definition: &Definition,
    target: &Subject,
) -> Result<bool, Error> {
    let statement = definition.statements.first().map_or("", String::as_str);
    let between = |front: &str, behind: &str| {
        let name = statement.strip_prefix(front)?.split_once(behind)?.0;
        Some(name.to_owned())
    };
    let (question, whole) = match definition.kind.as_str() {
        "attach" | "attach-index" => {
            let parent = between("ALTER TABLE ONLY ", " ATTACH PARTITION ")
                .or_else(|| between("ALTER INDEX ", " ATTACH PARTITION "));
            let Some(parent) = parent else { return Err(strange(definition)) };
            (format!("SELECT to_regclass({}) IS NOT NULL", quote_text(&parent)), parent)
        }
        "publication-table" => {
            let name = between("ALTER PUBLICATION ", " ADD TABLE ");
            let Some(name) = name else { return Err(strange(definition)) };
            let own = quote_text(&name);
            (
                format!(
                    "SELECT EXISTS (SELECT FROM pg_publication WHERE quote_ident(pubname) = {own})"
                ),
                name,
            )
        }
        _ => return Ok(true),
    };
    let is_there = session.one(&question)?.is_true(0);
    if !is_there {
        log::warn!("{} is restored by itself, because {whole} is not there", target.shown());
    }
    Ok(is_there)
}

fn strange(definition: &Definition) -> Error {
    Told::corrupt(format!("{} is not made in the way that it should be", definition.address)).into()
}

/// Drops a table that is in the way, and returns what needs it and has to be made again: views, foreign keys of other
/// tables, ...
///
/// # Errors
/// When rows of other tables would go with it.
fn drop_table<S: Stream>(
    session: &mut Session<S>,
    target: &Subject,
    restored: &BTreeSet<(String, String)>,
) -> Result<Vec<Definition>, Error> {
    let question = format!("SELECT to_regclass({}) IS NOT NULL", quote_text(&target.quoted()));
    if !session.one(&question)?.is_true(0) {
        return Ok(Vec::new());
    }
    let live = Catalog::read(session, &Filter::default())?;
    let own = Some((target.schema.clone(), target.table.clone()));
    let signs: BTreeSet<String> = live
        .definitions
        .iter()
        .filter(|found| found.table == own)
        .map(|found| sign(&found.address))
        .collect();
    let mut again = Vec::new();
    for dependent in dependents(&live, &signs) {
        let other = dependent.table.as_ref();
        let is_restored = other.is_some_and(|table| restored.contains(table));
        let takes_rows = ["table", "attach"].contains(&dependent.kind.as_str());
        if takes_rows && !is_restored {
            let text = format!(
                "{} would be dropped with {}: restore both, or under another name",
                dependent.address,
                target.shown()
            );
            return Err(Told::conflict(text).into());
        }
        let is_gone = takes_rows
            || other.is_some_and(|table| {
                again.is_empty() && restored.contains(table) && dependent.kind == "attach-index"
            });
        if !is_gone {
            again.push(dependent.clone());
        }
    }
    let kind = live.definitions.iter().find(|found| found.kind == "table" && found.table == own);
    let statement = kind.map(super::make::drop_statement);
    let statement = statement.unwrap_or_else(|| format!("DROP TABLE {} CASCADE", target.quoted()));
    session.execute(&statement)?;
    Ok(again)
}
