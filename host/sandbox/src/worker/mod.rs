//! The worker side: holds the WebAssembly runtime, runs one plugin's instances and does what the grants allow.
//!
//! The process does what its control socket says and ends when the host closes it, however busy its plugins are. That is also
//! what ends it when the host dies, so no death signal of the parent is set: the kernel ties that signal to the thread that
//! started the worker (`PR_SET_PDEATHSIG`, `prctl(2)`), and a host's threads come and go.

mod bindings;
mod call;
mod capability;
mod code;
mod contract;
mod convert;
mod fault;
mod folder;
mod lane;
mod limiter;
mod runtime;
mod state;
mod stop;

use std::fs::File;
use std::io::stdin;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::set_no_new_privs;
use wasmtime::Engine;

use self::folder::{Folder, Owners};
use self::lane::Loaded;
use self::state::Grants;
use crate::limits::{EPOCH, LANE_STACK_BYTES};
use crate::protocol::{Control, ControlAnswer, FrameSocket, ProtocolError, Start};

pub use runtime::engine_hash;

/// The body of the hidden subcommand that the host starts with the control socket as standard input. Returns when the host
/// closes the socket; the process must then end, which also ends its plugins.
pub fn worker_main() -> ExitCode {
    if let Err(errno) = prepare_process() {
        eprintln!("worker: could not prepare the process: {errno}");
        return ExitCode::FAILURE;
    }
    let served = stdin()
        .as_fd()
        .try_clone_to_owned()
        .map_err(|source| ProtocolError::Io { action: "take over", source })
        .and_then(|socket| FrameSocket::new(UnixStream::from(socket)))
        .and_then(serve);
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("worker: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Nothing that a plugin does may leave a core file with the data of its datastore, or gain rights. Restores hold many files
/// open at once, so the soft limit on descriptors goes up to the hard one.
fn prepare_process() -> Result<(), Errno> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    let files = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: files.maximum, maximum: files.maximum })?;
    set_no_new_privs(true)
}

/// Serves the control socket until the host closes it.
fn serve(mut control: FrameSocket) -> Result<(), ProtocolError> {
    let mut loaded: Option<Arc<Loaded>> = None;
    while let Some(message) = control.receive()? {
        match message {
            Control::Compile => compile(&mut control)?,
            Control::Start(start) if loaded.is_none() => {
                loaded = self::start(&mut control, start)?;
            }
            Control::Start(_) => return Err(ProtocolError::Unexpected("a second start")),
            Control::OpenLane => {
                let socket = control.take_descriptor()?;
                open_lane(loaded.as_ref(), socket)?;
            }
            Control::Cancel => {
                if let Some(loaded) = &loaded {
                    loaded.grants.cancelled.store(true, Ordering::Relaxed);
                }
            }
        }
    }
    Ok(())
}

/// Compiles on a thread of its own, so that the end of the control socket ends a long compilation.
fn compile(control: &mut FrameSocket) -> Result<(), ProtocolError> {
    let source = File::from(control.take_descriptor()?);
    let target = File::from(control.take_descriptor()?);
    let io = |source| ProtocolError::Io { action: "take over", source };
    let mut answers =
        FrameSocket::new(UnixStream::from(control.as_fd().try_clone_to_owned().map_err(io)?))?;
    let work = move || {
        let done = runtime::engine().and_then(|engine| code::compile(&engine, source, &target));
        let answer = match done {
            Ok(()) => ControlAnswer::Done,
            Err(error) => ControlAnswer::Failed(format!("{error:#}")),
        };
        // A host that has gone away meanwhile does not need the answer.
        let _ = answers.send(&answer, &[]).and_then(|()| answers.flush());
    };
    thread::Builder::new().name("compile".to_owned()).spawn(work).map_err(io)?;
    Ok(())
}

fn start(control: &mut FrameSocket, start: Start) -> Result<Option<Arc<Loaded>>, ProtocolError> {
    let code = File::from(control.take_descriptor()?);
    let mut folders = Vec::with_capacity(start.folders.len().min(64));
    for folder in start.folders {
        let root = control.take_descriptor()?;
        folders.push(Arc::new(Folder::new(folder.name, folder.writable, root)));
    }
    let grants = Grants {
        folders,
        owners: Owners::load(),
        endpoints: start.endpoints,
        credentials: start.credentials,
        clock: start.clock,
        random: start.random,
        config: start.config,
        cancelled: AtomicBool::new(false),
    };
    let loaded = runtime::engine().and_then(|engine| {
        let component = code::load(&engine, &code)?;
        let plugin = contract::link(&engine, &component);
        Ok(Arc::new(Loaded { engine, plugin, grants: Arc::new(grants), limits: start.limits }))
    });
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(error) => {
            control.send(&ControlAnswer::Failed(format!("{error:#}")), &[])?;
            return Ok(None);
        }
    };
    keep_time(&loaded.engine)?;
    control.send(&ControlAnswer::Done, &[])?;
    Ok(Some(loaded))
}

/// Moves the engine's clock on until the engine is gone.
fn keep_time(engine: &Engine) -> Result<(), ProtocolError> {
    let engine = engine.weak();
    let tick = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(EPOCH);
        }
    };
    match thread::Builder::new().name("epoch".to_owned()).spawn(tick) {
        Ok(_) => Ok(()),
        Err(source) => Err(ProtocolError::Io { action: "start a thread for", source }),
    }
}

/// Serves the lane on a thread of its own, which ends when the host closes the lane.
fn open_lane(loaded: Option<&Arc<Loaded>>, socket: OwnedFd) -> Result<(), ProtocolError> {
    let loaded = loaded.ok_or(ProtocolError::Unexpected("a lane before the start"))?.clone();
    let socket = FrameSocket::new(UnixStream::from(socket))?;
    let work = move || {
        if let Err(error) = lane::serve(&loaded, socket) {
            eprintln!("worker: {error}");
        }
    };
    let lane = thread::Builder::new().name("lane".to_owned()).stack_size(LANE_STACK_BYTES);
    match lane.spawn(work) {
        Ok(_) => Ok(()),
        Err(source) => Err(ProtocolError::Io { action: "start a thread for", source }),
    }
}

#[cfg(test)]
mod tests;
