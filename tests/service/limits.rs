//! Nobody gets more than what is set.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::problem;
use crate::stage::Stage;
use crate::wait;

#[test]
fn a_user_who_asks_too_often_waits_and_others_do_not() -> Result<()> {
    wait(async {
        let stage = Stage::open("requests-per-minute = 20", "")?;
        let viola = stage.client("viola");
        for _ in 0..20 {
            viola.get("/me").await?;
        }
        let answer = viola.request(Method::GET, "/me").send().await?;
        let wait: u64 = answer.headers()["retry-after"].to_str()?.parse()?;
        ensure!((1..=4).contains(&wait), "{wait}");
        problem(answer, 429).await?;
        stage.client("otto").get("/me").await?;
        tokio::time::sleep(Duration::from_secs(wait)).await;
        viola.get("/me").await?;
        Ok(())
    })
}

#[test]
fn more_jobs_than_fit_are_refused() -> Result<()> {
    wait(async {
        let stage = Stage::open("jobs = 1\nqueue = 2", "")?;
        lockgate_tests::folder::fill(&stage.site.path("home/much"), 2000, 200 << 20, 3)?;
        let boss = stage.client("boss");
        for _ in 0..2 {
            boss.post("/backups", &json!({ "name": "home" })).await?;
        }
        let third = boss.request(Method::POST, "/backups").json(&json!({ "name": "home" }));
        let told = problem(third.send().await?, 429).await?;
        ensure!(told["detail"].as_str().is_some_and(|it| it.contains("too many jobs")), "{told}");
        ensure!(told["type"] == "busy", "{told}");
        Ok(())
    })
}

#[test]
fn headers_without_end_and_too_long_ones_end_the_connection() -> Result<()> {
    wait(async {
        let stage = Stage::open("", "")?;
        let address = stage.url().strip_prefix("http://").context("an address")?;
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX: ").await?;
        // The other side may end it while this one still writes.
        stream.write_all(&vec![b'x'; 1 << 20]).await.ok();
        let mut answer = Vec::new();
        let begun = Instant::now();
        stream.read_to_end(&mut answer).await.ok();
        let text = String::from_utf8_lossy(&answer);
        ensure!(text.is_empty() || text.starts_with("HTTP/1.1 431"), "{text}");
        ensure!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        Ok(())
    })
}
