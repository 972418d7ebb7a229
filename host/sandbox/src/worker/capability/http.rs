//! `http`: the host does it all; the worker holds the numbers of exchanges and moves bytes through its lane.

use wasmtime::component::Resource;

use super::{asked, quoted};
use crate::protocol::{Answer, FromWorker, HttpRequest, Question};
use crate::worker::bindings::lockgate::datastore::http::{
    Header, Host, HostExchange, Request, Response,
};
use crate::worker::fault::{Fault, Reply};
use crate::worker::state::{State, mismatch};

/// A request that the host has under way.
#[derive(Debug)]
pub struct Exchange {
    number: u32,
}

impl Host for State {
    fn start(&mut self, request: Request) -> Reply<Resource<Exchange>> {
        self.go_on()?;
        let endpoint = &request.endpoint;
        if !self.grants.endpoints.iter().any(|granted| granted.name == *endpoint) {
            let granted = quoted(self.grants.endpoints.iter().map(|it| it.name.as_str()));
            return Err(Fault::denied(format!(
                "http: the plugin asked for {} and {granted} is granted; \
                 `endpoints.NAME` in the source's grants allows one",
                asked(endpoint)
            )));
        }
        let request = HttpRequest {
            endpoint: request.endpoint,
            method: request.method,
            target: request.target,
            headers: request.headers.into_iter().map(|it| (it.name, it.value)).collect(),
            body_length: request.body_length,
        };
        match self.ask(Question::StartExchange(request))? {
            Answer::Started { exchange: number } => Ok(self.table.push(Exchange { number })?),
            _ => Err(mismatch()),
        }
    }
}

impl HostExchange for State {
    fn write(&mut self, exchange: Resource<Exchange>, data: Vec<u8>) -> Reply<()> {
        self.go_on()?;
        let exchange = self.table.get(&exchange)?.number;
        match self.ask(Question::WriteBody { exchange, data })? {
            Answer::Done => Ok(()),
            _ => Err(mismatch()),
        }
    }

    fn finish(&mut self, exchange: Resource<Exchange>) -> Reply<Response> {
        self.go_on()?;
        let exchange = self.table.get(&exchange)?.number;
        match self.ask(Question::FinishRequest { exchange })? {
            Answer::Response { status, headers } => {
                let header = |(name, value)| Header { name, value };
                Ok(Response { status, headers: headers.into_iter().map(header).collect() })
            }
            _ => Err(mismatch()),
        }
    }

    fn read(&mut self, exchange: Resource<Exchange>, max: u32) -> Reply<Vec<u8>> {
        self.go_on()?;
        let exchange = self.table.get(&exchange)?.number;
        match self.ask(Question::ReadBody { exchange, max })? {
            Answer::Bytes(bytes) => Ok(bytes),
            _ => Err(mismatch()),
        }
    }

    fn drop(&mut self, exchange: Resource<Exchange>) -> wasmtime::Result<()> {
        let exchange = self.table.delete(exchange)?.number;
        match self.tell(&FromWorker::CloseExchange { exchange }, &[]) {
            Ok(()) | Err(Fault::Failure(_) | Fault::Missing(_)) => Ok(()),
            Err(Fault::Trap(error)) => Err(error),
        }
    }
}
