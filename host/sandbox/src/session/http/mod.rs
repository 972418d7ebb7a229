//! `http`: requests to endpoints that the operator named. Addresses, TLS, connections and credentials are the host's; the
//! plugin's instance holds the number of an exchange and moves bytes through its lane, so nothing of this is in the worker.

mod body;
mod credential;
mod exchange;
mod fault;
mod pool;
mod redirect;
mod request;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use lockgate_types::Failure;

use super::credential::Credentials;
use super::net::Net;
use crate::limits::EXCHANGES_MAX;
use crate::protocol::{Answer, HttpRequest};
use exchange::Exchange;
use pool::Pool;
use request::Head;

/// What a session's requests have in common.
#[derive(Debug, Default)]
pub struct Http {
    pool: Pool,
}

/// What a request needs beside itself.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    pub http: &'a Http,
    pub net: &'a Net,
    pub credentials: &'a Credentials,
    /// Longest time that the server may neither give nor take a byte.
    pub silence: Duration,
    /// Whether the plugin cleans up, which it may do although the run was cancelled.
    pub is_cleanup: bool,
}

impl Around<'_> {
    fn wait<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        self.net.wait(self.is_cleanup, work)
    }
}

/// The exchanges of one instance, by number.
#[derive(Debug, Default)]
pub struct Exchanges {
    open: HashMap<u32, Exchange>,
    last: u32,
}

/// The methods' errors: what the plugin is told.
impl Exchanges {
    /// `http.start`.
    pub fn start(&mut self, around: Around<'_>, request: HttpRequest) -> Result<Answer, Failure> {
        let endpoint = around.net.endpoint(&request.endpoint)?;
        if self.open.len() >= EXCHANGES_MAX {
            let text = format!("{EXCHANGES_MAX} requests are under way, the most that may be");
            return Err(Failure::Other(text));
        }
        let length = request.body_length;
        let head = Head::new(endpoint, request, around.credentials)?;
        let exchange = around.wait(Exchange::start(around, endpoint, head, length))?;
        self.last += 1;
        self.open.insert(self.last, exchange);
        Ok(Answer::Started { exchange: self.last })
    }

    /// `http.exchange.write`.
    pub fn write(
        &mut self,
        around: Around<'_>,
        number: u32,
        data: Vec<u8>,
    ) -> Result<Answer, Failure> {
        let exchange = self.exchange(number)?;
        around.wait(exchange.write(around, data.into())).map(|()| Answer::Done)
    }

    /// `http.exchange.finish`.
    pub fn finish(&mut self, around: Around<'_>, number: u32) -> Result<Answer, Failure> {
        let exchange = self.exchange(number)?;
        let (status, headers) = around.wait(exchange.finish(around))?;
        Ok(Answer::Response { status, headers })
    }

    /// `http.exchange.read`.
    pub fn read(&mut self, around: Around<'_>, number: u32, max: u32) -> Result<Answer, Failure> {
        let exchange = self.exchange(number)?;
        around.wait(exchange.read(around, max)).map(|bytes| Answer::Bytes(bytes.to_vec()))
    }

    /// Forgets an exchange that the worker has closed. What is not complete ends its connection.
    ///
    /// # Errors
    /// When there is none of that number.
    pub fn close(&mut self, number: u32) -> Result<(), &'static str> {
        self.open.remove(&number).map(drop).ok_or("an exchange that does not exist was closed")
    }

    fn exchange(&mut self, number: u32) -> Result<&mut Exchange, Failure> {
        let unknown = || Failure::Other("the exchange does not exist".to_owned());
        self.open.get_mut(&number).ok_or_else(unknown)
    }
}
