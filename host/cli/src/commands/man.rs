use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _};
use lockgate_engine::{Error, ErrorKind, Result};

use crate::exit::{self, Exit};

#[derive(Args)]
pub struct Arguments {
    /// The page of this command, for example `plugin lock` [default: of lockgate itself]
    command: Vec<String>,
    /// Write the pages of all commands into this folder, for example /usr/local/share/man/man1
    #[arg(long, value_name = "FOLDER", conflicts_with = "command")]
    folder: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<Exit> {
    let program = crate::arguments::Arguments::command();
    match &arguments.folder {
        Some(folder) => {
            let failed = |error: std::io::Error| {
                Error::new(ErrorKind::Failed, format!("folder {}: {error}", folder.display()))
            };
            std::fs::create_dir_all(folder).map_err(failed)?;
            clap_mangen::generate_to(program, folder).map_err(failed)?;
        }
        None => {
            let mut page = Vec::new();
            let rendered =
                clap_mangen::Man::new(named(program, &arguments.command)?).render(&mut page);
            rendered.map_err(|error| Error::new(ErrorKind::Failed, format!("page: {error}")))?;
            // A reader that went away (`| head`) is no error.
            std::io::stdout().lock().write_all(&page).ok();
        }
    }
    Ok(exit::OK)
}

/// The command of these words, with all that it inherits.
fn named(mut program: clap::Command, words: &[String]) -> Result<clap::Command> {
    program = program.disable_help_subcommand(true);
    program.build();
    words.iter().try_fold(program, |command, word| {
        command.find_subcommand(word).cloned().ok_or_else(|| {
            Error::new(ErrorKind::Configuration, format!("there is no command {word}"))
                .with_hint("`lockgate --help` lists them")
        })
    })
}
