//! From the server's names to the ids of parts and back.
//!
//! An id is `index/NAME`, `data-stream/NAME`, `templates`, `pipelines` or `settings`. What is not portable in a path is
//! written as `%XX`.

use lockgate_plugin::path::escape;
use lockgate_plugin::{Error, Part, Result};

/// Attribute of a part: the name of the index or data stream.
pub const NAME: &str = "name";

/// What a part holds, in the order of a restore. Templates come after indexes, which they would change while those are
/// made, and before data streams, which cannot be made without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Ingest pipelines, search pipelines and stored scripts.
    Pipelines,
    /// An index.
    Index,
    /// Component, index and legacy templates.
    Templates,
    /// A data stream.
    DataStream,
    /// Persistent settings of the cluster.
    Settings,
}

impl Kind {
    /// All kinds in the order of a restore.
    pub const ALL: [Self; 5] =
        [Self::Pipelines, Self::Index, Self::Templates, Self::DataStream, Self::Settings];

    /// As in `part.kind`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pipelines => "pipelines",
            Self::Index => "index",
            Self::Templates => "templates",
            Self::DataStream => "data-stream",
            Self::Settings => "settings",
        }
    }

    /// Whether it holds the documents of one named thing.
    pub fn has_documents(self) -> bool {
        matches!(self, Self::Index | Self::DataStream)
    }
}

/// What a part is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// What the part holds.
    pub kind: Kind,
    /// Of the index or data stream; empty for the other kinds.
    pub name: String,
}

impl Subject {
    /// Reads the attributes that a backup gave to its parts.
    ///
    /// # Errors
    /// When the part is not one of this plugin.
    pub fn of(part: &Part) -> Result<Self> {
        let foreign = || Error::corrupt(format!("part {} is not one of this plugin", part.id));
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == part.kind);
        let kind = kind.ok_or_else(foreign)?;
        let name =
            if kind.has_documents() { part.attribute(NAME).ok_or_else(foreign)? } else { "" };
        let subject = Self { kind, name: name.to_owned() };
        if subject.id() == part.id { Ok(subject) } else { Err(foreign()) }
    }

    /// The id of its part.
    pub fn id(&self) -> String {
        if self.kind.has_documents() {
            format!("{}/{}", self.kind.name(), escape(&self.name))
        } else {
            self.kind.name().to_owned()
        }
    }

    /// For people.
    pub fn shown(&self) -> String {
        match self.kind {
            Kind::Index => format!("index {}", self.name),
            Kind::DataStream => format!("data stream {}", self.name),
            Kind::Pipelines => "pipelines and scripts".to_owned(),
            Kind::Templates => "templates".to_owned(),
            Kind::Settings => "persistent settings".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_must_fit_its_id() {
        let part = |id: &str, kind: &str| Part::new(id, kind).with_attribute(NAME, "a b");
        assert_eq!(Subject::of(&part("index/a%20b", "index")).unwrap().name, "a b");
        assert!(Subject::of(&part("index/other", "index")).is_err());
        assert!(Subject::of(&part("data-stream/a%20b", "index")).is_err());
        assert!(Subject::of(&part("settings", "settings")).is_ok());
        assert!(Subject::of(&part("templates", "table")).is_err());
        assert!(Subject::of(&Part::new("index/a", "index")).is_err());
    }
}
