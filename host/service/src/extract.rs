//! What a request brings, or a problem that says what is wrong with it.

use std::fmt::Display;
use std::str::FromStr;

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::limits::{BODY_MAX, LIST_DEFAULT, LIST_MAX};
use crate::problem::Trouble;

/// The body, as JSON.
pub(crate) struct Sent<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Sent<T> {
    type Rejection = Trouble;

    async fn from_request(request: Request, state: &S) -> Result<Self, Trouble> {
        let reading = Json::<T>::from_request(request, state);
        match tokio::time::timeout(BODY_MAX, reading).await {
            Ok(Ok(Json(value))) => Ok(Self(value)),
            Ok(Err(rejection)) => Err(Trouble::new(rejection.status(), rejection.body_text())),
            Err(_) => {
                let message = format!("the body did not come within {} s", BODY_MAX.as_secs());
                Err(Trouble::new(StatusCode::REQUEST_TIMEOUT, message))
            }
        }
    }
}

/// What stands behind the `?`.
pub(crate) struct Asked<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Trouble> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(Trouble::new(rejection.status(), rejection.body_text())),
        }
    }
}

/// The name in the path. One that cannot be a name is not there.
pub(crate) struct Named<T>(pub T);

impl<S: Send + Sync, T: FromStr<Err: Display>> FromRequestParts<S> for Named<T> {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Trouble> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) = text.map_err(|rejection| Trouble::not_found(rejection.body_text()))?;
        text.parse().map(Self).map_err(|error: T::Err| Trouble::not_found(error.to_string()))
    }
}

/// How many things a list may have.
pub(crate) fn limit(asked: Option<u32>) -> Result<u32, Trouble> {
    let limit = asked.unwrap_or(LIST_DEFAULT);
    if (1..=LIST_MAX).contains(&limit) {
        return Ok(limit);
    }
    let message = format!("limit: {limit} is not between 1 and {LIST_MAX}");
    Err(Trouble::new(StatusCode::BAD_REQUEST, message))
}
