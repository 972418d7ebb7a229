//! What a restore would do, and in which order.

use std::collections::{BTreeMap, BTreeSet};

use lockgate_plugin::host::{Host, Stream};
use lockgate_plugin::{Error as Told, Part, Result as ToldResult, Step};

use super::Restoring;
use crate::database;
use crate::error::Error;
use crate::large;
use crate::names::{Kind, Subject};
use crate::server::Server;
use crate::session::Session;
use crate::sql::{quote_name, quote_text};

/// What is in a database already.
#[derive(Debug, Default)]
struct Present {
    /// By schema and name.
    tables: BTreeSet<(String, String)>,
    /// Schemas that hold objects other than those of extensions.
    used: BTreeSet<String>,
}

impl<H: Host> Restoring<H> {
    /// What would become of each part.
    pub(super) fn steps(&mut self) -> Result<Vec<Step>, Error> {
        self.targets.check(&self.request.parts)?;
        let first = self.config.database.clone();
        let mut present: BTreeMap<String, Option<Present>> = BTreeMap::new();
        let mut steps = Vec::new();
        for part in self.request.parts.clone() {
            let archived = Subject::of(&part)?;
            let target = self.targets.of(&archived);
            let session = self.enter(&first)?;
            let server = session.server();
            admit(server, &part, self.config.allow_untested_version)?;
            if archived.kind != Kind::Roles && !present.contains_key(&target.database) {
                let found = self.look(&target.database)?;
                present.insert(target.database.clone(), found);
            }
            let found = present.get(&target.database).and_then(Option::as_ref);
            steps.push(self.step(&part, &archived, &target, found)?);
        }
        let stages = self.stages()?;
        let places: BTreeMap<&str, usize> = stages
            .iter()
            .flatten()
            .zip(0..)
            .map(|(part, place)| (part.id.as_str(), place))
            .collect();
        steps.sort_by_key(|step| places.get(step.part.as_str()).copied());
        Ok(steps)
    }

    fn look(&mut self, name: &str) -> Result<Option<Present>, Error> {
        let first = self.config.database.clone();
        if !database::exists(self.enter(&first)?, name)? {
            return Ok(None);
        }
        let session = self.enter(name)?;
        let mut present = Present::default();
        let rows = session.rows(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S')",
        )?;
        for row in &rows {
            present.tables.insert((row.owned(0)?, row.owned(1)?));
        }
        for row in session.rows(USED)? {
            present.used.insert(row.owned(0)?);
        }
        Ok(Some(present))
    }

    fn step(
        &mut self,
        part: &Part,
        archived: &Subject,
        target: &Subject,
        present: Option<&Present>,
    ) -> Result<Step, Error> {
        let renames = self.renames(archived)?;
        let (action, overwrites) = match (archived.kind, present) {
            (Kind::Roles, _) if self.request.overwrite => ("make or replace", false),
            (Kind::Roles, _) => ("make those that are missing of", false),
            (Kind::Table, None) => ("make table", false),
            (Kind::Table, Some(present)) if part.attribute("extension").is_some() => {
                let key = (target.schema.clone(), target.table.clone());
                ("put rows into the extension's table", present.tables.contains(&key))
            }
            (Kind::Table, Some(present)) => {
                let key = (target.schema.clone(), target.table.clone());
                match present.tables.contains(&key) {
                    true => ("drop and make table", true),
                    false => ("make table", false),
                }
            }
            (Kind::Schema, None) => ("make and make all objects of", false),
            (Kind::Schema, Some(present)) => {
                let schemas = part.attribute("schemas").unwrap_or("[]");
                let schemas: Vec<String> = serde_json::from_str(schemas)?;
                let is_used = |schema: &String| present.used.contains(&renames.of(schema, "").0);
                ("make all objects of", schemas.iter().any(is_used))
            }
            (Kind::After, _) => ("make foreign keys, triggers and the like of", false),
            (Kind::LargeObjects, None) => ("make", false),
            (Kind::LargeObjects, Some(_)) => {
                ("make", large::is_in_the_way(self.enter(&target.database)?, part)?)
            }
        };
        let mut step = Step::new(&part.id, action, target.shown());
        step.overwrites = overwrites;
        step.bytes_estimate = part.bytes_estimate;
        Ok(step)
    }

    /// Makes the databases that are missing.
    pub(super) fn make_databases(&mut self) -> Result<(), Error> {
        let first = self.config.database.clone();
        for part in self.request.parts.clone() {
            let target = self.targets.of(&Subject::of(&part)?);
            if target.kind == Kind::Roles || self.made.contains(&target.database) {
                continue;
            }
            let session = self.enter(&first)?;
            if database::exists(session, &target.database)? {
                continue;
            }
            let options = part.attribute("options").ok_or_else(|| {
                Told::corrupt(format!("part {} does not say how its database is made", part.id))
            })?;
            let create = format!("CREATE DATABASE {} {options}", quote_name(&target.database));
            session.execute(&create).map_err(|error| error.during("making the database"))?;
            self.made.insert(target.database);
        }
        Ok(())
    }

    /// Roles, definitions, tables, the rest. Without its database a partition comes after its parent.
    pub(super) fn stages(&self) -> Result<Vec<Vec<Part>>, Error> {
        let depths = self.depths()?;
        let mut stages: BTreeMap<(Kind, usize), Vec<Part>> = BTreeMap::new();
        for part in &self.request.parts {
            let subject = Subject::of(part)?;
            let place = match subject.kind {
                // Beside the tables.
                Kind::LargeObjects => (Kind::Table, 0),
                kind => (kind, depths.get(&part.id).copied().unwrap_or(0)),
            };
            stages.entry(place).or_default().push(part.clone());
        }
        Ok(stages.into_values().collect())
    }

    fn depths(&self) -> Result<BTreeMap<String, usize>, Error> {
        let mut parents: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for part in &self.request.parts {
            let subject = Subject::of(part)?;
            let target = self.targets.of(&subject);
            if self.has(Kind::Schema, &subject, &target) && self.has(Kind::After, &subject, &target)
            {
                continue;
            }
            let list: Vec<(String, String)> =
                serde_json::from_str(part.attribute("parents").unwrap_or("[]"))?;
            let id = |(schema, table): &(String, String)| {
                Subject::of_table(&subject.database, schema, table).id()
            };
            parents.insert(part.id.clone(), list.iter().map(id).collect());
        }
        let mut depths: BTreeMap<String, usize> = BTreeMap::new();
        // A hostile archive may have a circle of parents, which ends when every part had its turn.
        for _ in 0..parents.len() {
            let mut has_changed = false;
            for (id, parents) in &parents {
                let above = parents.iter().filter(|parent| self.archived.contains_key(*parent));
                let depth =
                    above.map(|parent| depths.get(parent).map_or(1, |depth| depth + 1)).max();
                let depth = depth.unwrap_or(0).min(self.request.parts.len());
                has_changed |= depths.insert(id.clone(), depth) != Some(depth);
            }
            if !has_changed {
                break;
            }
        }
        Ok(depths)
    }
}

/// Schemas that hold something. What extensions brought does not count.
const USED: &str = "SELECT DISTINCT n.nspname FROM pg_namespace n JOIN (
    SELECT 'pg_class'::regclass AS class, oid, relnamespace AS space FROM pg_class WHERE relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
    UNION ALL SELECT 'pg_proc'::regclass, oid, pronamespace FROM pg_proc
    UNION ALL SELECT 'pg_type'::regclass, oid, typnamespace FROM pg_type WHERE typtype IN ('d', 'e', 'r')) o ON o.space = n.oid
  WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = o.class AND d.objid = o.oid AND d.deptype = 'e')";

/// Whether a schema holds nothing.
pub fn is_empty_schema<S: Stream>(session: &mut Session<S>, schema: &str) -> Result<bool, Error> {
    let rows = session.rows(&format!("{USED} AND n.nspname = {}", quote_text(schema)))?;
    Ok(rows.is_empty())
}

fn admit(server: Server, part: &Part, allow_untested: bool) -> ToldResult<()> {
    let archived = part.attribute("server").and_then(|text| text.strip_prefix("PostgreSQL "));
    let archived = archived
        .ok_or_else(|| Told::corrupt(format!("part {} does not name its server", part.id)))?;
    server.admit_archive(Server::parse(archived)?, allow_untested)
}
