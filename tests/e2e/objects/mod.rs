//! Backups as objects: labels, ids, states and jobs, by the commands that an operator uses.

mod gone;
mod life;
mod maintenance;
mod remote;
mod tags;
mod troubles;

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use lockgate_tests::{Lockgate, Outcome, Site};
use serde_json::Value;

/// A set of a folder and a database.
const SET: &str = "[sets.shop]\nsources = [\"database\", \"pictures\"]\n";
const FIRST: &str = "first";

/// A shop's data, and who backs it up.
struct Place {
    site: Site,
    /// As an operator calls it: with the configuration, or with the address of a service.
    lockgate: Lockgate,
}

impl Place {
    /// With a repository, and both sources as they are at first.
    fn open() -> Result<Self> {
        let site = Site::local()?;
        fs::create_dir(site.path("pictures"))?;
        fs::create_dir(site.path("app"))?;
        let folder = |name: &str, plugin: &str, more: &str| {
            format!(
                "[sources.{name}]\nplugin = \"{plugin}\"\nfolders.data = {{ path = \"{}\", access = \"read-write\"{more} }}\n",
                site.text(if plugin == "files" { "pictures" } else { "app" })
            )
        };
        let sources =
            folder("pictures", "files", "") + &folder("database", "sqlite", ", locks = true");
        let flag = site.text(maintenance::FLAG);
        let commands = format!(
            "[sources.pictures.maintenance]\nenter = [\"touch\", \"{flag}\"]\nleave = [\"rm\", \"-f\", \"{flag}\"]\n"
        );
        let lockgate = site.configured(&format!("{sources}{commands}{SET}"))?;
        lockgate.ok(&["init"])?;
        let place = Self { site, lockgate };
        place.sql("CREATE TABLE orders (what TEXT); INSERT INTO orders VALUES ('none')")?;
        place.write(FIRST)?;
        Ok(place)
    }

    /// Puts a word into both sources.
    fn write(&self, word: &str) -> Result<()> {
        fs::write(self.site.path("pictures/word"), word)?;
        self.sql(&format!("UPDATE orders SET what = '{word}'")).map(drop)
    }

    /// The words in the folder and in the database.
    fn words(&self) -> Result<[String; 2]> {
        let file = fs::read_to_string(self.site.path("pictures/word"))?;
        Ok([file, self.sql("SELECT what FROM orders")?.trim().to_owned()])
    }

    fn sql(&self, statements: &str) -> Result<String> {
        let database = self.site.path("app/shop.db");
        let output = Command::new("sqlite3").arg(&database).arg(statements).output();
        let output = output.context("sqlite3 cannot be started")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Backs the set up and gives what is known of the backup.
    fn back_up(&self, label: &str) -> Result<Value> {
        self.lockgate.summary(&["backup", "--label", label, "shop"])
    }

    fn snapshots(&self) -> Result<usize> {
        Ok(self.site.lockgate.ok(&["snapshots"])?.stdout.lines().count())
    }
}

/// A text of a message.
fn text<'a>(message: &'a Value, key: &str) -> Result<&'a str> {
    message[key].as_str().with_context(|| format!("no {key} in {message}"))
}

/// The messages of one type of a run with `--json`.
fn messages(outcome: &Outcome, wanted: &str) -> Result<Vec<Value>> {
    let parsed = outcome.stdout.lines().map(|line| Ok(serde_json::from_str(line)?));
    let all = parsed.collect::<Result<Vec<Value>>>()?;
    Ok(all.into_iter().filter(|message| message["message_type"] == wanted).collect())
}
