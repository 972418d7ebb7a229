//! The OpenAPI document: what docs/service.md says of it, and what it says of the service.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use lockgate_servers::python_packages;
use serde_json::Value;

use crate::stage::Stage;

const HANDBOOK: &str = include_str!("../../docs/service.md");

/// What checks the service against its document.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";

#[test]
fn the_handbook_lists_every_call_with_its_roles() -> Result<()> {
    let document = serde_json::to_value(lockgate_service::document())?;
    let mut calls = BTreeSet::new();
    for (path, item) in document["paths"].as_object().context("no paths")? {
        for (method, operation) in item.as_object().context("no operations")? {
            let roles = operation["x-roles"].as_array().cloned().unwrap_or_default();
            let names: Vec<&str> = roles.iter().filter_map(Value::as_str).collect();
            let who = match names.as_slice() {
                [] => "everybody".to_owned(),
                ["viewer", "operator", "restorer", "auditor"] => "every user".to_owned(),
                names => names.join(", "),
            };
            calls.insert(format!("| `{} {path}` | {who} |", method.to_uppercase()));
        }
    }
    let rows = HANDBOOK.lines().filter(|line| line.starts_with("| `") && line.contains(" /"));
    let listed: BTreeSet<String> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').skip(1).take(2).collect();
            format!("|{}|", cells.join("|"))
        })
        .collect();
    let missing: Vec<_> = calls.difference(&listed).collect();
    let too_many: Vec<_> = listed.difference(&calls).collect();
    ensure!(missing.is_empty() && too_many.is_empty(), "missing {missing:?}, wrong {too_many:?}");
    Ok(())
}

/// Needs the package index, and some minutes: tests/api.sh runs it.
#[test]
#[ignore = "takes minutes; tests/api.sh runs it"]
fn the_service_answers_as_its_document_says() -> Result<()> {
    let packages = python_packages("schemathesis", &[SCHEMATHESIS])?;
    let schedule = "[schedules.yearly]\ncron = \"0 3 1 1 *\"\nbackup = \"home\"\n";
    let stage = Stage::open("requests-per-minute = 1000000\nqueue = 2000", schedule)?;
    let boss = "boss token for tests";
    let mut command = Command::new("python3");
    command
        .args(["-m", "schemathesis.cli", "run"])
        .arg(format!("{}/api/openapi.json", stage.url()))
        .args(["--header", &format!("Authorization: Bearer {boss}")])
        // This one never ends.
        .args(["--exclude-path", "/api/v1/events"])
        .args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,unsupported_method,ignored_auth"])
        .args(["--max-examples", "60", "--request-timeout", "60", "--no-color"])
        .env("PYTHONPATH", packages)
        .current_dir(stage.site.path(""));
    let status = command.status().context("schemathesis cannot be started")?;
    ensure!(status.success(), "schemathesis found something: {status}\n{}", stage.log());
    Ok(())
}
