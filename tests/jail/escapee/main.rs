//! A worker that was taken over. It enters the jail through the door that the product's workers use, and then tries one thing
//! that no worker may do. With the shape `none` it stays outside, which shows that the attempt works when nothing hinders it.
//!
//! Exit codes: 42 the attempt succeeded, 43 the system refused it (the number of the error is printed).

#![allow(unsafe_code, reason = "attempts are bare system calls")]

mod calls;
mod files;
mod kernel;
mod network;
mod processes;
mod stage;

use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use lockgate_sandbox::jail::{
    Access, Entrance, Opened, Shape, descriptor_path, read_only_program, seal,
};

use calls::Tried;
use stage::Stage;

const SUCCEEDED: u8 = 42;
const REFUSED: u8 = 43;

/// Its name and what it does.
type Attempt = (&'static str, fn(&Stage) -> Tried);

fn attempts() -> Vec<Attempt> {
    [files::ATTEMPTS, network::ATTEMPTS, processes::ATTEMPTS, kernel::ATTEMPTS].concat()
}

/// From a program file that cannot be changed, where the system allows that.
fn start_as_the_host_does(arguments: &[String]) {
    let itself = Path::new("/proc/self/exe");
    if let Ok(program) = read_only_program(itself) {
        let mut command = Command::new(descriptor_path(program.as_fd()));
        let error = command.args(arguments).arg("again").exec();
        panic!("{error}");
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, shape, scratch, granted, port, is_again @ ..] = arguments.as_slice() else {
        for (name, _) in attempts() {
            println!("{name}");
        }
        return ExitCode::SUCCESS;
    };
    let attempt = attempts().into_iter().find(|(known, _)| known == name).expect("a known attempt");
    let shape = match shape.as_str() {
        "compile" => Some(Shape::Compile),
        "apart" => Some(Shape::Apart),
        "read" => Some(Shape::Read),
        "write" => Some(Shape::Write),
        _ => None,
    };
    if shape.is_some() && is_again.is_empty() {
        start_as_the_host_does(&arguments);
    }
    let entrance = shape.map(|_| Entrance::begin());
    let stage = Stage::new(scratch, granted, port, shape.map(|shape| shape == Shape::Write));
    if let (Some(entrance), Some(shape)) = (entrance, shape) {
        let access = if shape == Shape::Write { Access::WritableFolder } else { Access::Folder };
        let folder = Opened { descriptor: stage.granted.as_fd(), access, locks: false };
        let opened = if shape.has_folders() { vec![folder] } else { Vec::new() };
        let report = entrance.enter(shape, &opened);
        assert!(report.is_full(), "{report:?}");
        seal(shape).expect("the jail can be sealed");
    }
    match attempt.1(&stage) {
        Ok(()) => ExitCode::from(SUCCEEDED),
        Err(errno) => {
            println!("{errno}");
            ExitCode::from(REFUSED)
        }
    }
}
