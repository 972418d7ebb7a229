//! Where the parts of a restore go, and what is there.

use std::collections::{BTreeMap, BTreeSet};

use lockgate_plugin::http::segment;
use lockgate_plugin::{Error, Part, RestoreRequest, Result, Step, listed};
use serde_json::{Map, Value};

use crate::backup::{OPTIONS, TURN};
use crate::catalog::{self, Database};
use crate::client::{ask, must, path};
use crate::config::Config;
use crate::document::Renames;
use crate::moment::Moment;
use crate::names::{Kind, SYSTEM, Subject};
use crate::object::{self, Object};
use crate::server::Server;

/// The renames of a restore: `shop` to `shop2` for a database, `shop.orders` to `orders2` for a collection.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    rename: Vec<(String, String)>,
}

impl Targets {
    /// Of a restore's request.
    pub fn new(rename: &[(String, String)]) -> Self {
        Self { rename: rename.to_vec() }
    }

    fn new_name(&self, name: &str) -> Option<&str> {
        self.rename.iter().find(|(from, _)| from == name).map(|(_, to)| to.as_str())
    }

    /// The database's name at the target.
    pub fn database(&self, name: &str) -> String {
        self.new_name(name).unwrap_or(name).to_owned()
    }

    /// A collection's name at the target, in an archived database.
    pub fn collection(&self, database: &str, name: &str) -> String {
        self.new_name(&format!("{database}.{name}")).unwrap_or(name).to_owned()
    }

    /// Where an archived part goes.
    pub fn of(&self, archived: &Subject) -> Subject {
        Subject {
            kind: archived.kind,
            database: if archived.kind == Kind::Users {
                SYSTEM.to_owned()
            } else {
                self.database(&archived.database)
            },
            name: self.collection(&archived.database, &archived.name),
        }
    }

    /// New names of collections of an archived database, for the ends of edges.
    pub fn renames(&self, database: &str) -> Renames {
        let prefix = format!("{database}.");
        let own =
            self.rename.iter().filter_map(|(from, to)| Some((from.strip_prefix(&prefix)?, to)));
        own.map(|(from, to)| (from.to_owned(), to.clone())).collect()
    }

    /// An archived object as it is at the target.
    pub fn object(&self, archived: &Subject, mut object: Object) -> Object {
        if archived.kind == Kind::Users {
            for (from, to) in self.rename.iter().filter(|(from, _)| !from.contains('.')) {
                object = object.renamed(from, to, &str::to_owned);
            }
            return object;
        }
        let collection = |name: &str| self.collection(&archived.database, name);
        object.renamed(&archived.database, &self.database(&archived.database), &collection)
    }

    /// An object at the target as it would be archived.
    pub fn undone(&self, archived: &Subject, mut object: Object) -> Object {
        if archived.kind == Kind::Users {
            for (from, to) in self.rename.iter().filter(|(from, _)| !from.contains('.')) {
                object = object.renamed(to, from, &str::to_owned);
            }
            return object;
        }
        let back = inverted(&self.renames(&archived.database));
        let collection = |name: &str| back.get(name).cloned().unwrap_or_else(|| name.to_owned());
        object.renamed(&self.database(&archived.database), &archived.database, &collection)
    }

    /// Checks the renames against the parts.
    ///
    /// # Errors
    /// When two parts go to one place, or a new name is empty or cannot be had.
    pub fn check(&self, parts: &[Part]) -> Result<()> {
        if let Some((from, _)) = self.rename.iter().find(|(_, to)| to.is_empty()) {
            return Err(Error::config(format!("rename: the new name of {from:?} is empty")));
        }
        if self.new_name(SYSTEM).is_some() {
            return Err(Error::config("rename: _system has no other name"));
        }
        let mut taken = BTreeSet::new();
        for part in parts {
            let target = self.of(&Subject::of(part)?);
            let shown = target.shown();
            if !taken.insert(target) {
                return Err(Error::config(format!("rename: two parts would become {shown}")));
            }
        }
        Ok(())
    }
}

/// The way back.
pub fn inverted(renames: &Renames) -> Renames {
    renames.iter().map(|(from, to)| (to.clone(), from.clone())).collect()
}

/// When a part is imported: by its kind, and collections that others follow before those.
pub fn turn(part: &Part) -> Result<(Kind, u8)> {
    let subject = Subject::of(part)?;
    let turn = part.attribute(TURN).and_then(|text| text.parse().ok()).unwrap_or(0);
    Ok((subject.kind, turn))
}

/// Databases that the parts need and that are not there, with the options that they had.
///
/// # Errors
/// When the server does not tell, or a part does not.
pub fn missing(targets: &Targets, parts: &[Part]) -> Result<BTreeMap<String, Map<String, Value>>> {
    let there = catalog::databases()?;
    let mut missing = BTreeMap::new();
    for part in parts {
        let target = targets.of(&Subject::of(part)?);
        if !there.contains(&target.database) {
            let options = part.attribute(OPTIONS).unwrap_or("{}");
            missing.insert(target.database, serde_json::from_str(options)?);
        }
    }
    Ok(missing)
}

/// What a restore would do, in its order.
///
/// # Errors
/// When it cannot be done at all.
pub fn steps(server: &Server, config: &Config, request: &RestoreRequest) -> Result<Vec<Step>> {
    let targets = Targets::new(&request.rename);
    targets.check(&request.parts)?;
    let there = catalog::databases()?;
    let mut live = Live { server, moment: Moment::new(config, server), databases: BTreeMap::new() };
    let steps = live.steps(config, request, &targets, &there);
    live.moment.close();
    steps
}

/// What is at the target, as far as it was looked at.
struct Live<'a> {
    server: &'a Server,
    moment: Moment,
    databases: BTreeMap<String, Database>,
}

impl Live<'_> {
    fn steps(
        &mut self,
        config: &Config,
        request: &RestoreRequest,
        targets: &Targets,
        there: &[String],
    ) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        for part in &request.parts {
            self.server.admit_archive(part, config.allow_untested_version)?;
            let archived = Subject::of(part)?;
            let target = targets.of(&archived);
            let is_new = !there.contains(&target.database);
            let mut step = match target.kind {
                _ if is_new => Step::new(&part.id, "make", target.shown()),
                Kind::Collection => collection_step(part, &target)?,
                _ => self.objects_step(part, &archived, &target, targets)?,
            };
            step.bytes_estimate = part.bytes_estimate;
            steps.push((turn(part)?, step));
        }
        steps.sort_by_key(|(turn, _)| *turn);
        Ok(steps.into_iter().map(|(_, step)| step).collect())
    }

    fn objects_step(
        &mut self,
        part: &Part,
        archived: &Subject,
        target: &Subject,
        targets: &Targets,
    ) -> Result<Step> {
        if !self.databases.contains_key(&target.database) {
            let database =
                catalog::read(self.server, &mut Moment::Parallel(true), &target.database)?;
            if matches!(self.moment, Moment::Batches(_)) {
                let servers: BTreeSet<String> = match self.server.is_cluster {
                    true => database.servers().cloned().collect(),
                    false => BTreeSet::from([String::new()]),
                };
                self.moment.open(&servers)?;
            }
            self.databases.insert(target.database.clone(), database);
        }
        let Some(database) = self.databases.get(&target.database) else {
            return Err(Error::other("no database"));
        };
        let live = object::read_live(&self.moment, database, target.kind)?;
        let live: Vec<Object> = live.into_iter().map(|it| targets.undone(archived, it)).collect();
        let in_the_way = object::in_the_way(&object::names(part)?, &live);
        let action = if in_the_way.is_empty() { "make" } else { "make and replace" };
        let text = match in_the_way.is_empty() {
            true => target.shown(),
            false => format!("{} ({})", target.shown(), listed(&in_the_way)),
        };
        let mut step = Step::new(&part.id, action, text);
        step.overwrites = !in_the_way.is_empty();
        Ok(step)
    }
}

fn collection_step(part: &Part, target: &Subject) -> Result<Step> {
    let Subject { database, name, .. } = target;
    if is_there(&path(database, &format!("view/{}", segment(name))))? {
        let text = format!("{name} is a view at the target: delete it there, or rename the part");
        return Err(Error::conflict(text));
    }
    let is_there = collection_is_there(database, name)?;
    let action = if is_there { "delete and make" } else { "make" };
    let mut step = Step::new(&part.id, action, target.shown());
    step.overwrites = is_there;
    Ok(step)
}

/// Whether a collection is there.
///
/// # Errors
/// When the server does not tell.
pub fn collection_is_there(database: &str, name: &str) -> Result<bool> {
    is_there(&path(database, &format!("collection/{}", segment(name))))
}

fn is_there(target: &str) -> Result<bool> {
    let reply = ask("GET", target, None)?;
    if reply.status == 404 {
        return Ok(false);
    }
    reply.success(&format!("GET {target}")).map(|_| true)
}

/// Deletes a collection, if it is there.
///
/// # Errors
/// When the server refuses.
pub fn delete_collection(database: &str, name: &str) -> Result<()> {
    let target = path(database, &format!("collection/{}", segment(name)));
    let reply = ask("DELETE", &target, None)?;
    if reply.status == 404 {
        return Ok(());
    }
    reply.success(&format!("DELETE {target}")).map(drop)
}

/// Makes a database.
///
/// # Errors
/// When the server refuses.
pub fn make_database(server: &Server, name: &str, options: &Map<String, Value>) -> Result<()> {
    let mut body = serde_json::json!({ "name": name });
    if server.is_cluster {
        body["options"] = options.clone().into();
    }
    must("POST", "/_api/database", Some(&body)).map(drop)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::object::Sort;

    fn targets(pairs: &[(&str, &str)]) -> Targets {
        let owned: Vec<(String, String)> =
            pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        Targets::new(&owned)
    }

    #[test]
    fn databases_and_collections_can_be_renamed() {
        let renames = targets(&[("shop", "shop2"), ("shop.orders", "sold")]);
        assert_eq!(
            renames.of(&Subject::collection("shop", "orders")),
            Subject::collection("shop2", "sold")
        );
        assert_eq!(
            renames.of(&Subject::collection("crm", "orders")),
            Subject::collection("crm", "orders")
        );
        assert_eq!(
            renames.of(&Subject::new(Kind::Views, "shop")),
            Subject::new(Kind::Views, "shop2")
        );
        assert_eq!(renames.renames("shop")["orders"], "sold");
    }

    #[test]
    fn renames_that_cannot_be_are_refused() {
        let parts = ["a", "b"].map(|name| Subject::collection("d", name).part());
        assert!(targets(&[("d.a", "b")]).check(&parts).is_err());
        assert!(targets(&[("d.a", "")]).check(&parts).is_err());
        assert!(targets(&[("_system", "x")]).check(&parts).is_err());
        assert!(targets(&[("d.a", "b"), ("d.b", "a")]).check(&parts).is_ok());
    }

    #[test]
    fn an_object_comes_back_as_it_was() {
        let renames = targets(&[("d", "d2"), ("d.a", "a2")]);
        let archived = Subject::new(Kind::Views, "d");
        let body = json!({"links":{"a":{"analyzers":["d::x"]},"b":{}}});
        let object = Object { kind: Sort::View, name: "v".to_owned(), body };
        let there = renames.object(&archived, object.clone());
        assert_eq!(there.body, json!({"links":{"a2":{"analyzers":["d2::x"]},"b":{}}}));
        assert_eq!(renames.undone(&archived, there), object);
    }
}
