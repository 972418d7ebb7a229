//! HTTP asked for by a plugin in its jail, and carried by the host.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;

use lockgate_sandbox::{ErrorKind, Limits};

use crate::component::Bodies;
use crate::stage::{MemorySink, Stage, grants, part};

const ITEMS: &str = r#"(data (i32.const 512) "server") (data (i32.const 520) "POST") (data (i32.const 528) "/rows?all")"#;
/// Asks with a body in chunks, `body`, and waits for the answer; any failure is returned.
const ASK: &str = "(call $ask (i32.const 512) (i32.const 6) (i32.const 520) (i32.const 4) (i32.const 528) (i32.const 9)
        (i32.const 0) (i32.const 0) (i32.const 0) (i64.const 0) (i32.const 1024))
    (if (i32.load8_u (i32.const 1024)) (then (return (i32.const 1024))))
    (call $send-body (i32.load (i32.const 1028)) (i32.const 520) (i32.const 4) (i32.const 1040))
    (if (i32.load8_u (i32.const 1040)) (then (return (i32.const 1040))))
    (call $answer (i32.load (i32.const 1028)) (i32.const 1056))
    (if (i32.load8_u (i32.const 1056)) (then (return (i32.const 1056))))";
/// Reads once.
const READ: &str =
    "(call $receive-body (i32.load (i32.const 1028)) (i32.const 1048576) (i32.const 1072))
    (if (i32.load8_u (i32.const 1072)) (then (return (i32.const 1072))))";

/// Answers one request: gives its first line and body back, then `more` zeros.
fn server(more: usize) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut stream: BufReader<TcpStream> = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            stream.read_line(&mut head).unwrap();
        }
        let mut body = [0; 14];
        stream.read_exact(&mut body).unwrap();
        assert_eq!(&body, b"4\r\nPOST\r\n0\r\n\r\n");
        let line = head.lines().next().unwrap();
        let length = line.len() + more;
        let stream = stream.get_mut();
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{line}").unwrap();
        // A client that goes away is the business of the test.
        let _ = stream.write_all(&vec![0; more]);
    });
    (address, thread)
}

#[test]
fn a_plugin_asks_an_endpoint_and_reads_what_it_says() {
    let stage = Stage::new();
    let (address, thread) = server(0);
    let check = format!(
        "{ASK} {READ} (call $say (i32.load (i32.const 1076)) (i32.load (i32.const 1080)))
        (call $drop-exchange (i32.load (i32.const 1028))) (i32.const 8192)"
    );
    let bodies = Bodies { items: ITEMS, check: &check, ..Bodies::default() };
    let grants = grants(&format!("[endpoints.server]\naddress = '{address}'\nencryption = 'off'"));
    let session = stage.session(bodies, &grants, Limits::default());
    session.instance("asks").unwrap().check().unwrap();
    session.close();
    thread.join().unwrap();
    assert_eq!(stage.heard.lines(), ["asks: POST /rows?all HTTP/1.1"]);
}

#[test]
fn a_long_body_becomes_an_entry() {
    const MORE: usize = 48 << 20;
    let stage = Stage::new();
    let (address, thread) = server(MORE);
    let export = format!(
        "{ASK}
        (i32.store (i32.const 2048) (i32.const 512)) (i32.store (i32.const 2052) (i32.const 6))
        (call $create (i32.const 2048) (i32.const 1088))
        (loop $next {READ}
            (call $write (i32.load (i32.const 1092)) (i32.load (i32.const 1076)) (i32.load (i32.const 1080)) (i32.const 1104))
            (br_if $next (i32.load (i32.const 1080))))
        (call $finish (i32.load (i32.const 1092)) (i32.const 1104))
        (i32.const 8192)"
    );
    let bodies = Bodies { items: ITEMS, export: &export, ..Bodies::default() };
    let grants = grants(&format!("[endpoints.server]\naddress = '{address}'\nencryption = 'off'"));
    let session = stage.session(bodies, &grants, Limits::default());
    let mut sink = MemorySink::default();
    session.instance("exports").unwrap().export(&part("rows"), &mut sink).unwrap();
    session.close();
    thread.join().unwrap();
    let entries = sink.entries.lock().unwrap();
    assert_eq!(entries["server"].len(), "POST /rows?all HTTP/1.1".len() + MORE);
}

#[test]
fn a_handle_that_was_dropped_asks_nothing() {
    let stage = Stage::new();
    let (address, thread) = server(0);
    let check =
        format!("{ASK} (call $drop-exchange (i32.load (i32.const 1028))) {READ} (i32.const 8192)");
    let bodies = Bodies { items: ITEMS, check: &check, ..Bodies::default() };
    let grants = grants(&format!("[endpoints.server]\naddress = '{address}'\nencryption = 'off'"));
    let session = stage.session(bodies, &grants, Limits::default());
    let error = session.instance("asks").unwrap().check().unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Trap, "{error}");
    session.close();
    thread.join().unwrap();
}
