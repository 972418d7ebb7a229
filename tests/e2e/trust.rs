//! Plugins that were changed, swapped, widened, stripped of their signatures or put back: each is refused with its own words
//! before anything of it runs, and the command that the error proposes is the one that helps.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use lockgate_tests::{Lockgate, Outcome, Site, command, component, folder};

/// What an operator sees when a plugin may not run.
const UNTRUSTED: i32 = 23;

/// A site with a plugin folder of its own, in which `files` is locked and has made one backup.
struct Stand {
    site: Site,
    lockgate: Lockgate,
    original: Vec<u8>,
}

impl Stand {
    /// With `trust` in the configuration.
    fn new(trust: &str) -> Result<Self> {
        let site = Site::local()?;
        folder::fill(&site.path("data"), 5, 1 << 10, 3)?;
        fs::create_dir(site.path("plugins"))?;
        let original = fs::read(command::plugins()?.join("files.wasm"))?;
        fs::write(site.path("plugins/files.wasm"), &original)?;
        let data = site.text("data");
        let source =
            format!("[sources.home]\nplugin = \"files\"\nfolders.home = {{ path = \"{data}\" }}\n");
        let plugins = site.text("plugins");
        let lockgate =
            site.configured(&format!("{trust}\n{source}"))?.with("LOCKGATE_PLUGINS", plugins);
        fs::remove_file(site.path("plugins.lock")).ok();
        lockgate.ok(&["init"])?;
        Ok(Self { site, lockgate, original })
    }

    /// Puts another `files` in place of the one that is there.
    fn replace(&self, edit: impl FnOnce(&str) -> String) -> Result<()> {
        let changed = component::edited(&self.original, edit)?;
        Ok(fs::write(self.site.path("plugins/files.wasm"), changed)?)
    }

    fn restore_original(&self) -> Result<()> {
        Ok(fs::write(self.site.path("plugins/files.wasm"), &self.original)?)
    }

    fn refused(&self, says: &[&str]) -> Result<Outcome> {
        let outcome = self.lockgate.run(&["backup", "home"])?;
        let line = outcome.error_line();
        println!("{line}");
        ensure!(outcome.code == Some(UNTRUSTED), "{outcome:?}");
        ensure!(says.iter().all(|word| line.contains(word)), "{says:?}: {line}");
        Ok(outcome)
    }

    fn runs(&self) -> Result<()> {
        self.lockgate.ok(&["backup", "home"]).map(drop)
    }
}

#[test]
fn a_plugin_runs_once_it_is_locked_and_only_as_it_was_locked() -> Result<()> {
    let stand = Stand::new("")?;
    stand.refused(&["files", "not in the lock file", "`lockgate plugin lock files`"])?;
    let said = stand.lockgate.ok(&["plugin", "lock", "files"])?.stdout;
    ensure!(said.contains("any folder that you name"), "{said}");
    stand.runs()?;
    // The same version with other bytes.
    stand.replace(|text| text.replace("Folders with", "All folders with"))?;
    stand.refused(&["digest", "both say version 0.1.0", "`lockgate plugin update files`"])?;
    let locked_again = stand.lockgate.run(&["plugin", "lock"])?;
    ensure!(locked_again.code == Some(UNTRUSTED), "lock accepted a change: {locked_again:?}");
    stand.lockgate.ok(&["plugin", "update", "files"])?;
    stand.runs()?;
    // Another plugin under this one's name.
    let mariadb = command::plugins()?.join("mariadb.wasm");
    fs::copy(mariadb, stand.site.path("plugins/files.wasm"))?;
    stand.refused(&["files.wasm", "calls itself mariadb"]).map(drop)
}

#[test]
fn a_wider_request_stops_until_it_is_granted() -> Result<()> {
    let stand = Stand::new("")?;
    stand.lockgate.ok(&["plugin", "lock"])?;
    stand.runs()?;
    stand.replace(|text| {
        format!("{text}\n[clock]\noptional = true\nreason = \"dates its log\"\n")
    })?;
    let says = ["asks for more", "read the clock", "`lockgate plugin grant files`"];
    stand.refused(&says)?;
    for command in [&["plugin", "update", "files"][..], &["plugin", "lock", "files"]] {
        let outcome = stand.lockgate.run(command)?;
        ensure!(outcome.code == Some(UNTRUSTED), "{outcome:?}");
        ensure!(outcome.error_line().contains("read the clock"), "{outcome:?}");
    }
    let unasked = stand.lockgate.run(&["plugin", "grant", "files"])?;
    ensure!(unasked.code == Some(2) && unasked.error_line().contains("--yes"), "{unasked:?}");
    let granted = stand.lockgate.ok(&["plugin", "grant", "files", "--yes"])?.stdout;
    ensure!(granted.contains("it may now also read the clock"), "{granted}");
    stand.runs()?;
    let lock = fs::read_to_string(stand.site.path("plugins.lock"))?;
    ensure!(lock.contains("\"clock\""), "{lock}");
    fs::write(stand.site.path("plugins.lock"), lock.replace("folder * write", "folder * read"))?;
    stand.refused(&["plugins.lock", "was edited"]).map(drop)
}

#[test]
fn an_older_version_needs_an_explicit_word() -> Result<()> {
    let stand = Stand::new("")?;
    stand.replace(|text| text.replace("0.1.0", "0.2.0"))?;
    stand.lockgate.ok(&["plugin", "lock"])?;
    stand.restore_original()?;
    stand.refused(&["0.1.0 is older than the locked 0.2.0", "--allow-downgrade"])?;
    let refused = stand.lockgate.run(&["plugin", "grant", "files", "--yes"])?;
    ensure!(refused.code == Some(UNTRUSTED), "{refused:?}");
    stand.lockgate.ok(&["plugin", "grant", "files", "--yes", "--allow-downgrade"])?;
    stand.runs()
}

#[test]
fn a_plugin_that_lies_about_its_version_is_found_out_when_it_runs() -> Result<()> {
    let stand = Stand::new("")?;
    stand.replace(|text| text.replace("0.1.0", "0.2.0"))?;
    stand.lockgate.ok(&["plugin", "lock"])?;
    stand.refused(&["0.2.0", "calls itself", "0.1.0"])?;
    let listed = stand.lockgate.ok(&["snapshots"])?.stdout;
    ensure!(listed.is_empty(), "{listed}");
    Ok(())
}

/// A key pair in files, with the configuration that trusts it.
fn vendor(lockgate: &Lockgate, site: &Site, name: &str) -> Result<(String, String)> {
    let file = site.text(name);
    let made = lockgate.summary(&["plugin", "keygen", &file])?;
    let public = made.get("key").and_then(|key| key.as_str()).context("no key")?.to_owned();
    Ok((file, public))
}

#[test]
fn signatures_are_demanded_and_cannot_be_stripped_swapped_or_replayed() -> Result<()> {
    let keys = Site::local()?;
    let (secret, public) = vendor(&keys.lockgate, &keys, "vendor.key")?;
    let (foreign, foreign_public) = vendor(&keys.lockgate, &keys, "foreign.key")?;
    let stand = Stand::new(&format!("[trust]\nkeys.vendor = {{ key = \"{public}\" }}\n"))?;
    let signatures = stand.site.path("plugins/files.wasm.sig");
    let unsigned = stand.lockgate.run(&["plugin", "lock"])?;
    ensure!(unsigned.code == Some(UNTRUSTED), "{unsigned:?}");
    ensure!(unsigned.error_line().contains("no signature file"), "{unsigned:?}");
    stand.lockgate.ok(&["plugin", "sign", "files", "--key", &foreign])?;
    let outcome = stand.lockgate.run(&["plugin", "verify", "files"])?;
    ensure!(outcome.error_line().contains("not among the trusted keys"), "{outcome:?}");
    stand.lockgate.ok(&["plugin", "verify", "files", "--key", &foreign_public])?;

    stand.lockgate.ok(&["plugin", "sign", "files", "--key", &secret])?;
    let verified = stand.lockgate.ok(&["plugin", "verify", "files"])?.stdout;
    ensure!(verified.contains("genuine signatures by vendor"), "{verified}");
    stand.lockgate.ok(&["plugin", "lock"])?;
    stand.runs()?;
    let genuine = fs::read(&signatures)?;

    fs::remove_file(&signatures)?;
    stand.refused(&["no signature file", ".sig"])?;
    fs::write(&signatures, String::from_utf8(genuine.clone())?.replace("0.1.0", "0.1.1"))?;
    stand.refused(&["vendor", "forged or damaged"])?;

    // A new version with its own signature; then its signature beside the old component, then the old release as a whole.
    stand.replace(|text| text.replace("0.1.0", "0.2.0"))?;
    stand.lockgate.ok(&["plugin", "sign", "files", "--key", &secret])?;
    stand.lockgate.ok(&["plugin", "update"])?;
    stand.restore_original()?;
    stand.refused(&["of another component: of files 0.2.0"])?;
    fs::write(&signatures, &genuine)?;
    stand.refused(&["replayed an old release", "its signature by vendor is genuine"]).map(drop)
}

#[test]
fn the_request_and_the_configuration_must_fit_before_anything_starts() -> Result<()> {
    let site = Site::local()?;
    site.lockgate.ok(&["init"])?;
    let lockgate = site.configured(
        "[sources.a]\nplugin = \"files\"\nclock = true\nfolders.home = { path = \"/\" }\n\n[sources.b]\nplugin = \"mariadb\"\n\
         endpoints.db = { address = \"127.0.0.1:1\" }\n",
    )?;
    for (source, says) in [
        ("a", &["source a", "clock = true", "files does not ask for"][..]),
        (
            "b",
            &[
                "source b",
                "endpoint \"db\"",
                "needs the endpoint \"server\"",
                "credentials.account",
            ],
        ),
    ] {
        let refused = lockgate.run(&["backup", source])?;
        ensure!(refused.code == Some(2), "{refused:?}");
        let line = refused.error_line();
        ensure!(says.iter().all(|word| line.contains(word)), "{says:?}: {line}");
    }
    Ok(())
}

#[test]
fn grants_that_were_not_used_are_reported() -> Result<()> {
    let site = Site::local()?;
    folder::fill(&site.path("data"), 5, 1 << 10, 4)?;
    fs::create_dir(site.path("unneeded"))?;
    let (data, unneeded) = (site.text("data"), site.text("unneeded"));
    let lockgate = site.configured(&format!(
        "[sources.home]\nplugin = \"files\"\nfolders.data = {{ path = \"{data}\" }}\nfolders.unneeded = {{ path = \"{unneeded}\" }}\n"
    ))?;
    lockgate.ok(&["init"])?;
    let all = lockgate.summary(&["backup", "home"])?;
    ensure!(
        all.get("unused_grants").is_some_and(|it| it.as_array().is_some_and(Vec::is_empty)),
        "{all}"
    );
    let one = lockgate.ok(&["backup", "home", "--part", "data"])?;
    ensure!(one.stderr.contains("granted and not used: folders.unneeded"), "{one:?}");
    Ok(())
}

#[test]
fn what_differs_between_two_components_is_told_in_sentences() -> Result<()> {
    let stand = Stand::new("")?;
    let changed = component::edited(&stand.original, |text| {
        format!("{}\n[random]\nreason = \"salts names\"\n", text.replace("0.1.0", "0.3.0"))
    })?;
    let new = stand.site.text("new.wasm");
    fs::write(&new, changed)?;
    let said = stand.lockgate.ok(&["plugin", "diff", "files", &new])?.stdout;
    for part in ["version 0.1.0 becomes 0.3.0", "it may now also get random bytes"] {
        ensure!(said.contains(part), "{said}");
    }
    let same = stand.lockgate.ok(&["plugin", "diff", "files", "files"])?.stdout;
    ensure!(same.contains("are the same"), "{same}");
    Ok(())
}
