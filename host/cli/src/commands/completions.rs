use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::exit::{self, Exit};

#[derive(Args)]
pub struct Arguments {
    /// Which shell
    shell: Shell,
}

pub fn run(arguments: &Arguments) -> Exit {
    let mut command = crate::arguments::Arguments::command();
    clap_complete::generate(
        arguments.shell,
        &mut command,
        "lockgate",
        &mut std::io::stdout().lock(),
    );
    exit::OK
}
