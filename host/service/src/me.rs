use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use lockgate_api::Me;

use crate::access::{By, role_name};
use crate::problem::{Answer, Trouble};
use crate::service::Service;

/// Who the token belongs to, and what that user may do.
#[utoipa::path(get, path = "/api/v1/me", tag = "service",
    responses((status = 200, description = "The user.", body = Me)))]
pub(crate) async fn me(By(caller): By) -> Json<Me> {
    let roles = caller.roles.iter().copied().map(role_name).collect();
    Json(Me { name: caller.name.to_string(), roles })
}

/// Whether the service takes requests.
#[utoipa::path(get, path = "/healthz", tag = "service",
    responses(
        (status = 200, description = "It does.", body = String, content_type = "text/plain"),
        (status = 503, description = "It is about to end.", body = lockgate_api::Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn healthz(State(service): State<Service>) -> Answer<&'static str> {
    if *service.ending().borrow() {
        return Err(Trouble::new(StatusCode::SERVICE_UNAVAILABLE, "lockgate is about to end"));
    }
    Ok("ok\n")
}
