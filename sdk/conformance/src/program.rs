//! Drivers whose reader and writer is a client program: what it is told, and how it is stopped.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::datastore::{Content, Writer};

impl Content {
    /// The content as the arguments of a client program: a word, and a number where there is one. A huge value is no larger than
    /// `value_bytes_max`.
    #[must_use]
    pub fn arguments(self, value_bytes_max: u64) -> Vec<String> {
        let (word, number) = match self {
            Self::Usual => ("usual", None),
            Self::Odd => ("odd", None),
            Self::Huge { bytes } => ("huge", Some(bytes.min(value_bytes_max))),
            Self::Many { count } => ("many", Some(count)),
            Self::Bulk { bytes } => ("bulk", Some(bytes)),
        };
        let number = number.map(|number| number.to_string());
        [Some(word.to_owned()), number].into_iter().flatten().collect()
    }
}

/// A program that writes until its standard input ends. It says `ready` when it has begun, and then the number of its changes.
#[derive(Debug)]
pub struct WritingProgram {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl WritingProgram {
    /// Starts it, and waits until it is ready.
    ///
    /// # Errors
    /// When it cannot be started, or says something else.
    pub fn start(mut command: Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let output = BufReader::new(child.stdout.take().context("no output")?);
        let mut program = Self { child, output };
        let mut line = String::new();
        program.output.read_line(&mut line)?;
        ensure!(line == "ready\n", "the writer says {line:?}");
        Ok(program)
    }
}

impl Writer for WritingProgram {
    fn stop(mut self: Box<Self>) -> Result<u64> {
        drop(self.child.stdin.take());
        let mut text = String::new();
        self.output.read_to_string(&mut text)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "the writer failed: {text}");
        Ok(text.trim().parse()?)
    }
}

impl Drop for WritingProgram {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(text: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", text]);
        command
    }

    #[test]
    fn a_program_says_that_it_is_ready_and_what_it_did() {
        let program = WritingProgram::start(shell("echo ready; cat; echo 17")).unwrap();
        assert_eq!(Box::new(program).stop().unwrap(), 17);
        assert!(WritingProgram::start(shell("echo no")).is_err());
        let failing = WritingProgram::start(shell("echo ready; cat; echo 17; exit 3")).unwrap();
        assert!(Box::new(failing).stop().is_err());
    }

    #[test]
    fn a_value_is_no_larger_than_the_datastore_takes() {
        assert_eq!(Content::Huge { bytes: 20 }.arguments(15), ["huge", "15"]);
        assert_eq!(Content::Usual.arguments(15), ["usual"]);
    }
}
