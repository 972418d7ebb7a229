use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use lockgate_api::{Backup, BackupId, BackupRequest, BackupState, Job, Label, Place, Request};
use lockgate_operations::WantedBackups;
use lockgate_types::Name;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::access::By;
use crate::extract::{Asked, Named, Sent, limit};
use crate::jobs::{Accepted, accept};
use crate::problem::Answer;
use crate::service::Service;

/// Which backups are asked for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// Only of this label.
    #[param(value_type = Option<String>, pattern = r"^(?!\.\.)[A-Za-z0-9_.-]{3,25}$")]
    label: Option<Label>,
    /// Only of this source.
    #[param(value_type = Option<String>, pattern = "^[a-z][a-z0-9-]*$")]
    source: Option<Name>,
    /// Only in this state.
    #[param(inline)]
    state: Option<BackupState>,
    /// Only those behind this one, which are older: its `created`, a comma, and its `id`.
    #[param(value_type = Option<String>, pattern = "^[^,]+,[^,]+$")]
    after: Option<Place>,
    /// At most so many; 100 otherwise.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Backups, the newest first.
#[utoipa::path(get, path = "/api/v1/backups", tag = "backups", params(Wanted),
    responses((status = 200, description = "The backups.", body = Vec<Backup>)))]
pub(crate) async fn list(
    State(service): State<Service>,
    Asked(wanted): Asked<Wanted>,
) -> Answer<Json<Vec<Backup>>> {
    let limit = limit(wanted.limit)?;
    service.jobs().refresh_backups().await;
    let Wanted { label, source, state, after, .. } = wanted;
    let wanted = WantedBackups { label, source, state, after, limit };
    Ok(Json(service.jobs().store().backups(&wanted).await?))
}

/// Begins a backup of a set or a source.
#[utoipa::path(post, path = "/api/v1/backups", tag = "backups", request_body = BackupRequest,
    responses((status = 202, description = "The job that makes it; `backup` is the new id.", body = Job,
        headers(("Location" = String, description = "Where the job is.")))))]
pub(crate) async fn create(
    State(service): State<Service>,
    By(caller): By,
    Sent(request): Sent<BackupRequest>,
) -> Answer<Accepted> {
    accept(&service, Request::Backup(request), &caller).await
}

/// One backup, with the state of each source.
#[utoipa::path(get, path = "/api/v1/backups/{id}", tag = "backups", params(("id" = BackupId, Path)),
    responses((status = 200, description = "The backup.", body = Backup)))]
pub(crate) async fn show(
    State(service): State<Service>,
    Named(id): Named<BackupId>,
) -> Answer<Json<Backup>> {
    service.jobs().refresh_backups().await;
    Ok(Json(service.jobs().backup(&id).await?))
}

/// Deletes a backup and its snapshot. A prune of the repository gives the space back.
#[utoipa::path(delete, path = "/api/v1/backups/{id}", tag = "backups", params(("id" = BackupId, Path)),
    responses(
        (status = 204, description = "It is gone."),
        (status = 409, description = "A job works with it (`conflict`), or somebody else holds a lock of its repository (`locked`).", body = lockgate_api::Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn delete(
    State(service): State<Service>,
    Named(id): Named<BackupId>,
) -> Answer<StatusCode> {
    service.jobs().delete_backup(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}
