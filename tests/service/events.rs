//! What happens, told while it happens.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures::StreamExt as _;
use reqwest::Method;
use serde_json::json;
use tokio::time::timeout;

use crate::client::{Client, Told, id, problem};
use crate::stage::Stage;
use crate::wait;

#[test]
fn no_event_is_lost_whenever_the_client_comes_back() -> Result<()> {
    wait(async {
        let stage = Stage::open("", "")?;
        let boss = stage.client("boss");
        let job = id(&boss.post("/backups", &json!({ "name": "home" })).await?)?;
        // Comes back after every single event.
        let mut numbers = Vec::new();
        let mut last = None;
        loop {
            let Some(told) = next_numbered(&boss, &job, last).await? else { break };
            ensure!(told.json()["number"].as_u64() == told.id, "{told:?}");
            last = told.id;
            numbers.push(told);
        }
        check_whole(&numbers)?;
        // Once more in one go, after the end: the same.
        let again = all(&boss, &job, None).await?;
        let plain = |told: &Told| (told.id, told.data.clone());
        ensure!(
            again.iter().map(plain).collect::<Vec<_>>()
                == numbers.iter().map(plain).collect::<Vec<_>>()
        );
        let some = all(&boss, &job, Some(2)).await?;
        ensure!(some.first().and_then(|told| told.id) == Some(3), "{some:?}");
        let path = format!("/jobs/{job}/events");
        let wrong = boss.request(Method::GET, &path).header("Last-Event-ID", "x").send().await?;
        problem(wrong, 400).await?;
        let unknown = "/jobs/00000000-0000-7000-8000-000000000000/events";
        problem(boss.request(Method::GET, unknown).send().await?, 404).await?;
        Ok(())
    })
}

#[test]
fn changes_of_all_jobs_are_told() -> Result<()> {
    wait(async {
        let stage = Stage::open("", "")?;
        let boss = stage.client("boss");
        let mut changes = Box::pin(stage.client("viola").events("/events", None).await?);
        let job = id(&boss.post("/health", &json!({})).await?)?;
        let mut states = Vec::new();
        while states.last().is_none_or(|state| state != "DONE") {
            let Ok(Some(told)) = timeout(Duration::from_secs(60), changes.next()).await else {
                break;
            };
            let told = told?.json();
            ensure!(told["id"] == job, "{told}");
            states.push(told["state"].as_str().unwrap_or_default().to_owned());
        }
        ensure!(states == ["QUEUED", "RUNNING", "DONE"], "{states:?}");
        Ok(())
    })
}

/// The first event with a number behind `after`; none when the job has ended.
async fn next_numbered(client: &Client, job: &str, after: Option<u64>) -> Result<Option<Told>> {
    let mut events = Box::pin(client.events(&format!("/jobs/{job}/events"), after).await?);
    while let Some(told) = events.next().await {
        let told = told?;
        if told.id.is_some() {
            return Ok(Some(told));
        }
        ensure!(told.event == "progress", "{told:?}");
    }
    Ok(None)
}

/// All events with numbers, until the stream ends by itself.
pub async fn all(client: &Client, job: &str, after: Option<u64>) -> Result<Vec<Told>> {
    let events = client.events(&format!("/jobs/{job}/events"), after).await?;
    let told: Vec<Result<Told>> = events.collect().await;
    let told: Vec<Told> = told.into_iter().collect::<Result<_>>()?;
    Ok(told.into_iter().filter(|told| told.id.is_some()).collect())
}

/// Numbers from 1 without gaps, and the end of the job at the end.
pub fn check_whole(numbers: &[Told]) -> Result<()> {
    for (told, expected) in numbers.iter().zip(1..) {
        ensure!(told.id == Some(expected), "{told:?} is not number {expected}");
    }
    let last = numbers.last().map(Told::json).unwrap_or_default();
    ensure!(last["event"] == "state" && last["state"] == "DONE", "{last}");
    Ok(())
}
