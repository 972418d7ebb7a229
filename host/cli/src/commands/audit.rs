use std::collections::VecDeque;

use clap::{Args, Subcommand};
use lockgate_engine::audit::{AuditEvent, Broken, Chain, Entry, follow};
use lockgate_engine::{Error, ErrorKind, Result};
use lockgate_types::{Digest, Name};

use crate::context::Context;
use crate::exit::{self, Exit};
use crate::{output, words};

#[derive(Subcommand)]
pub enum Command {
    /// Show the last entries
    Show(Show),
    /// Check that nothing was changed, taken out or put in
    Verify(Verify),
}

#[derive(Args)]
pub struct Show {
    /// Only entries of this source
    #[arg(long, value_name = "NAME")]
    source: Option<Name>,
    /// How many entries, the newest
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    last: usize,
}

#[derive(Args)]
pub struct Verify {
    /// A digest that an earlier check printed: that line must still be there
    #[arg(long, value_name = "DIGEST")]
    holds: Option<Digest>,
}

pub fn run(context: &Context, command: &Command) -> Result<Exit> {
    match command {
        Command::Show(arguments) => show(context, arguments)?,
        Command::Verify(arguments) => verify(context, arguments)?,
    }
    Ok(exit::OK)
}

fn show(context: &Context, arguments: &Show) -> Result<()> {
    let mut last = VecDeque::new();
    read(context, None, |entry| {
        if arguments.source.as_ref().is_none_or(|source| entry.source == source.as_str()) {
            last.push_back(entry.clone());
            if last.len() > arguments.last {
                last.pop_front();
            }
        }
    })?;
    for entry in last {
        if context.json {
            output::message("audit", entry);
        } else {
            output::line(sentence(&entry));
        }
    }
    Ok(())
}

fn verify(context: &Context, arguments: &Verify) -> Result<()> {
    let chain = read(context, arguments.holds, |_| {})?;
    if let Some(digest) = arguments.holds.filter(|_| !chain.holds) {
        return Err(broken(
            context,
            &format!("no line has the digest {digest}: its end was cut off, or it is another file"),
        ));
    }
    let head = chain.head.map(|head| head.to_string());
    if context.json {
        let body = serde_json::json!({
            "entries": chain.entries, "torn": chain.torn, "first": chain.first, "last": chain.last, "head": head,
        });
        output::message("summary", body);
        return Ok(());
    }
    output::line(format!(
        "{} in {}",
        words::plural(chain.entries, "line"),
        context.site.audit.path.display()
    ));
    if let (Some(first), Some(last)) = (chain.first, chain.last) {
        output::line(format!("from  {first:.0}"));
        output::line(format!("to    {last:.0}"));
    }
    if chain.torn > 0 {
        output::line(format!(
            "{} not written to the end: the program or the machine was stopped",
            words::plural(chain.torn, "line")
        ));
    }
    output::line(format!("head  {}", head.unwrap_or_default()));
    output::line(
        "every line follows the one before it; note the head elsewhere, and give it to --holds the next time",
    );
    Ok(())
}

fn read(context: &Context, wanted: Option<Digest>, each: impl FnMut(&Entry)) -> Result<Chain> {
    let path = context.site.audit.path.clone();
    follow(&path, wanted, each).map_err(|error| match error {
        Broken::Unreadable(error) => {
            let message = format!("audit log {}: {error}", path.display());
            Error::new(ErrorKind::NotFound, message)
                .with_hint("it begins with the first run; --audit names another file")
        }
        error => broken(context, &error.to_string()),
    })
}

fn broken(context: &Context, cause: &str) -> Error {
    let message = format!("audit log {}: {cause}", context.site.audit.path.display());
    Error::new(ErrorKind::Damaged, message)
        .with_hint("compare it with a copy; lines before that one still follow each other")
}

/// One entry as a line that a person reads.
fn sentence(entry: &Entry) -> String {
    let what = match &entry.event {
        AuditEvent::Started { purpose, user, process } => {
            format!("{purpose} began, by user {user} in process {process}")
        }
        AuditEvent::Launched { plugin, version, digest, grants, isolation } => {
            let grants = match grants.as_slice() {
                [] => "nothing".to_owned(),
                grants => grants.join(", "),
            };
            let (digest, level) = (digest.short(), &isolation.level);
            format!(
                "plugin {plugin} {version} ({digest}) was let in, isolation {level}; it may: {grants}"
            )
        }
        AuditEvent::Refused { instance, denied, attempt } => {
            let how = if *denied { "DENIED to" } else { "refused to" };
            format!("{how} {instance}: {attempt}")
        }
        AuditEvent::RefusedMore { count } => format!("{count} more requests were refused"),
        AuditEvent::SecretShown { instance, credential } => {
            format!("the secret of credential {credential} was SHOWN to {instance}")
        }
        AuditEvent::Ended { outcome, error: Some(error) } => format!("{outcome}: {error}"),
        AuditEvent::Ended { outcome, error: None } => outcome.clone(),
        _ => "something that this version does not know".to_owned(),
    };
    format!("{:.0} {} {what}", entry.time, entry.source)
}
