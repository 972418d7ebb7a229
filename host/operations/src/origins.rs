//! Restores of what several repositories hold.

use lockgate_engine::repositories::Location;
use lockgate_engine::{Error, Result};
use lockgate_repository::{Repository, Rescued};
use lockgate_types::Name;

use crate::Site;

/// The repositories that hold what is restored: the first that could be opened, and those that are asked for what cannot
/// be read there.
pub struct Origins {
    /// Its name.
    pub name: String,
    /// The first.
    pub repository: Repository,
    /// The others that could be opened, with their names.
    pub others: Vec<(String, Repository)>,
    /// Those before the first that could not be opened, and why.
    pub passed_over: Vec<(String, Error)>,
}

impl Site {
    /// The repositories that a restore may read, in the order of the configuration, or with the one that is meant first.
    ///
    /// # Errors
    /// When there is none, or it is not clear which.
    pub fn origins(&self) -> Result<Vec<(String, Location)>> {
        let sources = self.configuration.sources.values();
        let lists: Vec<&Vec<Name>> =
            sources.map(|source| &source.repository).filter(|list| list.len() > 1).collect();
        let named = |name: &Name| Ok((name.to_string(), self.location_named(name.as_str())?));
        if let Some(meant) = &self.repository {
            let mut all = vec![(meant.clone(), self.location_named(meant)?)];
            let with = lists.iter().find(|list| list.iter().any(|name| name.as_str() == meant));
            let others = with.into_iter().flat_map(|list| list.iter());
            for name in others.filter(|name| name.as_str() != meant) {
                all.push(named(name)?);
            }
            return Ok(all);
        }
        match lists.first() {
            Some(list) if self.configuration.sources.values().all(|it| it.repository == **list) => {
                list.iter().map(named).collect()
            }
            _ => Ok(vec![(self.repository_name(None)?, self.location(None)?)]),
        }
    }
}

impl Origins {
    /// Opens what can be opened of `locations`. One that is not the first is left out when it cannot.
    ///
    /// # Errors
    /// The first error, when none can be opened.
    pub async fn open(locations: Vec<(String, Location)>) -> Result<Self> {
        let (mut open, mut passed_over) = (Vec::new(), Vec::new());
        for (name, location) in locations {
            match location.open().await {
                Ok(repository) => open.push((name, repository)),
                Err(error) if open.is_empty() => passed_over.push((name, error)),
                Err(error) => tracing::warn!(repository = name, %error, "it is left out"),
            }
        }
        if open.is_empty() {
            let none = || Error::new(lockgate_engine::ErrorKind::Configuration, "no repository");
            return Err(passed_over
                .into_iter()
                .map(|(_, error)| error)
                .next()
                .unwrap_or_else(none));
        }
        let (name, repository) = open.remove(0);
        Ok(Self { name, repository, others: open, passed_over })
    }

    /// What came from where, in sentences; nothing when all came from the first that was asked.
    #[must_use]
    pub fn told(&self, rescued: &[Rescued]) -> Vec<String> {
        let passed_over = self.passed_over.iter();
        let mut told: Vec<String> = passed_over
            .map(|(name, error)| format!("read from {}, because {name}: {error}", self.name))
            .collect();
        told.extend(rescued.iter().map(|it| {
            let Rescued { repository, blobs, bytes } = it;
            format!(
                "{blobs} blobs ({bytes} bytes) came from {repository}: {} could not give them; \
                 `lockgate heal -r {} --from {repository} --read-data` puts that in order",
                self.name, self.name
            )
        }));
        told
    }
}
