//! Encrypted, or on this machine only.

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;

use crate::client::{Client, expect};
use crate::stage::Stage;
use crate::wait;

/// A service with a certificate of its own, which is `cert.pem`.
fn encrypted() -> Result<(Stage, String)> {
    let mut stage = Stage::closed("", "")?;
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()])?;
    std::fs::write(stage.site.path("cert.pem"), made.cert.pem())?;
    std::fs::write(stage.site.path("key.pem"), made.signing_key.serialize_pem())?;
    let tls = format!(
        "[service]\ntls = {{ cert-file = \"{}\", key-file = \"{}\" }}",
        stage.site.text("cert.pem"),
        stage.site.text("key.pem")
    );
    let path = stage.site.path("config.toml");
    let text = std::fs::read_to_string(&path)?;
    std::fs::write(&path, text.replace("[service]", &tls))?;
    stage.serve()?;
    Ok((stage, made.cert.pem()))
}

#[test]
fn the_command_trusts_the_authority_that_it_was_given_and_no_other() -> Result<()> {
    rustls::crypto::ring::default_provider().install_default().ok();
    let (stage, _) = encrypted()?;
    let client = stage.site.lockgate.clone().with("LOCKGATE_SERVER", stage.url());
    let client = client.with("LOCKGATE_TOKEN", "boss token for tests");
    let stranger = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()])?;
    std::fs::write(stage.site.path("stranger.pem"), stranger.cert.pem())?;
    std::fs::write(stage.site.path("nothing.pem"), "no certificate")?;
    let [known, other, nothing] =
        ["cert.pem", "stranger.pem", "nothing.pem"].map(|name| stage.site.text(name));
    for (arguments, code) in [
        (&["list"][..], 13),
        (&["list", "--ca-file", &other], 13),
        (&["list", "--ca-file", &nothing], 2),
    ] {
        let refused = client.run(arguments)?;
        ensure!(refused.code == Some(code), "{refused:?}");
        ensure!(refused.error_line().contains("ca-file"), "no next step: {refused:?}");
    }
    // A job and its events, to the end.
    let made = client.summary(&["--ca-file", &known, "backup", "-l", "nightly", "home"])?;
    ensure!(made["state"] == "READY", "{made}");
    let trusting = client.with("LOCKGATE_CA_FILE", &known);
    let listed = trusting.ok(&["list"])?;
    ensure!(listed.stdout.contains("nightly-"), "{listed:?}");
    Ok(())
}

#[test]
fn with_a_certificate_it_speaks_tls_and_nothing_else() -> Result<()> {
    wait(async {
        let (stage, certificate) = encrypted()?;
        ensure!(stage.url().starts_with("https://"), "{}", stage.url());
        let mut boss = stage.client("boss");
        ensure!(boss.get("/me").await.is_err(), "an unknown authority is trusted");
        let authority = reqwest::Certificate::from_pem(certificate.as_bytes())?;
        boss.http = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([authority])
            .build()
            .context("client")?;
        ensure!(boss.get("/me").await?["name"] == "boss");
        let plain = stage.url().replace("https://", "http://");
        ensure!(Client::new(&plain, None).top(Method::GET, "/healthz").send().await.is_err());
        let healthy = boss.top(Method::GET, "/healthz").send().await?;
        ensure!(healthy.status() == 200);
        expect(boss.top(Method::GET, "/api/openapi.json").send().await?, healthy.status()).await?;
        Ok(())
    })
}

#[test]
fn what_others_could_read_is_refused() -> Result<()> {
    let stage = Stage::closed("", "")?;
    let path = stage.site.path("config.toml");
    let text = std::fs::read_to_string(&path)?;
    std::fs::write(&path, text.replace("127.0.0.1:0", "0.0.0.0:0"))?;
    let refused = stage.lockgate.run(&["serve"])?;
    ensure!(refused.code == Some(2) && refused.error_line().contains("listen"), "{refused:?}");
    let without: String = text.split("[service.users").take(1).collect();
    std::fs::write(&path, without)?;
    let refused = stage.lockgate.run(&["serve"])?;
    ensure!(refused.code == Some(2) && refused.error_line().contains("no users"), "{refused:?}");
    Ok(())
}
