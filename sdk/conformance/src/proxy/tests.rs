use std::io::{Read as _, Write as _};
use std::time::Instant;

use super::*;

/// A server that sends everything back, in as many connections as come.
fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            std::thread::spawn(move || {
                std::io::copy(&mut client.try_clone().unwrap(), &mut &client).ok()
            });
        }
    });
    address
}

fn ask(proxy: &Proxy, text: &[u8]) -> Vec<u8> {
    let mut client = TcpStream::connect(&proxy.addresses()[0]).unwrap();
    client.write_all(text).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    answer
}

fn wait_for(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(10), "it never happened");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn bytes_are_passed_on_and_counted() {
    let proxy = Proxy::start([echo().as_str()]).unwrap();
    let text = vec![7; 100_000];
    assert_eq!(ask(&proxy, &text), text);
    let traffic = proxy.traffic();
    assert_eq!((traffic.to_server, traffic.to_client), (100_000, 100_000));
}

#[test]
fn the_traffic_is_held_at_exactly_a_byte_and_goes_on() {
    let proxy = Proxy::start([echo().as_str()]).unwrap();
    proxy.hold_at(70_000);
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| ask(&proxy, &vec![1; 200_000]));
        wait_for(|| proxy.is_holding());
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(proxy.traffic().bytes(), 70_000);
        proxy.release();
        assert_eq!(asked.join().unwrap().len(), 200_000);
    });
}

#[test]
fn a_throttled_line_is_slow() {
    let proxy = Proxy::start([echo().as_str()]).unwrap();
    proxy.throttle(Some(1 << 20));
    let start = Instant::now();
    ask(&proxy, &vec![1; 256 << 10]);
    // There and back.
    assert!(start.elapsed() >= Duration::from_millis(450), "{:?}", start.elapsed());
}

#[test]
fn replies_are_changed_and_requests_are_not() {
    let changes = vec![(b"15.2".to_vec(), b"99.9".to_vec())];
    let proxy = Proxy::start_changing([echo().as_str()], changes).unwrap();
    assert_eq!(ask(&proxy, b"version 15.2 or 15.1, or 15."), b"version 99.9 or 15.1, or 15.");
    assert_eq!(proxy.traffic().replaced, 1);
    let uneven = vec![(b"a".to_vec(), b"bb".to_vec())];
    assert!(Proxy::start_changing(["127.0.0.1:1"], uneven).is_err());
}

#[test]
fn a_reply_that_may_begin_a_text_is_not_kept_for_good() {
    let changes = vec![(b"15.2".to_vec(), b"99.9".to_vec())];
    let proxy = Proxy::start_changing([echo().as_str()], changes).unwrap();
    let mut client = TcpStream::connect(&proxy.addresses()[0]).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    client.write_all(b"15").unwrap();
    let mut answer = [0; 2];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"15");
}

#[test]
fn connections_can_be_cut_and_end_with_the_proxy() {
    let proxy = Proxy::start([echo().as_str()]).unwrap();
    let mut client = TcpStream::connect(&proxy.addresses()[0]).unwrap();
    client.write_all(b"x").unwrap();
    client.read_exact(&mut [0]).unwrap();
    proxy.cut();
    assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)));
    let held = TcpStream::connect(&proxy.addresses()[0]).unwrap();
    proxy.hold_at(0);
    (&held).write_all(b"x").unwrap();
    drop(proxy);
    assert!(matches!((&held).read(&mut [0]), Ok(0) | Err(_)));
}

#[test]
fn a_server_that_is_gone_looks_gone() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let proxy = Proxy::start([gone.as_str()]).unwrap();
    let mut client = TcpStream::connect(&proxy.addresses()[0]).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)));
}
