//! Limits of the process (`setrlimit(2)`).
//!
//! Not set are `RLIMIT_NPROC`, which counts all processes of the user and which the lack of `fork` makes needless, and, but
//! for workers that compile, `RLIMIT_AS` or `RLIMIT_DATA`, because each linear memory and the allocator reserve gibibytes
//! that they may never use. What a plugin may use of them is limited by the runtime; of a worker that was taken over, the
//! kernel is told to take it first.

use std::io;

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

use super::Shape;
use crate::limits::{CODE_BYTES_MAX, COMPILE_BYTES_MAX, DESCRIPTORS_OPEN_MAX};

/// Sets what a worker of this shape may use.
pub fn set(shape: Shape) -> io::Result<()> {
    // Nothing that a plugin does may leave a core file with the data of its datastore, and no other process of the user may
    // look into its memory.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    lower(Resource::Core, 0)?;
    lower(Resource::Memlock, 0)?;
    lower(Resource::Msgqueue, 0)?;
    match shape {
        // The host has limited the file for the code. What compiling takes grows with the component, and no runtime limits it.
        Shape::Compile => lower(Resource::Data, COMPILE_BYTES_MAX)?,
        Shape::Write => {}
        // No file is open for writing; what remains are nameless ones in memory, from which the runtime maps.
        Shape::Apart | Shape::Read => lower(Resource::Fsize, CODE_BYTES_MAX)?,
    }
    // Restores hold many files open at once, so the soft limit on descriptors goes up to the hard one.
    let most = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX).min(DESCRIPTORS_OPEN_MAX);
    lower(Resource::Nofile, most)
}

fn lower(resource: Resource, to: u64) -> io::Result<()> {
    Ok(setrlimit(resource, Rlimit { current: Some(to), maximum: Some(to) })?)
}
