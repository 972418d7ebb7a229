use axum::Json;
use axum::extract::State;
use lockgate_api::AuditLines;
use lockgate_engine::audit::{Broken, follow};
use lockgate_engine::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde_json::Value;
use std::collections::VecDeque;
use std::path::Path;
use utoipa::IntoParams;

use crate::extract::{Asked, limit};
use crate::problem::Answer;
use crate::service::Service;

/// Which lines are asked for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// Those behind so many lines; the last ones otherwise.
    after: Option<u64>,
    /// At most so many; 100 otherwise.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// The record of what plugins were allowed, tried and did not get. The whole log is checked each time: no line was changed,
/// taken out or put in.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", params(Which),
    responses((status = 200, description = "The lines.", body = AuditLines)))]
pub(crate) async fn lines(
    State(service): State<Service>,
    Asked(which): Asked<Which>,
) -> Answer<Json<AuditLines>> {
    let limit = usize::try_from(limit(which.limit)?).unwrap_or(usize::MAX);
    let path = service.jobs().site().audit.path.clone();
    let read = tokio::task::spawn_blocking(move || read(&path, which.after, limit)).await;
    Ok(Json(read.map_err(|error| Error::new(ErrorKind::Failed, error.to_string()))??))
}

fn read(path: &Path, after: Option<u64>, limit: usize) -> Result<AuditLines> {
    let (mut number, mut lines) = (0_u64, VecDeque::new());
    let followed = follow(path, None, |entry| {
        number += 1;
        if after.is_some_and(|after| number <= after || lines.len() >= limit) {
            return;
        }
        if lines.len() >= limit {
            lines.pop_front();
        }
        lines.push_back((number, serde_json::to_value(entry).unwrap_or(Value::Null)));
    });
    match followed {
        Ok(_) => {}
        // It begins with the first run.
        Err(Broken::Unreadable(error)) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            let message = format!("audit log {}: {error}", path.display());
            return Err(Error::new(ErrorKind::Damaged, message));
        }
    }
    let next = lines.back().map_or(after.unwrap_or(number), |(number, _)| *number);
    let lines = lines.into_iter().map(|(_, line)| line).collect();
    Ok(AuditLines { lines, next, total: number })
}
