//! The maker's client in Python, as a process that answers questions.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use lockgate_servers::python_packages;
use serde_json::Value;

const PACKAGES: &[&str] = &["python-arango==8.3.7"];

/// A running client of one server.
pub struct Client {
    process: Child,
    ends: RefCell<(ChildStdin, BufReader<ChildStdout>)>,
}

impl Client {
    /// Starts it for the server at this port.
    pub fn start(port: u16) -> Result<Self> {
        let packages = python_packages("python-arango-8.3.7", PACKAGES)?;
        let driver = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/driver.py");
        let mut process = Command::new("python3")
            .args([driver, &format!("http://127.0.0.1:{port}")])
            .env("PYTHONPATH", packages)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start python3")?;
        let input = process.stdin.take().context("its input")?;
        let output = process.stdout.take().context("its output")?;
        Ok(Self { process, ends: RefCell::new((input, BufReader::new(output))) })
    }

    /// The answer to a question.
    pub fn ask(&self, question: &Value) -> Result<Value> {
        let (input, output) = &mut *self.ends.borrow_mut();
        writeln!(input, "{question}")?;
        let mut line = String::new();
        output.read_line(&mut line)?;
        let mut answer: Value = serde_json::from_str(&line).context("the client has ended")?;
        match answer.get("error") {
            Some(error) => bail!("{question}: {error}"),
            None => Ok(answer["ok"].take()),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
