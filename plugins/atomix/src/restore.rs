//! The way back. All members are stopped; each gets its own configuration and partitions.

use std::io::Read;

use lockgate_atomix_storage::files::{archived, make_folders, parent, write};
use lockgate_atomix_storage::{load, part, save};
use lockgate_plugin::{
    Context, Entry, Error, Finding, Outcome, Part, Restore, RestoreRequest, Result, Severity, Step,
    archive,
};

use crate::backup::{configuration, print_configuration};
use crate::config::Config;
use crate::names;
use crate::targets::{admit, changes, folders};

/// A restore.
#[derive(Debug)]
pub struct Restoring {
    config: Config,
    request: RestoreRequest,
}

impl Restore for Restoring {
    type Config = Config;

    fn preview(config: Config, request: RestoreRequest) -> Result<Vec<Step>> {
        config.validate()?;
        let mut steps = Vec::new();
        for part in &request.parts {
            for folder in folders(&config, &request, part)? {
                let (action, target, overwrites) = if part.kind == names::CONFIGURATION {
                    let there = configuration(&folder, &config)?;
                    ("restore configuration", folder, !there.is_empty())
                } else {
                    let partition = names::of_part(part)?;
                    let there = load::in_the_way(&folder, &partition)?;
                    (
                        "restore partition",
                        format!("{folder}/{}", partition.prefix()),
                        there.is_some(),
                    )
                };
                steps.push(Step { overwrites, ..Step::new(&part.id, action, target) });
            }
        }
        Ok(steps)
    }

    fn begin(config: Config, request: RestoreRequest) -> Result<(Self, Vec<Vec<Part>>)> {
        config.validate()?;
        admit(&config, &request)?;
        // A partition that is alone in a folder without configuration is of no known member, so configuration comes first.
        let (first, second) =
            request.parts.iter().cloned().partition(|part| part.kind == names::CONFIGURATION);
        let stages =
            [first, second].into_iter().filter(|stage: &Vec<Part>| !stage.is_empty()).collect();
        Ok((Self { config, request }, stages))
    }

    fn join(config: Config, request: RestoreRequest) -> Result<Self> {
        Ok(Self { config, request })
    }

    fn import(&mut self, part: Part) -> Result<()> {
        for folder in folders(&self.config, &self.request, &part)? {
            if part.kind == names::CONFIGURATION {
                self.import_configuration(&folder)
            } else {
                let partition = names::of_part(&part)?;
                load::load(&folder, &partition, part::term(&self.request, &partition))
            }
            .with_context(|| format!("part {} to folder {folder}", part.id))?;
        }
        Ok(())
    }

    fn fingerprint(&mut self, part: Part) -> Result<String> {
        let mut prints = Vec::new();
        for folder in folders(&self.config, &self.request, &part)? {
            prints.push(if part.kind == names::CONFIGURATION {
                print_configuration(&folder, &self.config)?
            } else {
                save::fingerprint(&folder, &names::of_part(&part)?)?
            });
        }
        prints.dedup();
        match prints.as_slice() {
            [one] => Ok(one.clone()),
            _ => Err(Error::corrupt(format!("{}: the folders hold different things", part.id))),
        }
    }

    fn end(self, outcome: Outcome) -> Result<Vec<Finding>> {
        if !matches!(outcome, Outcome::Completed) {
            let text = "agents refuse to start on a partition that was not finished; run the restore again with --overwrite";
            return Ok(vec![Finding::new(Severity::Warning, "unfinished", text)]);
        }
        let text = "start the members that were restored together: one alone waits for a majority";
        Ok(vec![Finding::new(Severity::Notice, "start-members", text)])
    }
}

impl Restoring {
    fn import_configuration(&self, folder: &str) -> Result<()> {
        let changes = changes(&self.config, &self.request);
        let entries: Vec<Entry> = archived()?;
        for entry in entries {
            let mut text = String::new();
            archive::open(&entry.path)?.read_to_string(&mut text)?;
            let (text, count) = changes.apply(&text)?;
            if count > 0 {
                log::info!("{folder}: {count} addresses and directories were changed");
            }
            let metadata = entry.metadata.map(|mut metadata| {
                metadata.size = text.len() as u64;
                metadata
            });
            make_folders(folder, parent(&entry.path), metadata.as_ref())?;
            write(folder, &entry.path, text.as_bytes(), metadata.as_ref())?;
        }
        Ok(())
    }
}
