//! Looks for servers by URL, smuggles, and tires the host with servers that were named.
//!
//! The test grants `plain`, which takes connections and says nothing, and `noise`, which says what is no HTTP and never stops.

use lockgate_plugin::Failure;
use lockgate_plugin::bindings::lockgate::datastore::http::{Exchange, Header, Request, start};

use crate::{Behaviours, denied, held, refused};

fn request(endpoint: &str, method: &str, target: &str) -> Request {
    Request {
        endpoint: endpoint.to_owned(),
        method: method.to_owned(),
        target: target.to_owned(),
        headers: Vec::new(),
        body_length: Some(0),
    }
}

fn with_header(name: &str, value: &str) -> Result<Exchange, Failure> {
    let mut request = request("plain", "GET", "/");
    request.headers.push(Header { name: name.to_owned(), value: value.to_owned() });
    start(&request)
}

pub const ALL: Behaviours = &[
    ("http-ungranted", |_| {
        for name in
            ["other", "", "http://127.0.0.1:22", "127.0.0.1:22", "plain ", "PLAIN", "plain\0"]
        {
            denied("an endpoint", start(&request(name, "GET", "/")));
        }
        held()
    }),
    ("http-smuggling", |_| {
        for name in
            ["Host", "content-length", "Transfer-Encoding", "connection", "upgrade", "expect"]
        {
            denied(name, with_header(name, "1"));
        }
        for value in ["a\r\nhost: other", "a\nb", "\0"] {
            refused("a value", with_header("a", value));
        }
        for name in ["", "a b", "a:", "a\r\nb", "\u{1b}[31m"] {
            refused("a name", with_header(name, "a"));
        }
        for target in ["", "http://other/", "//other/ x", "/a\r\nhost: other", "@other", "*"] {
            refused(target, start(&request("plain", "GET", target)));
        }
        for method in ["CONNECT", "TRACE", "", "GET / HTTP/1.1\r\nhost: other\r\n\r\nGET"] {
            refused(method, start(&request("plain", method, "/")));
        }
        refused(
            "a long target",
            start(&request("plain", "GET", &format!("/{}", "a".repeat(1 << 20)))),
        );
        refused("a long header", with_header("a", &"a".repeat(1 << 20)));
        held()
    }),
    ("http-flood", |_| {
        let open: Vec<_> =
            (0..1000).map_while(|_| start(&request("plain", "GET", "/")).ok()).collect();
        assert!(open.len() < 100, "BREACH: {} requests at once", open.len());
        held()
    }),
    ("http-noise", |_| {
        let exchange = start(&request("noise", "GET", "/"))?;
        refused("an early read", exchange.read(1));
        refused("a body that was not announced", exchange.write(b"more"));
        refused("what is no response", exchange.finish());
        refused("what is no body", exchange.read(u32::MAX));
        held()
    }),
    ("http-silent-server", |_| {
        start(&request("plain", "GET", "/"))?.finish()?;
        Ok(())
    }),
    ("http-silent-server-writes", |_| {
        let mut put = request("plain", "PUT", "/");
        put.body_length = None;
        let exchange = start(&put)?;
        loop {
            exchange.write(&[0; 1 << 20])?;
        }
    }),
    ("http-denied", |_| {
        denied("an endpoint", start(&request("plain", "GET", "/")));
        held()
    }),
];
