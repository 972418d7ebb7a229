//! The state that threads of lockgate share, compiled from the very sources with locks whose order a scheduler decides. Each scenario
//! is a function of its own that the scheduler runs again and again, every time in another order; threads that wait for
//! ever are told as a deadlock.

mod format;
pub mod storage;
pub mod write;
