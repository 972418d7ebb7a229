use std::ops::Deref;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use lockgate_engine::configuration::Secret;
use lockgate_engine::{Error, ErrorKind, Result};
use lockgate_repository::{KeyOptions, Repository};
use serde_json::json;

use crate::context::Context;
use crate::exit::{self, Exit};
use crate::{output, words};

#[derive(Subcommand)]
pub enum Command {
    /// List the keys: each opens the repository with a password of its own
    List,
    /// Add a key for another password
    Add(New),
    /// Remove a key, but never the one in use
    Remove(Remove),
    /// Replace the key in use by one for another password
    Passwd(New),
}

/// Where the new password comes from; else from `LOCKGATE_NEW_PASSWORD`.
#[derive(Args)]
pub struct New {
    /// File whose first line is the new password
    #[arg(long, value_name = "FILE")]
    new_password_file: Option<PathBuf>,
    /// Command that prints the new password; words separated by spaces, no shell
    #[arg(long, value_name = "COMMAND", conflicts_with = "new_password_file")]
    new_password_command: Option<String>,
    /// Name of the user to keep in the key [default: who runs this]
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    user: String,
    /// Name of the host to keep in the key [default: this one]
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    host: String,
}

#[derive(Args)]
pub struct Remove {
    /// First digits of the key's id
    id: String,
}

const VARIABLE: &str = "LOCKGATE_NEW_PASSWORD";

impl New {
    fn password(&self) -> Result<impl Deref<Target = String>> {
        let words = |command: &String| command.split_whitespace().map(str::to_owned).collect();
        let secret = match (&self.new_password_file, &self.new_password_command) {
            (Some(path), _) => Secret::File(path.clone()),
            (None, Some(command)) => Secret::Command(words(command)),
            (None, None) if std::env::var_os(VARIABLE).is_some() => {
                Secret::Variable(VARIABLE.to_owned())
            }
            (None, None) => {
                return Err(Error::new(ErrorKind::Configuration, "which new password?").with_hint(
                    "give --new-password-file or --new-password-command, or set LOCKGATE_NEW_PASSWORD",
                ));
            }
        };
        secret.fetch().map_err(|error| {
            Error::new(ErrorKind::Configuration, format!("the new password: {error}"))
        })
    }

    fn options(&self) -> KeyOptions {
        let mut options = KeyOptions::default();
        options.username.clone_from(&self.user);
        options.hostname.clone_from(&self.host);
        options
    }
}

pub fn run(context: &Context, command: &Command) -> Result<Exit> {
    let location = context.site.location(None)?;
    context.runtime.block_on(async {
        let repository = location.open().await?;
        match command {
            Command::List => list(context, &repository).await?,
            Command::Add(new) => {
                let id = repository.add_key(&new.password()?, &new.options()).await?;
                tell(context, "added", &id.to_string());
            }
            Command::Remove(arguments) => {
                let id = repository.remove_key(&arguments.id).await?;
                tell(context, "removed", &id.to_string());
            }
            Command::Passwd(new) => {
                let id = repository.change_password(&new.password()?, &new.options()).await?;
                tell(context, "changed", &id.to_string());
            }
        }
        Ok(exit::OK)
    })
}

async fn list(context: &Context, repository: &Repository) -> Result<()> {
    let keys = repository.keys().await?;
    for key in &keys {
        if context.json {
            let created = key.created.to_string();
            let body = json!({
                "id": key.id, "current": key.is_current, "created": created,
                "username": key.username, "hostname": key.hostname,
            });
            output::message("key", body);
        } else {
            let mark = if key.is_current { "*" } else { " " };
            let (user, host) = (words::cut(&key.username, 40), words::cut(&key.hostname, 60));
            let created = words::time(key.created);
            output::line(format!("{mark}{}  {created}  {user:12}  {host}", key.id.short()));
        }
    }
    if context.json {
        output::message("summary", json!({ "keys": keys.len() }));
    }
    Ok(())
}

fn tell(context: &Context, what: &str, id: &str) {
    if context.json {
        output::message("summary", json!({ what: id }));
        return;
    }
    let short = words::cut(id, 8).replace('…', "");
    match what {
        "added" => output::line(format!("key {short} was added")),
        "removed" => output::line(format!("key {short} was removed")),
        _ => output::line(format!("the password was changed; its key is {short}")),
    }
}
