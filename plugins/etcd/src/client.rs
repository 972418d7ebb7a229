//! Questions to the JSON gateway, with a token where the cluster asks for one.
//!
//! Paths and messages: <https://etcd.io/docs/v3.6/dev-guide/api_grpc_gateway/>, <https://etcd.io/docs/v3.6/learning/api/>.

use std::fmt;
use std::io::Read;

use lockgate_plugin::http::{Request, Response};
use lockgate_plugin::{Context as _, Error as Told, Failure, credentials, credentials_reveal};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::error::{Error, ServerError};
use crate::limits::{ANSWER_BYTES_MAX, ELECTIONS_MAX};

const ENDPOINT: &str = "server";
const CREDENTIAL: &str = "account";
/// What may be asked twice.
const READS: [&str; 3] = ["/v3/kv/range", "/v3/lease/timetolive", "/v3/lease/leases"];
/// What of an error's body is read, in bytes.
const ERROR_BYTES_MAX: u64 = 4 << 10;

/// A way to the server. Every instance of the plugin has one.
#[derive(Default)]
pub struct Client {
    user: Option<String>,
    token: Option<String>,
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").field("user", &self.user).finish_non_exhaustive()
    }
}

#[derive(serde::Deserialize)]
struct Token {
    token: String,
}

impl Client {
    /// Logs in when the server asks who it is, and not before.
    #[must_use]
    pub fn new() -> Self {
        Self { user: None, token: None }
    }

    /// The user that is logged in.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Fails with `asked`, what the server said, when no account is granted.
    fn log_in(&mut self, asked: Error) -> Result<(), Error> {
        let credential = match credentials::open(CREDENTIAL) {
            Ok(credential) => credential,
            Err(Failure::Denied(_)) => return Err(asked),
            Err(failure) => return Err(Error::Told(failure.into())),
        };
        let user = credential.principal();
        let secret = credentials_reveal::reveal(&credential).map_err(Told::from)?;
        let password = String::from_utf8(secret)
            .map_err(|_| Told::config("credentials.account: the secret is no text"))?;
        let body = serde_json::to_vec(&json!({ "name": user, "password": password }))?;
        self.token = None;
        let answer = self.send("/v3/auth/authenticate", &body).and_then(read_json::<Token>);
        let Token { token } =
            answer.map_err(|error| error.during(&format!("logging in as {user:?}")))?;
        self.token = Some(token);
        self.user = Some(user);
        Ok(())
    }

    /// Whether the cluster has authentication enabled. 3.4 has no question for that; nobody can log in there when it is
    /// disabled, not even under a name that cannot be.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub fn is_auth_enabled(&mut self) -> Result<bool, Error> {
        if self.token.is_some() {
            return Ok(true);
        }
        match self.send("/v3/auth/authenticate", br#"{"name":"","password":""}"#) {
            Err(error) if error.is_auth_disabled() => Ok(false),
            Err(Error::Told(told)) => Err(Error::Told(told)),
            _ => Ok(true),
        }
    }

    /// Asks, and gives the answer's body. Logs in when the server wants a token, or another one; asks once more what
    /// changes nothing while the members elect a leader.
    ///
    /// # Errors
    /// The server's.
    pub fn post(&mut self, path: &str, body: &[u8]) -> Result<Response, Error> {
        let mut elections = 0;
        let mut logins = 0;
        loop {
            match self.send(path, body) {
                Err(error) if (error.is_stale_token() || error.is_nobody()) && logins == 0 => {
                    logins += 1;
                    self.log_in(error)?;
                }
                Err(error)
                    if error.is_election()
                        && READS.contains(&path)
                        && elections < ELECTIONS_MAX =>
                {
                    elections += 1;
                    log::warn!("{path}: {error}; asking again");
                }
                answer => return answer,
            }
        }
    }

    fn send(&self, path: &str, body: &[u8]) -> Result<Response, Error> {
        let mut request = Request::post(ENDPOINT, path).header("content-type", "application/json");
        if let Some(token) = &self.token {
            request = request.header("authorization", token);
        }
        let mut response = request.send_bytes(body)?;
        if response.status() == 200 {
            return Ok(response);
        }
        let mut said = Vec::new();
        response.by_ref().take(ERROR_BYTES_MAX).read_to_end(&mut said)?;
        Err(ServerError::parse(response.status(), &said).into())
    }

    /// Asks for something small.
    ///
    /// # Errors
    /// The server's, or that its answer is not what it must be.
    pub fn ask<T: DeserializeOwned>(
        &mut self,
        path: &str,
        question: &impl Serialize,
    ) -> Result<T, Error> {
        self.ask_bytes(path, &serde_json::to_vec(question)?)
    }

    /// [`Client::ask`] with a question that is written already.
    ///
    /// # Errors
    /// Those of [`Client::ask`].
    pub fn ask_bytes<T: DeserializeOwned>(&mut self, path: &str, body: &[u8]) -> Result<T, Error> {
        let answer = self.post(path, body)?;
        read_json(answer).map_err(|error| error.during(path))
    }
}

fn read_json<T: DeserializeOwned>(response: Response) -> Result<T, Error> {
    let mut body = Vec::new();
    response.take(ANSWER_BYTES_MAX + 1).read_to_end(&mut body)?;
    if body.len() as u64 > ANSWER_BYTES_MAX {
        let text = format!("the server's answer has more than {ANSWER_BYTES_MAX} bytes");
        return Err(Told::corrupt(text).into());
    }
    Ok(serde_json::from_slice(&body).context("the server's answer")?)
}
