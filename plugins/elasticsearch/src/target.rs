//! Where the parts of a restore go, and what is there.

use std::collections::{BTreeMap, BTreeSet};

use lockgate_plugin::http::segment;
use lockgate_plugin::{Error, Part, RestoreRequest, Result, Step, listed};
use serde_json::Value;

use crate::config::Config;
use crate::definition::{self, Definition};
use crate::names::{Kind, Subject};
use crate::object;
use crate::server::Server;

/// The renames of a restore: `orders` to `orders-copy`, for an index, a data stream, or an alias.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    rename: Vec<(String, String)>,
}

impl Targets {
    /// Of a restore's request.
    pub fn new(rename: &[(String, String)]) -> Self {
        Self { rename: rename.to_vec() }
    }

    /// Where an archived part goes.
    pub fn of(&self, archived: &Subject) -> Subject {
        let new_name = self.new_name(&archived.name).or_else(|| self.new_name(&archived.id()));
        match new_name {
            Some(name) if archived.kind.has_documents() => {
                Subject { kind: archived.kind, name: name.to_owned() }
            }
            _ => archived.clone(),
        }
    }

    /// Which aliases an index gets. One that goes by another name gets those only that have another name too: the same
    /// alias on the index and on its copy would give every document twice, and take writes no more.
    pub fn aliases(
        &self,
        archived: &Subject,
        aliases: &BTreeMap<String, Value>,
    ) -> BTreeMap<String, Value> {
        let is_renamed = self.of(archived) != *archived;
        aliases
            .iter()
            .filter_map(|(alias, options)| match self.new_name(alias) {
                Some(new_name) => Some((new_name.to_owned(), options.clone())),
                None if is_renamed => None,
                None => Some((alias.clone(), options.clone())),
            })
            .collect()
    }

    /// Whether the index goes by its own name, and so do its aliases.
    pub fn keeps_aliases(&self, archived: &Subject) -> bool {
        self.of(archived) == *archived
    }

    fn new_name(&self, name: &str) -> Option<&str> {
        self.rename.iter().find(|(from, _)| from == name).map(|(_, to)| to.as_str())
    }

    /// Checks the renames against the parts.
    ///
    /// # Errors
    /// When two parts go to one place, or a new name is empty.
    pub fn check(&self, parts: &[Part]) -> Result<()> {
        let archived: Vec<Subject> = parts.iter().map(Subject::of).collect::<Result<_>>()?;
        if let Some((from, _)) = self.rename.iter().find(|(_, to)| to.is_empty()) {
            return Err(Error::config(format!("rename: the new name of {from:?} is empty")));
        }
        let mut taken = BTreeSet::new();
        for subject in archived.iter().filter(|subject| subject.kind.has_documents()) {
            let target = self.of(subject);
            if !taken.insert(target.name.clone()) {
                let text = format!("rename: two parts would become {}", target.name);
                return Err(Error::config(text));
            }
        }
        Ok(())
    }
}

/// What is at the target under the name of an index or data stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Present {
    /// Nothing.
    Nothing,
    /// The same kind of thing, which can be deleted.
    Same,
    /// Something else, most likely an alias.
    Other,
}

/// Looks at the target.
///
/// # Errors
/// When the server does not tell.
pub fn present(subject: &Subject) -> Result<Present> {
    let is_index = Definition::read(&subject.name)?.is_some();
    let is_stream = definition::backing(&subject.name)?.is_some();
    let (same, other) =
        if subject.kind == Kind::Index { (is_index, is_stream) } else { (is_stream, is_index) };
    if same {
        return Ok(Present::Same);
    }
    let name = segment(&subject.name);
    let is_anything = other || crate::client::ask("GET", &format!("/{name}"), None)?.status == 200;
    Ok(if is_anything { Present::Other } else { Present::Nothing })
}

/// What a restore would do, in its order.
///
/// # Errors
/// When it cannot be done at all.
pub fn steps(server: &Server, config: &Config, request: &RestoreRequest) -> Result<Vec<Step>> {
    let targets = Targets::new(&request.rename);
    targets.check(&request.parts)?;
    let mut steps = Vec::new();
    for part in &request.parts {
        server.admit_archive(part, config.allow_untested_version)?;
        let archived = Subject::of(part)?;
        let target = targets.of(&archived);
        let mut step = if target.kind.has_documents() {
            let present = present(&target)?;
            if present == Present::Other {
                let text = format!(
                    "{} is another kind of thing at the target (an alias?): delete it there, or rename the part",
                    target.name
                );
                return Err(Error::conflict(text));
            }
            let is_there = present == Present::Same;
            let action = if is_there { "delete and make" } else { "make" };
            let mut step = Step::new(&part.id, action, target.shown());
            step.overwrites = is_there;
            step
        } else {
            let in_the_way =
                object::in_the_way(&object::names(part)?, &object::read_live(target.kind)?);
            let action = if in_the_way.is_empty() { "make" } else { "make and replace" };
            let text = if in_the_way.is_empty() {
                target.shown()
            } else {
                format!("{} ({})", target.shown(), listed(&in_the_way))
            };
            let mut step = Step::new(&part.id, action, text);
            step.overwrites = !in_the_way.is_empty();
            step
        };
        step.bytes_estimate = part.bytes_estimate;
        steps.push((target.kind, step));
    }
    steps.sort_by_key(|(kind, _)| *kind);
    Ok(steps.into_iter().map(|(_, step)| step).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(kind: Kind, name: &str) -> Part {
        let subject = Subject { kind, name: name.to_owned() };
        Part::new(subject.id(), kind.name()).with_attribute(crate::names::NAME, name)
    }

    fn targets(pairs: &[(&str, &str)]) -> Targets {
        let owned: Vec<(String, String)> =
            pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        Targets::new(&owned)
    }

    #[test]
    fn names_and_ids_can_be_renamed() {
        let renames = targets(&[("a", "a2"), ("index/b", "b2")]);
        let name = |name: &str| renames.of(&Subject::of(&part(Kind::Index, name)).unwrap()).name;
        assert_eq!((name("a"), name("b"), name("c")), ("a2".into(), "b2".into(), "c".into()));
        assert!(renames.check(&[part(Kind::Index, "a"), part(Kind::Index, "b")]).is_ok());
    }

    #[test]
    fn renames_onto_each_other_are_refused() {
        let parts = [part(Kind::Index, "a"), part(Kind::DataStream, "b")];
        assert!(targets(&[("a", "b")]).check(&parts).is_err());
        assert!(targets(&[("a", "")]).check(&parts).is_err());
        assert!(targets(&[("a", "b"), ("b", "a")]).check(&parts).is_ok());
    }

    #[test]
    fn a_copy_gets_only_aliases_of_another_name() {
        let aliases: BTreeMap<String, Value> =
            [("current".to_owned(), Value::Null), ("all".to_owned(), Value::Null)].into();
        let subject = Subject { kind: Kind::Index, name: "a".to_owned() };
        let names =
            |renames: &Targets| renames.aliases(&subject, &aliases).into_keys().collect::<Vec<_>>();
        assert_eq!(names(&targets(&[])), ["all", "current"]);
        assert!(names(&targets(&[("a", "a2")])).is_empty());
        assert_eq!(names(&targets(&[("a", "a2"), ("current", "current2")])), ["current2"]);
    }
}
