//! Runs the cases one after the other, on servers that are started once where that is possible.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};

use crate::cases::{self, Case};
use crate::command;
use crate::datastore::{Datastore, Role, Server};
use crate::report::{CaseReport, Report, Verdict};
use crate::scale::Scale;
use crate::trial::{Trial, Workshop};

/// Names the cases to run, with commas between.
const CASE_VARIABLE: &str = "CONFORMANCE_CASE";
/// Names the folder for the reports.
const REPORTS_VARIABLE: &str = "LOCKGATE_CONFORMANCE_REPORTS";

/// How the name of a stand-in's version begins.
const RECORDED_PROTOCOL: &str = "recorded protocol of ";

/// What a run of the suite works with.
pub struct Options<'a> {
    /// The `lockgate` to run.
    pub program: PathBuf,
    /// The plugin's component.
    pub component: PathBuf,
    /// Folder for compiled plugins.
    pub cache: PathBuf,
    /// Names of the cases to run; empty for all.
    pub cases: Vec<String>,
    /// Is told of each case when it has ended.
    pub on_case: &'a dyn Fn(&CaseReport),
    /// Asked before each case.
    pub should_stop: &'a dyn Fn() -> bool,
}

impl Options<'_> {
    /// The `lockgate` and the plugins that are built beside the running test; none of the cases for all.
    ///
    /// # Errors
    /// When they are not built.
    pub fn of_tests(plugin: &str, cases: &[&str]) -> Result<Self> {
        Ok(Self {
            program: command::program()?,
            component: command::plugins()?.join(format!("{plugin}.wasm")),
            cache: command::shared_cache(),
            cases: cases.iter().map(|case| (*case).to_owned()).collect(),
            on_case: &|_| (),
            should_stop: &|| false,
        })
    }
}

/// Runs all cases, or those that `CONFORMANCE_CASE` names (with commas between), with the `lockgate` and the plugins that are
/// built beside the running test (`LOCKGATE_PROGRAM` and `LOCKGATE_PLUGINS` name others). Prints the report, and writes it as
/// JSON and text into the folder that `LOCKGATE_CONFORMANCE_REPORTS` names, else into `conformance` in cargo's target folder.
///
/// # Errors
/// The cases that failed, or why nothing could be run.
pub fn check(datastore: &dyn Datastore) -> Result<()> {
    let only = std::env::var(CASE_VARIABLE).unwrap_or_default();
    let cases: Vec<&str> = only.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let options = Options {
        // While it runs, so that it can be watched; libtest shows it when a case fails.
        on_case: &|case| print!("{}", case.text()),
        ..Options::of_tests(datastore.plugin(), &cases)?
    };
    let report = run(datastore, &options)?;
    println!("{}", report.text());
    if cases.is_empty() {
        report.write(&reports_folder()?)?;
    }
    let failed: Vec<&str> = report.failed().map(|case| case.name.as_str()).collect();
    ensure!(failed.is_empty(), "{} failed: {}", report.plugin, failed.join(", "));
    Ok(())
}

fn reports_folder() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os(REPORTS_VARIABLE) {
        return Ok(PathBuf::from(folder));
    }
    // `target/PROFILE/deps/TEST`
    let own = std::env::current_exe()?;
    let target = own.ancestors().nth(3).context("the test is in no target folder")?;
    Ok(target.join("conformance"))
}

/// Runs the cases that `options` name.
///
/// # Errors
/// When a name is of no case, something is not built, or the server's version cannot be told. A case that fails is no error.
pub fn run(datastore: &dyn Datastore, options: &Options<'_>) -> Result<Report> {
    let cases = chosen(&options.cases)?;
    let skips = datastore.skips();
    for (name, reason) in &skips {
        ensure!(
            cases::find(name).is_some(),
            "{}: skips a case {name}, which is none",
            datastore.plugin()
        );
        ensure!(!reason.trim().is_empty(), "{}: skips {name} for no reason", datastore.plugin());
    }
    let scale = Scale::of_environment();
    let start = Instant::now();
    let mut stage = Stage::new(datastore, options, scale)?;
    let mut report = Report {
        plugin: datastore.plugin().to_owned(),
        server: named(datastore.server_version()?, stage.workshop.is_recorded())?,
        lockgate: stage.workshop.version()?,
        scale: scale.name.to_owned(),
        cases: Vec::new(),
        seconds: 0.0,
    };
    for case in cases {
        if (options.should_stop)() {
            bail!("stopped before {}", case.name);
        }
        let skip = skips.iter().find(|(name, _)| *name == case.name);
        let case = match skip {
            Some((_, reason)) => CaseReport {
                name: case.name.to_owned(),
                verdict: Verdict::Skipped((*reason).to_owned()),
                seconds: 0.0,
                figures: BTreeMap::new(),
            },
            None => stage.run(case),
        };
        (options.on_case)(&case);
        report.cases.push(case);
    }
    report.seconds = start.elapsed().as_secs_f64();
    Ok(report)
}

/// What the table calls the server. Nobody is to take a stand-in for a server, nor the other way round.
fn named(server: String, is_recorded: bool) -> Result<String> {
    let says_so = server.starts_with(RECORDED_PROTOCOL);
    ensure!(
        says_so == is_recorded,
        "the driver calls its server {server:?}, and the plugin says that it was verified against {}: a stand-in is called \
         \"{RECORDED_PROTOCOL}X\", and its plugin has the attribute verified = recorded-protocol",
        if is_recorded { "a recorded protocol only" } else { "a server" }
    );
    Ok(server)
}

fn chosen(names: &[String]) -> Result<Vec<&'static Case>> {
    if names.is_empty() {
        return Ok(cases::ALL.iter().collect());
    }
    let find = |name: &String| {
        let known = || cases::ALL.iter().map(|case| case.name).collect::<Vec<_>>().join(", ");
        cases::find(name)
            .with_context(|| format!("there is no case {name}; the cases: {}", known()))
    };
    names.iter().map(find).collect()
}

/// Two servers, kept from case to case, and the folder with the plugin.
struct Stage<'a> {
    datastore: &'a dyn Datastore,
    scale: Scale,
    workshop: Workshop,
    source: Option<Box<dyn Server>>,
    target: Option<Box<dyn Server>>,
}

impl<'a> Stage<'a> {
    fn new(datastore: &'a dyn Datastore, options: &Options<'_>, scale: Scale) -> Result<Self> {
        let workshop = Workshop::new(options, datastore.plugin())?;
        Ok(Self { datastore, scale, workshop, source: None, target: None })
    }

    fn run(&mut self, case: &Case) -> CaseReport {
        let start = Instant::now();
        let mut figures = BTreeMap::new();
        let ended = self.attempt(case, &mut figures);
        if ended.is_err() || case.spoils.source {
            self.source = None;
        }
        if ended.is_err() || case.spoils.target {
            self.target = None;
        }
        let verdict = ended.unwrap_or_else(|error| Verdict::Failed(format!("{error:#}")));
        let seconds = start.elapsed().as_secs_f64();
        CaseReport { name: case.name.to_owned(), verdict, seconds, figures }
    }

    fn attempt(&mut self, case: &Case, figures: &mut BTreeMap<String, f64>) -> Result<Verdict> {
        let source = ready(self.datastore, &mut self.source, Role::Source)?;
        let target = ready(self.datastore, &mut self.target, Role::Target)?;
        let mut trial = Trial::new(&self.workshop, source, target, self.scale, figures)?;
        (case.run)(&mut trial)
    }
}

/// An empty server: the one that is there, or a new one.
fn ready<'a>(
    datastore: &dyn Datastore,
    place: &'a mut Option<Box<dyn Server>>,
    role: Role,
) -> Result<&'a mut dyn Server> {
    if let Some(server) = place {
        server.clear().context("clear the server")?;
    } else {
        *place = Some(datastore.start(role).context("start a server")?);
    }
    let server = place.as_mut().context("no server")?;
    Ok(server.as_mut())
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn a_stand_in_is_called_one_by_its_driver_and_by_its_plugin() {
        for (server, is_recorded, is_right) in [
            ("My Store 1.2", false, true),
            ("recorded protocol of My Store 1.2", true, true),
            ("My Store 1.2", true, false),
            ("recorded protocol of My Store 1.2", false, false),
        ] {
            assert_eq!(named(server.to_owned(), is_recorded).is_ok(), is_right, "{server}");
        }
    }
}
