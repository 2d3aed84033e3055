//! `svix-operator completions`: the script that completes commands and flags in a shell.

use std::{io::Write as _, process::ExitCode};

use clap::Command;
use clap_complete::{Shell, generate};

use super::{exit::Exit, terminal};

/// Print the script that completes commands and flags in a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  svix-operator completions bash > ~/.local/share/bash-completion/completions/svix-operator
      for new shells of this user
  source <(svix-operator completions zsh)
      for this shell")]
pub struct Arguments {
    /// The shell.
    shell: Shell,
}

/// Prints the script; `program` has the flags of all commands.
pub fn run(arguments: &Arguments, mut program: Command) -> ExitCode {
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    generate(arguments.shell, &mut program, name, &mut script);
    terminal::print(|out| out.write_all(&script));
    Exit::Done.into()
}
