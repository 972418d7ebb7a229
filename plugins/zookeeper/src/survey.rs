//! How much there is: counts and sizes, before anything is saved.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::message::{Kind, Stat};
use crate::pipeline::{About, Next, Pipeline, found};
use crate::scope::{LIMITS, QUOTAS, Scope, is_inside, name};
use crate::session::{Session, Stream};

/// What would be saved of one part, about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Number of nodes.
    pub nodes: u64,
    /// Bytes of their data and paths.
    pub bytes: u64,
}

/// What there is.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// By the name of the node below the root.
    pub trees: BTreeMap<String, Size>,
    /// Number of quotas.
    pub quotas: u64,
    /// Number of nodes that go with a client's session.
    pub ephemerals: u64,
    /// Some of their paths.
    pub examples: Vec<String>,
}

/// Looks at every node.
///
/// # Errors
/// When the server refuses.
pub fn survey<S: Stream>(
    session: &mut Session<S>,
    scope: &Scope,
    go_on: fn() -> lockgate_plugin::Result<()>,
) -> Result<Survey, Error> {
    session.sync()?;
    let mut survey = Survey::default();
    let mut pipeline = Pipeline::new(session, go_on);
    for start in &scope.starts {
        pipeline.ask(About::Stat, start.as_str());
    }
    while let Some(next) = pipeline.next(scope, About::Stat)? {
        let Next::Answer(ask, reply) = next else { continue };
        if ask.about == About::Children {
            if found(&ask, &reply)?.is_some() {
                pipeline.list(ask.path, reply)?;
            }
            continue;
        }
        let Some(mut body) = found(&ask, &reply)? else { continue };
        let stat = Stat::read(&mut body)?;
        survey.add(&ask.path, &stat)?;
        if stat.children > 0 {
            pipeline.ask(About::Children, ask.path);
        }
    }
    Ok(survey)
}

impl Survey {
    fn add(&mut self, path: &str, stat: &Stat) -> Result<(), Error> {
        /// Paths that a finding shows.
        const EXAMPLES: usize = 3;
        if Kind::of_owner(stat.owner)?.is_none() {
            self.ephemerals += 1;
            if self.examples.len() < EXAMPLES {
                self.examples.push(path.to_owned());
            }
        } else if is_inside(path, QUOTAS) {
            self.quotas += u64::from(name(path) == LIMITS);
        } else if let Some(tree) = path.split('/').nth(1).filter(|tree| !tree.is_empty()) {
            let size = self.trees.entry(tree.to_owned()).or_default();
            size.nodes += 1;
            size.bytes += path.len() as u64 + u64::from(stat.data_length.max(0).unsigned_abs());
        }
        Ok(())
    }
}
