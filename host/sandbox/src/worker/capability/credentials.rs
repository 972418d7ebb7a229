//! `credentials`: the host holds the secrets and answers challenges; the worker only knows which names may be asked for.

use wasmtime::component::Resource;

use super::{asked, quoted};
use crate::protocol::{Answer, Question};
use crate::worker::bindings::lockgate::datastore::credentials::{Host, HostCredential};
use crate::worker::bindings::lockgate::datastore::credentials_reveal;
use crate::worker::fault::{Fault, Reply};
use crate::worker::state::{State, mismatch};

/// A credential that was opened.
#[derive(Debug)]
pub struct Credential {
    name: String,
    principal: String,
}

impl Host for State {
    fn open(&mut self, name: String) -> Reply<Resource<Credential>> {
        self.go_on()?;
        if !self.grants.credentials.contains(&name) {
            let granted = quoted(self.grants.credentials.iter().map(String::as_str));
            return Err(Fault::denied(format!(
                "credentials: the plugin asked for {} and {granted} is granted; \
                 `credentials.NAME` in the source's grants allows one",
                asked(&name)
            )));
        }
        match self.ask(Question::OpenCredential { name: name.clone() })? {
            Answer::Credential { principal } => {
                Ok(self.table.push(Credential { name, principal })?)
            }
            _ => Err(mismatch()),
        }
    }
}

impl HostCredential for State {
    fn principal(&mut self, credential: Resource<Credential>) -> wasmtime::Result<String> {
        Ok(self.table.get(&credential)?.principal.clone())
    }

    fn respond(
        &mut self,
        credential: Resource<Credential>,
        scheme: String,
        challenge: Vec<u8>,
        parameters: Vec<(String, Vec<u8>)>,
    ) -> Reply<Vec<u8>> {
        let credential = self.table.get(&credential)?.name.clone();
        self.go_on()?;
        match self.ask(Question::Respond { credential, scheme, challenge, parameters })? {
            Answer::Bytes(bytes) => Ok(bytes),
            _ => Err(mismatch()),
        }
    }

    fn drop(&mut self, credential: Resource<Credential>) -> wasmtime::Result<()> {
        self.table.delete(credential)?;
        Ok(())
    }
}

impl credentials_reveal::Host for State {
    fn reveal(&mut self, credential: Resource<Credential>) -> Reply<Vec<u8>> {
        self.go_on()?;
        let credential = self.table.get(&credential)?.name.clone();
        match self.ask(Question::Reveal { credential })? {
            Answer::Bytes(bytes) => Ok(bytes),
            _ => Err(mismatch()),
        }
    }
}
