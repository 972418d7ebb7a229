//! What the account may do, and what a backup needs.

use lockgate_plugin::host::Stream;
use lockgate_plugin::{Finding, Severity};

use crate::error::Error;
use crate::session::Session;

/// The privileges on everything that the account has. Narrower ones are not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Privileges {
    global: Vec<String>,
}

/// Without these, the server hides objects instead of refusing to show them: a backup would be short and not know it.
const HIDING: [(&str, &str); 4] = [
    ("SELECT", "tables, routines and accounts that the account may not read"),
    ("SHOW VIEW", "views"),
    ("TRIGGER", "triggers"),
    ("EVENT", "events"),
];

impl Privileges {
    /// Asks the server.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn read<S: Stream>(session: &mut Session<S>) -> Result<Self, Error> {
        let mut global = Vec::new();
        for row in session.rows("SHOW GRANTS")? {
            global.extend(parse(row.required(0)?));
        }
        Ok(Self { global })
    }

    /// Whether the account may do this to everything.
    pub fn has(&self, privilege: &str) -> bool {
        self.global.iter().any(|held| held == privilege || held == "ALL PRIVILEGES")
    }

    /// Whether a global read lock can be taken.
    pub fn may_lock_all(&self) -> bool {
        self.has("RELOAD") || self.has("FLUSH_TABLES")
    }

    /// One finding for each privilege that a full backup needs and the account lacks.
    pub fn findings(&self) -> Vec<Finding> {
        let hiding = HIDING.iter().filter(|(privilege, _)| !self.has(privilege));
        let mut findings: Vec<Finding> = hiding
            .map(|(privilege, hidden)| {
                let text = format!(
                    "the account lacks {privilege} on *.*: the server may hide {hidden} from it, and what is hidden \
                     is not saved"
                );
                Finding::new(Severity::Warning, "privilege-missing", text)
                    .with_attribute("privilege", *privilege)
            })
            .collect();
        if !self.may_lock_all() {
            let (severity, text) = if self.has("LOCK TABLES") {
                (
                    Severity::Notice,
                    "the account lacks RELOAD: tables are locked one by one instead of all at once",
                )
            } else {
                (
                    Severity::Critical,
                    "the account has neither RELOAD nor LOCK TABLES on *.*: no consistent point can be taken",
                )
            };
            findings.push(
                Finding::new(severity, "privilege-missing", text)
                    .with_attribute("privilege", "RELOAD"),
            );
        }
        findings
    }
}

/// The privileges of one line of `SHOW GRANTS` when they are on everything.
fn parse(grant: &str) -> Vec<String> {
    let Some(list) = grant.strip_prefix("GRANT ").and_then(|rest| rest.split_once(" ON *.* TO "))
    else {
        return Vec::new();
    };
    list.0.split(',').map(|privilege| privilege.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn global_grants_are_read_and_others_are_not() {
        let global =
            "GRANT SELECT, LOCK TABLES, SHOW VIEW ON *.* TO `b`@`%` IDENTIFIED BY PASSWORD '*1'";
        let held = Privileges { global: parse(global) };
        assert!(held.has("SELECT") && held.has("LOCK TABLES") && !held.has("TRIGGER"));
        assert!(!held.may_lock_all());
        assert_eq!(parse("GRANT SELECT ON `shop`.* TO `b`@`%`"), Vec::<String>::new());
        let all = Privileges {
            global: parse("GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION"),
        };
        assert!(all.may_lock_all() && all.findings().is_empty());
        let missing: Vec<String> = held.findings().into_iter().map(|found| found.message).collect();
        assert_eq!(missing.len(), 3, "{missing:?}");
    }
}
