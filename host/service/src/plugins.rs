use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use lockgate_api::PluginInfo;
use lockgate_engine::{Error, ErrorKind, Plugin, Plugins, Result, Trust};
use lockgate_operations::Site;

use crate::problem::Answer;
use crate::service::Service;

/// The plugins that are installed, and what each may do.
#[utoipa::path(get, path = "/api/v1/plugins", tag = "plugins",
    responses((status = 200, description = "The plugins.", body = Vec<PluginInfo>)))]
pub(crate) async fn list(State(service): State<Service>) -> Answer<Json<Vec<PluginInfo>>> {
    let _turn = service.plugins_turn().await;
    let site = service.jobs().site().clone();
    let looked = tokio::task::spawn_blocking(move || look(&site)).await;
    Ok(Json(looked.map_err(|error| Error::new(ErrorKind::Failed, error.to_string()))??))
}

fn look(site: &Site) -> Result<Vec<PluginInfo>> {
    let plugins = Plugins::new(site.plugins.clone());
    let trust = Trust::open(site.lock.clone(), site.configuration.trust.policy())?;
    let mut found = Vec::new();
    for path in plugins.list()? {
        match plugins.find(&path.to_string_lossy()) {
            Ok(plugin) => found.push(info(&trust, &plugin)),
            // The others are told all the same.
            Err(error) => tracing::warn!("{error}"),
        }
    }
    Ok(found)
}

fn info(trust: &Trust, plugin: &Plugin) -> PluginInfo {
    let declared = &plugin.declaration;
    let signed_by = trust.signatures(plugin).into_iter().filter_map(|(_, name)| name);
    let mut attributes = BTreeMap::from([("summary".to_owned(), declared.summary.clone())]);
    if let Err(refusal) = trust.check(plugin).and_then(|()| plugin.check_contract()) {
        attributes.insert("refusal".to_owned(), refusal.to_string());
    }
    PluginInfo {
        name: plugin.name.to_string(),
        version: declared.version.to_string(),
        digest: plugin.admitted.digest.to_string(),
        is_locked: !attributes.contains_key("refusal"),
        permissions: declared.sentences(),
        signed_by: signed_by.map(|name| name.to_string()).collect(),
        attributes,
    }
}
