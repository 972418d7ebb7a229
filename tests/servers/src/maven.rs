//! Servers and clients in Java, from Maven's central repository.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::install::{Prerequisite, install};
use crate::process::run;
use crate::tools::cached;

/// Copies artifacts to where they are wanted.
pub(crate) const COPY_GOAL: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1";

/// Maven, which refuses what does not fit the repository's sums.
pub(crate) fn maven(folder: &Path) -> Command {
    let mut command = Command::new("mvn");
    command.current_dir(folder).args(["--batch-mode", "--quiet", "--strict-checksums"]);
    command
}

/// A folder with all jars that `artifacts` (`GROUP:NAME:VERSION`) need to run, fetched once. `boms` are lists of versions
/// (`GROUP:NAME:VERSION`) that are stronger than what the artifacts ask for. `name` is the folder's.
///
/// # Errors
/// When they cannot be had.
pub(crate) fn libraries(name: &str, artifacts: &[&str], boms: &[&str]) -> Result<PathBuf> {
    cached(name, |work| {
        install(&[Prerequisite::Java, Prerequisite::Maven])?;
        eprintln!("fetching {} with Maven", artifacts.join(" "));
        let dependencies: String = artifacts.iter().map(|it| dependency(it, "")).collect();
        let pinned = |it: &&str| dependency(it, "<type>pom</type><scope>import</scope>");
        let managed: String = boms.iter().map(pinned).collect();
        let project = format!(
            "<project><modelVersion>4.0.0</modelVersion><groupId>t</groupId><artifactId>t</artifactId>\
             <version>1</version><dependencyManagement><dependencies>{managed}</dependencies></dependencyManagement>\
             <dependencies>{dependencies}</dependencies></project>"
        );
        fs::write(work.join("pom.xml"), project)?;
        let all = work.join("libraries");
        let output = format!("-DoutputDirectory={}", all.display());
        let goal = format!("{COPY_GOAL}:copy-dependencies");
        run(maven(work).args([&goal, "-DincludeScope=runtime", &output]))
            .context("Maven and its central repository are needed")?;
        Ok(all)
    })
}

/// `coordinates` as an element of a project, with `more` in it.
fn dependency(coordinates: &str, more: &str) -> String {
    let mut words = coordinates.split(':');
    let mut word = |tag: &str| format!("<{tag}>{}</{tag}>", words.next().unwrap_or_default());
    let named = [word("groupId"), word("artifactId"), word("version")].concat();
    format!("<dependency>{named}{more}</dependency>")
}
