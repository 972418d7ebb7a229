use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use lockgate_engine::jail::Isolation;

use crate::commands;

/// Backs up datastores through sandboxed plugins into an encrypted, deduplicated repository that restic can read.
#[derive(Parser)]
#[command(name = "lockgate", version, max_term_width = 100)]
pub struct Arguments {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command understands.
#[derive(Args)]
pub struct Global {
    /// Configuration file [default: lockgate/config.toml in the user's, then in the system's configuration folder]
    #[arg(long, global = true, env = "LOCKGATE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Repository: a name from the configuration, or a location such as fs:/srv/backup or s3:https://host/bucket
    #[arg(short, long, global = true, env = "LOCKGATE_REPOSITORY")]
    pub repository: Option<String>,
    /// File whose first line is the location of the repository
    #[arg(long, global = true, env = "LOCKGATE_REPOSITORY_FILE", value_name = "FILE")]
    pub repository_file: Option<PathBuf>,
    /// File whose first line is the repository's password
    #[arg(long, global = true, env = "LOCKGATE_PASSWORD_FILE", value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Command that prints the repository's password; words separated by spaces, no shell
    #[arg(long, global = true, env = "LOCKGATE_PASSWORD_COMMAND", value_name = "COMMAND")]
    pub password_command: Option<String>,
    /// Folder with the plugins' components
    #[arg(long, global = true, env = "LOCKGATE_PLUGINS", value_name = "FOLDER")]
    pub plugins: Option<PathBuf>,
    /// Folder for compiled plugins [default: lockgate in the user's cache folder]
    #[arg(long, global = true, env = "LOCKGATE_CACHE", value_name = "FOLDER")]
    pub cache: Option<PathBuf>,
    /// Audit log [default: lockgate/audit.jsonl in the user's folder for state]
    #[arg(long, global = true, env = "LOCKGATE_AUDIT", value_name = "FILE")]
    pub audit: Option<PathBuf>,
    /// What to do when this machine lacks a layer of the jail that plugins run in: refuse, or go on and record it [default: full]
    #[arg(long, global = true, env = "LOCKGATE_ISOLATION", value_name = "full|reduced", value_parser = isolation)]
    pub isolation: Option<Isolation>,
    /// Print one JSON object a line instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// Print only results and errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Print what happens; twice for more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

fn isolation(text: &str) -> Result<Isolation, String> {
    match text {
        "full" => Ok(Isolation::Full),
        "reduced" => Ok(Isolation::Reduced),
        _ => Err("`full` or `reduced`".to_owned()),
    }
}

#[derive(Subcommand)]
pub enum Command {
    /// Make a new repository
    Init(commands::init::Arguments),
    /// Back up sources
    Backup(commands::backup::Arguments),
    /// List snapshots
    Snapshots(commands::snapshots::Arguments),
    /// Show what a snapshot says of itself
    Show(commands::show::Arguments),
    /// List the entries of a snapshot
    Ls(commands::ls::Arguments),
    /// Write the content of one entry to standard output
    Dump(commands::dump::Arguments),
    /// Restore a snapshot into its datastore, another one, or a folder
    Restore(commands::restore::Arguments),
    /// Have plugins look at their datastores, and change nothing
    Health(commands::health::Arguments),
    /// Take a datastore out of service and back, or run a repair of its plugin's
    Maintenance(commands::maintenance::Arguments),
    /// Look for damage in the repository
    Check(commands::check::Arguments),
    /// Remove snapshots that a policy does not keep
    Forget(commands::forget::Arguments),
    /// Remove data that no snapshot needs
    Prune(commands::prune::Arguments),
    /// List and inspect plugins
    #[command(subcommand)]
    Plugin(commands::plugin::Command),
    /// Read the record of what plugins were allowed, tried and did not get
    #[command(subcommand)]
    Audit(commands::audit::Command),
    /// Look at what keeps plugins in
    #[command(subcommand)]
    Sandbox(commands::sandbox::Command),
    /// Look at the configuration
    #[command(subcommand)]
    Config(commands::config::Command),
    /// Print the completion script of a shell
    Completions(commands::completions::Arguments),
}
