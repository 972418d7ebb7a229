//! curl, called as `onos-netcfg`, `onos-cfg` and `onos-app` call it.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Asks one ONOS.
#[derive(Clone, Debug)]
pub struct Client {
    pub port: u16,
    pub password: String,
}

impl Client {
    /// What is at a path.
    pub fn get(&self, path: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.run("GET", path, &[], "")?)?)
    }

    /// Sends JSON.
    pub fn post(&self, path: &str, body: &Value) -> Result<()> {
        self.run("POST", path, &["-HContent-Type:application/json"], &body.to_string()).map(drop)
    }

    /// Installs an application.
    pub fn install(&self, bits: &str, query: &str) -> Result<()> {
        let kind = ["-HContent-Type:application/octet-stream"];
        self.run("POST", &format!("applications{query}"), &kind, bits).map(drop)
    }

    /// Asks for something without a body.
    pub fn act(&self, method: &str, path: &str) -> Result<()> {
        self.run(method, path, &[], "").map(drop)
    }

    fn run(&self, method: &str, path: &str, more: &[&str], body: &str) -> Result<String> {
        let mut command = Command::new("curl");
        command.args(["--fail-with-body", "-sSL", "--noproxy", "*", "-X", method, "--user"]);
        command.arg(format!("onos:{}", self.password)).args(more);
        if !body.is_empty() {
            command.args(["--data-binary", "@-"]);
        }
        command.arg(format!("http://127.0.0.1:{}/onos/v1/{path}", self.port));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("curl is needed")?;
        let mut input = child.stdin.take().context("no input")?;
        let body = body.to_owned();
        // Beside the waiting, so that no side waits for the other.
        let writer = std::thread::spawn(move || input.write_all(body.as_bytes()));
        let output = child.wait_with_output()?;
        // curl that failed early did not read it, which is told below.
        let _ = writer.join();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{method} {path}: {told} {error}");
        Ok(told)
    }
}
