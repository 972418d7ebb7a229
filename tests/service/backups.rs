//! From a backup to a restore, over HTTP.

use anyhow::{Context as _, Result, ensure};
use lockgate_servers::Sqlite;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::client::{expect, id, problem};
use crate::stage::Stage;
use crate::wait;

#[test]
fn a_backup_is_made_looked_into_downloaded_restored_and_deleted() -> Result<()> {
    wait(async {
        let stage = Stage::open("", "")?;
        let odd = stage.site.path("home/späte % \"Züge\"");
        let content: Vec<u8> = (0..3_000_000_u32).flat_map(|number| number.to_le_bytes()).collect();
        std::fs::write(&odd, &content)?;
        let boss = stage.client("boss");
        let sources = boss.get("/sources").await?;
        ensure!(sources[0]["name"] == "home" && sources[0]["last_ready"].is_null(), "{sources}");

        let job = boss.done("/backups", &json!({ "name": "home", "label": "nightly" })).await?;
        let backup = job["backup"].as_str().unwrap_or_default().to_owned();
        ensure!(backup.starts_with("nightly-"), "{job}");
        let shown = boss.get(&format!("/backups/{backup}")).await?;
        ensure!(shown["state"] == "READY" && shown["requested_by"] == "boss", "{shown}");
        ensure!(shown["component_status"]["home"]["state"] == "READY", "{shown}");
        for (query, count) in [
            ("", 1),
            ("?label=nightly&source=home&state=READY&limit=5", 1),
            ("?label=other", 0),
            ("?source=other", 0),
            ("?source=hom", 0),
            ("?state=ERROR", 0),
            ("?after=2999-01-01T00:00:00Z,nightly-00000000-0000-4000-8000-000000000000", 1),
            (&*format!("?after={}", place(&shown)?), 0),
        ] {
            let listed = boss.get(&format!("/backups{query}")).await?;
            ensure!(listed.as_array().is_some_and(|it| it.len() == count), "{query}: {listed}");
        }
        let sources = boss.get("/sources").await?;
        ensure!(sources[0]["last_ready"] == backup, "{sources}");

        look_into(&stage, &backup, &content).await?;

        let plan = boss.done("/plans", &json!({ "backup": backup, "overwrite": true })).await?;
        ensure!(plan["result"]["plans"][0]["source"] == "home", "{plan}");
        std::fs::write(stage.site.path("home/letter"), "changed")?;
        std::fs::remove_file(&odd)?;
        let request = json!({ "backup": backup, "overwrite": true });
        let restored = boss.done("/restores", &request).await?;
        ensure!(restored["result"]["component_status"]["home"]["state"] == "READY", "{restored}");
        ensure!(std::fs::read(&odd)? == content, "the file is not as it was");
        ensure!(std::fs::read_to_string(stage.site.path("home/letter"))? == "Dear reader,\n");
        let shown = boss.get(&format!("/backups/{backup}")).await?;
        ensure!(shown["restores"]["job"] == restored["id"] && shown["state"] == "READY", "{shown}");

        let path = format!("/backups/{backup}");
        let deleted = boss.request(Method::DELETE, &path).send().await?;
        ensure!(deleted.status() == StatusCode::NO_CONTENT, "{}", deleted.text().await?);
        problem(boss.request(Method::GET, &path).send().await?, 404).await?;
        problem(boss.request(Method::DELETE, &path).send().await?, 404).await?;
        ensure!(
            stage.lockgate.ok(&["snapshots"])?.stdout.lines().all(|line| !line.contains("home"))
        );
        Ok(())
    })
}

/// Where a backup stands in the list.
fn place(backup: &Value) -> Result<String> {
    let text = |key: &str| backup[key].as_str().with_context(|| format!("{backup}"));
    Ok(format!("{},{}", text("created")?, text("id")?))
}

async fn look_into(stage: &Stage, backup: &str, content: &[u8]) -> Result<()> {
    let boss = stage.client("boss");
    let path = format!("/backups/{backup}/entries");
    let mut found = Vec::new();
    // Source and part; beside the part is what lockgate adds.
    let folder = "home/home";
    let mut after = String::new();
    loop {
        let query = [("path", folder), ("limit", "2"), ("after", after.as_str())];
        let answer = boss.request(Method::GET, &path).query(&query).send().await?;
        let page = expect(answer, StatusCode::OK).await?;
        found.extend(page["entries"].as_array().cloned().unwrap_or_default());
        match page["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    let names: Vec<&str> = found.iter().filter_map(|entry| entry["name"].as_str()).collect();
    ensure!(names == ["below", "letter", "späte %25 \"Züge\""], "{found:?}");
    let odd = found[2]["path"].as_str().unwrap_or_default();
    let path = format!("/backups/{backup}/content");
    let answer = boss.request(Method::GET, &path).query(&[("path", odd)]).send().await?;
    ensure!(answer.status() == StatusCode::OK, "{}", answer.text().await?);
    let named = answer.headers()["content-disposition"].to_str()?.to_owned();
    ensure!(named.contains("filename=\"sp__te____Z__ge_\""), "{named}");
    ensure!(answer.content_length() == Some(content.len() as u64));
    ensure!(answer.bytes().await? == content, "the download is not what was saved");
    for (wrong, status) in [("home/nothing", 404), (folder, 404), ("a/../b", 400)] {
        let answer = boss.request(Method::GET, &path).query(&[("path", wrong)]).send().await?;
        problem(answer, status).await?;
    }
    Ok(())
}

#[test]
fn a_database_comes_back_as_it_was_and_jobs_tell_what_they_found() -> Result<()> {
    wait(async {
        let sqlite = Sqlite::start()?;
        sqlite.sql("shop.db", "CREATE TABLE t (a INT); INSERT INTO t VALUES (1), (2);")?;
        let folder = sqlite.data();
        let source = format!(
            "[sources.ledger]\nplugin = \"sqlite\"\nfolders.data = {{ path = \"{}\", access = \"read-write\", locks = true }}\n\n\
             [sets.all]\nsources = [\"home\", \"ledger\"]\n",
            folder.display()
        );
        let stage = Stage::open("", &source)?;
        let boss = stage.client("boss");
        let health = boss.done("/health", &json!({})).await?;
        ensure!(health["result"]["sources"]["ledger"]["state"].is_string(), "{health}");
        let sources = boss.get("/sources").await?;
        ensure!(
            sources[1]["health"]["state"].is_string() && sources[1]["sets"][0] == "all",
            "{sources}"
        );
        let job = boss.done("/backups", &json!({ "name": "all" })).await?;
        sqlite.sql("shop.db", "DELETE FROM t;")?;
        let restore = json!({ "backup": job["backup"], "sources": ["ledger"], "overwrite": true });
        let restored = boss.done("/restores", &restore).await?;
        // One member of a set alone: its siblings would disagree.
        ensure!(
            restored["result"]["warnings"].as_array().is_some_and(|it| !it.is_empty()),
            "{restored}"
        );
        ensure!(sqlite.sql("shop.db", "SELECT SUM(a) FROM t;")?.trim() == "3");

        let job =
            boss.post("/maintenance", &json!({ "sources": ["ledger"], "step": "enter" })).await?;
        let job = boss.ended(&id(&job)?).await?;
        ensure!(job["kind"] == "maintenance", "{job}");
        let action = json!({ "source": "ledger", "action": "no-such" });
        let job = boss.ended(&id(&boss.post("/actions", &action).await?)?).await?;
        ensure!(job["state"] == "ERROR" && job["error"]["detail"].is_string(), "{job}");
        let jobs = boss.get("/jobs?kind=backup&state=DONE").await?;
        ensure!(jobs.as_array().is_some_and(|jobs| jobs.len() == 1), "{jobs}");
        let audit = boss.get("/audit?limit=3").await?;
        ensure!(audit["lines"].as_array().is_some_and(|lines| lines.len() == 3), "{audit}");
        ensure!(audit["next"] == audit["total"], "{audit}");
        let first = boss.get("/audit?after=0&limit=1").await?;
        ensure!(first["lines"][0]["event"] == "started" && first["next"] == 1, "{first}");
        let plugins = boss.get("/plugins").await?;
        let is_files = |it: &&serde_json::Value| it["name"] == "files" && it["is_locked"] == true;
        ensure!(
            plugins.as_array().is_some_and(|it| it.iter().any(|it| is_files(&it))),
            "{plugins}"
        );
        let metrics = boss.top(Method::GET, "/metrics").send().await?.text().await?;
        for line in [
            "lockgate_jobs_ended_total{kind=\"backup\",state=\"DONE\"} 1",
            "lockgate_newest_backup_age_seconds{source=\"ledger\"}",
            "lockgate_maintenance{source=\"ledger\"}",
            "lockgate_http_requests_total{method=\"POST\",route=\"/api/v1/backups\",status=\"202\"} 1",
        ] {
            ensure!(metrics.contains(line), "no {line} in {metrics}");
        }
        Ok(())
    })
}

#[test]
fn a_service_sees_that_somebody_forgot_a_snapshot() -> Result<()> {
    wait(async {
        let mut stage = Stage::open("", "")?;
        let boss = stage.client("boss");
        let backup = json!({ "name": "home" });
        let jobs = [boss.done("/backups", &backup).await?, boss.done("/backups", &backup).await?];
        let snapshot = jobs[0]["result"]["snapshot"].as_str().context("no snapshot")?.to_owned();
        stage.terminate()?;
        stage.site.restic(&["forget", &snapshot])?;
        stage.serve()?;
        let boss = stage.client("boss");
        let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
        let gone = loop {
            let listed = boss.get("/backups?state=ERROR").await?;
            if let Some(gone) = listed.as_array().and_then(|listed| listed.first()) {
                break gone.clone();
            }
            ensure!(std::time::Instant::now() < until, "it does not see it");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        };
        ensure!(gone["id"] == jobs[0]["backup"] && gone["snapshot"] == snapshot, "{gone}");
        let other = jobs[1]["backup"].as_str().context("no backup")?;
        ensure!(boss.get(&format!("/backups/{other}")).await?["state"] == "READY");
        // There is nothing to look into, nor to restore.
        let path = format!("/backups/{}", gone["id"].as_str().context("no id")?);
        let entries = boss.request(Method::GET, &format!("{path}/entries")).send().await?;
        let told = problem(entries, 409).await?;
        ensure!(told["detail"].as_str().is_some_and(|it| it.contains("is no more in")), "{told}");
        let restore =
            boss.request(Method::POST, "/restores").json(&json!({ "backup": gone["id"] }));
        problem(restore.send().await?, 409).await?;
        Ok(())
    })
}
