use std::path::PathBuf;
use std::process::{Command, Stdio};

use zeroize::Zeroizing;

/// Where a secret is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// The first line of a file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// The first line that a command prints; no shell.
    Command(Vec<String>),
}

/// Why a secret could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The file cannot be read.
    #[error("password file {path}: {cause}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The variable is not set.
    #[error("environment variable {0} is not set")]
    Variable(String),
    /// The command cannot be run or failed.
    #[error("password command {program:?}: {cause}")]
    Command {
        /// The program's name.
        program: String,
        /// What went wrong.
        cause: String,
    },
    /// There is nothing in the first line.
    #[error("{0} gave an empty password")]
    Empty(String),
}

impl Secret {
    /// Fetches the secret.
    ///
    /// # Errors
    /// When it is not there or empty.
    pub fn fetch(&self) -> Result<Zeroizing<String>, SecretError> {
        let text = match self {
            Self::File(path) => Zeroizing::new(
                std::fs::read_to_string(path)
                    .map_err(|cause| SecretError::File { path: path.clone(), cause })?,
            ),
            Self::Variable(name) => Zeroizing::new(
                std::env::var(name).map_err(|_| SecretError::Variable(name.clone()))?,
            ),
            Self::Command(words) => run(words)?,
        };
        let first = Zeroizing::new(text.lines().next().unwrap_or_default().to_owned());
        if first.is_empty() {
            return Err(SecretError::Empty(self.describe()));
        }
        Ok(first)
    }

    fn describe(&self) -> String {
        match self {
            Self::File(path) => format!("password file {}", path.display()),
            Self::Variable(name) => format!("environment variable {name}"),
            Self::Command(words) => format!("password command {:?}", words.first()),
        }
    }
}

fn run(words: &[String]) -> Result<Zeroizing<String>, SecretError> {
    let fail = |cause: String| SecretError::Command {
        program: words.first().cloned().unwrap_or_default(),
        cause,
    };
    let (program, arguments) = words.split_first().ok_or_else(|| fail("is empty".to_owned()))?;
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| fail(error.to_string()))?;
    if !output.status.success() {
        return Err(fail(output.status.to_string()));
    }
    String::from_utf8(output.stdout)
        .map(Zeroizing::new)
        .map_err(|_| fail("printed something that is not UTF-8".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_counts_and_an_empty_one_is_refused() {
        let echo = |text: &str| Secret::Command(vec!["printf".to_owned(), text.to_owned()]);
        assert_eq!(echo("one\\ntwo\\n").fetch().unwrap().as_str(), "one");
        assert!(matches!(echo("\\ntwo").fetch(), Err(SecretError::Empty(_))));
        assert!(matches!(
            Secret::Command(vec!["false".to_owned()]).fetch(),
            Err(SecretError::Command { .. })
        ));
        assert!(matches!(Secret::File("/nowhere".into()).fetch(), Err(SecretError::File { .. })));
    }
}
