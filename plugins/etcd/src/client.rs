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

use crate::config::Config;
use crate::error::{Error, ServerError};
use crate::limits::{ANSWER_BYTES_MAX, ELECTIONS_MAX, TURNS_MAX};
use crate::message::{Number, Status};

const CREDENTIAL: &str = "account";
/// What changes nothing and may be asked twice, also of another member.
const READS: [&str; 11] = [
    "/v3/auth/role/get",
    "/v3/auth/role/list",
    "/v3/auth/user/get",
    "/v3/auth/user/list",
    "/v3/cluster/member/list",
    "/v3/kv/range",
    "/v3/lease/leases",
    "/v3/lease/timetolive",
    "/v3/maintenance/alarm",
    "/v3/maintenance/snapshot",
    STATUS,
];
const STATUS: &str = "/v3/maintenance/status";
/// What of an error's body is read, in bytes.
const ERROR_BYTES_MAX: u64 = 4 << 10;

/// A way to the cluster. Every instance of the plugin has one.
pub struct Client {
    /// Members, by the names of their endpoints.
    endpoints: Vec<String>,
    /// The one that is asked.
    current: usize,
    /// The number of the cluster, once it is known.
    cluster: Option<Number>,
    /// How often another member was turned to.
    turns: u32,
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
    ///
    /// # Errors
    /// When the configuration names members wrongly.
    pub fn new(config: &Config) -> Result<Self, Error> {
        Ok(Self::of(config.endpoints()?))
    }

    /// A way to these endpoints, which are members of one cluster.
    #[must_use]
    pub fn of(endpoints: Vec<String>) -> Self {
        Self { endpoints, current: 0, cluster: None, turns: 0, user: None, token: None }
    }

    /// The cluster that is asked from now on: no member of another one is turned to.
    pub fn keep_to(&mut self, cluster: Number) {
        self.cluster = Some(cluster);
    }

    fn endpoint(&self) -> &str {
        self.endpoints.get(self.current).map_or("", String::as_str)
    }

    /// Turns to another member when this one cannot be reached. False when there is none, or the error is of another kind.
    pub fn turn(&mut self, error: &Error) -> bool {
        if self.turns >= TURNS_MAX || self.endpoints.len() < 2 || !error.is_unreachable() {
            return false;
        }
        self.turns += 1;
        let lost = self.endpoint().to_owned();
        log::warn!("endpoint {lost}: {error}");
        for _ in 1..self.endpoints.len() {
            self.current = (self.current + 1) % self.endpoints.len();
            match self.send(STATUS, b"{}").and_then(read_json::<Status>) {
                Ok(status)
                    if self.cluster.is_none_or(|known| known == status.header.cluster_id) =>
                {
                    log::warn!("going on at endpoint {}, another member", self.endpoint());
                    return true;
                }
                Ok(_) => log::warn!("endpoint {} is of another cluster", self.endpoint()),
                Err(error) => log::warn!("endpoint {}: {error}", self.endpoint()),
            }
        }
        false
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
                Err(error) if READS.contains(&path) && self.turn(&error) => {}
                answer => return answer,
            }
        }
    }

    fn send(&self, path: &str, body: &[u8]) -> Result<Response, Error> {
        let mut request =
            Request::post(self.endpoint(), path).header("content-type", "application/json");
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
    let body = response.bytes(ANSWER_BYTES_MAX)?.ok_or_else(|| {
        Told::corrupt(format!("the server's answer has more than {ANSWER_BYTES_MAX} bytes"))
    })?;
    Ok(serde_json::from_slice(&body).context("the server's answer")?)
}
