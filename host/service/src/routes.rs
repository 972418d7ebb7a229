//! All calls in one place, each with who may use it.

use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{self, Next};
use axum::routing::get;
use axum::{Json, Router};
use lockgate_api::{Event, Finding, Health, Problem, RestorePlan};
use lockgate_engine::configuration::Role;
use serde_json::json;
use utoipa::OpenApi as _;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, PathItem, Ref, ResponseBuilder};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter, UtoipaMethodRouterExt as _};
use utoipa_axum::routes;

use crate::access::{Allowed, READERS, guard, know, role_name};
use crate::limits::REQUEST_BYTES_MAX;
use crate::observe::observe;
use crate::problem::{PROBLEM_JSON, everywhere, no_such_method, nothing_here};
use crate::service::Service;
use crate::{
    audit, backups, content, entries, jobs, me, metrics, page, plugins, schedules, sources, sse,
};

const OPERATORS: Allowed = Allowed::Roles(&[Role::Operator]);
const RESTORERS: Allowed = Allowed::Roles(&[Role::Restorer]);
const AUDITORS: Allowed = Allowed::Roles(&[Role::Auditor]);
/// Whoever may begin a job may stop one.
const STOPPERS: Allowed = Allowed::Roles(&[Role::Operator, Role::Restorer]);

/// The name of the security scheme in the document.
const SCHEME: &str = "token";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "lockgate",
        description = "Backs up and restores datastores. What takes long is a job: the answer comes at once with its id, and the job goes on when the client leaves."
    ),
    components(schemas(Problem, Event, Finding, Health, RestorePlan))
)]
struct Document;

/// Calls, and what the document says of them.
struct Api(OpenApiRouter<Service>);

impl Api {
    /// Adds calls. Nothing can be added without saying who may use it.
    fn calls(self, allowed: Allowed, calls: UtoipaMethodRouter<Service>) -> Self {
        let (schemas, mut paths, methods) = calls;
        for item in paths.paths.values_mut() {
            operations(item).for_each(|operation| describe(operation, allowed));
        }
        let check = move |request: Request, next: Next| guard(allowed, request, next);
        let guarded = (schemas, paths, methods)
            .map(|methods| methods.route_layer(middleware::from_fn(check)));
        Self(self.0.routes(guarded))
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.delete].into_iter().flatten()
}

/// Says who may use a call, and what trouble all calls have in common.
fn describe(operation: &mut Operation, allowed: Allowed) {
    let mut trouble = vec![
        ("401", "The token is not one of a user, or there is none."),
        ("429", "Too many requests of this user, jobs that wait, or downloads."),
        ("500", "Something failed that the caller cannot help."),
    ];
    if let Allowed::Roles(roles) = allowed {
        trouble.push(("403", "The user has none of the roles for this."));
        let names: Vec<String> = roles.iter().copied().map(role_name).collect();
        let extensions = ExtensionsBuilder::new().add("x-roles", json!(names)).build();
        operation.extensions.get_or_insert_default().merge(extensions);
        let nothing: [&str; 0] = [];
        operation.security = Some(vec![SecurityRequirement::new(SCHEME, nothing)]);
    }
    if operation.parameters.is_some() {
        trouble.push(("400", "A parameter is wrong."));
        trouble.push(("404", "There is no such thing."));
        trouble.push(("502", "The repository cannot be reached."));
    }
    if operation.request_body.is_some() {
        trouble.push(("400", "The body is not JSON."));
        trouble.push(("404", "It names something that is not there."));
        trouble.push(("408", "The body did not come in time."));
        trouble.push(("409", "What it names is in the way of that, or locked by somebody else."));
        trouble.push(("413", "The body is larger than 256 KiB."));
        trouble.push(("415", "The body is not sent as application/json."));
        trouble
            .push(("422", "The body has another shape, or names what the configuration has not."));
    }
    for (status, description) in trouble {
        let content = Content::new(Some(Ref::from_schema_name("Problem")));
        let response =
            ResponseBuilder::new().description(description).content(PROBLEM_JSON, content);
        let known = &mut operation.responses.responses;
        known.entry(status.to_owned()).or_insert_with(|| response.build().into());
    }
}

fn api(open_metrics: bool) -> Api {
    let mut document = Document::openapi();
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(SCHEME, SecurityScheme::Http(scheme));
    let metrics_for = if open_metrics { Allowed::Everybody } else { READERS };
    Api(OpenApiRouter::with_openapi(document))
        .calls(READERS, routes!(me::me))
        .calls(READERS, routes!(backups::list))
        .calls(OPERATORS, routes!(backups::create))
        .calls(READERS, routes!(backups::show))
        .calls(OPERATORS, routes!(backups::delete))
        .calls(RESTORERS, routes!(entries::list))
        .calls(RESTORERS, routes!(content::download))
        .calls(RESTORERS, routes!(jobs::plan))
        .calls(RESTORERS, routes!(jobs::restore))
        .calls(READERS, routes!(jobs::list))
        .calls(READERS, routes!(jobs::show))
        .calls(STOPPERS, routes!(jobs::cancel))
        .calls(READERS, routes!(sse::of_job))
        .calls(READERS, routes!(sse::of_all))
        .calls(READERS, routes!(sources::list))
        .calls(OPERATORS, routes!(sources::health))
        .calls(READERS, routes!(sources::out_of_service))
        .calls(OPERATORS, routes!(sources::maintenance))
        .calls(OPERATORS, routes!(sources::action))
        .calls(READERS, routes!(schedules::list))
        .calls(OPERATORS, routes!(schedules::run))
        .calls(READERS, routes!(plugins::list))
        .calls(AUDITORS, routes!(audit::lines))
        .calls(metrics_for, routes!(metrics::metrics))
        .calls(Allowed::Everybody, routes!(me::healthz))
}

/// The OpenAPI document of all calls.
#[must_use]
pub fn document() -> OpenApi {
    api(false).0.into_openapi()
}

/// Everything that the service answers.
pub(crate) fn router(service: Service, open_metrics: bool) -> Router {
    let (calls, document) = api(open_metrics).0.split_for_parts();
    let document = move || async move { Json(document) };
    calls
        .route("/api/openapi.json", get(document))
        .route("/", get(page::index))
        .route("/page/{*path}", get(page::file))
        .fallback(nothing_here)
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .layer(middleware::from_fn_with_state(service.clone(), know))
        .layer(middleware::from_fn(everywhere))
        .layer(middleware::from_fn_with_state(service.clone(), observe))
        .with_state(service)
}
