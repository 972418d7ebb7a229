//! What a server does that is slow, refuses, or is another one than expected.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::content::MEMORY_BYTES_MAX;
use crate::datastore::{Content, Disguise, Role};
use crate::report::Verdict;
use crate::trial::{ORIGINAL, Trial, expect_told};

/// "A server refused the credentials."
const CREDENTIALS: i32 = 18;
/// "A version or feature that is not handled."
const UNSUPPORTED: i32 = 19;
/// Seconds that a slow server needs for a content of medium size.
const SLOW_SECONDS: u64 = 2;

pub(super) fn nothing_left(trial: &mut Trial<'_>) -> Result<Verdict> {
    trial.source.fill(Content::Usual)?;
    trial.expect_no_leftovers(Role::Source).context("before anything")?;
    trial.backup()?;
    trial.expect_no_leftovers(Role::Source)?;
    trial.restore(&[])?;
    trial.expect_no_leftovers(Role::Target)?;
    Ok(Verdict::Passed)
}

pub(super) fn slow_server(trial: &mut Trial<'_>) -> Result<Verdict> {
    let bytes = trial.scale.medium;
    trial.source.fill(Content::Bulk { bytes })?;
    let Some(source) = trial.proxy(Role::Source, Vec::new())? else {
        return Ok(Verdict::Skipped("it is reached without a connection".to_owned()));
    };
    source.throttle(Some(bytes / SLOW_SECONDS));
    let saved = trial.backup()?;
    let target = trial.proxy(Role::Target, Vec::new())?.context("the target has no connection")?;
    target.throttle(Some(bytes / SLOW_SECONDS));
    let restored = trial.restore(&[])?;
    for (what, ended) in [("backup", &saved), ("restore", &restored)] {
        trial.figure(&format!("{what}-seconds"), ended.duration.as_secs_f64());
        let least = Duration::from_secs(SLOW_SECONDS) / 2;
        ensure!(
            ended.duration > least,
            "the {what} took only {:?}: the server was not slow",
            ended.duration
        );
        let peak = ended.peak_memory;
        ensure!(peak <= MEMORY_BYTES_MAX, "the {what} took {} MiB of memory", peak >> 20);
    }
    trial.expect_equal()?;
    Ok(Verdict::Passed)
}

pub(super) fn revoked_credential(trial: &mut Trial<'_>) -> Result<Verdict> {
    let source = trial.source.source();
    let Some(credentials) = source.settings.get("credentials").and_then(toml::Value::as_table)
    else {
        return Ok(Verdict::Skipped("it has no credentials".to_owned()));
    };
    let principal = |credential: &toml::Value| {
        credential.get("principal").and_then(toml::Value::as_str).map(str::to_owned)
    };
    let mut names: Vec<String> = credentials.keys().cloned().collect();
    names.extend(credentials.values().filter_map(principal));
    trial.source.fill(Content::Usual)?;
    trial.backup()?;
    trial.source.revoke()?;
    let refused = trial.run(&["backup", ORIGINAL])?;
    expect_told(&refused.outcome, &[CREDENTIALS], ORIGINAL)?;
    let line = refused.outcome.error_line();
    ensure!(
        names.iter().any(|name| line.contains(name)),
        "the error names none of {names:?}: {line}"
    );
    trial.expect_snapshots(1)?;
    trial.expect_sound_repository()?;
    Ok(Verdict::Passed)
}

pub(super) fn wrong_version(trial: &mut Trial<'_>) -> Result<Verdict> {
    trial.source.fill(Content::Usual)?;
    trial.backup()?;
    let (proxy, shown) = match trial.source.disguise()? {
        Disguise::Stored => (None, Vec::new()),
        Disguise::Replies(replies) => {
            let shown = new_versions(&replies);
            let proxy = trial.proxy(Role::Source, replies)?;
            (Some(proxy.context("there is no connection whose replies could be changed")?), shown)
        }
    };
    let refused = trial.run(&["backup", ORIGINAL])?;
    let replaced = proxy.map_or(1, |proxy| proxy.traffic().replaced);
    ensure!(replaced > 0, "the server never said what was to be replaced");
    expect_told(&refused.outcome, &[UNSUPPORTED], ORIGINAL)?;
    let line = refused.outcome.error_line();
    let said = versions(line);
    ensure!(
        shown.is_empty() || shown.iter().any(|version| said.contains(version)),
        "the error does not name the version that the server showed ({}): {line}",
        shown.join(", ")
    );
    ensure!(
        said.iter().any(|version| !shown.contains(version)),
        "the error does not say which versions are accepted: {line}"
    );
    trial.expect_snapshots(1)?;
    Ok(Verdict::Passed)
}

/// Versions that the replacements hold and what they replace does not.
fn new_versions(replies: &[(Vec<u8>, Vec<u8>)]) -> Vec<String> {
    let of = |bytes: &Vec<u8>| versions(&String::from_utf8_lossy(bytes));
    let is_new = |(old, new): &(Vec<u8>, Vec<u8>)| {
        let old = of(old);
        of(new).into_iter().filter(move |version| !old.contains(version)).collect::<Vec<_>>()
    };
    replies.iter().flat_map(is_new).collect()
}

/// Everything that looks like a version: numbers, with dots between.
fn versions(text: &str) -> Vec<String> {
    let words = text.split(|character: char| !character.is_ascii_digit() && character != '.');
    let words = words.map(|word| word.trim_matches('.').to_owned());
    words.filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_texts() {
        assert_eq!(versions("server 99.1.0-Future; tested: 10.11, 8."), ["99.1.0", "10.11", "8"]);
        let replies = [(b"\"number\" : \"7.17.3\"".to_vec(), b"\"number\" : \"9.17.3\"".to_vec())];
        assert_eq!(new_versions(&replies), ["9.17.3"]);
    }
}
