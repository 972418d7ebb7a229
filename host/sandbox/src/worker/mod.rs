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
mod owed;
mod runtime;
mod state;
mod stop;

use std::fs::File;
use std::io::stdin;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use wasmtime::Engine;

use self::folder::{Folder, Owners};
use self::lane::Loaded;
use self::state::Grants;
use crate::jail::{self, Access, Entrance, Isolation, Layer, LayerState, Opened, Report, Shape};
use crate::limits::{EPOCH, LANE_STACK_BYTES};
use crate::protocol::{Control, ControlAnswer, FrameSocket, ProtocolError, Start};

pub use runtime::engine_hash;

/// The body of the hidden subcommand that the host starts with the control socket as standard input. Returns when the host
/// closes the socket; the process must then end, which also ends its plugins.
pub fn worker_main() -> ExitCode {
    let entrance = Entrance::begin();
    let served = stdin()
        .as_fd()
        .try_clone_to_owned()
        .map_err(|source| ProtocolError::Io { action: "take over", source })
        .and_then(|socket| FrameSocket::new(UnixStream::from(socket)))
        .and_then(|control| serve(control, Door::Open(entrance)));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("worker: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves the control socket until the host closes it. The first message says what the worker is for, and so which jail it
/// enters; there is no second such message.
fn serve(mut control: FrameSocket, mut door: Door) -> Result<(), ProtocolError> {
    let mut loaded: Option<Arc<Loaded>> = None;
    while let Some(message) = control.receive()? {
        match message {
            Control::Compile(isolation) => {
                compile(&mut control, &mut door, isolation)?;
            }
            Control::Start(start) => {
                loaded = self::start(&mut control, &mut door, start)?;
            }
            Control::Probe(shape) => {
                probe(&mut control, &mut door, shape)?;
            }
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

/// How the process gets into its jail, once.
enum Door {
    Open(Entrance),
    Closed,
    /// The tests run workers as threads, which cannot be jailed apart from the process.
    #[cfg(test)]
    Missing,
}

impl Door {
    fn enter(&mut self, shape: Shape, opened: &[Opened<'_>]) -> Result<Report, ProtocolError> {
        #[cfg(test)]
        if matches!(self, Self::Missing) {
            return Ok(Report { shape, layers: Vec::new() });
        }
        match std::mem::replace(self, Self::Closed) {
            Self::Open(entrance) => Ok(entrance.enter(shape, opened)),
            _ => Err(ProtocolError::Unexpected("a second purpose")),
        }
    }
}

/// Whether a worker in this jail may go on.
fn suffices(report: &Report, isolation: Isolation) -> bool {
    report.is_full() || isolation == Isolation::Reduced
}

/// Gives up what loading needed, when the layer that does it holds.
fn seal(report: &Report) -> Result<(), String> {
    let holds = |state: &LayerState| state.layer == Layer::Seccomp && state.missing.is_none();
    if report.layers.iter().any(holds) { jail::seal(report.shape) } else { Ok(()) }
}

/// Enters the jail of a worker of this shape and says what it is like.
fn probe(control: &mut FrameSocket, door: &mut Door, shape: Shape) -> Result<(), ProtocolError> {
    let folder = if shape.has_folders() { Some(control.take_descriptor()?) } else { None };
    let access = if shape == Shape::Write { Access::WritableFolder } else { Access::Folder };
    let opened: Vec<Opened<'_>> = folder
        .iter()
        .map(|folder| Opened { descriptor: folder.as_fd(), access, locks: false })
        .collect();
    let report = door.enter(shape, &opened)?;
    let answer = match seal(&report) {
        Ok(()) => ControlAnswer::Done(report),
        Err(reason) => ControlAnswer::Failed(reason),
    };
    control.send(&answer, &[])
}

/// Compiles on a thread of its own, so that the end of the control socket ends a long compilation.
fn compile(
    control: &mut FrameSocket,
    door: &mut Door,
    isolation: Isolation,
) -> Result<(), ProtocolError> {
    let source = File::from(control.take_descriptor()?);
    let target = File::from(control.take_descriptor()?);
    let report = door.enter(Shape::Compile, &[])?;
    if !suffices(&report, isolation) {
        return control.send(&ControlAnswer::Refused(report), &[]);
    }
    if let Err(reason) = seal(&report) {
        return control.send(&ControlAnswer::Failed(reason), &[]);
    }
    let io = |source| ProtocolError::Io { action: "take over", source };
    let mut answers =
        FrameSocket::new(UnixStream::from(control.as_fd().try_clone_to_owned().map_err(io)?))?;
    let work = move || {
        let done = runtime::engine().and_then(|engine| code::compile(&engine, source, &target));
        let answer = match done {
            Ok(()) => ControlAnswer::Done(report),
            Err(error) => ControlAnswer::Failed(format!("{error:#}")),
        };
        // A host that has gone away meanwhile does not need the answer.
        let _ = answers.send(&answer, &[]).and_then(|()| answers.flush());
    };
    thread::Builder::new().name("compile".to_owned()).spawn(work).map_err(io)?;
    Ok(())
}

/// Enters the jail, and only then looks at what was made of the plugin.
fn start(
    control: &mut FrameSocket,
    door: &mut Door,
    start: Start,
) -> Result<Option<Arc<Loaded>>, ProtocolError> {
    let code = File::from(control.take_descriptor()?);
    let mut folders = Vec::with_capacity(start.folders.len().min(64));
    for folder in start.folders {
        let root = control.take_descriptor()?;
        let granted = Folder::new(folder.name, folder.writable, root).with_locks(folder.locks);
        folders.push(Arc::new(granted));
    }
    // The tables of names are the host's files, so they are read before the door closes.
    let owners = if folders.is_empty() { Owners::default() } else { Owners::load() };
    let report = door.enter(shape(&folders), &opened(&code, &folders))?;
    if !suffices(&report, start.isolation) {
        control.send(&ControlAnswer::Refused(report), &[])?;
        return Ok(None);
    }
    let grants = Grants {
        folders,
        owners,
        endpoints: start.endpoints,
        credentials: start.credentials,
        clock: start.clock,
        random: start.random,
        config: start.config,
        used: Mutex::default(),
        cancelled: AtomicBool::new(false),
    };
    let loaded = runtime::engine().and_then(|engine| {
        let component = code::load(&engine, &code)?;
        let plugin = contract::link(&engine, &component);
        seal(&report).map_err(wasmtime::Error::msg)?;
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
    control.send(&ControlAnswer::Done(report), &[])?;
    Ok(Some(loaded))
}

fn shape(folders: &[Arc<Folder>]) -> Shape {
    match folders {
        [] => Shape::Apart,
        folders if folders.iter().any(|folder| folder.is_writable()) => Shape::Write,
        _ => Shape::Read,
    }
}

/// What of the file tree the worker may still open.
fn opened<'a>(code: &'a File, folders: &'a [Arc<Folder>]) -> Vec<Opened<'a>> {
    let code = Opened { descriptor: code.as_fd(), access: Access::File, locks: false };
    let folder = |folder: &'a Arc<Folder>| {
        let access = if folder.is_writable() { Access::WritableFolder } else { Access::Folder };
        Opened { descriptor: folder.root(), access, locks: folder.may_lock() }
    };
    std::iter::once(code).chain(folders.iter().map(folder)).collect()
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
