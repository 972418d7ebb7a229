//! The suite against real MariaDB servers, seen through the `mariadb` client.

mod content;
mod server;
mod writer;

use anyhow::{Result, ensure};
use lockgate_conformance::{Datastore, Options, Role, Server, Verdict};
use lockgate_servers::MariaDb;

use server::Account;

/// Servers of a configuration.
#[derive(Default)]
struct MariaDbStore {
    config: toml::Table,
}

impl Datastore for MariaDbStore {
    fn plugin(&self) -> &str {
        "mariadb"
    }

    fn server_version(&self) -> Result<String> {
        let version = MariaDb::start()?.sql("SELECT VERSION()")?;
        let bare = version.trim().split('-').next().unwrap_or_default().to_owned();
        Ok(format!("MariaDB {bare}"))
    }

    fn start(&self, _role: Role) -> Result<Box<dyn Server>> {
        Ok(Box::new(Account::open(self.config.clone())?))
    }
}

#[test]
fn it_conforms() -> Result<()> {
    lockgate_conformance::check(&MariaDbStore::default())
}

/// The suite must be able to fail: a plugin that is told to accept any version does not conform.
#[test]
fn a_plugin_that_accepts_any_version_is_found_out() -> Result<()> {
    let config = toml::Table::from_iter([("allow-untested-version".to_owned(), true.into())]);
    let options = Options::of_tests("mariadb", &["wrong-version"])?;
    let report = lockgate_conformance::run(&MariaDbStore { config }, &options)?;
    let [case] = &report.cases[..] else { anyhow::bail!("{report:?}") };
    let Verdict::Failed(reason) = &case.verdict else { anyhow::bail!("{case:?}") };
    ensure!(reason.contains("expected exit code [19]"), "{reason}");
    Ok(())
}
