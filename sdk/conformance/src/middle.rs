//! The middle of a run: held at a byte, so that what happens there surely happens there.

use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;

use crate::datastore::Role;
use crate::proxy::Proxy;
use crate::running::Running;
use crate::trial::{ORIGINAL, RESTORED, Trial};

/// Seconds that a run takes whose datastore has no connection to hold: its storage is slowed to that.
const SLOWED_SECONDS: u64 = 4;

/// A run that has come to a byte of its traffic.
pub(crate) struct Middle {
    running: Running,
    proxy: Option<Proxy>,
}

impl Middle {
    /// Starts a backup of `all` bytes, and comes back when `bytes` of them went over the connection to the server (or, without
    /// a connection, into the repository), and no more do.
    pub(crate) fn of_backup(trial: &mut Trial<'_>, bytes: u64, all: u64) -> Result<Self> {
        let arguments = ["backup", ORIGINAL];
        if let Some(proxy) = trial.proxy(Role::Source, Vec::new())? {
            return Self::held(trial, &arguments, proxy, bytes);
        }
        trial.setup.limit_upload_kib = Some(all / 1024 / SLOWED_SECONDS);
        trial.configure()?;
        let before = trial.repository_bytes();
        let mut running = trial.start(&arguments)?;
        running.wait_until("the middle of the backup", trial.scale.deadline, || {
            Ok(trial.repository_bytes() >= before + bytes)
        })?;
        Ok(Self { running, proxy: None })
    }

    /// The same of a restore.
    pub(crate) fn of_restore(trial: &mut Trial<'_>, bytes: u64, all: u64) -> Result<Self> {
        let arguments = ["restore", "latest", "--into", RESTORED];
        if let Some(proxy) = trial.proxy(Role::Target, Vec::new())? {
            return Self::held(trial, &arguments, proxy, bytes);
        }
        trial.setup.limit_download_kib = Some(all / 1024 / SLOWED_SECONDS);
        trial.configure()?;
        let running = trial.start(&arguments)?;
        let share = bytes as f64 / all as f64;
        sleep(Duration::from_secs(SLOWED_SECONDS).mul_f64(share));
        Ok(Self { running, proxy: None })
    }

    fn held(trial: &Trial<'_>, arguments: &[&str], proxy: Proxy, bytes: u64) -> Result<Self> {
        proxy.hold_at(bytes);
        let mut running = trial.start(arguments)?;
        running.wait_until("the middle of its traffic", trial.scale.deadline, || {
            Ok(proxy.is_holding())
        })?;
        Ok(Self { running, proxy: Some(proxy) })
    }

    /// Lets the traffic go on, at full speed. The proxy stays as long as it is held.
    pub(crate) fn release(self) -> (Running, Option<Proxy>) {
        if let Some(proxy) = &self.proxy {
            proxy.release();
        }
        (self.running, self.proxy)
    }

    /// The process, while it is held.
    pub(crate) fn running(&self) -> &Running {
        &self.running
    }
}

impl Trial<'_> {
    /// After a run that was held: no proxy and no slow storage any more.
    pub(crate) fn undisturbed(&mut self, role: Role) -> Result<()> {
        self.setup.limit_upload_kib = None;
        self.setup.limit_download_kib = None;
        self.go_straight(role)
    }
}
