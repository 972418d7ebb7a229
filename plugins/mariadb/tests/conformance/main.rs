//! The suite against real MariaDB servers, seen through the `mariadb` client.

mod content;
mod server;
mod writer;

use anyhow::Result;
use lockgate_conformance::{Datastore, Role, Server};
use lockgate_servers::MariaDb;

use server::Account;

struct MariaDbStore;

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
        Ok(Box::new(Account::open()?))
    }
}

#[test]
fn it_conforms() -> Result<()> {
    lockgate_conformance::check(&MariaDbStore)
}
