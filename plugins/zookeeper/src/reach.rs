//! What the operator granted: connections to the server and its ensemble, and the account.

use lockgate_plugin::net::{self, Connection};
use lockgate_plugin::{Error as Told, Failure, Result, clock, credentials, credentials_reveal};

use crate::config::Config;
use crate::error::Error;
use crate::limits::{ELECTION_ROUNDS_MAX, ELECTION_WAIT_MS};
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

/// What the server says of itself, when it is one that this plugin works with.
///
/// # Errors
/// When it cannot be reached or is of an unknown version.
pub fn server(config: &Config) -> Result<Server> {
    let asked = anywhere(config, |stream| {
        let server = Server::ask(stream)?;
        server.admit(config.allow_untested_version)?;
        Ok(server)
    });
    Ok(asked?)
}

/// A session with the server.
///
/// # Errors
/// When it cannot be reached or refuses.
pub fn session(config: &Config) -> Result<Session<Connection>, Error> {
    let account = account()?;
    anywhere(config, |stream| Session::open(stream, config.session_timeout(), account.as_ref()))
}

/// Does something at the endpoint or, where that does not serve, at another member that the configuration names. When none
/// serves, they may be electing a leader: with a clock they are asked again for a while.
fn anywhere<T>(config: &Config, work: impl Fn(Connection) -> Result<T, Error>) -> Result<T, Error> {
    let members = config.member_addresses()?;
    let mut round = 0;
    loop {
        let error = match net::connect(ENDPOINT).map_err(Error::from).and_then(&work) {
            Err(error) if !members.is_empty() && is_lost(&error) => error,
            done => return done,
        };
        for (address, port) in &members {
            let connected = net::connect_member(ENDPOINT, address, *port).map_err(Error::from);
            match connected.and_then(&work) {
                Err(error) if is_lost(&error) => log::debug!("member {address}:{port}: {error}"),
                done => {
                    log::warn!(
                        "the server does not serve ({error}): going on at another member, {address}:{port}"
                    );
                    return done;
                }
            }
        }
        round += 1;
        if round >= ELECTION_ROUNDS_MAX || clock::sleep(ELECTION_WAIT_MS).is_err() {
            return Err(error);
        }
    }
}

/// Reads something in a session of its own, and again from the beginning when the member that it is with is lost: a session ends
/// with its member, and with it all that it promised.
///
/// # Errors
/// Those of `work`, also when no other member is known.
pub fn persist<T>(config: &Config, mut work: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    let mut losses = 0;
    loop {
        match work() {
            Err(error) if losses < config.members.len() && is_lost(&error) => {
                losses += 1;
                log::warn!("lost the server ({error}): reading again at another member");
            }
            done => return done,
        }
    }
}

/// Whether another member, or the same one later, may do it.
fn is_lost(error: &Error) -> bool {
    match error {
        Error::Lost(_) => true,
        Error::Told(told) => matches!(told.failure(), Failure::Unreachable(_)),
        _ => false,
    }
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
