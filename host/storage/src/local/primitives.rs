//! What the callers share their state with. `tests/interleavings` compiles the files that take it from here with others, whose
//! every order it can try; so these files name no lock of the standard library themselves.

pub(super) use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
