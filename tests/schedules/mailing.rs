//! Mail that is encrypted, to a server that demands a login.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lockgate_servers::python_packages;
use lockgate_tests::Site;
use serde_json::Value;

use crate::place::{PATIENCE, Place, runtime, usual};

const PACKAGES: [&str; 1] = ["aiosmtpd==1.4.6"];
/// Within it somebody who should not be told would have been.
const NOTHING_IN: Duration = Duration::from_secs(3);

/// A server that is no stand-in: aiosmtpd, in a process of its own.
struct MailServer {
    child: Child,
    port: u64,
    said: mpsc::Receiver<Value>,
}

impl MailServer {
    /// `encryption` is that of the configuration. Its certificate is `cert.pem`.
    fn start(site: &Site, encryption: &str) -> Result<Self> {
        let packages = python_packages("aiosmtpd", &PACKAGES)?;
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("schedules/mail_server.py");
        let mut command = Command::new("python3");
        command.arg(program).arg(encryption).args([site.path("cert.pem"), site.path("key.pem")]);
        let mut child = command.env("PYTHONPATH", packages).stdout(Stdio::piped()).spawn()?;
        let lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let (sender, said) = mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(std::result::Result::ok) {
                sender.send(serde_json::from_str(&line).unwrap_or_default()).ok();
            }
        });
        let mut server = Self { child, port: 0, said };
        server.port = server.next()?["port"].as_u64().context("no port")?;
        Ok(server)
    }

    fn next(&self) -> Result<Value> {
        self.said.recv_timeout(PATIENCE).context("the mail server was told nothing")
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Writes a certificate of this machine's and its key.
fn certify(site: &Site, certificate: &str, key: &str) -> Result<()> {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()])?;
    fs::write(site.path(certificate), made.cert.pem())?;
    Ok(fs::write(site.path(key), made.signing_key.serialize_pem())?)
}

/// A configuration that tells of failures by mail.
fn mailed(site: &Site, server: &MailServer, encryption: &str, authority: &str) -> String {
    format!(
        "[notifications.mail]\non = [\"failure\"]\nsmtp = {{ host = \"127.0.0.1\", port = {}, encryption = \"{encryption}\", \
         ca-file = \"{}\", from = \"backup@example.com\", to = [\"ops@example.com\"], user = \"backup\", password-file = \"{}\" }}\n",
        server.port,
        site.text(authority),
        site.text("mail-password")
    )
}

#[test]
fn mail_goes_encrypted_and_with_a_login() -> Result<()> {
    rustls::crypto::ring::default_provider().install_default().ok();
    for encryption in ["start", "immediate"] {
        let place = Place::new()?;
        certify(&place.site, "cert.pem", "key.pem")?;
        certify(&place.site, "other.pem", "other-key.pem")?;
        let server = MailServer::start(&place.site, encryption)?;
        let password = place.site.path("mail-password");
        fs::write(&password, "mail secret\n")?;
        runtime()?.block_on(async {
            // A server that shows another certificate gets neither the password nor the mail.
            let wary = mailed(&place.site, &server, encryption, "other.pem");
            let service = place.service(&wary, usual()).await?;
            service.backup("lost").await?;
            tokio::time::sleep(NOTHING_IN).await;
            ensure!(server.said.try_recv().is_err(), "{encryption}: somebody else was told");
            service.stop().await;

            let text = mailed(&place.site, &server, encryption, "cert.pem");
            let service = place.service(&text, usual()).await?;
            service.backup("lost").await?;
            let mail = server.next()?;
            ensure!(mail["tls"] == true && mail["user"] == "backup", "{encryption}: {mail}");
            ensure!(mail["receivers"][0] == "ops@example.com", "{mail}");
            let body = mail["text"].as_str().context("no text")?;
            ensure!(body.contains("Subject: lockgate on here: backup of lost: FAILED"), "{mail}");
            service.stop().await;

            // A wrong password is refused, and the mail waits. The mail that the other one did not get may have come too.
            while server.said.try_recv().is_ok() {}
            fs::write(&password, "wrong\n")?;
            let service = place.service(&text, usual()).await?;
            service.backup("lost").await?;
            let said = server.next()?;
            ensure!(said["refused"].is_string(), "{encryption}: taken without a login: {said}");
            service.stop().await;
            anyhow::Ok(())
        })?;
    }
    Ok(())
}
