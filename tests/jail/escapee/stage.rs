//! What an attempt finds: a folder that was not granted, one that was, a child, sockets. All of it is made before the door
//! closes, as a host might have left it in a worker by mistake.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

use lockgate_sandbox::jail;

pub struct Stage {
    pub scratch: String,
    /// A file in the scratch folder.
    pub victim: CString,
    pub granted: OwnedFd,
    /// The process that started this one.
    pub parent: i32,
    /// On 127.0.0.1, where the test listens.
    pub port: u16,
    /// A process of the same user, made for this purpose.
    pub child: i32,
    /// A namespace of the host's.
    pub namespace: OwnedFd,
    /// What the host is called.
    pub host: String,
    /// TCP, connected to the test.
    pub connected: i32,
    /// TCP, not connected.
    pub fresh: i32,
    /// Unix stream, not connected.
    pub local: i32,
}

impl Stage {
    pub fn new(scratch: &str, granted: &str, port: &str, writable: Option<bool>) -> Self {
        let port = port.parse().expect("a port");
        // As the host opens it, or as anybody does.
        let separate = |writable| jail::separate(Path::new(granted), writable).ok();
        let granted = writable
            .and_then(separate)
            .or_else(|| File::open(granted).map(OwnedFd::from).ok())
            .expect("the granted folder opens");
        let socket = |family, kind| unsafe { libc::socket(family, kind, 0) };
        let connected = socket(libc::AF_INET, libc::SOCK_STREAM);
        assert_eq!(connect(connected, port), 0, "the test listens");
        Self {
            scratch: scratch.to_owned(),
            victim: path(&format!("{scratch}/victim")),
            granted,
            parent: unsafe { libc::getppid() },
            port,
            child: sleeper(),
            namespace: File::open("/proc/self/ns/uts").expect("namespaces have files").into(),
            host: std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default(),
            connected,
            fresh: socket(libc::AF_INET, libc::SOCK_STREAM),
            local: socket(libc::AF_UNIX, libc::SOCK_STREAM),
        }
    }

    /// A path below the parent's folder in `/proc`.
    pub fn of_parent(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.parent)
    }

    /// A path in the scratch folder.
    pub fn at(&self, name: &str) -> CString {
        path(&format!("{}/{name}", self.scratch))
    }
}

pub fn path(text: &str) -> CString {
    CString::new(text).expect("a path")
}

pub fn address(port: u16) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes([127, 0, 0, 1]) },
        sin_zero: [0; 8],
    }
}

pub fn connect(socket: i32, port: u16) -> i32 {
    let address = address(port);
    unsafe { libc::connect(socket, (&raw const address).cast(), size_of_val(&address) as u32) }
}

/// A child that holds nothing open, ends with its parent and in any case after ten seconds.
fn sleeper() -> i32 {
    unsafe {
        match libc::fork() {
            0 => {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                for descriptor in 0..1024 {
                    libc::close(descriptor);
                }
                libc::alarm(10);
                loop {
                    libc::pause();
                }
            }
            child => child,
        }
    }
}
