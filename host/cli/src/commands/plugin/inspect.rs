//! Looking at plugins. Only one that may run here is started, and then with nothing granted.

use lockgate_engine::{Changes, Host, Plugin, Result};
use lockgate_types::Descriptor;
use serde_json::{Value, json};

use crate::bars::Bars;
use crate::context::Context;
use crate::exit::{self, Exit};
use crate::{output, words};

pub fn list(context: &Context, host: &Host) -> Result<Exit> {
    for path in host.plugins().list()? {
        let plugin = match host.plugins().find(&path.to_string_lossy()) {
            Ok(plugin) => plugin,
            Err(error) => {
                output::note(format!("{error}"));
                continue;
            }
        };
        let declared = &plugin.declaration;
        let state = state(host, &plugin);
        if context.json {
            let body = json!({ "name": plugin.name, "version": declared.version, "digest": plugin.admitted.digest, "summary": declared.summary, "locked": state.is_none() });
            output::message("plugin", body);
            continue;
        }
        let locked = if state.is_none() { "locked" } else { "not locked" };
        output::line(format!(
            "{:16} {:10} {}  {locked:10}  {}",
            plugin.name.to_string(),
            declared.version.to_string(),
            plugin.admitted.digest.short(),
            declared.summary
        ));
    }
    Ok(exit::OK)
}

/// Why the plugin may not run here; none when it may.
fn state(host: &Host, plugin: &Plugin) -> Option<lockgate_engine::Error> {
    host.trust().check(plugin).and_then(|()| plugin.check_contract()).err()
}

pub fn inspect(context: &Context, host: &Host, plugin: &str, bars: &Bars) -> Result<Exit> {
    let plugin = host.plugins().find(plugin)?;
    let state = state(host, &plugin);
    let descriptor = match &state {
        None => Some(host.describe(&plugin)?),
        Some(_) => None,
    };
    bars.finish();
    if context.json {
        let declared = &plugin.declaration;
        let body = json!({
            "name": plugin.name, "version": declared.version, "summary": declared.summary,
            "path": plugin.path, "digest": plugin.admitted.digest, "contract": plugin.admitted.contract,
            "imports": plugin.admitted.imports, "sentences": declared.sentences(),
            "permissions": declared.permissions().lines(), "grant_hash": declared.permissions().hash(),
            "signatures": signatures(host, &plugin),
            "locked": state.is_none(), "refusal": state.as_ref().map(ToString::to_string),
            "descriptor": descriptor,
        });
        output::message("summary", body);
        return Ok(exit::OK);
    }
    print_identity(host, &plugin);
    match &state {
        None => output::line(format!("lock         is as in {}", host.trust().path().display())),
        Some(error) => {
            output::line(format!("lock         may not run here: {error}"));
            output::line(format!("next         {}", error.hint().unwrap_or_default()));
        }
    }
    output::line("");
    plugin.declaration.sentences().iter().for_each(output::line);
    output::line("");
    for import in &plugin.admitted.imports {
        output::line(format!("imports      {import}"));
    }
    match &descriptor {
        Some(descriptor) => print_descriptor(descriptor),
        None => {
            output::line("config       is shown once it is locked: until then nothing of it runs")
        }
    }
    Ok(exit::OK)
}

fn print_identity(host: &Host, plugin: &Plugin) {
    let (admitted, declared) = (&plugin.admitted, &plugin.declaration);
    output::line(format!(
        "plugin       {} {}: {}",
        plugin.name, declared.version, declared.summary
    ));
    let bytes = words::bytes(admitted.component.len() as u64);
    output::line(format!("file         {} ({bytes})", plugin.path.display()));
    output::line(format!("digest       {}", admitted.digest));
    output::line(format!("contract     {}", admitted.contract.as_deref().unwrap_or("none")));
    let signatures = host.trust().signatures(plugin);
    if signatures.is_empty() {
        output::line("signed       by nobody");
    }
    for (signature, name) in signatures {
        let who = name.map_or_else(
            || format!("key {}, which is not trusted here", signature.key),
            |name| format!("{name} (key {})", signature.key),
        );
        output::line(format!("signed       by {who}, {}", signature.statement.created));
    }
}

fn print_descriptor(descriptor: &Descriptor) {
    output::line(format!(
        "datastore    {}; versions: {}",
        descriptor.datastore, descriptor.server_versions
    ));
    for (key, value) in &descriptor.attributes {
        output::line(format!("{key:12} {value}"));
    }
    output::line(format!("consistency  {}", descriptor.consistency));
    output::line(format!("parts        {}", descriptor.part_kinds.join(", ")));
    output::line(format!("features     {}", descriptor.features.join(", ")));
    for what in &descriptor.not_saved {
        output::line(format!("not saved    {what}"));
    }
    for (number, line) in descriptor.config_schema.lines().enumerate() {
        let title = if number == 0 { "config" } else { "" };
        output::line(format!("{title:12} {line}"));
    }
}

fn signatures(host: &Host, plugin: &Plugin) -> Vec<Value> {
    let all = host.trust().signatures(plugin);
    let one = |(signature, name): (&lockgate_engine::Signature, _)| json!({ "key": signature.key, "trusted_as": name, "created": signature.statement.created.to_string() });
    all.into_iter().map(|(signature, name)| one((signature, name))).collect()
}

pub fn diff(context: &Context, host: &Host, old: &str, new: &str) -> Result<Exit> {
    let (old, new) = (host.plugins().find(old)?, host.plugins().find(new)?);
    let changes = Changes::between(&old.unsigned_entry(), &new.unsigned_entry());
    let mut sentences = changes.sentences();
    if old.name != new.name {
        sentences.insert(0, format!("name {} becomes {}", old.name, new.name));
    }
    let beyond = |one: &Plugin, other: &Plugin| -> Vec<String> {
        let known = &other.admitted.imports;
        one.admitted.imports.iter().filter(|import| !known.contains(import)).cloned().collect()
    };
    let (added, removed) = (beyond(&new, &old), beyond(&old, &new));
    sentences.extend(added.iter().map(|import| format!("it now imports {import}")));
    sentences.extend(removed.iter().map(|import| format!("it no longer imports {import}")));
    if context.json {
        let body = json!({
            "old": { "name": old.name, "version": old.declaration.version, "digest": old.admitted.digest },
            "new": { "name": new.name, "version": new.declaration.version, "digest": new.admitted.digest },
            "added": words::texts(&changes.added), "removed": words::texts(&changes.removed),
            "imports_added": added, "imports_removed": removed, "sentences": sentences,
        });
        output::message("summary", body);
    } else if sentences.is_empty() {
        output::line("the two components are the same");
    } else {
        sentences.iter().for_each(output::line);
    }
    Ok(exit::OK)
}
