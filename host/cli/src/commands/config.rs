use std::path::PathBuf;

use clap::Subcommand;
use lockgate_engine::configuration::{Configuration, parse};
use lockgate_engine::{Error, ErrorKind, Plugins, Result, fits};
use serde_json::json;

use crate::context::{Context, configuration_file};
use crate::exit::{self, Exit};
use crate::output;

#[derive(Subcommand)]
pub enum Command {
    /// Explain each mistake of the configuration with its line
    Check,
}

pub fn run(context: &Context, command: &Command) -> Result<Exit> {
    match command {
        Command::Check => check(context),
    }
}

fn check(context: &Context) -> Result<Exit> {
    let path = configuration_file(context.configuration_path.as_ref()).ok_or_else(|| {
        Error::new(ErrorKind::Configuration, "there is no configuration")
            .with_hint("write ~/.config/lockgate/config.toml, or name one with --config")
    })?;
    let text = std::fs::read_to_string(&path).map_err(|error| {
        Error::new(ErrorKind::Configuration, format!("configuration {}: {error}", path.display()))
    })?;
    match parse(&text) {
        Ok(configuration) => {
            let mut found = absent(&configuration);
            found.extend(unfit(&context.plugins_of(&configuration)?, &configuration));
            found.iter().for_each(|what| say(context.json, &path, 0, what));
            summary(context.json, &path, &configuration, found.len());
            Ok(if found.is_empty() { exit::OK } else { exit::USAGE })
        }
        Err(mistakes) => {
            mistakes
                .iter()
                .for_each(|mistake| say(context.json, &path, mistake.line, &mistake.message));
            if context.json {
                output::message("summary", json!({ "mistakes": mistakes.len() }));
            }
            Ok(exit::USAGE)
        }
    }
}

/// What the configuration names and this machine does not have.
fn absent(configuration: &Configuration) -> Vec<String> {
    let mut absent = Vec::new();
    let mut need = |what: String, path: &PathBuf| {
        if !path.exists() {
            absent.push(format!("{what}: {} does not exist", path.display()));
        }
    };
    for (name, repository) in &configuration.repositories {
        if let Some(path) = &repository.password_file {
            need(format!("repositories.{name}.password-file"), path);
        }
    }
    for (name, source) in &configuration.sources {
        for (folder, grant) in &source.folders {
            need(format!("sources.{name}.folders.{folder}"), &grant.path);
        }
        for (credential, grant) in &source.credentials {
            if let Some(path) = &grant.secret_file {
                need(format!("sources.{name}.credentials.{credential}"), path);
            }
        }
        for (endpoint, grant) in &source.endpoints {
            let files = [
                ("ca-file", &grant.ca_file),
                ("cert-file", &grant.cert_file),
                ("key-file", &grant.key_file),
            ];
            for (setting, path) in files {
                if let Some(path) = path {
                    need(format!("sources.{name}.endpoints.{endpoint}.{setting}"), path);
                }
            }
        }
    }
    absent
}

/// What the plugins ask for and the sources do not give, and the other way round.
fn unfit(plugins: &Plugins, configuration: &Configuration) -> Vec<String> {
    let mistakes = configuration.sources.iter().filter_map(|(name, source)| {
        let error = fits(plugins, name, source).err()?;
        let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
        let message = error.to_string();
        let message = message.strip_prefix(&format!("source {name}: ")).unwrap_or(&message);
        Some(format!("sources.{name}: {message}{hint}"))
    });
    mistakes.collect()
}

fn say(json: bool, path: &std::path::Path, line: usize, message: &str) {
    if json {
        output::message("mistake", json!({ "line": line, "message": message }));
    } else if line == 0 {
        output::line(format!("{}: {message}", path.display()));
    } else {
        output::line(format!("{}:{line}: {message}", path.display()));
    }
}

fn summary(json: bool, path: &std::path::Path, configuration: &Configuration, mistakes: usize) {
    let names = |names: Vec<&lockgate_types::Name>| {
        names.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let repositories = names(configuration.repositories.keys().collect());
    let sources = names(configuration.sources.keys().collect());
    let sets = names(configuration.sets.keys().collect());
    if json {
        output::message(
            "summary",
            json!({
                "mistakes": mistakes,
                "repositories": repositories,
                "sources": sources,
                "sets": sets,
            }),
        );
    } else {
        output::line(format!(
            "{}: repositories {}; sources {}; sets {}",
            path.display(),
            repositories.join(", "),
            sources.join(", "),
            if sets.is_empty() { "none".to_owned() } else { sets.join(", ") }
        ));
    }
}
