//! Every call with every role, as the document says who may.

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Client, problem};
use crate::stage::{Stage, USERS};
use crate::wait;

/// Of a stream only the beginning is read.
const UNKNOWN_JOB: &str = "00000000-0000-7000-8000-000000000000";
const UNKNOWN_BACKUP: &str = "none-00000000-0000-4000-8000-000000000000";

#[test]
fn each_role_may_what_the_document_says_and_nothing_else() -> Result<()> {
    wait(async {
        let stage = Stage::open("requests-per-minute = 10000", "")?;
        let nobody = Client::new(stage.url(), None);
        let stranger = Client::new(stage.url(), Some("not the token of anybody".to_owned()));
        let document: Value =
            nobody.top(Method::GET, "/api/openapi.json").send().await?.json().await?;
        let mut guarded = 0;
        for (path, item) in document["paths"].as_object().context("no paths")? {
            for (method, operation) in item.as_object().context("no operations")? {
                let call = Call { method: method.to_uppercase().parse()?, path };
                let Some(roles) = operation["x-roles"].as_array() else {
                    ensure!(path == "/healthz", "{path} has no roles");
                    continue;
                };
                guarded += 1;
                problem(call.send(&nobody).await?, 401).await?;
                problem(call.send(&stranger).await?, 401).await?;
                for (user, its) in USERS {
                    let may = roles.iter().filter_map(Value::as_str).any(|role| its.contains(role));
                    let answer = call.send(&stage.client(user)).await?;
                    let status = answer.status().as_u16();
                    ensure!((status == 403) != may, "{user} {method} {path}: {status}");
                    ensure!(status != 401 && status < 500, "{user} {method} {path}: {status}");
                    if status == 403 {
                        problem(answer, 403).await?;
                    }
                }
            }
        }
        ensure!(guarded >= 20, "only {guarded} calls are guarded");
        let log = stage.log();
        ensure!(!log.contains("token for tests") && !log.contains("token of anybody"), "{log}");
        Ok(())
    })
}

struct Call<'a> {
    method: Method,
    path: &'a str,
}

impl Call<'_> {
    /// Asks for something that is not there, so that nothing happens to those who may.
    async fn send(&self, client: &Client) -> Result<reqwest::Response> {
        let unknown = if self.path.contains("/jobs/") { UNKNOWN_JOB } else { UNKNOWN_BACKUP };
        let path = self.path.replace("{id}", unknown).replace("{name}", "unknown");
        let mut request = client.top(self.method.clone(), &path);
        if self.path.ends_with("/content") {
            request = request.query(&[("path", "nothing")]);
        }
        if self.method == Method::POST {
            request = request.json(&json!({ "name": "unknown-source", "sources": ["unknown"] }));
        }
        Ok(request.send().await?)
    }
}

#[test]
fn the_user_is_told_who_it_is() -> Result<()> {
    wait(async {
        let stage = Stage::open("open-metrics = true", "")?;
        let me = stage.client("rita").get("/me").await?;
        ensure!(me == json!({ "name": "rita", "roles": ["restorer"] }), "{me}");
        let nobody = Client::new(stage.url(), None);
        let answer = nobody.top(Method::GET, "/metrics").send().await?;
        ensure!(answer.status() == 200 && answer.text().await?.ends_with("# EOF\n"));
        Ok(())
    })
}

#[test]
fn a_token_is_printed_with_its_hash_and_the_hash_lets_in() -> Result<()> {
    wait(async {
        let mut stage = Stage::closed("", "")?;
        let drawn = stage.lockgate.summary(&["serve", "--new-token"])?;
        let other = stage.lockgate.summary(&["serve", "--new-token"])?;
        ensure!(drawn["token"] != other["token"]);
        let path = stage.site.path("config.toml");
        let mut text = std::fs::read_to_string(&path)?;
        let hash = drawn["token_sha256"].as_str().context("no hash")?;
        text.push_str(&format!(
            "[service.users.anna]\nroles = [\"auditor\"]\ntoken-sha256 = \"{hash}\"\n"
        ));
        std::fs::write(&path, text)?;
        stage.serve()?;
        let token = drawn["token"].as_str().map(str::to_owned);
        let me = Client::new(stage.url(), token).get("/me").await?;
        ensure!(me["name"] == "anna", "{me}");
        problem(
            Client::new(stage.url(), Some(hash.to_owned()))
                .request(Method::GET, "/me")
                .send()
                .await?,
            401,
        )
        .await?;
        Ok(())
    })
}
