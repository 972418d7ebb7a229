//! Keys and certificates that openssl made: sealed in the repository, opened by age, shown, watched, and brought back.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use lockgate_servers::{Age, KeyKind, OpenSsl, expired_certificate};
use lockgate_tests::{Lockgate, Site, tree};
use serde_json::Value;

const PASSWORD_LINE: &str = "db.example.org:5432:*:backup:hunter2\n";

/// A folder with keys, and the keys of age.
struct Keys {
    site: Site,
    age: Age,
}

impl Keys {
    fn make() -> Result<Self> {
        let site = Site::local()?;
        let age = Age::create(&site.path("identity"))?;
        let openssl = OpenSsl::find()?;
        let at = |name: &str| site.path("tls").join(name);
        fs::create_dir_all(at("www"))?;
        openssl.pair(&at("www/www.key"), &at("www/www.crt"), KeyKind::Rsa, 400)?;
        openssl.pair(&at("mail.key"), &at("mail.crt"), KeyKind::Ed25519, 10)?;
        openssl.pkcs12(&at("mail.key"), &at("mail.crt"), &at("mail.p12"), "changeit")?;
        fs::write(at(".pgpass"), PASSWORD_LINE)?;
        fs::set_permissions(at("www"), fs::Permissions::from_mode(0o710))?;
        Ok(Self { site, age })
    }

    fn at(&self, name: &str) -> PathBuf {
        self.site.path("tls").join(name)
    }

    /// A `lockgate` with the source `tls`, which only seals, and `back`, which opens what was sealed for `identity`.
    fn configured(&self, identity: &Age) -> Result<Lockgate> {
        let recipient = &self.age.recipient;
        let text = fs::read_to_string(&identity.identity)?;
        let secret = text.lines().find(|line| line.starts_with("AGE-SECRET-KEY-"));
        fs::write(self.site.path("secret"), secret.context("no identity")?)?;
        fs::create_dir_all(self.site.path("back"))?;
        let source = |name: &str, folder: &str, more: &str| {
            format!(
                "[sources.{name}]\nplugin = \"certificates\"\nclock = true\nrandom = true\nconfig = {{ recipients = [\"{recipient}\"] }}\n\
                 folders.tls = {{ path = \"{}\", access = \"read-write\" }}\n{more}\n",
                self.site.text(folder)
            )
        };
        let identity = format!(
            "credentials.identity = {{ principal = \"age\", secret-file = \"{}\", reveal = true }}",
            self.site.text("secret")
        );
        let (tls, back) = (source("tls", "tls", ""), source("back", "back", &identity));
        self.site.configured(&format!("{tls}{back}"))
    }
}

#[test]
fn secrets_are_sealed_and_age_itself_opens_them() -> Result<()> {
    let keys = Keys::make()?;
    let lockgate = keys.configured(&keys.age)?;
    lockgate.ok(&["init"])?;
    lockgate.ok(&["backup", "tls"])?;

    // Whoever holds the password of the repository sees names, and no secret.
    let restored = keys.site.text("by-restic");
    keys.site.restic(&["restore", "latest", "--target", &restored])?;
    let by_restic = |name: &str| keys.site.path("by-restic/tls").join(name);
    for (archived, original) in [
        ("tls/www/www/www.key.age", "www/www.key"),
        ("tls/@files/mail.key.age", "mail.key"),
        ("tls/@files/mail.p12.age", "mail.p12"),
        ("tls/@files/.pgpass.age", ".pgpass"),
    ] {
        let sealed = fs::read(by_restic(archived))?;
        ensure!(sealed.starts_with(b"age-encryption.org/v1\n"), "{archived} is not sealed");
        ensure!(keys.age.open(&by_restic(archived))? == fs::read(keys.at(original))?, "{original}");
        let modes = [by_restic(archived), keys.at(original)].map(|path| path.metadata());
        let [archived, original] = modes;
        ensure!(archived?.mode() == original?.mode());
    }
    let certificate = fs::read(by_restic("tls/www/www/www.crt"))?;
    ensure!(certificate == fs::read(keys.at("www/www.crt"))?, "a certificate is no secret");

    lockgate.ok(&["restore", "latest", "--into", "back", "--dry-run"])?;
    let summary = lockgate.summary(&["restore", "latest", "--into", "back"])?;
    ensure!(
        summary["fingerprints_equal"] == 2 && summary["fingerprints_compared"] == 2,
        "{summary}"
    );
    tree::equal(&keys.site.path("tls"), &keys.site.path("back"))?;

    let refused = lockgate.run(&["restore", "latest", "--into", "back"])?;
    ensure!(refused.code == Some(20), "{refused:?}");
    lockgate.ok(&["restore", "latest", "--into", "back", "--overwrite"])?;
    lockgate.ok(&[
        "restore",
        "latest",
        "--into",
        "back",
        "--part",
        "tls/www",
        "--rename",
        "tls/www=tls/old",
    ])?;
    tree::equal(&keys.at("www"), &keys.site.path("back/old"))?;
    keys.site.restic_check()
}

#[test]
fn what_did_not_change_is_not_sealed_again() -> Result<()> {
    let keys = Keys::make()?;
    // Enough for the manifest and the trees not to count.
    fs::create_dir(keys.at("bulk"))?;
    for number in 0_u32..64 {
        let bytes: Vec<u8> = (0..64_u32 << 10)
            .map(|at| (at.wrapping_mul(2_654_435_761 + number) >> 13) as u8)
            .collect();
        fs::write(keys.at("bulk").join(number.to_string()), bytes)?;
    }
    let lockgate = keys.configured(&keys.age)?;
    lockgate.ok(&["init"])?;
    let number = |summary: &Value| summary["bytes_stored"].as_u64().unwrap_or(u64::MAX);
    let first = number(&lockgate.summary(&["backup", "tls"])?);
    let second = number(&lockgate.summary(&["backup", "tls"])?);
    ensure!(second * 100 < first, "{second} bytes after {first}");
    fs::write(keys.at("bulk/0"), b"another secret")?;
    let third = lockgate.summary(&["backup", "tls"])?;
    ensure!(number(&third) < 32 << 10, "{third}");
    lockgate.ok(&["restore", "latest", "--into", "back"])?;
    tree::equal(&keys.site.path("tls"), &keys.site.path("back"))?;
    Ok(())
}

#[test]
fn nothing_that_is_stored_lets_a_password_be_guessed() -> Result<()> {
    let keys = Keys::make()?;
    let lockgate = keys.configured(&keys.age)?;
    lockgate.ok(&["init"])?;
    let fingerprints = || -> Result<Vec<String>> {
        lockgate.ok(&["backup", "tls", "--force"])?;
        let shown = lockgate.summary(&["show", "latest"])?;
        let parts = shown["manifests"][0]["parts"].as_array().cloned().unwrap_or_default();
        let of = |part: &Value| part["fingerprint"].as_str().map(str::to_owned);
        parts.iter().map(|part| of(part).context("no fingerprint")).collect()
    };
    // The same content has another fingerprint each time, under another key.
    let (first, second) = (fingerprints()?, fingerprints()?);
    ensure!(
        first.len() == 2 && first.iter().all(|one| one.starts_with("hmac-sha256:")),
        "{first:?}"
    );
    ensure!(first.iter().all(|one| !second.contains(one)), "{first:?} {second:?}");
    Ok(())
}

#[test]
fn another_identity_is_refused_before_anything_is_changed() -> Result<()> {
    let keys = Keys::make()?;
    let other = Age::create(&keys.site.path("other"))?;
    let lockgate = keys.configured(&other)?;
    lockgate.ok(&["init"])?;
    lockgate.ok(&["backup", "tls"])?;
    let refused = lockgate.run(&["restore", "latest", "--into", "back"])?;
    ensure!(refused.code == Some(18) && refused.error_line().contains("identity"), "{refused:?}");
    ensure!(fs::read_dir(keys.site.path("back"))?.next().is_none(), "something was restored");
    // The source itself has no identity.
    let without = lockgate.run(&["restore", "latest", "--overwrite"])?;
    ensure!(without.code == Some(17) && without.error_line().contains("identity"), "{without:?}");
    ensure!(fs::read(keys.at(".pgpass"))? == PASSWORD_LINE.as_bytes(), "the source was changed");
    Ok(())
}

#[test]
fn expiry_is_shown_and_watched() -> Result<()> {
    let keys = Keys::make()?;
    let openssl = OpenSsl::find()?;
    let lockgate = keys.configured(&keys.age)?;
    let soon = lockgate.ok(&["health", "tls"])?;
    // Made for ten days, of which the first moments are over on most machines.
    let days = ["9", "10"].map(|days| format!("expires-soon: tls/mail.crt expires in {days} days"));
    ensure!(days.iter().any(|words| soon.stdout.contains(words)), "{soon:?}");
    ensure!(!soon.stdout.contains("www.crt expires"), "{soon:?}");

    lockgate.ok(&["init"])?;
    lockgate.ok(&["backup", "tls"])?;
    let shown = lockgate.ok(&["show", "latest"])?;
    let line = shown.stdout.lines().find(|line| line.contains("expires tls/mail.crt: "));
    let line = line.with_context(|| format!("{shown:?}"))?;
    let end = openssl.run(&[
        "x509",
        "-noout",
        "-enddate",
        "-dateopt",
        "iso_8601",
        "-in",
        &keys.at("mail.crt").display().to_string(),
    ])?;
    let minute =
        end.trim().trim_start_matches("notAfter=").get(..16).context("no date")?.to_owned();
    ensure!(
        line.contains(&minute) && line.contains("CN=mail.example.org"),
        "{line}, but openssl: {end}"
    );

    // A key of another certificate, readable by all, and a certificate of the past.
    fs::copy(keys.at("mail.key"), keys.at("www/www.key"))?;
    fs::set_permissions(keys.at("www/www.key"), fs::Permissions::from_mode(0o644))?;
    expired_certificate(&keys.at("old.crt"))?;
    let ill = lockgate.run(&["health", "tls"])?;
    ensure!(ill.code == Some(24), "{ill:?}");
    for words in [
        "critical  expired: tls/old.crt expired on 2021-01-01 00:00 UTC",
        "warning   exposed: tls/www/www.key",
        "warning   key-mismatch: tls/www/www.key is not the key of tls/www/www.crt",
    ] {
        ensure!(ill.stdout.contains(words), "{words}: {ill:?}");
    }
    Ok(())
}
