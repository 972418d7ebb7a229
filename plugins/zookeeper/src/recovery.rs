//! What a disaster recovery demands and tells beside a restore: the target takes the place of an ensemble that was lost.

use lockgate_plugin::net::Connection;
use lockgate_plugin::{Error, Finding, Result, Severity};

use crate::config::Config;
use crate::health;
use crate::reach;
use crate::session::Session;

/// Whether the target is new, and all of it serves.
///
/// # Errors
/// When it is not so; `overwrite` allows a target that has something.
pub fn check(config: &Config, session: &mut Session<Connection>, overwrite: bool) -> Result<()> {
    let members = health::members(config);
    if let Some(finding) = members.iter().find(|it| it.severity == Severity::Critical) {
        let text = format!(
            "disaster recovery needs an ensemble of which every member serves: {}",
            finding.message
        );
        return Err(Error::unreachable(text));
    }
    // The servers' own node is always there.
    let others = session.stat("/")?.map_or(0, |stat| stat.children).saturating_sub(1);
    if others > 0 && !overwrite {
        let text = format!(
            "disaster recovery is for a new ensemble, and this one has {others} nodes below the root; restore without it, or \
             overwrite after one that did not end"
        );
        return Err(Error::conflict(text));
    }
    Ok(())
}

/// Whether clients of the lost ensemble have to begin anew.
///
/// # Errors
/// When the server cannot be asked.
pub fn transactions(config: &Config, archived: i64) -> Result<Finding> {
    let now = reach::server(config)?.zxid.as_deref().and_then(number).unwrap_or_default();
    let (severity, text) = if now < archived {
        let text = format!(
            "transactions count from anew ({now:#x}, and {archived:#x} in the backup): the servers turn clients away that have \
             seen later ones, until those are started again"
        );
        (Severity::Notice, text)
    } else {
        let text = format!(
            "the last transaction is {now:#x}, not before that of the backup ({archived:#x})"
        );
        (Severity::Ok, text)
    };
    Ok(Finding::new(severity, "transactions", text))
}

/// A transaction as servers write it, `0x1f`.
pub fn number(text: &str) -> Option<i64> {
    i64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_are_read_as_servers_write_them() {
        assert_eq!(number("0x10000003f"), Some(0x1_0000_003f));
        for wrong in ["", "0x", "12", "0xfffffffffffffffff", "-0x1"] {
            assert_eq!(number(wrong), None, "{wrong}");
        }
    }
}
