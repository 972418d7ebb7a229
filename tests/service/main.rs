//! `lockgate serve` as its clients see it: the built binary, real sources, every call over HTTP.

mod backups;
mod client;
mod crowd;
mod document;
mod ending;
mod events;
mod kills;
mod limits;
mod problems;
mod roles;
mod stage;
mod states;
mod tls;
mod together;

use std::future::Future;

use anyhow::Result;

/// Runs a test that waits.
fn wait(test: impl Future<Output = Result<()>>) -> Result<()> {
    // The client brings no cryptography of its own.
    rustls::crypto::ring::default_provider().install_default().ok();
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(test)
}
