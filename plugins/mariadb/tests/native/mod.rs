//! Backups and restores without a sandbox, under an account whose password is known.

#![allow(dead_code, reason = "each test program uses a part of it")]

use anyhow::Result;
use lockgate_plugin::host::Account;
use lockgate_plugin::native::{self, Archive, Secret};
use lockgate_plugin::{Backup, BackupRequest, Error, Outcome, Restore, RestoreRequest};
use lockgate_plugin_mariadb::backup::Saving;
use lockgate_plugin_mariadb::config::Config;
use lockgate_plugin_mariadb::restore::Restoring;
use lockgate_servers::MariaDb;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

pub type Native = native::Native<Password>;

/// A user and the password.
#[derive(Clone, Debug, Default)]
pub struct Password(String, String);

impl Account for Password {
    fn principal(&self) -> String {
        self.0.clone()
    }

    fn respond(
        &self,
        scheme: &str,
        challenge: &[u8],
        _: &[(String, Vec<u8>)],
    ) -> lockgate_plugin::Result<Vec<u8>> {
        assert_eq!(scheme, "mysql_native_password");
        let hash = |bytes: &[u8]| digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref().to_vec();
        let once = hash(&self.secret());
        let mask = hash(&[challenge, &hash(&once)].concat());
        Ok(once.iter().zip(mask).map(|(left, right)| left ^ right).collect())
    }
}

impl Secret for Password {
    fn secret(&self) -> Vec<u8> {
        self.1.clone().into_bytes()
    }
}

/// `server`, under an account.
pub fn at(server: &MariaDb, user: &str, password: &str) -> Native {
    let account = Some(Password(user.to_owned(), password.to_owned()));
    Native { account, ..Native::at(format!("{}:{}", server.host, server.port)) }
}

pub trait Run {
    /// Begins, joins two workers, releases, lets `between` do something, exports and ends.
    fn backup(&self, config: &Config, between: impl FnOnce() -> Result<()>) -> Result<Archive>;

    /// Restores, and compares the fingerprints of all parts with those of the backup.
    fn restore(&self, archive: &Archive, config: &Config, request: &RestoreRequest) -> Result<()>;
}

impl Run for Native {
    fn backup(&self, config: &Config, between: impl FnOnce() -> Result<()>) -> Result<Archive> {
        let request = BackupRequest::default();
        let (mut coordinator, plan) =
            Saving::begin_with(self.fresh(), config.clone(), &request).map_err(Error::from)?;
        let mut workers = Vec::new();
        for _ in 0..2 {
            let host = self.fresh();
            let worker = Saving::join_with(host.clone(), config.clone(), &plan.mark);
            workers.push((host, worker.map_err(Error::from)?));
        }
        coordinator.release()?;
        between()?;
        let archive = Archive::export(plan, workers)?;
        Ok(Archive { findings: coordinator.end(Outcome::Completed)?, ..archive })
    }

    fn restore(&self, archive: &Archive, config: &Config, request: &RestoreRequest) -> Result<()> {
        let (coordinator, stages) =
            Restoring::begin_with(self.fresh(), config.clone(), request).map_err(Error::from)?;
        let host = self.fresh();
        let mut worker =
            Restoring::open(host.clone(), config.clone(), request).map_err(Error::from)?;
        archive.import(&stages, &host, &mut worker)?;
        coordinator.end(Outcome::Completed)?;
        Ok(())
    }
}
