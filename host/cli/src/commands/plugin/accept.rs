//! Deciding what may run here.

use std::collections::BTreeSet;
use std::io::{BufRead as _, IsTerminal as _, Write as _};

use lockgate_engine::{Error, ErrorKind, Host, Plugin, Refusal, Result, Review, refused};
use serde_json::json;

use crate::context::Context;
use crate::exit::{self, Exit};
use crate::{output, words};

pub fn lock(context: &Context, host: &mut Host, named: &[String]) -> Result<Exit> {
    let plugins = if named.is_empty() { present(context, host)? } else { named.to_vec() };
    each(context, host, &plugins, |context, host, plugin| {
        let review = host.trust().review(plugin)?;
        let what = match &review.refusal {
            None => "is locked already",
            Some(Refusal::NotLocked) => {
                host.trust_mut().accept(&plugin.name, review.entry.clone())?;
                if !context.json && !context.quiet {
                    plugin
                        .declaration
                        .sentences()
                        .iter()
                        .for_each(|it| output::line(format!("  {it}")));
                }
                "is locked now"
            }
            Some(refusal) => return Err(refused(plugin, refusal)),
        };
        told(context, plugin, &review, what);
        Ok(())
    })
}

pub fn update(context: &Context, host: &mut Host, named: &[String]) -> Result<Exit> {
    let plugins = if named.is_empty() {
        host.trust().lock().plugins.keys().map(ToString::to_string).collect()
    } else {
        named.to_vec()
    };
    each(context, host, &plugins, |context, host, plugin| {
        let review = host.trust().review(plugin)?;
        let what = match &review.refusal {
            // A new signer is worth writing down too.
            None if review.changes.as_ref().is_none_or(|it| it.is_empty()) => "has not changed",
            None | Some(Refusal::Changed { .. }) => {
                host.trust_mut().accept(&plugin.name, review.entry.clone())?;
                "is updated"
            }
            Some(refusal) => return Err(refused(plugin, refusal)),
        };
        told(context, plugin, &review, what);
        Ok(())
    })
}

pub fn grant(
    context: &Context,
    host: &mut Host,
    plugin: &str,
    yes: bool,
    allow_downgrade: bool,
) -> Result<Exit> {
    let plugin = host.plugins().find(plugin)?;
    plugin.check_contract()?;
    let review = host.trust().review(&plugin)?;
    match &review.refusal {
        None => {
            told(context, &plugin, &review, "is locked already");
            return Ok(exit::OK);
        }
        Some(refusal @ (Refusal::Downgraded { .. } | Refusal::Replayed { .. }))
            if !allow_downgrade =>
        {
            return Err(refused(&plugin, refusal));
        }
        Some(_) => {}
    }
    if !context.json {
        let version = &plugin.declaration.version;
        output::line(format!("{} {version}, digest {}", plugin.name, plugin.admitted.digest));
        plugin.declaration.sentences().iter().for_each(|it| output::line(format!("  {it}")));
        if let Some(changes) = &review.changes {
            output::line("What differs from the lock file:");
            changes.sentences().iter().for_each(|it| output::line(format!("  {it}")));
        }
    }
    if !yes && !confirmed(context, &plugin)? {
        return Err(Error::new(
            ErrorKind::Untrusted,
            format!("plugin {} was not accepted", plugin.name),
        ));
    }
    host.trust_mut().accept(&plugin.name, review.entry.clone())?;
    told(context, &plugin, &review, "is locked now");
    Ok(exit::OK)
}

fn confirmed(context: &Context, plugin: &Plugin) -> Result<bool> {
    if context.json || !std::io::stdin().is_terminal() {
        let message = format!("plugin {}: nobody is there to ask", plugin.name);
        return Err(Error::new(ErrorKind::Configuration, message)
            .with_hint(format!("`lockgate plugin grant {} --yes` accepts it", plugin.name)));
    }
    eprint!("Accept this? [y/N] ");
    std::io::stderr().flush().ok();
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).ok();
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Does something with each plugin, tells of those that are refused, and fails in the end when one was.
fn each(
    context: &Context,
    host: &mut Host,
    plugins: &[String],
    mut act: impl FnMut(&Context, &mut Host, &Plugin) -> Result<()>,
) -> Result<Exit> {
    let mut refusals = Vec::new();
    for name in plugins {
        let acted = host.plugins().find(name).and_then(|plugin| {
            plugin.check_contract()?;
            act(context, host, &plugin)
        });
        if let Err(error) = acted {
            refusals.push(error);
        }
    }
    match refusals.len() {
        0 => {
            if context.json {
                let path = host.trust().path();
                output::message("summary", json!({ "lock": path, "plugins": plugins.len() }));
            }
            Ok(exit::OK)
        }
        1 => Err(refusals.remove(0)),
        count => {
            refusals.iter().for_each(|error| output::print_error(error, context.json));
            let message = format!("{} were refused", words::plural(count as u64, "plugin"));
            Err(Error::new(refusals[0].kind(), message))
        }
    }
}

fn told(context: &Context, plugin: &Plugin, review: &Review, what: &str) {
    let changes = review.changes.as_ref().map(|changes| changes.sentences()).unwrap_or_default();
    if context.json {
        let signers: Vec<String> = review.signers.iter().map(|it| it.name.to_string()).collect();
        output::message(
            "plugin",
            json!({
                "name": plugin.name, "version": plugin.declaration.version, "digest": plugin.admitted.digest,
                "grant_hash": review.entry.permissions.hash(), "signers": signers, "result": what, "changes": changes,
            }),
        );
        return;
    }
    output::line(format!("{} {} {what}", plugin.name, plugin.declaration.version));
    changes.iter().for_each(|it| output::line(format!("  {it}")));
}

/// All that are installed, and all that the configuration names by path.
fn present(context: &Context, host: &Host) -> Result<Vec<String>> {
    let sources = context.site.configuration.sources.values();
    let mut named: BTreeSet<String> = sources.map(|source| source.plugin.clone()).collect();
    match host.plugins().list() {
        Ok(paths) => {
            let names = paths.iter().filter_map(|path| path.file_stem());
            named.extend(names.map(|name| name.to_string_lossy().into_owned()));
        }
        Err(error) if named.is_empty() => return Err(error),
        Err(_) => {}
    }
    Ok(named.into_iter().collect())
}
