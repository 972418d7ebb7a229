//! A program that moves money between two entries of a list, each time in one transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use anyhow::{Result, anyhow, ensure};
use lockgate_conformance::Writer;
use lockgate_servers::SearchClient;
use serde_json::json;

use crate::content::{ACCOUNTS, MONEY, accounts, merge};

pub struct Ledger {
    thread: JoinHandle<Result<()>>,
    should_stop: Arc<AtomicBool>,
    changes: Arc<AtomicU64>,
}

impl Ledger {
    pub fn start(client: SearchClient) -> Result<Self> {
        let (should_stop, changes) =
            (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stop, count) = (Arc::clone(&should_stop), Arc::clone(&changes));
        let mut money = accounts(&client)?;
        let thread = std::thread::spawn(move || {
            let mut round = 0;
            while !stop.load(Ordering::Relaxed) {
                round += 1;
                let name = |number: u64| format!("account-{}", number % ACCOUNTS);
                let (from, to) = (name(round), name(round * 3 + 1));
                if from == to {
                    continue;
                }
                let amount = money.get(&from).copied().unwrap_or_default().min(round % 7);
                *money.entry(from.clone()).or_default() -= amount;
                *money.entry(to.clone()).or_default() += amount;
                let both = [&from, &to].map(|id| json!({"id": id, "year": money.get(id)}));
                merge(&client, "car:cars", "car-entry", &both)?;
                count.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
        Ok(Self { thread, should_stop, changes })
    }

    /// How many changes it has made so far.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }
}

impl Writer for Ledger {
    fn stop(self: Box<Self>) -> Result<u64> {
        self.should_stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the program that writes panicked"))??;
        Ok(self.changes.load(Ordering::Relaxed))
    }
}

/// The sum of all accounts is what it was at the beginning.
pub fn check(client: &SearchClient) -> Result<()> {
    let accounts = accounts(client)?;
    let sum: u64 = accounts.values().sum();
    ensure!(sum == ACCOUNTS * MONEY, "the accounts hold {sum}: {accounts:?}");
    Ok(())
}
