//! Keys and signatures.

use std::collections::BTreeMap;
use std::path::Path;

use lockgate_engine::{Error, ErrorKind, Host, Policy, PublicKey, Result, Root, Rule, Trust};
use serde_json::json;

use crate::context::Context;
use crate::exit::{self, Exit};
use crate::output;

pub fn keygen(context: &Context, file: &Path) -> Result<Exit> {
    let public = lockgate_engine::new_key(file)?;
    if context.json {
        output::message(
            "summary",
            json!({ "file": file, "key": public.to_string(), "id": public.id() }),
        );
        return Ok(exit::OK);
    }
    output::line(format!(
        "secret key   {} (readable by you alone; keep it off the machines that back up)",
        file.display()
    ));
    output::line(format!("public key   {public}"));
    output::line(format!("key id       {}", public.id()));
    output::line("");
    output::line("In the configuration of those who trust it:");
    output::line("");
    output::line("[trust.keys.NAME]");
    output::line(format!("key = \"{public}\""));
    Ok(exit::OK)
}

pub fn sign(context: &Context, host: &Host, plugin: &str, key: &Path) -> Result<Exit> {
    let plugin = host.plugins().find(plugin)?;
    let signature = lockgate_engine::sign(&plugin, key)?;
    let path = lockgate_engine::signatures_path(&plugin.path);
    let (version, created) = (&plugin.declaration.version, signature.statement.created.to_string());
    if context.json {
        let body = json!({ "file": path, "name": plugin.name, "version": version, "digest": plugin.admitted.digest, "key": signature.key, "created": created });
        output::message("summary", body);
    } else {
        output::line(format!(
            "{} {version} is signed with key {}: {}",
            plugin.name,
            signature.key,
            path.display()
        ));
    }
    Ok(exit::OK)
}

pub fn verify(context: &Context, host: &Host, plugin: &str, keys: &[PublicKey]) -> Result<Exit> {
    let plugin = host.plugins().find(plugin)?;
    let policy = if keys.is_empty() { host.trust().policy.clone() } else { policy_of(keys)? };
    if policy.roots.is_empty() {
        return Err(Error::new(ErrorKind::Configuration, "there is no key to verify with")
            .with_hint("give --key, or [trust.keys] in the configuration"));
    }
    let trust = Trust::open(host.trust().path().to_owned(), policy)?;
    let review = trust.review(&plugin)?;
    let (version, digest) = (&plugin.declaration.version, plugin.admitted.digest);
    let names: Vec<String> = review.signers.iter().map(|signer| signer.name.to_string()).collect();
    if context.json {
        let body =
            json!({ "name": plugin.name, "version": version, "digest": digest, "signers": names });
        output::message("summary", body);
    } else {
        output::line(format!("{} {version}, digest {digest}", plugin.name));
        output::line(format!("genuine signatures by {}", names.join(", ")));
    }
    Ok(exit::OK)
}

/// All of the keys must have signed; they are named by their order.
fn policy_of(keys: &[PublicKey]) -> Result<Policy> {
    let mut roots = BTreeMap::new();
    for (index, key) in keys.iter().enumerate() {
        let name = format!("key-{}", index + 1).parse();
        let name = name.map_err(|error| Error::new(ErrorKind::Failed, format!("{error}")))?;
        roots.insert(name, Root { key: *key, expires: None, revoked: false });
    }
    Ok(Policy { rule: Rule::All, roots })
}
