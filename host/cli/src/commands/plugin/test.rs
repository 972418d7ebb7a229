//! The conformance suite, with a driver that somebody wrote for a datastore.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use lockgate_conformance::{CaseReport, Datastore as _, Driver, Options, Report};
use lockgate_engine::{Error, ErrorKind, Host, Result};

use crate::context::Context;
use crate::exit::{self, Exit};
use crate::output;

#[derive(Args)]
pub struct Arguments {
    /// Name of an installed plugin, or the path of a component
    #[arg(required_unless_present = "table")]
    plugin: Option<String>,
    /// Program that drives the datastore, and its arguments
    #[arg(long, value_name = "PROGRAM", num_args = 1.., required_unless_present = "table")]
    driver: Vec<OsString>,
    /// More arguments of the driver, which may begin with a dash
    #[arg(last = true, value_name = "DRIVER ARGUMENT", requires = "driver")]
    more: Vec<OsString>,
    /// Only this case; may be given again
    #[arg(long = "case", value_name = "NAME")]
    cases: Vec<String>,
    /// Folder for the report as JSON and text
    #[arg(long, value_name = "FOLDER")]
    reports: Option<PathBuf>,
    /// Run nothing; print one table of the reports in this folder, in Markdown
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["plugin", "driver", "cases", "reports"])]
    table: Option<PathBuf>,
}

pub fn run(context: &Context, host: &Host, arguments: &Arguments) -> Result<Exit> {
    if let Some(folder) = &arguments.table {
        let reports = lockgate_conformance::read_reports(folder).map_err(failed)?;
        lockgate_conformance::table(&reports).lines().for_each(output::line);
        return Ok(exit::OK);
    }
    let report = test(context, host, arguments)?;
    if let Some(folder) = &arguments.reports {
        report.write(folder).map_err(failed)?;
    }
    if context.json {
        output::message("summary", &report);
    } else {
        report.text().lines().last().into_iter().for_each(output::line);
    }
    let is_sound = report.failed().next().is_none();
    Ok(if is_sound { exit::OK } else { exit::NOT_CONFORMING })
}

fn test(context: &Context, host: &Host, arguments: &Arguments) -> Result<Report> {
    let name = arguments.plugin.as_deref().unwrap_or_default();
    let plugin = host.plugins().find(name)?;
    let mut words = arguments.driver.iter().chain(&arguments.more).cloned();
    let program = words.next().unwrap_or_default();
    let driver = Driver::start(&program, &words.collect::<Vec<_>>()).map_err(failed)?;
    if driver.plugin() != plugin.name.as_str() {
        let message = format!("plugin {}: the driver is for {}", plugin.name, driver.plugin());
        return Err(Error::new(ErrorKind::Configuration, message)
            .with_hint("name the plugin that the driver was written for"));
    }
    let on_case = |case: &CaseReport| {
        if context.json {
            output::message("case", case);
        } else {
            case.text().lines().for_each(output::line);
        }
    };
    let program = std::env::current_exe()
        .map_err(|error| Error::new(ErrorKind::Failed, format!("own program file: {error}")))?;
    let options = Options {
        program,
        component: plugin.path,
        cache: context.cache.clone(),
        cases: arguments.cases.clone(),
        on_case: &on_case,
        should_stop: &|| context.cancel.is_cancelled(),
    };
    let report = lockgate_conformance::run(&driver, &options);
    if context.cancel.is_cancelled() {
        return Err(Error::new(ErrorKind::Interrupted, "the suite was stopped by the operator"));
    }
    report.map_err(failed)
}

/// Errors of the suite tell everything in their text.
fn failed(error: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Failed, format!("{error:#}"))
}
