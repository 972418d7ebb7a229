//! The way out: finds what each granted folder holds and archives it part by part.

use lockgate_atomix_storage::files::{list, name, read};
use lockgate_atomix_storage::{load, part, partition, save};
use lockgate_plugin::{
    Backup, BackupPlan, BackupRequest, Context, Entry, Error, Finding, Fingerprint, Outcome, Part,
    Result, Severity, Summary, archive, files,
};
use std::io::Write;

use crate::config::Config;
use crate::live::{self, State};
use crate::names;
use crate::settings::{Settings, add_print};

/// Configuration files of one folder.
const FILES_MAX: usize = 100;

/// A backup.
#[derive(Debug)]
pub struct Saving {
    config: Config,
    /// Folders that are granted.
    folders: Vec<String>,
}

impl Backup for Saving {
    type Config = Config;

    fn begin(config: Config, request: BackupRequest) -> Result<(Self, BackupPlan)> {
        config.validate()?;
        let folders: Vec<String> = files::folders()?.into_iter().map(|it| it.name).collect();
        if folders.is_empty() {
            return Err(Error::config("folders: grant the folder of each member, as folders.m1"));
        }
        let mut parts = Vec::new();
        let mut cluster = None;
        for folder in &folders {
            let found = Found::look(folder, &config).with_context(|| format!("folder {folder}"))?;
            found.refuse_unfinished()?;
            cluster = cluster.or(found.cluster.clone());
            parts.extend(found.parts()?);
        }
        part::note_folders(&mut parts);
        parts.retain(|part| request.asks_for(&part.id));
        let plan = BackupPlan::new(parts)
            .with_moment_of_export()
            .with_attribute("cluster", cluster.unwrap_or_default())
            .with_attribute("members", folders.join(" "));
        Ok((Self { config, folders }, plan))
    }

    fn join(config: Config, _mark: Vec<u8>) -> Result<Self> {
        Ok(Self { config, folders: Vec::new() })
    }

    fn export(&mut self, part: Part) -> Result<Summary> {
        let folder = names::folder(&part)?;
        match part.kind.as_str() {
            names::CONFIGURATION => export_configuration(folder, &self.config),
            _ => save::save(folder, &names::of_part(&part)?),
        }
        .with_context(|| part.id.clone())
    }

    fn end(self, _outcome: Outcome) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        for folder in &self.folders {
            if let State::Silent(why) = live::state(folder)? {
                let text = format!(
                    "member {folder} does not answer ({why}); its folder was saved as its agent left it"
                );
                findings.push(Finding::new(Severity::Warning, "member-silent", text));
            }
        }
        Ok(findings)
    }
}

/// What a granted folder holds.
#[derive(Debug)]
pub struct Found {
    folder: String,
    /// Paths and texts of configuration files.
    pub configuration: Vec<(String, String)>,
    /// What they say together.
    pub settings: Vec<Settings>,
    cluster: Option<String>,
    /// Whose folder it is, by its configuration or by the note of its agent; empty when neither says.
    pub member: String,
    /// The partitions.
    pub partitions: Vec<partition::Partition>,
}

impl Found {
    /// Looks into a folder.
    ///
    /// # Errors
    /// When it holds nothing of Atomix, or what cannot be read.
    pub fn look(folder: &str, config: &Config) -> Result<Self> {
        let partitions = partition::find(folder)?;
        let configuration = configuration(folder, config)?;
        let mut settings = Vec::new();
        for (path, text) in &configuration {
            settings.push(Settings::read(text).with_context(|| path.clone())?);
        }
        let mut member = settings.iter().find_map(|it| it.node.clone());
        for partition in &partitions {
            let owner = load::owner(folder, partition)?;
            if let (Some(member), Some(owner)) = (&member, &owner)
                && member != owner
            {
                return Err(Error::config(format!(
                    "its configuration is of member {member}, and partition {} belongs to {owner}: grant each member's own folder",
                    partition.prefix()
                )));
            }
            member = member.or(owner);
        }
        let cluster = settings.iter().find_map(|it| it.cluster.clone());
        let member = member.unwrap_or_default();
        Ok(Self { folder: folder.to_owned(), configuration, settings, cluster, member, partitions })
    }

    fn refuse_unfinished(&self) -> Result<()> {
        for partition in &self.partitions {
            if load::is_unfinished(&self.folder, partition)? {
                return Err(Error::conflict(format!(
                    "folder {}: a restore of partition {} was not finished; run it again with --overwrite",
                    self.folder,
                    partition.prefix()
                )));
            }
        }
        Ok(())
    }

    fn parts(&self) -> Result<Vec<Part>> {
        if self.partitions.is_empty() && self.configuration.is_empty() {
            return Err(Error::config(format!(
                "folder {} holds no Raft partition (GROUP-partition-N.meta) and none of the configuration files: grant the folder with \
                 the member's storage directories, and name its files in `configuration`",
                self.folder
            )));
        }
        let mut parts = Vec::new();
        if !self.configuration.is_empty() {
            parts.push(names::configuration(&self.folder, &self.member));
        }
        for partition in &self.partitions {
            parts.push(part::of_partition("member", &self.folder, &self.member, partition)?);
        }
        Ok(parts)
    }
}

/// The configuration files that a folder has, with their text.
///
/// # Errors
/// When one cannot be read.
pub fn configuration(folder: &str, config: &Config) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    let mut paths = config.configuration.clone();
    paths.sort();
    paths.dedup();
    for path in paths.into_iter().take(FILES_MAX) {
        if let Some(bytes) = read(folder, path.as_bytes())? {
            let text = String::from_utf8(bytes).with_context(|| path.clone())?;
            found.push((path, text));
        }
    }
    Ok(found)
}

fn export_configuration(folder: &str, config: &Config) -> Result<Summary> {
    let found = configuration(folder, config)?;
    let mut print = Fingerprint::new();
    for (path, text) in &found {
        let above = lockgate_atomix_storage::files::parent(path.as_bytes());
        let names = list(folder, above, usize::MAX)?;
        let metadata = names.into_iter().find(|(it, _)| it.as_slice() == name(path.as_bytes()));
        let mut entry = Entry::new(path.as_bytes()).with_media_type("text/plain");
        if let Some((_, mut metadata)) = metadata {
            metadata.size = text.len() as u64;
            metadata.links = 1;
            entry = entry.with_metadata(metadata);
        }
        let mut writer = archive::create(&entry)?;
        writer.write_all(text.as_bytes())?;
        writer.finish()?;
        print.add(path);
        add_print(&mut print, text)?;
    }
    Ok(Summary::of_items(found.len() as u64).with_fingerprint(print.finish()))
}

/// The fingerprint of the configuration that a folder has now.
///
/// # Errors
/// When it cannot be read.
pub fn print_configuration(folder: &str, config: &Config) -> Result<String> {
    let mut print = Fingerprint::new();
    for (path, text) in configuration(folder, config)? {
        print.add(path);
        add_print(&mut print, &text)?;
    }
    Ok(print.finish())
}
