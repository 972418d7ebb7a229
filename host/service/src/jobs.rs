use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use lockgate_api::{Job, JobId, JobKind, JobState, Request, RestoreRequest};
use lockgate_operations::Wanted;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::access::{By, Caller};
use crate::extract::{Asked, Named, Sent, limit};
use crate::problem::Answer;
use crate::service::Service;

/// A job that was accepted, and where it is.
pub(crate) type Accepted = (StatusCode, [(header::HeaderName, String); 1], Json<Job>);

/// Has a request done, whoever listens.
pub(crate) async fn accept(
    service: &Service,
    request: Request,
    caller: &Caller,
) -> Answer<Accepted> {
    let job = service.jobs().submit(request, caller.name.as_str()).await?;
    tracing::info!(job = %job.id, user = %caller.name, "accepted");
    let location = format!("/api/v1/jobs/{}", job.id);
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(job)))
}

/// Which jobs are asked for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asking {
    /// Only in this state.
    #[param(inline)]
    state: Option<JobState>,
    /// Only of this kind.
    #[param(inline)]
    kind: Option<JobKind>,
    /// At most so many; 100 otherwise.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Jobs, the newest first.
#[utoipa::path(get, path = "/api/v1/jobs", tag = "jobs", params(Asking),
    responses((status = 200, description = "The jobs.", body = Vec<Job>)))]
pub(crate) async fn list(
    State(service): State<Service>,
    Asked(asking): Asked<Asking>,
) -> Answer<Json<Vec<Job>>> {
    let limit = limit(asking.limit)?;
    let wanted = Wanted { state: asking.state, kind: asking.kind, limit };
    Ok(Json(service.jobs().list(wanted).await?))
}

/// One job, as far as it is now.
#[utoipa::path(get, path = "/api/v1/jobs/{id}", tag = "jobs", params(("id" = JobId, Path)),
    responses((status = 200, description = "The job.", body = Job)))]
pub(crate) async fn show(
    State(service): State<Service>,
    Named(id): Named<JobId>,
) -> Answer<Json<Job>> {
    Ok(Json(service.jobs().job(id).await?))
}

/// Asks a job to stop. One that has ended stays as it is.
#[utoipa::path(delete, path = "/api/v1/jobs/{id}", tag = "jobs", params(("id" = JobId, Path)),
    responses((status = 202, description = "The job, which is about to stop.", body = Job)))]
pub(crate) async fn cancel(
    State(service): State<Service>,
    By(caller): By,
    Named(id): Named<JobId>,
) -> Answer<(StatusCode, Json<Job>)> {
    tracing::info!(job = %id, user = %caller.name, "asked to stop");
    Ok((StatusCode::ACCEPTED, Json(service.jobs().cancel(id).await?)))
}

/// Finds out what a restore would do, and changes nothing.
#[utoipa::path(post, path = "/api/v1/plans", tag = "restores", request_body = RestoreRequest,
    responses((status = 202, description = "The job; its `result` is `{\"plans\": [RestorePlan], \"warnings\": [text]}`.", body = Job,
        headers(("Location" = String, description = "Where the job is.")))))]
pub(crate) async fn plan(
    State(service): State<Service>,
    By(caller): By,
    Sent(request): Sent<RestoreRequest>,
) -> Answer<Accepted> {
    accept(&service, Request::Plan(request), &caller).await
}

/// Restores a backup, or some of its sources.
#[utoipa::path(post, path = "/api/v1/restores", tag = "restores", request_body = RestoreRequest,
    responses((status = 202, description = "The job; its `result` is `{\"component_status\": {...}, \"warnings\": [text]}`.", body = Job,
        headers(("Location" = String, description = "Where the job is.")))))]
pub(crate) async fn restore(
    State(service): State<Service>,
    By(caller): By,
    Sent(request): Sent<RestoreRequest>,
) -> Answer<Accepted> {
    accept(&service, Request::Restore(request), &caller).await
}
