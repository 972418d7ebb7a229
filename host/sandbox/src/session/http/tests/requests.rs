//! What goes to the server, and what does not.

use std::io::{BufReader, Write};
use std::time::Instant;

use super::server::{Server, read_request};
use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[test]
fn requests_to_one_endpoint_share_a_connection() {
    let server = Server::answering(&[OK]);
    let mut stage = Stage::plain(server.address);
    for target in ["/", "/a%20b?c=d"] {
        let (response, body) = stage.get(target).unwrap();
        assert_eq!((response.status, body.as_slice()), (200, &b"ok"[..]));
    }
    assert_eq!(server.connections(), 1);
    let seen = server.seen();
    let host = server.address;
    assert!(seen[1].head.starts_with("GET /a%20b?c=d HTTP/1.1\r\n"), "{}", seen[1].head);
    assert!(seen[1].head.contains(&format!("\r\nhost: {host}\r\n")), "{}", seen[1].head);
    assert!(seen[1].head.contains("\r\nuser-agent: lockgate/"), "{}", seen[1].head);
    assert!(!seen[1].head.contains("accept-encoding") && !seen[1].head.contains("cookie"));
}

#[test]
fn a_connection_that_the_server_closed_is_made_anew() {
    let server = Server::closing(OK);
    let mut stage = Stage::plain(server.address);
    for _ in 0..5 {
        assert_eq!(stage.get("/").unwrap().1, b"ok");
    }
    assert_eq!(server.connections(), 5);
}

#[test]
fn a_kept_connection_that_breaks_costs_no_repeatable_request() {
    // Takes a second request on the same connection and closes it without an answer.
    let server = Server::new(|stream, seen| {
        let mut stream = BufReader::new(stream);
        seen.lock().unwrap().extend(read_request(&mut stream));
        stream.get_mut().write_all(OK.as_bytes()).unwrap();
        seen.lock().unwrap().extend(read_request(&mut stream));
    });
    let mut stage = Stage::plain(server.address);
    assert_eq!(stage.get("/1").unwrap().1, b"ok");
    assert_eq!(stage.get("/2").unwrap().1, b"ok");
    assert_eq!(server.connections(), 2);
    // What may change something is not sent twice.
    let failure = stage.ask(request("POST", "/3")).unwrap_err();
    assert!(matches!(failure, Failure::Unreachable(_)), "{failure:?}");
    assert_eq!(server.seen().len(), 4);
}

#[test]
fn the_host_adds_the_credential_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "hunter2\n").unwrap();
    let account =
        format!("[credentials.account]\nprincipal = 'backup'\nsecret-file = '{}'", file.display());
    for (scheme, header, value) in [
        ("scheme = 'basic'", "authorization", "Basic YmFja3VwOmh1bnRlcjI="),
        ("scheme = 'bearer'", "authorization", "Bearer hunter2"),
        ("scheme = 'header'\nheader = 'X-Api-Key'", "x-api-key", "hunter2"),
    ] {
        let server = Server::answering(&[OK]);
        let more = format!("encryption = 'off'\ncredential = 'account'\n{scheme}\n{account}");
        let mut stage = Stage::new(server.address, &more);
        stage.get("/").unwrap();
        let expected = format!("\r\n{header}: {value}\r\n");
        assert!(server.seen()[0].head.contains(&expected), "{:?}", server.seen());
        let failure = stage.ask(with_header(header, "mine")).unwrap_err();
        assert!(matches!(failure, Failure::Denied(_)), "{failure:?}");
        // It cannot be asked for in another way, and stands in no message.
        let denied = stage.credentials.principal("account").unwrap_err();
        assert!(matches!(&denied, Failure::Denied(text) if text.contains("endpoint server")));
        let exchange = stage.start(request("GET", "/")).unwrap();
        assert!(!format!("{:?}", stage.exchanges).contains("hunter2"));
        stage.finish(exchange).unwrap();
        assert_eq!(server.seen().len(), 2);
    }
}

#[test]
fn without_a_credential_a_plugin_may_bring_its_own() {
    let server = Server::answering(&[OK]);
    let mut stage = Stage::plain(server.address);
    stage.ask(with_header("Authorization", "Bearer session")).unwrap();
    assert!(server.seen()[0].head.contains("\r\nauthorization: Bearer session\r\n"));
}

#[test]
fn what_is_the_hosts_to_say_is_refused() {
    let server = Server::answering(&[OK]);
    let mut stage = Stage::plain(server.address);
    let denied =
        ["Host", "Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "Expect", "TE"];
    for name in denied.into_iter().chain(["Proxy-Authorization", "Trailer", "HTTP2-Settings"]) {
        let failure = stage.ask(with_header(name, "1")).unwrap_err();
        assert!(matches!(&failure, Failure::Denied(text) if text.contains("the host's")), "{name}");
    }
    for (name, value) in [
        ("a", "b\r\nhost: other"),
        ("a", "b\nc"),
        ("a", "b\0"),
        ("a\r\nb", "c"),
        ("a b", "c"),
        ("", "c"),
        ("a:", "c"),
    ] {
        let failure = stage.ask(with_header(name, value)).unwrap_err();
        assert!(matches!(failure, Failure::Other(_)), "{name:?} {value:?}: {failure:?}");
    }
    for target in
        ["", "a", "http://other/", "*", "/a b", "/a\r\nx: y", "/a\0", "/ä", "/a#b", "@other"]
    {
        let failure = stage.get(target).unwrap_err();
        assert!(matches!(failure, Failure::Other(_)), "{target:?}: {failure:?}");
    }
    assert!(stage.get(&format!("/{}", "a".repeat(20_000))).is_err());
    for method in ["CONNECT", "TRACE"] {
        let failure = stage.ask(request(method, "/")).unwrap_err();
        assert!(matches!(failure, Failure::Denied(_)), "{method}");
    }
    for method in ["", "GET / HTTP/1.1\r\n", "G T"] {
        assert!(stage.ask(request(method, "/")).is_err(), "{method:?}");
    }
    let mut many = request("GET", "/");
    many.headers = (0..300).map(|index| (format!("h{index}"), String::new())).collect();
    assert!(stage.ask(many).is_err());
    assert!(stage.ask(with_header("long", &"x".repeat(70_000))).is_err());
    let mut other = request("GET", "/");
    other.endpoint = "other".to_owned();
    assert!(matches!(stage.ask(other), Err(Failure::Denied(_))));
    assert_eq!(server.connections(), 0);
}

#[test]
fn tls_in_the_middle_is_not_for_http() {
    let server = Server::answering(&[OK]);
    let mut stage = Stage::new(server.address, "");
    assert!(matches!(stage.get("/"), Err(Failure::Config(text)) if text.contains("encryption")));
}

#[test]
fn bodies_are_streamed_with_or_without_a_length() {
    let server = Server::answering(&[OK]);
    let mut stage = Stage::plain(server.address);
    let piece = vec![b'x'; 1 << 20];
    for (length, header) in [(Some(8 << 20), "content-length: 8388608"), (None, "chunked")] {
        let mut put = request("PUT", "/big");
        put.body_length = length;
        let exchange = stage.start(put).unwrap();
        for _ in 0..8 {
            stage.write(exchange, &piece).unwrap();
        }
        assert_eq!(stage.finish(exchange).unwrap().status, 200);
        let seen = server.seen().pop().unwrap();
        assert!(seen.head.contains(header), "{}", seen.head);
        assert!(seen.is_whole && seen.body.len() == 8 << 20);
        assert_eq!(stage.read_all(exchange).unwrap(), b"ok");
        assert_eq!(stage.read_all(exchange).unwrap(), b"");
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_body_of_another_length_than_announced_is_no_request() {
    let server = Server::answering(&[OK]);
    let mut stage = Stage::plain(server.address);
    let mut put = request("PUT", "/");
    put.body_length = Some(4);
    let exchange = stage.start(put.clone()).unwrap();
    assert!(matches!(stage.write(exchange, b"12345"), Err(Failure::Other(_))));
    stage.write(exchange, b"123").unwrap();
    for _ in 0..2 {
        let failure = stage.finish(exchange).unwrap_err();
        assert!(
            matches!(&failure, Failure::Other(text) if text.contains("shorter")),
            "{failure:?}"
        );
    }
    // A body that is given up in the middle does not look whole.
    put.body_length = None;
    let exchange = stage.start(put).unwrap();
    stage.write(exchange, b"half").unwrap();
    stage.exchanges.close(exchange).unwrap();
    drop(stage);
    let seen = server.end();
    assert!(seen.iter().all(|request| !request.is_whole), "{seen:?}");
}

#[test]
fn a_server_that_refuses_a_body_early_is_heard() {
    let server = Server::new(|stream, _| {
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while std::io::BufRead::read_line(&mut stream, &mut head).unwrap() > 2 {}
        let response = "HTTP/1.1 413 Too Large\r\ncontent-length: 9\r\n\r\ntoo large";
        stream.get_mut().write_all(response.as_bytes()).unwrap();
        // Takes nothing more until the client goes away.
        let _ = std::io::Read::read(&mut stream.get_ref(), &mut [0; 1]);
        std::thread::sleep(Duration::from_millis(500));
    });
    let mut stage = Stage::plain(server.address);
    let mut put = request("PUT", "/");
    put.body_length = None;
    let exchange = stage.start(put).unwrap();
    let began = Instant::now();
    for _ in 0..64 {
        stage.write(exchange, &vec![0; 1 << 20]).unwrap();
    }
    assert_eq!(stage.finish(exchange).unwrap().status, 413);
    assert_eq!(stage.read_all(exchange).unwrap(), b"too large");
    assert!(began.elapsed() < stage.silence, "{:?}", began.elapsed());
}

#[test]
fn only_so_many_requests_are_under_way_at_once() {
    let server = Server::new(|stream, _| drop(stream));
    let mut stage = Stage::plain(server.address);
    let open: Vec<u32> =
        (0..EXCHANGES_MAX).map(|_| stage.start(request("GET", "/")).unwrap()).collect();
    assert!(matches!(stage.start(request("GET", "/")), Err(Failure::Other(_))));
    stage.exchanges.close(open[0]).unwrap();
    stage.start(request("GET", "/")).unwrap();
    assert!(stage.exchanges.close(open[0]).is_err());
    assert!(matches!(stage.read(open[0], 1), Err(Failure::Other(_))));
    assert!(matches!(stage.read(open[1], 1), Err(Failure::Other(_))));
}

#[test]
fn a_closed_session_waits_for_no_server() {
    let server = Server::new(|stream, seen| {
        seen.lock().unwrap().extend(read_request(&mut BufReader::new(&stream)));
        std::thread::sleep(Duration::from_secs(1));
    });
    let mut stage = Stage::plain(server.address);
    let exchange = stage.start(request("GET", "/")).unwrap();
    let close = stage.net.closer();
    let closing = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        close();
    });
    let began = Instant::now();
    assert_eq!(stage.finish(exchange).unwrap_err(), Failure::Cancelled);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    closing.join().unwrap();
}

#[test]
fn after_a_cancel_only_a_cleanup_asks_and_after_the_end_nobody() {
    let server = Server::answering(&[OK]);
    let mut stage = Stage::plain(server.address);
    stage.net.cancel();
    assert_eq!(stage.get("/").unwrap_err(), Failure::Cancelled);
    stage.is_cleanup = true;
    assert_eq!(stage.get("/").unwrap().1, b"ok");
    stage.net.closer()();
    // A cancel that comes later does not bring it back to life.
    stage.net.cancel();
    assert_eq!(stage.get("/").unwrap_err(), Failure::Cancelled);
}
