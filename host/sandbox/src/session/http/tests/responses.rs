//! Servers that lie, trickle, flood and send the client elsewhere.

use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::server::{Server, read_request};
use super::*;

fn corrupt(failure: &Failure) -> bool {
    matches!(failure, Failure::Corrupt(text) if text.starts_with("endpoint server ("))
}

fn unreachable(failure: &Failure) -> bool {
    matches!(failure, Failure::Unreachable(_))
}

/// Sends the head, then goes on with `more` until the client is gone.
fn flood(head: &'static str, more: Vec<u8>) -> (Server, Arc<AtomicU64>) {
    let sent = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&sent);
    let server = Server::new(move |stream, _| {
        let mut stream = BufReader::new(stream);
        read_request(&mut stream);
        let stream = stream.get_mut();
        let _ = stream.write_all(head.as_bytes());
        while stream.write_all(&more).is_ok() {
            count.fetch_add(more.len() as u64, Ordering::SeqCst);
        }
    });
    (server, sent)
}

#[test]
fn redirects_are_followed_only_within_the_endpoint() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let location = format!("http://{}/stolen", elsewhere.local_addr().unwrap());
    let away = format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
    let near = "HTTP/1.1 307 Temporary Redirect\r\nlocation: /b\r\ncontent-length: 0\r\n\r\n";
    let found = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfound";
    let server = Server::closing(near);
    let mut stage = Stage::plain(server.address);
    let failure = stage.get("/a").unwrap_err();
    assert!(matches!(&failure, Failure::Other(text) if text.contains("redirects")), "{failure:?}");
    assert_eq!(server.connections(), 6);

    let server = Server::answering(&[near, found, near, &away]);
    let mut stage = Stage::plain(server.address);
    assert_eq!(stage.get("/a").unwrap().1, b"found");
    assert!(server.seen()[1].head.starts_with("GET /b "));
    // A request that changes something is not sent again, and neither is one that would leave.
    assert_eq!(stage.ask(request("POST", "/a")).unwrap().0.status, 307);
    let (response, _) = stage.get("/a").unwrap();
    assert_eq!((response.status, response.header("location")), (302, Some(location.as_str())));
    assert!(elsewhere.accept().is_err(), "the other server was asked");
}

#[test]
fn endless_and_huge_heads_are_cut_off() {
    let many = (0..300).map(|index| format!("h{index}: v\r\n")).collect::<String>();
    for head in [
        format!("HTTP/1.1 200 {}\r\n\r\n", "x".repeat(100_000)),
        format!("HTTP/1.1 200 OK\r\nlong: {}\r\n\r\n", "x".repeat(100_000)),
        format!("HTTP/1.1 200 OK\r\n{many}\r\n"),
    ] {
        let server = Server::closing(&head);
        let failure = Stage::plain(server.address).get("/").unwrap_err();
        assert!(corrupt(&failure), "{failure:?}");
    }
    let (server, sent) = flood("HTTP/1.1 200 OK\r\n", b"name: value\r\n".repeat(1000));
    let failure = Stage::plain(server.address).get("/").unwrap_err();
    assert!(corrupt(&failure), "{failure:?}");
    server.end();
    assert!(sent.load(Ordering::SeqCst) < 16 << 20);
}

#[test]
fn an_endless_body_waits_for_its_reader_and_ends_with_it() {
    let (server, sent) = flood("HTTP/1.1 200 OK\r\n\r\n", vec![b'x'; 64 << 10]);
    let mut stage = Stage::plain(server.address);
    let exchange = stage.start(request("GET", "/")).unwrap();
    stage.finish(exchange).unwrap();
    let mut before = u64::MAX;
    // Until the buffers of the system are full too.
    while sent.load(Ordering::SeqCst) != before {
        before = sent.load(Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(before < 32 << 20, "{before} bytes are buffered");
    let mut read = 0;
    while read < 64 << 20 {
        let bytes = stage.read(exchange, u32::MAX).unwrap();
        assert!((1..=1 << 20).contains(&bytes.len()));
        read += bytes.len();
    }
    assert_eq!(stage.read(exchange, 10).unwrap().len(), 10);
    stage.exchanges.close(exchange).unwrap();
    server.end();
}

#[test]
fn a_silent_server_is_given_up() {
    for beginning in
        ["", "HTTP/1.1 200 OK\r\nconte", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab"]
    {
        let server = Server::new(move |stream, _| {
            let mut stream = BufReader::new(stream);
            read_request(&mut stream);
            stream.get_mut().write_all(beginning.as_bytes()).unwrap();
            std::thread::sleep(Duration::from_secs(1));
        });
        let mut stage = Stage::plain(server.address);
        stage.silence = Duration::from_millis(300);
        let began = Instant::now();
        let failure = stage.get("/").unwrap_err();
        let expected =
            "server: the server was silent for 0.3 s, the limit `silence-ms` of the source";
        assert_eq!(failure, Failure::Unreachable(expected.to_owned()), "{beginning:?}");
        assert!(began.elapsed() < Duration::from_millis(900), "{:?}", began.elapsed());
    }
}

#[test]
fn interim_responses_are_passed_over_but_not_for_ever() {
    let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n\
                HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let server = Server::answering(&[text]);
    assert_eq!(Stage::plain(server.address).get("/").unwrap().1, b"ok");
    let (server, _) = flood("", b"HTTP/1.1 100 Continue\r\n\r\n".to_vec());
    let mut stage = Stage::plain(server.address);
    stage.silence = Duration::from_millis(300);
    assert!(unreachable(&stage.get("/").unwrap_err()));
    drop(stage);
    server.end();
}

#[test]
fn a_body_that_ends_too_early_is_no_body() {
    for text in [
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\nhello",
    ] {
        let server = Server::closing(text);
        let mut stage = Stage::plain(server.address);
        let exchange = stage.start(request("GET", "/")).unwrap();
        stage.finish(exchange).unwrap();
        for _ in 0..2 {
            let failure = stage.read_all(exchange).unwrap_err();
            assert!(unreachable(&failure), "{text:?}: {failure:?}");
        }
    }
}

#[test]
fn bytes_behind_a_response_are_no_other_response() {
    let split = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwrong";
    let good = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nright";
    let server = Server::answering(&[split, good]);
    let mut stage = Stage::plain(server.address);
    assert_eq!(stage.get("/1").unwrap().1, b"ok");
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(stage.get("/2").unwrap().1, b"right");
    assert_eq!(server.connections(), 2);
}

#[test]
fn responses_that_mean_two_things_are_refused() {
    for text in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\ncontent-length: 2, 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\na: b\0c\r\n\r\n",
        "HTTP/1.1 200 OK\r\na b: c\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "220 mail.example ESMTP\r\n",
        "\u{1b}[31m\r\n\r\n",
    ] {
        let server = Server::closing(text);
        let failure = Stage::plain(server.address).get("/").unwrap_err();
        assert!(corrupt(&failure), "{text:?}: {failure:?}");
        assert!(!format!("{failure:?}").contains('\u{1b}'));
    }
    let server = Server::closing("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n");
    let failure = Stage::plain(server.address).get("/").unwrap_err();
    assert!(corrupt(&failure), "{failure:?}");
    let server =
        Server::closing("HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n");
    let failure = Stage::plain(server.address).get("/").unwrap_err();
    assert!(matches!(failure, Failure::Unsupported(_)), "{failure:?}");
}

#[test]
fn bodies_come_as_they_were_sent() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x\r\n\r\n\
                   5;extension=1\r\nhello\r\n6\r\n world\r\n0\r\nx: y\r\n\r\n";
    let packed = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\nname: caf\u{e9}\r\n\r\n\x1f\x08\0!";
    let until_the_end = "HTTP/1.0 200 OK\r\n\r\nall there is";
    let server = Server::answering(&[chunked, packed]);
    let mut stage = Stage::plain(server.address);
    assert_eq!(stage.get("/").unwrap().1, b"hello world");
    let (response, body) = stage.get("/").unwrap();
    assert_eq!(
        (response.header("content-encoding"), body.as_slice()),
        (Some("gzip"), &b"\x1f\x08\0!"[..])
    );
    // The server sent UTF-8: two bytes, two characters.
    assert_eq!(response.header("name"), Some("caf\u{c3}\u{a9}"));
    assert_eq!(server.connections(), 1);
    let server = Server::closing(until_the_end);
    assert_eq!(Stage::plain(server.address).get("/").unwrap().1, b"all there is");
    let server = Server::answering(&["HTTP/1.1 204 No Content\r\n\r\n"]);
    let mut stage = Stage::plain(server.address);
    assert_eq!(stage.get("/").unwrap().0.status, 204);
    let head = Server::answering(&["HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n"]);
    let mut stage = Stage::plain(head.address);
    for _ in 0..2 {
        let (response, body) = stage.ask(request("HEAD", "/")).unwrap();
        assert_eq!((response.header("content-length"), body.len()), (Some("999"), 0));
    }
    assert_eq!(head.connections(), 1);
}

#[test]
fn nobody_there_is_said_with_the_address() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let failure = Stage::plain(address).get("/").unwrap_err();
    let text = format!("endpoint server ({address}): {address}: connection refused");
    assert_eq!(failure, Failure::Unreachable(text));
    let server = Server::new(|stream: TcpStream, _| {
        read_request(&mut BufReader::new(stream));
    });
    let failure = Stage::plain(server.address).get("/").unwrap_err();
    assert!(unreachable(&failure), "{failure:?}");
}
