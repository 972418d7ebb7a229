use std::collections::BTreeSet;

use lockgate_repository::Snapshot;
use lockgate_types::{Attributes, EntryPath, Name, Part};

use super::BackupJob;
use super::parent::Parent;
use crate::{Error, ErrorKind, Host, Result};

/// Most parts of one plan; a plugin with more should make its parts larger.
const PARTS_MAX: usize = 1_000_000;

/// The newest snapshot of the same source from the same host, alone or in a set.
pub(super) fn parent(host: &Host, job: &BackupJob<'_>, name: &Name) -> Result<Option<Parent>> {
    if job.force {
        return Ok(None);
    }
    let folder = format!("/{name}");
    let of_this_source =
        |snapshot: &Snapshot| snapshot.paths.contains(&folder) && snapshot.hostname == job.hostname;
    host.runtime.block_on(async {
        let snapshots = job.repository.snapshots().await?;
        let newest =
            snapshots.into_iter().filter(of_this_source).max_by_key(|snapshot| snapshot.time);
        match newest {
            None => Ok(None),
            Some(snapshot) => {
                let runtime = host.runtime.clone();
                Parent::open(job.repository, snapshot, name, runtime).await.map(Some)
            }
        }
    })
}

/// Refuses a plan that could not be stored: names that are no paths, one twice or inside another, or the manifest's folder.
pub(super) fn review(name: &Name, parts: &[Part], wanted: &[String]) -> Result<()> {
    let refuse = |message: String| {
        let message = format!("source {name}: the plugin's plan: {message}");
        Err(Error::new(ErrorKind::Failed, message))
    };
    if parts.len() > PARTS_MAX {
        return refuse(format!("{} parts are more than {PARTS_MAX}", parts.len()));
    }
    let mut paths = BTreeSet::new();
    for part in parts {
        let path = match EntryPath::try_from(part.id.as_str()) {
            Ok(path) if path.is_root() => return refuse("a part without a name".to_owned()),
            Ok(path) => path,
            Err(error) => return refuse(error.to_string()),
        };
        if path.components().next() == Some(b".lockgate") {
            return refuse(format!("part {path} is in the folder of the manifest"));
        }
        if !paths.insert(path.clone()) {
            return refuse(format!("part {path} twice"));
        }
    }
    // Depth first, a folder stands right before what it holds.
    let pairs = paths.iter().zip(paths.iter().skip(1));
    if let Some((outer, inner)) =
        pairs.into_iter().find(|(outer, inner)| inner.strip_prefix(outer).is_some())
    {
        return refuse(format!("part {inner} is inside part {outer}"));
    }
    for id in wanted {
        if !parts.iter().any(|part| &part.id == id) {
            return Err(Error::new(ErrorKind::NotFound, format!("source {name} has no part {id}")));
        }
    }
    Ok(())
}

/// Key of the plan's attribute that says how many workers can take part.
const WORKERS_MAX: &str = "workers-max";

/// How many workers the plugin lets take part; none when it does not say.
pub(super) fn workers_max(source: &Name, plan: &Attributes) -> Result<Option<usize>> {
    let Some(text) = plan.get(WORKERS_MAX) else { return Ok(None) };
    match text.parse() {
        Ok(count) if count > 0 => Ok(Some(count)),
        _ => Err(Error::new(
            ErrorKind::Failed,
            format!("source {source}: the plan's {WORKERS_MAX} is {text:?} and no number above 0"),
        )
        .with_hint("its author has to correct the plugin")),
    }
}

/// When what is saved stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Once all workers have joined.
    Join,
    /// When it is read.
    Export,
}

/// When what the plan saves stands still, as the plugin says.
pub(super) fn moment(source: &Name, plan: &Attributes) -> Result<Moment> {
    match plan.get("moment").map(String::as_str) {
        None | Some("join") => Ok(Moment::Join),
        Some("export") => Ok(Moment::Export),
        Some(text) => Err(Error::new(
            ErrorKind::Failed,
            format!("source {source}: the plan's moment is {text:?} and neither join nor export"),
        )
        .with_hint("its author has to correct the plugin")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop() -> Name {
        "shop".parse().unwrap()
    }

    fn plan(ids: &[&str]) -> Vec<Part> {
        let part = |id: &&str| Part {
            id: (*id).to_owned(),
            kind: "table".to_owned(),
            bytes_estimate: None,
            items_estimate: None,
            attributes: lockgate_types::Attributes::new(),
        };
        ids.iter().map(part).collect()
    }

    #[test]
    fn plans_that_could_not_be_stored_are_refused() {
        assert!(review(&shop(), &plan(&["shop/a", "shop/b", "shop/a-b"]), &[]).is_ok());
        for ids in
            [&["a", "a"][..], &["a", "a/b"], &[""], &["../a"], &[".lockgate"], &[".lockgate/x"]]
        {
            assert!(review(&shop(), &plan(ids), &[]).is_err(), "{ids:?}");
        }
    }

    #[test]
    fn a_wanted_part_that_is_not_there_is_named() {
        let error = review(&shop(), &plan(&["a"]), &["b".to_owned()]).unwrap_err();
        assert_eq!(error.to_string(), "source shop has no part b");
    }

    #[test]
    fn a_plan_says_how_many_workers_can_take_part() {
        let plan = |text: &str| Attributes::from([(WORKERS_MAX.to_owned(), text.to_owned())]);
        assert_eq!(workers_max(&shop(), &Attributes::new()).unwrap(), None);
        assert_eq!(workers_max(&shop(), &plan("2")).unwrap(), Some(2));
        for wrong in ["0", "-1", "", "two", "99999999999999999999999"] {
            assert!(workers_max(&shop(), &plan(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_plan_says_when_its_data_stands_still() {
        let plan = |text: &str| Attributes::from([("moment".to_owned(), text.to_owned())]);
        assert_eq!(moment(&shop(), &Attributes::new()).unwrap(), Moment::Join);
        assert_eq!(moment(&shop(), &plan("join")).unwrap(), Moment::Join);
        assert_eq!(moment(&shop(), &plan("export")).unwrap(), Moment::Export);
        assert!(moment(&shop(), &plan("soon")).is_err());
    }
}
