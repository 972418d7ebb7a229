//! What plugins need works inside the jail, and the worker says which layers hold.

use std::fs::File;
use std::os::fd::AsRawFd;

use lockgate_sandbox::jail::{Layer, Shape};
use lockgate_sandbox::{Limits, probe};
use lockgate_trust::{Grants, admit};
use rustix::io::{FdFlags, fcntl_setfd};

use crate::component::Bodies;
use crate::guest::Guest;
use crate::stage::{Stage, grants, worker};

#[test]
fn every_required_layer_holds_for_every_kind_of_worker() {
    for shape in Shape::ALL {
        let report = probe(&worker(), shape).unwrap();
        assert_eq!(report.shape, shape);
        assert!(report.is_full(), "{report:?}");
        assert_eq!(report.layers.len(), 8, "{report:?}");
    }
}

#[test]
fn a_session_tells_what_keeps_its_worker_in() {
    let stage = Stage::new();
    let apart = stage.session(Bodies::default(), &Grants::default(), Limits::default());
    assert_eq!(apart.jail().shape, Shape::Apart);
    let folder = stage.folder.path().join("data");
    std::fs::create_dir(&folder).unwrap();
    for (access, shape) in [("read", Shape::Read), ("read-write", Shape::Write)] {
        let text =
            format!("folders.data = {{ path = \"{}\", access = \"{access}\" }}", folder.display());
        let session = stage.session(Bodies::default(), &grants(&text), Limits::default());
        assert_eq!(session.jail().shape, shape);
        assert!(session.jail().is_full(), "{:?}", session.jail());
        session.close();
    }
}

/// The runtime of WASI makes threads, a pair of sockets and a descriptor to wait on when a plugin first waits.
#[test]
fn a_plugin_of_others_can_wait_in_the_jail() {
    let stage = Stage::new();
    let component = Guest::new()
        .wasi()
        .body(
            "health#check",
            "(call $environment (i32.const 64)) (call $block (call $timer (i64.const 20000000)))
             (i32.const 4096)",
        )
        .build();
    let plugin = stage.cache().load(&admit(component).unwrap(), &worker()).unwrap();
    let session = stage.try_session(&plugin, &Grants::default(), Limits::default()).unwrap();
    session.instance("health").unwrap().check().unwrap();
    session.close();
}

/// A descriptor that something in the host opened without close-on-exec is not there in a worker.
#[test]
fn workers_inherit_nothing() {
    let secret = File::open("/etc/passwd").unwrap();
    fcntl_setfd(&secret, FdFlags::empty()).unwrap();
    let stage = Stage::new();
    let session = stage.session(Bodies::default(), &Grants::default(), Limits::default());
    let worker = session.worker_id().unwrap();
    let open = std::fs::read_link(format!("/proc/{worker}/fd/{}", secret.as_raw_fd()));
    // Without rights the folder of the worker cannot be read at all, which serves as well.
    assert!(open.is_err() || !open.unwrap().ends_with("passwd"));
    let holds =
        |layer| session.jail().layers.iter().any(|it| it.layer == layer && it.missing.is_none());
    assert!(holds(Layer::Descriptors));
    session.close();
}
