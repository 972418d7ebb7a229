use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::{Result, anyhow, ensure};
use lockgate_conformance::Writer;

use crate::content::TOGETHER;
use crate::gateway::Gateway;

/// Counts, and writes the number to keys of several parts in one transaction, beside keys that come and go.
pub struct Counting {
    thread: Option<JoinHandle<Result<u64>>>,
    is_over: Arc<AtomicBool>,
}

impl Counting {
    pub fn start(mut gateway: Gateway, from: u64) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            let mut number = from;
            while !over.load(Ordering::Relaxed) {
                number += 1;
                let text = number.to_string();
                let passing = format!("/app/passing/{}", number % 50);
                let keys = TOGETHER.into_iter().chain([passing.as_bytes()]);
                gateway.put_all(keys.map(|key| (key, text.as_bytes())))?;
            }
            Ok(number - from)
        });
        Self { thread: Some(thread), is_over }
    }
}

impl Writer for Counting {
    fn stop(mut self: Box<Self>) -> Result<u64> {
        let thread = self.thread.take().ok_or_else(|| anyhow!("it was stopped already"))?;
        ensure!(!thread.is_finished(), "the program that writes stopped by itself");
        self.is_over.store(true, Ordering::Relaxed);
        thread.join().map_err(|_| anyhow!("the program that writes panicked"))?
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}
