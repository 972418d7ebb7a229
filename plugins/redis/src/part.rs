//! The parts of a backup.

use std::collections::BTreeSet;

use lockgate_plugin::{Error, Part, Result};

/// Id of the part with the users.
pub const USERS: &str = "acl";
/// Id of the part with the libraries of functions.
pub const FUNCTIONS: &str = "functions";
/// In front of the number of a database.
const DATABASE: &str = "db/";

/// Attribute of every part: the server, as `Redis 7.0.15`.
pub const SERVER: &str = "server";
/// Attribute of a database: `replication` or `scan`.
pub const METHOD: &str = "method";

/// What a part holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The keys of a database.
    Database(u64),
    /// Libraries of functions.
    Functions,
    /// Users. Restored last: their rules may bind the account that restores.
    Users,
}

impl Subject {
    /// What the part of that id holds.
    ///
    /// # Errors
    /// When there is no such part.
    pub fn of(id: &str) -> Result<Self> {
        match id {
            USERS => Ok(Self::Users),
            FUNCTIONS => Ok(Self::Functions),
            _ => {
                let number = id.strip_prefix(DATABASE).and_then(|number| number.parse().ok());
                let number = number.filter(|number| *id == format!("{DATABASE}{number}"));
                number.map(Self::Database).ok_or_else(|| {
                    Error::config(format!("{id:?} is no part of a Redis server; parts are db/0, db/1, ..., {FUNCTIONS} and {USERS}"))
                })
            }
        }
    }

    /// The id of the part.
    #[must_use]
    pub fn id(self) -> String {
        match self {
            Self::Database(number) => format!("{DATABASE}{number}"),
            Self::Functions => FUNCTIONS.to_owned(),
            Self::Users => USERS.to_owned(),
        }
    }

    /// What the part is called.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Database(_) => "database",
            Self::Functions => "functions",
            Self::Users => "users",
        }
    }
}

/// Into what each part is restored.
///
/// # Errors
/// When a name is no part, of another kind, or two parts would meet.
pub fn targets(parts: &[Part], rename: &[(String, String)]) -> Result<Vec<(Subject, Subject)>> {
    for (from, to) in rename {
        match (Subject::of(from)?, Subject::of(to)?) {
            (Subject::Database(_), Subject::Database(_)) => {}
            _ => {
                return Err(Error::config(format!(
                    "rename {from}={to}: only databases have other names, as in db/0=db/3"
                )));
            }
        }
        if parts.iter().all(|part| part.id != *from) {
            return Err(Error::config(format!("rename {from}={to}: part {from} is not restored")));
        }
    }
    let mut taken = BTreeSet::new();
    parts
        .iter()
        .map(|part| {
            let new =
                rename.iter().find(|(from, _)| *from == part.id).map_or(&part.id, |(_, to)| to);
            let target = Subject::of(new)?;
            if !taken.insert(target) {
                return Err(Error::config(format!("two parts would be restored into {new}")));
            }
            Ok((Subject::of(&part.id)?, target))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_one_spelling() {
        for id in ["db/0", "db/15", USERS, FUNCTIONS] {
            assert_eq!(Subject::of(id).unwrap().id(), id);
        }
        for id in ["", "db/", "db/00", "db/+1", "db/-1", "db/1/2", "DB/0"] {
            assert!(Subject::of(id).is_err(), "{id}");
        }
    }

    #[test]
    fn databases_may_be_renamed_and_must_not_meet() {
        let parts = [Part::new("db/0", "database"), Part::new("db/1", "database")];
        let rename = |from: &str, to: &str| targets(&parts, &[(from.into(), to.into())]);
        let renamed = rename("db/0", "db/3").unwrap();
        assert_eq!(renamed.first(), Some(&(Subject::Database(0), Subject::Database(3))));
        assert!(rename("db/0", "db/1").is_err() && rename("db/0", "acl").is_err());
        assert!(rename("db/7", "db/8").is_err());
    }
}
