//! Where the service remembers.

use anyhow::{Result, ensure};
use lockgate_servers::PostgreSql;
use serde_json::json;

use crate::stage::Stage;
use crate::wait;

#[test]
fn a_state_in_postgresql_outlives_the_service_and_has_one_owner() -> Result<()> {
    wait(async {
        let server = PostgreSql::start()?;
        server.sql("postgres", "CREATE ROLE lockgate LOGIN PASSWORD 'state of tests';")?;
        server.sql("postgres", "CREATE DATABASE lockgate OWNER lockgate;")?;
        let mut stage = Stage::closed("", "")?;
        let path = stage.site.path("config.toml");
        let text = std::fs::read_to_string(&path)?;
        let sqlite = format!("state = \"sqlite:{}\"", stage.site.text("state.sqlite"));
        let url = format!(
            "state = \"postgresql://lockgate@127.0.0.1:{}/lockgate?sslmode=disable\"",
            server.port
        );
        ensure!(text.contains(&sqlite));
        std::fs::write(&path, text.replace(&sqlite, &url))?;
        stage.lockgate = stage.lockgate.clone().with("PGPASSWORD", "state of tests");
        stage.serve()?;
        let boss = stage.client("boss");
        let job = boss.done("/backups", &json!({ "name": "home" })).await?;
        let second = stage.lockgate.run(&["serve"])?;
        ensure!(second.code == Some(11), "{second:?}");
        stage.terminate()?;
        stage.serve()?;
        let backups = stage.client("viola").get("/backups").await?;
        ensure!(backups[0]["id"] == job["backup"] && backups[0]["state"] == "READY", "{backups}");
        let id = job["id"].as_str().unwrap_or_default();
        crate::events::check_whole(&crate::events::all(&stage.client("boss"), id, None).await?)
    })
}
