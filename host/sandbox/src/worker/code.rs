//! Components become machine code once; afterwards the code is loaded from a file.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;

use lockgate_trust::COMPONENT_BYTES_MAX;
use wasmtime::component::Component;
use wasmtime::{Engine, Result};

use crate::jail;

/// Compiles the component in `source` and writes its code to `target`.
///
/// # Errors
/// When the component is larger than [`COMPONENT_BYTES_MAX`], invalid, or uses what the runtime's settings leave out.
pub fn compile(engine: &Engine, source: File, mut target: &File) -> Result<()> {
    let mut component = Vec::new();
    source.take(COMPONENT_BYTES_MAX as u64 + 1).read_to_end(&mut component)?;
    if component.len() > COMPONENT_BYTES_MAX {
        wasmtime::bail!("the component has more than the {COMPONENT_BYTES_MAX} bytes allowed");
    }
    target.write_all(&engine.precompile_component(&component)?)?;
    target.flush()?;
    Ok(())
}

/// Loads code that [`compile`] made.
///
/// # Errors
/// When the code was made by another version of wasmtime, with other settings or for another processor.
#[expect(unsafe_code, reason = "loading compiled code is unsafe by nature; this is the only place")]
pub fn load(engine: &Engine, code: &File) -> Result<Component> {
    // wasmtime maps a file by its path only; this path stands for the descriptor, not for a name that may change.
    let path = jail::descriptor_path(code.as_fd());
    // SAFETY: the code must come from `compile`. The host opens it from its cache, which only the operator's user can write
    // and whose files the host authenticates, and passes the descriptor; no worker that has run a plugin can reach the cache.
    // The mapping is private and the host never changes a file of the cache in place.
    unsafe { Component::deserialize_file(engine, path) }
}
