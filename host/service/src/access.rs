//! Who asks, and what they may do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use lockgate_engine::configuration::{Role, Token, User};
use lockgate_operations::{Error, ErrorKind, Result};
use lockgate_types::{Digest, Name};
use ring::hmac;
use ring::rand::SystemRandom;

use crate::limits::Bucket;
use crate::problem::Trouble;
use crate::service::Service;
use crate::token::hash;

/// Fewest characters of a token: less can be guessed.
const TOKEN_LENGTH_MIN: usize = 20;

/// Who may use a call. Every call names it; there is no default.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Allowed {
    /// Also those without a token.
    Everybody,
    /// Users with one of these roles.
    Roles(&'static [Role]),
}

/// All who may read.
pub(crate) const READERS: Allowed =
    Allowed::Roles(&[Role::Viewer, Role::Operator, Role::Restorer, Role::Auditor]);

/// A user who asks.
#[derive(Debug)]
pub(crate) struct Caller {
    pub name: Name,
    pub roles: BTreeSet<Role>,
    bucket: Bucket,
}

/// All users. What is kept of a token tells nothing of it.
pub(crate) struct Users {
    /// Of this process only. Tokens are compared by keyed hashes, so that the time it takes tells nothing of what is equal.
    key: hmac::Key,
    known: Vec<(hmac::Tag, Arc<Caller>)>,
    /// For those who come with a wrong token, all together.
    strangers: Bucket,
}

impl Users {
    /// Fetches the tokens.
    ///
    /// # Errors
    /// When one is not there, too short, or another user's too.
    pub fn load(users: &BTreeMap<Name, User>, requests_per_minute: u32) -> Result<Self> {
        let failed = |_| Error::new(ErrorKind::Failed, "the system has no random bytes");
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).map_err(failed)?;
        let mut known: Vec<(hmac::Tag, Arc<Caller>)> = Vec::new();
        for (name, user) in users {
            let digest = token_hash(name, user)?;
            let same = known.iter().find(|(tag, _)| is_same(&key, &digest, tag));
            if let Some((_, other)) = same {
                let message = format!("users {} and {name} have the same token", other.name);
                return Err(Error::new(ErrorKind::Configuration, message)
                    .with_hint("`lockgate serve --new-token` prints another one"));
            }
            let caller = Caller {
                name: name.clone(),
                roles: user.roles.iter().copied().collect(),
                bucket: Bucket::new(requests_per_minute),
            };
            known.push((hmac::sign(&key, &digest.0), Arc::new(caller)));
        }
        Ok(Self { key, known, strangers: Bucket::new(requests_per_minute) })
    }

    /// Whose token a request has; none without one.
    fn caller(&self, headers: &HeaderMap) -> std::result::Result<Option<Arc<Caller>>, Trouble> {
        let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
        let token = value.to_str().ok().and_then(|text| {
            let (scheme, token) = text.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
        });
        let digest = hash(token.unwrap_or_default());
        // Goes through all of them, whichever it is.
        let found = self.known.iter().fold(None, |found, (tag, caller)| {
            if is_same(&self.key, &digest, tag) { Some(caller) } else { found }
        });
        let caller = found.filter(|_| token.is_some()).cloned();
        let bucket = caller.as_ref().map_or(&self.strangers, |caller| &caller.bucket);
        bucket.take().map_err(Trouble::too_many_requests)?;
        caller.map(Some).ok_or_else(|| Trouble::unauthenticated("the token is not one of a user"))
    }
}

fn is_same(key: &hmac::Key, digest: &Digest, tag: &hmac::Tag) -> bool {
    hmac::verify(key, &digest.0, tag.as_ref()).is_ok()
}

fn token_hash(name: &Name, user: &User) -> Result<Digest> {
    let wrong = |cause: String| {
        Error::new(ErrorKind::Configuration, format!("token of user {name}: {cause}"))
            .with_hint("`lockgate serve --new-token` prints a token and its hash")
    };
    match user.token() {
        Some(Token::Hash(digest)) => Ok(digest),
        Some(Token::Secret(secret)) => {
            let token = secret.fetch().map_err(|error| wrong(error.to_string()))?;
            let token = token.trim();
            if token.len() < TOKEN_LENGTH_MIN {
                return Err(wrong(format!("it has less than {TOKEN_LENGTH_MIN} characters")));
            }
            Ok(hash(token))
        }
        None => Err(wrong("there is none".to_owned())),
    }
}

/// Finds out who asks, before anything else is done for them.
pub(crate) async fn know(
    State(service): State<Service>,
    mut request: Request,
    next: Next,
) -> Response {
    match service.users().caller(request.headers()) {
        Ok(Some(caller)) => {
            tracing::Span::current().record("user", caller.name.as_str());
            request.extensions_mut().insert(caller);
        }
        Ok(None) => {}
        Err(trouble) => return trouble.into_response(),
    }
    next.run(request).await
}

/// Lets through who may.
pub(crate) async fn guard(allowed: Allowed, request: Request, next: Next) -> Response {
    let Allowed::Roles(roles) = allowed else { return next.run(request).await };
    let trouble = match request.extensions().get::<Arc<Caller>>() {
        None => Trouble::unauthenticated("this needs a token"),
        Some(caller) if roles.iter().any(|role| caller.roles.contains(role)) => {
            return next.run(request).await;
        }
        Some(caller) => {
            let names: Vec<String> = roles.iter().copied().map(role_name).collect();
            let message =
                format!("user {} has none of the roles {}", caller.name, names.join(", "));
            Trouble::new(StatusCode::FORBIDDEN, message)
                .with_hint("who keeps the configuration can give it in [service.users]")
        }
    };
    trouble.into_response()
}

/// A role as the configuration writes it.
pub(crate) fn role_name(role: Role) -> String {
    format!("{role:?}").to_ascii_lowercase()
}

/// The user who asks, in calls that only users may use.
pub(crate) struct By(pub Arc<Caller>);

impl<S: Sync> FromRequestParts<S> for By {
    type Rejection = Trouble;

    async fn from_request_parts(
        parts: &mut Parts,
        _state: &S,
    ) -> std::result::Result<Self, Trouble> {
        let caller = parts.extensions.get::<Arc<Caller>>().cloned();
        caller.map(Self).ok_or_else(|| Trouble::unauthenticated("this needs a token"))
    }
}
