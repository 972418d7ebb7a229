//! What is wrong is told as RFC 9457 says, whoever finds it.

use anyhow::{Context as _, Result, anyhow, ensure};
use lockgate_engine::configuration::{Secret, parse};
use lockgate_engine::repositories::Location;
use reqwest::Method;
use serde_json::json;

use crate::client::{Client, problem};
use crate::stage::Stage;
use crate::wait;

#[test]
fn every_error_is_a_problem() -> Result<()> {
    wait(async {
        let stage = Stage::open("", "")?;
        let boss = stage.client("boss");
        let get = |path: &str| boss.top(Method::GET, path).send();
        let backups = || boss.request(Method::POST, "/backups");
        problem(get("/nothing").await?, 404).await?;
        problem(get("/page/nothing").await?, 404).await?;
        problem(get("/api/v1/jobs/no-id").await?, 404).await?;
        problem(get("/api/v1/backups/no-id").await?, 404).await?;
        problem(get("/api/v1/jobs?limit=0").await?, 400).await?;
        problem(get("/api/v1/jobs?limit=1001").await?, 400).await?;
        problem(get("/api/v1/jobs?state=LOST").await?, 400).await?;
        problem(get("/api/v1/jobs?unknown=1").await?, 400).await?;
        problem(get("/api/v1/backups?label=..x").await?, 400).await?;
        problem(get("/api/v1/backups?after=yesterday,home").await?, 400).await?;
        problem(get("/api/v1/backups/%ff").await?, 404).await?;
        let wrong = boss.request(Method::PUT, "/backups").send().await?;
        ensure!(wrong.headers()["allow"] == "GET,HEAD,POST", "{:?}", wrong.headers());
        problem(wrong, 405).await?;
        problem(backups().body("{}").send().await?, 415).await?;
        let json_type = |body: &'static str| {
            backups().header("content-type", "application/json").body(body).send()
        };
        problem(json_type("{").await?, 400).await?;
        problem(json_type("{}").await?, 422).await?;
        problem(json_type("{\"name\": \"home\", \"unknown\": 1}").await?, 422).await?;
        let told =
            problem(backups().json(&json!({ "name": "nowhere" })).send().await?, 422).await?;
        ensure!(told["hint"].is_string() && told["type"] == "configuration", "{told}");
        let label = json!({ "name": "home", "label": "x" });
        problem(backups().json(&label).send().await?, 422).await?;
        let large = json!({ "name": "x".repeat(300 << 10) });
        problem(backups().json(&large).send().await?, 413).await?;
        let nobody = Client::new(stage.url(), None);
        let answer = nobody.request(Method::GET, "/me").send().await?;
        ensure!(answer.headers()["www-authenticate"] == "Bearer");
        problem(answer, 401).await?;
        Ok(())
    })
}

#[test]
fn every_answer_has_the_headers_that_keep_browsers_safe() -> Result<()> {
    wait(async {
        let stage = Stage::open("", "")?;
        let nobody = Client::new(stage.url(), None);
        for path in ["/", "/page/index.html", "/nothing", "/api/v1/me", "/healthz"] {
            let answer = nobody.top(Method::GET, path).send().await?;
            let policy = answer.headers()["content-security-policy"].to_str()?;
            ensure!(
                policy.starts_with("default-src 'self'") && !policy.contains("unsafe"),
                "{policy}"
            );
            ensure!(answer.headers()["x-content-type-options"] == "nosniff", "{path}");
            ensure!(answer.headers()["referrer-policy"] == "no-referrer", "{path}");
        }
        let page = nobody.top(Method::GET, "/").send().await?;
        ensure!(page.headers()["content-type"] == "text/html; charset=utf-8");
        ensure!(page.text().await?.contains("lockgate"));
        Ok(())
    })
}

#[test]
fn a_repository_that_somebody_else_locked_is_no_full_queue() -> Result<()> {
    wait(async {
        let stage = Stage::open("", "")?;
        let boss = stage.client("boss");
        let made = boss.done("/backups", &json!({ "name": "home" })).await?;
        let backup = format!("/backups/{}", made["backup"].as_str().context("no backup")?);

        // Somebody else has the repository for itself.
        let text = std::fs::read_to_string(stage.site.path("config.toml"))?;
        let configuration = parse(&text).map_err(|mistakes| anyhow!("{mistakes:?}"))?;
        let main = configuration.repositories.get(&"main".parse()?).context("no repository")?;
        std::fs::write(stage.site.path("password"), "correct horse")?;
        let password = Some(Secret::File(stage.site.path("password")));
        let location = Location { settings: main.clone(), password };
        let lock = location.open().await?.lock_exclusive().await?;
        let answer = boss.request(Method::DELETE, &backup).send().await?;
        ensure!(answer.headers().get("retry-after").is_none(), "{:?}", answer.headers());
        let told = problem(answer, 409).await?;
        ensure!(told["type"] == "locked" && told["hint"].is_string(), "{told}");
        let kept = boss.get(&backup).await?;
        ensure!(kept["state"] == "READY" && kept["snapshot"].is_string(), "{kept}");

        lock.release().await?;
        let answer = boss.request(Method::DELETE, &backup).send().await?;
        ensure!(answer.status() == 204, "{}", answer.text().await?);
        Ok(())
    })
}
