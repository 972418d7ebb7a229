use axum::Json;
use axum::extract::State;
use lockgate_api::{
    ActionRequest, HealthRequest, Job, Maintenance, MaintenanceRequest, Request, SourceInfo,
};

use crate::access::By;
use crate::extract::Sent;
use crate::jobs::{Accepted, accept};
use crate::problem::Answer;
use crate::service::Service;

/// What is protected, and how fresh that is.
#[utoipa::path(get, path = "/api/v1/sources", tag = "sources",
    responses((status = 200, description = "All sources of the configuration.", body = Vec<SourceInfo>)))]
pub(crate) async fn list(State(service): State<Service>) -> Answer<Json<Vec<SourceInfo>>> {
    Ok(Json(service.jobs().overview().await?))
}

/// Has plugins look at their datastores.
#[utoipa::path(post, path = "/api/v1/health", tag = "sources", request_body = HealthRequest,
    responses((status = 202, description = "The job; its `result` is `{\"sources\": {NAME: Health}}`.", body = Job,
        headers(("Location" = String, description = "Where the job is.")))))]
pub(crate) async fn health(
    State(service): State<Service>,
    By(caller): By,
    Sent(request): Sent<HealthRequest>,
) -> Answer<Accepted> {
    accept(&service, Request::Health(request), &caller).await
}

/// What is out of service: sources, and applications of sets.
#[utoipa::path(get, path = "/api/v1/maintenance", tag = "sources",
    responses((status = 200, description = "All of it, by name.", body = Vec<Maintenance>)))]
pub(crate) async fn out_of_service(
    State(service): State<Service>,
) -> Answer<Json<Vec<Maintenance>>> {
    Ok(Json(service.jobs().store().maintenance().await?))
}

/// Takes datastores out of service, or puts them back.
#[utoipa::path(post, path = "/api/v1/maintenance", tag = "sources", request_body = MaintenanceRequest,
    responses((status = 202, description = "The job.", body = Job,
        headers(("Location" = String, description = "Where the job is.")))))]
pub(crate) async fn maintenance(
    State(service): State<Service>,
    By(caller): By,
    Sent(request): Sent<MaintenanceRequest>,
) -> Answer<Accepted> {
    accept(&service, Request::Maintenance(request), &caller).await
}

/// Runs a repair of a plugin's, such as a reindex.
#[utoipa::path(post, path = "/api/v1/actions", tag = "sources", request_body = ActionRequest,
    responses((status = 202, description = "The job; its `result` is `{\"findings\": [Finding]}`.", body = Job,
        headers(("Location" = String, description = "Where the job is.")))))]
pub(crate) async fn action(
    State(service): State<Service>,
    By(caller): By,
    Sent(request): Sent<ActionRequest>,
) -> Answer<Accepted> {
    accept(&service, Request::Action(request), &caller).await
}
