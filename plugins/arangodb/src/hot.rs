//! Hot backups, which the server makes of all its files in its own folder. No byte of them passes through here: lockgate has
//! them made and keeps their ids, and the maker's tools list, move and restore them.
//!
//! <https://docs.arangodb.com/stable/develop/http-api/hot-backups/>

use lockgate_plugin::{Context, Error, Finding, Result, Severity, printable};
use serde::Deserialize;
use serde_json::json;

use crate::catalog::Answer;
use crate::client::must;
use crate::limits::HOT_BACKUP_SECONDS;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    id: String,
    #[serde(default)]
    potentially_inconsistent: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    #[serde(default = "label")]
    label: String,
}

fn label() -> String {
    "lockgate".to_owned()
}

/// Has one made; its id.
///
/// # Errors
/// When the server has no such thing, or could not halt its writers for a moment.
pub fn create(label: &str) -> Result<String> {
    let body = json!({ "label": label, "timeout": HOT_BACKUP_SECONDS, "allowInconsistent": false });
    let reply = must("POST", "/_admin/backup/create", Some(&body)).context(
        "a hot backup (the server needs the feature, and an account with write access to _system)",
    )?;
    let made: Answer<Made> = reply.json("/_admin/backup/create")?;
    if made.result.potentially_inconsistent {
        let id = printable(&made.result.id);
        return Err(Error::conflict(format!(
            "the server says of its hot backup {id} that it may be inconsistent"
        )));
    }
    Ok(made.result.id)
}

/// The maintenance action `hot-backup`.
///
/// # Errors
/// Those of [`create`], and when the arguments are no `{"label": TEXT}`.
pub fn act(arguments: &str) -> Result<Vec<Finding>> {
    let id = create(&label_of(arguments)?)?;
    let text = format!("the server made the hot backup {}, in its own folder", printable(&id));
    Ok(vec![Finding::new(Severity::Ok, "hot-backup", text).with_attribute("id", id)])
}

fn label_of(arguments: &str) -> Result<String> {
    let text = if arguments.trim().is_empty() { "{}" } else { arguments };
    let Arguments { label } = serde_json::from_str(text).map_err(|error| {
        Error::config(format!("arguments of hot-backup: {error}; use {{\"label\": TEXT}}"))
    })?;
    let is_plain = |it: char| it.is_ascii_alphanumeric() || "-_.".contains(it);
    if label.is_empty() || !label.chars().all(is_plain) {
        return Err(Error::config(
            "arguments of hot-backup: a label has letters, digits, -, _ and . only",
        ));
    }
    Ok(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_checked_before_the_server_is_asked() {
        for arguments in ["3", "{\"lable\":\"a\"}", "{\"label\":\"a/b\"}", "{\"label\":\"\"}", "{"]
        {
            let error = label_of(arguments).unwrap_err();
            assert!(error.message().contains("hot-backup"), "{error}");
        }
        assert_eq!(label_of("").unwrap(), "lockgate");
        assert_eq!(label_of("{\"label\":\"before-3.12\"}").unwrap(), "before-3.12");
    }
}
