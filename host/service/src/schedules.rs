use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use lockgate_api::{Job, ScheduleInfo};

use crate::access::By;
use crate::extract::Named;
use crate::problem::Answer;
use crate::service::Service;

/// When backups are made without being asked for.
#[utoipa::path(get, path = "/api/v1/schedules", tag = "schedules",
    responses((status = 200, description = "All schedules of the configuration.", body = Vec<ScheduleInfo>)))]
pub(crate) async fn list(State(service): State<Service>) -> Answer<Json<Vec<ScheduleInfo>>> {
    Ok(Json(service.scheduler().list().await?))
}

/// Does now what a schedule does. Its times stay as they are.
#[utoipa::path(post, path = "/api/v1/schedules/{name}/run", tag = "schedules",
    params(("name" = String, Path, description = "As the configuration calls it.")),
    responses(
        (status = 202, description = "A job for each of its sets and sources.", body = Vec<Job>),
        (status = 409, description = "Its last run goes on.", body = lockgate_api::Problem,
            content_type = crate::problem::PROBLEM_JSON)))]
pub(crate) async fn run(
    State(service): State<Service>,
    By(caller): By,
    Named(name): Named<String>,
) -> Answer<(StatusCode, Json<Vec<Job>>)> {
    let jobs = service.scheduler().run_now(&name, caller.name.as_str()).await?;
    Ok((StatusCode::ACCEPTED, Json(jobs)))
}
