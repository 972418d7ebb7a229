//! Starts workers: one that compiles and ends, or one that runs a plugin for a session.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lockgate_trust::{Access, FolderGrant, Grants};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::SessionOptions;
use super::credential::Credentials;
use super::http::Http;
use super::net::Net;
use super::process::{Process, WorkerCommand};
use super::shared::Shared;
use super::watchdog::{Verdict, Watchdog};
use crate::error::{Error, ErrorKind, Place};
use crate::jail::{self, Report, Shape};
use crate::limits::{CLOSE_GRACE, CODE_BYTES_MAX, COMPILE_TIMEOUT, DESCRIPTORS_MAX, START_TIMEOUT};
use crate::protocol::{
    Control, ControlAnswer, Endpoint, Folder, FrameSocket, ProtocolError, Start,
};

/// Has a worker compile `component` into `output`.
pub fn compile(
    worker: &WorkerCommand,
    component: BorrowedFd<'_>,
    output: BorrowedFd<'_>,
) -> Result<(), Error> {
    let (process, mut control) = Process::spawn(worker)?;
    process.limit_files(CODE_BYTES_MAX)?;
    let process = Arc::new(process);
    let watchdog = Watchdog::start(Arc::clone(&process), || {})?;
    let answer = ask(
        &mut control,
        &Control::Compile(worker.isolation),
        &[component, output],
        Wait { process: &process, watchdog: &watchdog, limit: COMPILE_TIMEOUT, what: "compile" },
    )?;
    drop(control);
    process.end(CLOSE_GRACE);
    match answer {
        ControlAnswer::Done(report) => tell(&report),
        ControlAnswer::Refused(report) => return Err(refused(&report)),
        ControlAnswer::Failed(reason) => {
            let detail = format!("the component does not compile: {reason}");
            return Err(Error::new(ErrorKind::Compile, detail));
        }
    }
    Ok(())
}

/// Has a worker of this shape enter its jail, and brings back what that is like.
///
/// # Errors
/// When the worker does not start or does not come through.
pub fn probe(worker: &WorkerCommand, shape: Shape) -> Result<Report, Error> {
    let folder = if shape.has_folders() {
        let path = std::env::temp_dir();
        Some(
            open_folder_at(&path, shape == Shape::Write)
                .map_err(|errno| Error::io(&format!("open {}", path.display()), errno.into()))?,
        )
    } else {
        None
    };
    let (process, mut control) = Process::spawn(worker)?;
    let process = Arc::new(process);
    let watchdog = Watchdog::start(Arc::clone(&process), || {})?;
    let descriptors: Vec<BorrowedFd<'_>> = folder.iter().map(AsFd::as_fd).collect();
    let wait = Wait { process: &process, watchdog: &watchdog, limit: START_TIMEOUT, what: "start" };
    match ask(&mut control, &Control::Probe(shape), &descriptors, wait)? {
        ControlAnswer::Done(report) | ControlAnswer::Refused(report) => Ok(report),
        ControlAnswer::Failed(reason) => Err(Error::new(ErrorKind::Isolation, reason)),
    }
}

/// Writes down what a worker does without.
fn tell(report: &Report) {
    let worker = report.shape.purpose();
    for (layer, reason) in report.missing() {
        let layer_name = layer.name();
        if layer.is_required() {
            tracing::warn!(
                worker,
                layer = layer_name,
                reason,
                "reduced isolation: a required layer is missing"
            );
        } else {
            tracing::debug!(worker, layer = layer_name, reason, "a layer is not offered");
        }
    }
}

fn refused(report: &Report) -> Error {
    let missing: Vec<String> = report
        .missing()
        .filter(|(layer, _)| layer.is_required())
        .map(|(layer, reason)| format!("{} ({reason})", layer.name()))
        .collect();
    let detail = format!(
        "this machine cannot contain a worker that {}: it lacks {}",
        report.shape.purpose(),
        missing.join(", ")
    );
    Error::new(ErrorKind::Isolation, detail)
}

/// Starts the worker of a session and has it load the plugin's code; when it refuses the code, once more with fresh code.
pub fn launch(options: &SessionOptions<'_>) -> Result<Shared, Error> {
    let named = |error: Error| error.at(&options.name, &Place::None);
    let fault =
        |error: lockgate_trust::GrantError| named(Error::new(ErrorKind::Grant, error.to_string()));
    options.grants.check().map_err(fault)?;
    let net = Net::new(options.grants, options.runtime.clone()).map_err(fault)?;
    keep_off_the_cache(options).map_err(named)?;
    let folders = open_folders(options.grants).map_err(named)?;
    let start = start_message(options, &net);
    let started = match start_worker(options, &net, &start, &folders) {
        Err(error) if error.kind() == &ErrorKind::Compile => {
            tracing::warn!(plugin = options.name, %error, "compiled code is made anew");
            options.plugin.renew().and_then(|()| start_worker(options, &net, &start, &folders))
        }
        started => started,
    };
    let Started { process, watchdog, control, jail } = started.map_err(named)?;
    Ok(Shared {
        jail,
        name: options.name.clone(),
        limits: options.limits.clone(),
        observer: Arc::clone(&options.observer),
        process,
        watchdog,
        net,
        http: Http::default(),
        credentials: Credentials::new(options.grants, options.runtime.clone()),
        granted: options.grants.each(),
        used: Mutex::default(),
        control: Mutex::new(Some(control)),
    })
}

struct Started {
    process: Arc<Process>,
    watchdog: Watchdog,
    control: FrameSocket,
    jail: Report,
}

fn start_worker(
    options: &SessionOptions<'_>,
    net: &Net,
    start: &Control,
    folders: &[OwnedFd],
) -> Result<Started, Error> {
    let code: Arc<File> = options.plugin.code();
    let (process, mut control) = Process::spawn(&options.worker)?;
    let process = Arc::new(process);
    let watchdog = Watchdog::start(Arc::clone(&process), net.closer())?;
    let mut descriptors = vec![code.as_fd()];
    descriptors.extend(folders.iter().map(AsFd::as_fd));
    let wait = Wait { process: &process, watchdog: &watchdog, limit: START_TIMEOUT, what: "start" };
    match ask(&mut control, start, &descriptors, wait)? {
        ControlAnswer::Done(jail) => {
            tell(&jail);
            Ok(Started { process, watchdog, control, jail })
        }
        ControlAnswer::Refused(report) => Err(refused(&report)),
        ControlAnswer::Failed(reason) => {
            let detail = format!("the worker cannot load the compiled code: {reason}");
            Err(Error::new(ErrorKind::Compile, detail))
        }
    }
}

/// How long an answer on the control socket may take.
struct Wait<'a> {
    process: &'a Process,
    watchdog: &'a Watchdog,
    limit: Duration,
    what: &'a str,
}

fn ask(
    control: &mut FrameSocket,
    message: &Control,
    descriptors: &[BorrowedFd<'_>],
    wait: Wait<'_>,
) -> Result<ControlAnswer, Error> {
    let _watched = wait.watchdog.watch(wait.limit);
    let answer = control.send(message, descriptors).and_then(|()| control.receive());
    match answer {
        Ok(Some(answer)) => Ok(answer),
        Ok(None) | Err(ProtocolError::Io { .. } | ProtocolError::Truncated) => {
            if matches!(wait.watchdog.verdict(), Some(Verdict::Deadline(_))) {
                let seconds = wait.limit.as_secs();
                let detail = format!("the worker did not {} within {seconds} s", wait.what);
                return Err(Error::new(ErrorKind::Deadline, detail));
            }
            Err(wait.process.end(CLOSE_GRACE).into_error())
        }
        Err(error) => Err(Error::protocol(&error)),
    }
}

fn start_message(options: &SessionOptions<'_>, net: &Net) -> Control {
    let folder = |(name, grant): (&lockgate_types::Name, &FolderGrant)| Folder {
        name: name.to_string(),
        writable: grant.access == Access::ReadWrite,
        locks: grant.locks,
    };
    let endpoint = |endpoint: &super::dial::Endpoint| Endpoint {
        name: endpoint.name.clone(),
        encryption: endpoint.encryption(),
    };
    Control::Start(Start {
        isolation: options.worker.isolation,
        folders: options.grants.folders.iter().map(folder).collect(),
        limits: options.limits.clone(),
        endpoints: net.endpoints().map(endpoint).collect(),
        credentials: options.grants.credentials.keys().map(ToString::to_string).collect(),
        clock: options.grants.clock,
        random: options.grants.random,
        config: options.config.clone(),
    })
}

/// A worker that could write to the cache could leave code behind for the next plugin, and read the key that vouches for it.
fn keep_off_the_cache(options: &SessionOptions<'_>) -> Result<(), Error> {
    let Ok(cache) = options.plugin.folder().canonicalize() else { return Ok(()) };
    for (name, grant) in &options.grants.folders {
        let Ok(path) = grant.path.canonicalize() else { continue };
        let meets = cache.starts_with(&path) || path.starts_with(&cache);
        if meets && grant.access == Access::ReadWrite {
            let detail = format!(
                "folder {name}: {} may be changed and holds the compiled plugins in {}",
                path.display(),
                cache.display()
            );
            return Err(Error::new(ErrorKind::Grant, detail)
                .with_hint("keep compiled plugins elsewhere with --cache, or LOCKGATE_CACHE"));
        }
    }
    Ok(())
}

/// Opens the granted folders, so that the worker needs no path and can reach nothing beside them.
fn open_folders(grants: &Grants) -> Result<Vec<OwnedFd>, Error> {
    if grants.folders.len() >= DESCRIPTORS_MAX {
        let detail = format!("{} folders are granted, too many at once", grants.folders.len());
        return Err(Error::new(ErrorKind::Grant, detail));
    }
    grants.folders.iter().map(|(name, grant)| open_folder(name.as_str(), grant)).collect()
}

fn open_folder(name: &str, grant: &FolderGrant) -> Result<OwnedFd, Error> {
    open_folder_at(&grant.path, grant.access == Access::ReadWrite).map_err(|errno| {
        let cause = match errno {
            Errno::NOENT => "does not exist".to_owned(),
            Errno::NOTDIR => "is not a folder".to_owned(),
            Errno::ACCESS => "may not be read by this user".to_owned(),
            other => std::io::Error::from(other).to_string(),
        };
        let detail = format!("folder {name}: {} {cause}", grant.path.display());
        Error::new(ErrorKind::Grant, detail)
            .with_hint("correct the folder's `path` in the source's grants")
    })
}

/// As a mount of its own where the system lets us, which keeps more than permissions can.
fn open_folder_at(path: &Path, writable: bool) -> Result<OwnedFd, Errno> {
    if let Ok(folder) = jail::separate(path, writable) {
        return Ok(folder);
    }
    rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}
