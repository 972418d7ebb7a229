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
    /// What is remembered of backups and jobs: a file, or postgresql://... [default: lockgate/state.sqlite in the user's folder for state]
    #[arg(
        long,
        global = true,
        env = "LOCKGATE_STATE",
        hide_env_values = true,
        value_name = "FILE|URL"
    )]
    pub state: Option<String>,
    #[command(flatten)]
    pub service: Service,
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

/// A service that does what is asked, instead of this process.
#[derive(Args, Clone)]
pub struct Service {
    /// Ask this service, for example https://backup.example.com:8443 [env: LOCKGATE_SERVER]; its token is in LOCKGATE_TOKEN or a file
    #[arg(long, global = true, value_name = "URL")]
    pub server: Option<String>,
    /// File whose first line is the token for the service
    #[arg(long, global = true, env = "LOCKGATE_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Certificate authorities of the service (PEM) [default: those of the system]
    #[arg(long, global = true, env = "LOCKGATE_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
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
    /// List backups
    List(commands::list::Arguments),
    /// Delete a backup with its snapshot
    Delete(commands::delete::Arguments),
    /// List, show, follow and cancel jobs
    Jobs(commands::jobs::Arguments),
    /// List schedules, or do now what one does
    Schedules(commands::schedules::Arguments),
    /// List snapshots
    Snapshots(commands::snapshots::Arguments),
    /// Show what is known of a backup, or what a snapshot says of itself
    Show(commands::show::Arguments),
    /// List the entries of a snapshot
    Ls(commands::ls::Arguments),
    /// Write the content of one entry to standard output
    Dump(commands::dump::Arguments),
    /// Show the repository as a read-only file system
    Mount(commands::mount::Arguments),
    /// Restore a backup into its datastores, or a snapshot into its datastore, another one, or a folder
    Restore(commands::restore::Arguments),
    /// Have plugins look at their datastores, and change nothing
    Health(commands::health::Arguments),
    /// Take a datastore out of service and back, or run a repair of its plugin's
    Maintenance(commands::maintenance::Arguments),
    /// Serve the REST API and the page, and run what is asked for there
    Serve(commands::serve::Arguments),
    /// Look for damage in the repository
    Check(commands::check::Arguments),
    /// Copy snapshots to another repository
    Copy(commands::copy::Arguments),
    /// Copy to repositories what they missed of backups that go to several
    CatchUp(commands::catch_up::Arguments),
    /// Replace what is damaged by what another repository holds
    Heal(commands::heal::Arguments),
    /// Remove snapshots that a policy does not keep
    Forget(commands::forget::Arguments),
    /// Remove data that no snapshot needs
    Prune(commands::prune::Arguments),
    /// Find entries in snapshots
    Find(commands::find::Arguments),
    /// Tell what differs between two snapshots
    Diff(commands::diff::Arguments),
    /// Count what snapshots hold, and what that takes
    Stats(commands::stats::Arguments),
    /// Print an object of the repository as it is stored
    Cat(commands::cat::Arguments),
    /// Change the tags of snapshots
    Tag(commands::tag::Arguments),
    /// Keep snapshots whatever a policy says
    Pin(commands::pin::Arguments),
    /// Let policies remove snapshots again
    Unpin(commands::unpin::Arguments),
    /// List, add, remove and change passwords of the repository
    #[command(subcommand)]
    Key(commands::key::Command),
    /// Make a damaged repository one that can be worked with
    #[command(subcommand)]
    Repair(commands::repair::Command),
    /// Remove locks that were left behind
    Unlock(commands::unlock::Arguments),
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
    /// Print manual pages
    Man(commands::man::Arguments),
    /// Print the systemd unit of the service
    Systemd(commands::systemd::Arguments),
}

impl Command {
    /// Whether a service can do it.
    pub fn is_for_a_service(&self) -> bool {
        matches!(
            self,
            Self::Backup(_)
                | Self::List(_)
                | Self::Delete(_)
                | Self::Jobs(_)
                | Self::Schedules(_)
                | Self::Show(_)
                | Self::Restore(_)
                | Self::Health(_)
                | Self::Maintenance(_)
        )
    }
}
