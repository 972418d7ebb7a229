//! What the operator granted: connections to the server and its ensemble, and the account.

use lockgate_plugin::net::{self, Connection};
use lockgate_plugin::{Error as Told, Failure, Result, credentials, credentials_reveal};

use crate::config::Config;
use crate::error::Error;
use crate::server::Server;
use crate::session::{Account, Session};

/// The endpoint of `plugin.toml`.
const ENDPOINT: &str = "server";
/// The credential of `plugin.toml`.
const CREDENTIAL: &str = "account";

/// The account; none when the operator gave none, which is enough for trees without ACLs.
///
/// # Errors
/// When it may not be seen.
pub fn account() -> Result<Option<Account>> {
    let credential = match credentials::open(CREDENTIAL).map_err(Told::from) {
        Ok(credential) => credential,
        Err(error) if matches!(error.failure(), Failure::Denied(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let secret = credentials_reveal::reveal(&credential).map_err(|failure| {
        let error = Told::from(failure);
        error.context(
            "credentials.account: ZooKeeper wants the password itself, which needs `reveal = true`",
        )
    })?;
    Ok(Some(Account { name: credential.principal(), secret }))
}

/// What the server at the endpoint says of itself, when it is one that this plugin works with.
///
/// # Errors
/// When it cannot be reached or is of an unknown version.
pub fn server(config: &Config) -> Result<Server> {
    let server = Server::ask(net::connect(ENDPOINT)?)?;
    server.admit(config.allow_untested_version)?;
    Ok(server)
}

/// A session with the server at the endpoint.
///
/// # Errors
/// When it cannot be reached or refuses.
pub fn session(config: &Config) -> Result<Session<Connection>, Error> {
    let account = account()?;
    Session::open(net::connect(ENDPOINT)?, config.session_timeout(), account.as_ref())
}

/// What a member of the ensemble says of itself.
///
/// # Errors
/// When it cannot be reached or the grant does not cover it.
pub fn member(address: &str, port: u16) -> Result<Server> {
    Server::ask(net::connect_member(ENDPOINT, address, port)?)
}

/// A session with a member of the ensemble, without an account.
///
/// # Errors
/// When it does not serve.
pub fn member_session(
    config: &Config,
    address: &str,
    port: u16,
) -> Result<Session<Connection>, Error> {
    let stream = net::connect_member(ENDPOINT, address, port)?;
    Session::open(stream, config.session_timeout(), None)
}
