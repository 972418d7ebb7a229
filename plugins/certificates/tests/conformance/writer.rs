//! Renews a key and its certificate all the time, as an ACME client does: two files, each put in place whole, one after the
//! other. What stays true is that the key in place belongs to the certificate in place.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use lockgate_conformance::Writer;
use lockgate_servers::{KeyKind, OpenSsl};

/// Between the two files of one renewal.
const GAP: Duration = Duration::from_millis(10);
/// Between two renewals.
const PAUSE: Duration = Duration::from_millis(250);

struct Renewals {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<u64>>,
}

/// Starts to renew `www`.
pub fn start(top: PathBuf, openssl: OpenSsl) -> Result<Box<dyn Writer>> {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    // Made before, so that the renewals keep their pace. Beside the folder: the same file system.
    let made = top.with_file_name("renewals");
    fs::create_dir_all(&made)?;
    for number in 0..8 {
        let file = |ending: &str| made.join(format!("{number}.{ending}"));
        openssl.pair(&file("key"), &file("crt"), KeyKind::P256, 100 + number)?;
    }
    let thread = std::thread::spawn(move || {
        let mut count = 0;
        while !stopped.load(Ordering::SeqCst) {
            for ending in ["key", "crt"] {
                let new = top.with_file_name(format!("new.{ending}"));
                fs::copy(made.join(format!("{}.{ending}", count % 8)), &new)?;
                fs::rename(&new, top.join(format!("www/www.{ending}")))?;
                std::thread::sleep(GAP);
            }
            count += 1;
            std::thread::sleep(PAUSE);
        }
        Ok(count)
    });
    Ok(Box::new(Renewals { stop, thread }))
}

impl Writer for Renewals {
    fn stop(self: Box<Self>) -> Result<u64> {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().map_err(|_| anyhow!("the renewals panicked"))?
    }
}

/// Whether the key belongs to the certificate, in the eyes of openssl.
pub fn check(top: &Path, openssl: &OpenSsl) -> Result<()> {
    let path = |name: &str| top.join(name).display().to_string();
    let of_key = openssl.run(&["pkey", "-pubout", "-in", &path("www/www.key")])?;
    let of_certificate =
        openssl.run(&["x509", "-noout", "-pubkey", "-in", &path("www/www.crt")])?;
    ensure!(of_key == of_certificate, "the key is not the certificate's");
    Ok(())
}
