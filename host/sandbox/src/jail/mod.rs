//! The second wall: what a worker process loses before it meets anything that a stranger made.
//!
//! A plugin that breaks out of the WebAssembly runtime owns the worker's memory and may make any system call. So the worker
//! gives up beforehand, in this order, what it does not need: inherited descriptors, rights by `execve`, room for core files,
//! the host's namespaces, the file tree, capabilities, and in the end most system calls. Each layer has a file; which of them
//! must hold is said by [`Layer::is_required`]. `docs/plugin-security.md` explains them to people who do not read code.

mod capabilities;
mod descriptors;
mod folder;
mod landlock;
mod limits;
mod namespaces;
mod root;
mod seccomp;

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::thread::set_no_new_privs;
use serde::{Deserialize, Serialize};

pub use folder::{read_only_program, separate};
pub use landlock::{ABI_REQUIRED as LANDLOCK_ABI_REQUIRED, kernel_abi as landlock_abi};
pub use root::descriptor_path;
pub use seccomp::SYS_LISTXATTRAT;

/// What happens when the machine lacks a required layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// The run is refused.
    #[default]
    Full,
    /// The run goes on with the layers that there are, and says so.
    Reduced,
}

/// What a worker needs, and so what it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// It compiles a component and ends.
    Compile,
    /// It runs a plugin that has no folder: it talks to the host and to connections that the host opened.
    Apart,
    /// It runs a plugin that reads folders.
    Read,
    /// It runs a plugin that reads and changes folders.
    Write,
}

/// One thing that keeps a worker in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// Descriptors that the host did not mean to pass on are closed.
    Descriptors,
    /// No core files, no inspection by other processes, no files where none are to be written.
    Limits,
    /// No program can give rights (`no_new_privs`).
    NoNewPrivileges,
    /// Network, IPC and host name of its own, and where it has no folders also users of its own.
    Namespaces,
    /// No path leads to a file of the host's.
    Root,
    /// Of the superuser's rights only those that its folders need.
    Capabilities,
    /// Files outside the granted folders do not open; no TCP, no signals to others.
    Landlock,
    /// Only the system calls on a list.
    Seccomp,
}

/// Whether a layer holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerState {
    /// Which.
    pub layer: Layer,
    /// Why it does not hold; none when it does.
    pub missing: Option<String>,
}

/// What keeps a worker in, layer by layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Of which kind of worker.
    pub shape: Shape,
    /// In the order in which they were entered.
    pub layers: Vec<LayerState>,
}

/// Something open that the worker may use by path.
#[derive(Clone, Copy, Debug)]
pub struct Opened<'a> {
    /// A file or a folder.
    pub descriptor: BorrowedFd<'a>,
    /// What may be done with it and with what is below it.
    pub access: Access,
    /// Whether parts of files below it may be locked.
    pub locks: bool,
}

/// What may be done with an [`Opened`] file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read a file.
    File,
    /// Read a folder and everything in it.
    Folder,
    /// Read and change a folder and everything in it.
    WritableFolder,
}

/// A process on its way into the jail.
#[derive(Debug)]
pub struct Entrance {
    layers: Vec<LayerState>,
}

impl Entrance {
    /// The first thing that a worker does, before it opens or receives anything.
    #[must_use]
    pub fn begin() -> Self {
        let mut entrance = Self { layers: Vec::new() };
        entrance.note(Layer::Descriptors, descriptors::close_inherited());
        entrance.note(Layer::NoNewPrivileges, set_no_new_privs(true).map_err(io::Error::from));
        entrance
    }

    /// Closes the door. The process must have one thread. What the caller opens afterwards is limited to `opened`, and it
    /// calls [`seal`] once its code is loaded.
    #[must_use]
    pub fn enter(mut self, shape: Shape, opened: &[Opened<'_>]) -> Report {
        self.note(Layer::Namespaces, namespaces::enter(shape));
        self.note(Layer::Limits, limits::set(shape));
        self.note(Layer::Root, root::enter(shape, opened));
        self.note(Layer::Capabilities, capabilities::drop(shape, opened));
        self.note(Layer::Landlock, landlock::restrict(opened));
        // Last, because the others need calls that are on no list.
        let may_lock = opened.iter().any(|opened| opened.locks);
        self.note(Layer::Seccomp, seccomp::restrict(shape, may_lock));
        Report { shape, layers: self.layers }
    }

    fn note<E: fmt::Display>(&mut self, layer: Layer, result: Result<(), E>) {
        let missing = result.err().map(|reason| reason.to_string());
        self.layers.push(LayerState { layer, missing });
    }
}

/// Gives up what only loading needs: memory that can be executed, and opening anything where no folder is granted.
///
/// # Errors
/// When the system refuses.
pub fn seal(shape: Shape) -> Result<(), String> {
    seccomp::seal(shape)
}

impl Layer {
    /// Whether a run needs it. The others are taken where the system offers them: an ordinary user, or root in a container,
    /// cannot have namespaces, and the required layers deny the same things again.
    #[must_use]
    pub fn is_required(self) -> bool {
        !matches!(self, Self::Namespaces | Self::Root)
    }

    /// As messages call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Descriptors => "descriptors",
            Self::Limits => "limits",
            Self::NoNewPrivileges => "no-new-privileges",
            Self::Namespaces => "namespaces",
            Self::Root => "root",
            Self::Capabilities => "capabilities",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
        }
    }
}

impl Shape {
    /// All kinds of workers.
    pub const ALL: [Self; 4] = [Self::Compile, Self::Apart, Self::Read, Self::Write];

    /// Whether it gets folders.
    #[must_use]
    pub fn has_folders(self) -> bool {
        matches!(self, Self::Read | Self::Write)
    }

    /// What such a worker does, as messages say it.
    #[must_use]
    pub fn purpose(self) -> &'static str {
        match self {
            Self::Compile => "compiles a plugin",
            Self::Apart => "runs a plugin without folders",
            Self::Read => "runs a plugin that reads folders",
            Self::Write => "runs a plugin that changes folders",
        }
    }
}

impl Report {
    /// The layers that do not hold, with the reasons.
    pub fn missing(&self) -> impl Iterator<Item = (Layer, &str)> {
        self.layers.iter().filter_map(|state| Some((state.layer, state.missing.as_deref()?)))
    }

    /// Whether every required layer holds.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.missing().all(|(layer, _)| !layer.is_required())
    }
}

impl fmt::Display for Isolation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Full => "full",
            Self::Reduced => "reduced",
        })
    }
}
