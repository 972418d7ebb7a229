//! Faults on demand: a [`Storage`] whose calls are counted and that fails, loses an answer, or dies at a chosen call, so
//! that tests can try every moment at which things go wrong.
//!
//! The fault lies between the service and the layers: retries see it, and count as calls of their own. A test that wants
//! one call for each operation opens with the option `retries` = `0`.
//!
//! A storage may also stand still before a chosen call while others work on what it stores.

mod layer;
mod pause;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

pub use pause::Pause;

use crate::error::Error;
use crate::options::StorageOptions;
use crate::storage::Storage;
use crate::url::StorageUrl;

/// What a call does to the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Stores an object, or gives it its name.
    Put,
    /// Reads an object or a range of it.
    Get,
    /// Lists a folder. Counted once for a listing, at its start.
    List,
    /// Asks for the size of an object.
    Size,
    /// Deletes an object.
    Delete,
    /// Makes a folder.
    CreateFolder,
}

/// What happens at the chosen call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call is not made; the error says that it may be tried again.
    Fail,
    /// The call is not made; the error is final, as when the medium is full.
    Refuse,
    /// The call is made and works, but its answer is an error that says that it may be tried again.
    LoseAnswer,
    /// The call is not made, and no later one is, as if the process had been killed before it.
    DieBefore,
    /// The call is made and works, but nobody hears of it, and no later one is made, as if the process had been killed
    /// right after it.
    DieAfter,
    /// The process is really killed before the call is made.
    Abort,
}

/// The faults of one storage. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    plans: Vec<Plan>,
    /// Before which call it stands still.
    pause: Option<(u64, Pause)>,
    calls: BTreeMap<Operation, u64>,
    died_at: Option<Operation>,
}

#[derive(Clone, Copy, Debug)]
struct Plan {
    operation: Option<Operation>,
    call: u64,
    fault: Fault,
}

impl Faults {
    /// No faults yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens a storage that these faults happen to.
    ///
    /// # Errors
    /// As [`Storage::open`].
    pub fn open(&self, url: &StorageUrl, options: &StorageOptions) -> Result<Storage, Error> {
        let layer = layer::FaultLayer { faults: self.clone() };
        let storage = Storage::open_over(url, options, |operator| operator.layer(layer))?;
        Ok(storage.with_faults(self.clone()))
    }

    /// `fault` happens at the `call`-th call, counted from 1 on since the beginning, of `operation`; of any operation when
    /// it is none.
    pub fn plan(&self, operation: Option<Operation>, call: u64, fault: Fault) {
        self.lock().plans.push(Plan { operation, call, fault });
    }

    /// The storage stands still before its `call`-th call, counted from 1 on since the beginning: it and all later ones wait.
    #[must_use]
    pub fn pause_before(&self, call: u64) -> Pause {
        let pause = Pause::new();
        self.lock().pause = Some((call, pause.clone()));
        pause
    }

    /// The calls of `operation` so far; of all operations when it is none.
    #[must_use]
    pub fn calls(&self, operation: Option<Operation>) -> u64 {
        let state = self.lock();
        match operation {
            Some(operation) => state.calls.get(&operation).copied().unwrap_or(0),
            None => state.calls.values().sum(),
        }
    }

    /// Whether a fault has ended it all.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.died_at().is_some()
    }

    /// The call with which it ended.
    #[must_use]
    pub fn died_at(&self) -> Option<Operation> {
        self.lock().died_at
    }

    /// What the last counted call waits for.
    fn pause(&self) -> Option<Pause> {
        let state = self.lock();
        let total: u64 = state.calls.values().sum();
        state.pause.as_ref().filter(|(call, _)| total >= *call).map(|(_, pause)| pause.clone())
    }

    /// Counts a call and tells what happens to it.
    fn next(&self, operation: Operation) -> Option<Fault> {
        let mut state = self.lock();
        if state.died_at.is_some() {
            return Some(Fault::DieBefore);
        }
        *state.calls.entry(operation).or_default() += 1;
        let total: u64 = state.calls.values().sum();
        let of_operation = state.calls.get(&operation).copied().unwrap_or(0);
        let plan = state.plans.iter().find(|plan| match plan.operation {
            Some(planned) => planned == operation && plan.call == of_operation,
            None => plan.call == total,
        });
        let fault = plan.map(|plan| plan.fault)?;
        if matches!(fault, Fault::DieBefore | Fault::DieAfter) {
            state.died_at = Some(operation);
        }
        if fault == Fault::Abort {
            std::process::abort();
        }
        Some(fault)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
