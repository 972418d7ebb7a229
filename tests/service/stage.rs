//! A service of its own for each test.

use std::time::Duration;

use anyhow::{Context as _, Result};
use lockgate_tests::{Lockgate, Service, Site};

use crate::client::Client;

/// Users with one role each, and one with all. The token of each is `NAME token for tests`.
pub const USERS: [(&str, &str); 5] = [
    ("viola", "\"viewer\""),
    ("otto", "\"operator\""),
    ("rita", "\"restorer\""),
    ("axel", "\"auditor\""),
    ("boss", "\"viewer\", \"operator\", \"restorer\", \"auditor\""),
];

/// A running service and where it keeps things.
pub struct Stage {
    pub site: Site,
    pub lockgate: Lockgate,
    running: Option<Service>,
}

impl Stage {
    /// A service with `settings` in `[service]` and these sources besides `home` (files below `home`), serving.
    pub fn open(settings: &str, sources: &str) -> Result<Self> {
        let mut stage = Self::closed(settings, sources)?;
        stage.serve()?;
        Ok(stage)
    }

    /// The same, not serving yet.
    pub fn closed(settings: &str, sources: &str) -> Result<Self> {
        let site = Site::local()?;
        std::fs::create_dir_all(site.path("home/below"))?;
        std::fs::write(site.path("home/letter"), "Dear reader,\n")?;
        std::fs::write(site.path("home/below/leaf"), "leaf")?;
        let users: String = USERS
            .iter()
            .map(|(name, roles)| {
                let file = site.text(&format!("token-{name}"));
                std::fs::write(&file, format!("{name} token for tests\n"))?;
                Ok(format!("[service.users.{name}]\nroles = [{roles}]\ntoken-file = \"{file}\"\n"))
            })
            .collect::<Result<_>>()?;
        let configuration = format!(
            "audit = \"audit.jsonl\"\n\n[repositories.main]\nurl = \"{}\"\n\n[sources.home]\nplugin = \"files\"\n\
             folders.home = {{ path = \"{}\", access = \"read-write\" }}\n\n{sources}\n\n[service]\nlisten = \"127.0.0.1:0\"\n\
             state = \"sqlite:{}\"\n{settings}\n\n{users}",
            site.repository,
            site.text("home"),
            site.text("state.sqlite"),
        );
        let lockgate = site.configured(&configuration)?.with("LOCKGATE_REPOSITORY", "main");
        lockgate.ok(&["init"])?;
        Ok(Self { site, lockgate, running: None })
    }

    /// Starts the service.
    pub fn serve(&mut self) -> Result<()> {
        self.running = None;
        self.running = Some(Service::start(&self.lockgate, &self.site.path("service.log"))?);
        Ok(())
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        self.running.as_ref().map_or("", |running| &running.url)
    }

    /// A client with the token of a user.
    pub fn client(&self, user: &str) -> Client {
        Client::new(self.url(), Some(format!("{user} token for tests")))
    }

    /// What it wrote to standard error so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.site.path("service.log")).unwrap_or_default()
    }

    /// Number of its process.
    pub fn process(&self) -> Result<u32> {
        self.running.as_ref().map(Service::pid).context("it does not run")
    }

    /// Asks it to end, and waits until it has, at most a minute.
    pub fn terminate(&mut self) -> Result<Duration> {
        let running = self.running.take().context("it does not run")?;
        running.terminate().with_context(|| self.log())
    }

    /// Asks it to end by Ctrl-C, and waits until it has.
    pub fn interrupt(&mut self) -> Result<Duration> {
        let running = self.running.take().context("it does not run")?;
        running.interrupt().with_context(|| self.log())
    }

    /// Ends it as a power failure would.
    pub fn kill(&mut self) {
        self.running = None;
    }
}

/// A source that saves the files below `folder`, made here.
pub fn files(site_folder: &str, name: &str) -> String {
    format!(
        "[sources.{name}]\nplugin = \"files\"\nfolders.data = {{ path = \"{site_folder}\" }}\n\n"
    )
}
