//! The worker driven through its sockets, as the host does it, with plugins that behave badly and well.

mod capability;
mod flow;
mod guest;
mod hostile;
mod listing;
mod under_way;

use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::thread;

use lockgate_types::{Failure, Part};

use super::*;
use crate::limits::Limits;
use crate::protocol::{Call, FromWorker, Stop, ToWorker, Value};

/// A worker on a thread of this process.
struct Worker {
    control: FrameSocket,
}

fn grants() -> Start {
    Start {
        isolation: Isolation::Full,
        folders: Vec::new(),
        limits: Limits { memory_bytes: 16 << 20, busy_ms: 200, ..Limits::default() },
        endpoints: Vec::new(),
        credentials: Vec::new(),
        clock: false,
        random: false,
        config: r#"{"key":"value"}"#.to_owned(),
    }
}

impl Worker {
    fn new() -> Self {
        let (host, worker) = UnixStream::pair().unwrap();
        thread::spawn(move || serve(FrameSocket::new(worker).unwrap(), Door::Missing));
        Self { control: FrameSocket::new(host).unwrap() }
    }

    /// Compiles the component and starts the worker with it.
    fn start(component: &[u8], start: Start, folders: &[BorrowedFd<'_>]) -> Self {
        let mut worker = Self::new();
        let mut code = worker.compile(component).unwrap();
        code.rewind().unwrap();
        let descriptors: Vec<_> =
            std::iter::once(code.as_fd()).chain(folders.iter().copied()).collect();
        worker.control.send(&Control::Start(start), &descriptors).unwrap();
        assert!(matches!(worker.control.receive().unwrap(), Some(ControlAnswer::Done(_))));
        worker
    }

    fn compile(&mut self, component: &[u8]) -> Result<File, String> {
        let mut source = tempfile::tempfile().unwrap();
        source.write_all(component).unwrap();
        source.rewind().unwrap();
        let code = tempfile::tempfile().unwrap();
        self.control
            .send(&Control::Compile(Isolation::Full), &[source.as_fd(), code.as_fd()])
            .unwrap();
        match self.control.receive().unwrap() {
            Some(ControlAnswer::Done(_)) => Ok(code),
            Some(ControlAnswer::Failed(reason)) => Err(reason),
            other => panic!("{other:?}"),
        }
    }

    /// Opens a lane and returns it with what the worker says first.
    fn open_lane(&mut self) -> (FrameSocket, FromWorker) {
        let (host, worker) = UnixStream::pair().unwrap();
        self.control.send(&Control::OpenLane, &[worker.as_fd()]).unwrap();
        drop(worker);
        let mut lane = FrameSocket::new(host).unwrap();
        let first = lane.receive().unwrap().unwrap();
        (lane, first)
    }

    /// Opens a lane whose instance comes up.
    fn lane(&mut self) -> FrameSocket {
        let (lane, first) = self.open_lane();
        assert!(matches!(first, FromWorker::Ready), "{first:?}");
        lane
    }
}

fn start(component: &[u8]) -> (Worker, FrameSocket) {
    let mut worker = Worker::start(component, grants(), &[]);
    let lane = worker.lane();
    (worker, lane)
}

fn part() -> Part {
    Part {
        id: "part".to_owned(),
        kind: "table".to_owned(),
        bytes_estimate: None,
        items_estimate: None,
        attributes: Default::default(),
    }
}

/// Makes a call whose plugin talks to the host in no other way than the log.
fn call(lane: &mut FrameSocket, call: Call) -> (Result<Value, Stop>, Vec<String>) {
    lane.send(&ToWorker::Call(call), &[]).unwrap();
    let mut log = Vec::new();
    loop {
        match lane.receive::<FromWorker>().unwrap().unwrap() {
            FromWorker::Returned(result) => return (result, log),
            FromWorker::Log { message, .. } => log.push(message),
            FromWorker::Refused { text, .. } => log.push(text),
            other => panic!("{other:?}"),
        }
    }
}

fn failure(result: Result<Value, Stop>) -> Failure {
    match result {
        Err(Stop::Failure(failure)) => failure,
        other => panic!("{other:?}"),
    }
}
