//! The program as a plugin of kubectl: a copy or link that is named `kubectl-svix` runs as `kubectl svix`.

use std::path::Path;

use clap::Command;

/// The name of the file that kubectl runs for `kubectl svix`.
const FILE: &str = "kubectl-svix";
/// How users call it.
const CALLED: &str = "kubectl svix";
/// The name of the program itself.
const PROGRAM: &str = "svix-operator";

/// Whether the program was started as a plugin, by the first argument of the process.
pub fn is_plugin(program: Option<&Path>) -> bool {
    program.and_then(Path::file_stem).is_some_and(|name| name == FILE)
}

/// Returns the commands with usage and examples as kubectl's users call them.
pub fn as_plugin(program: Command) -> Command {
    with_examples(program.name(FILE).bin_name(CALLED))
}

fn with_examples(command: Command) -> Command {
    let examples = command.get_after_help().map(|text| text.to_string().replace(PROGRAM, CALLED));
    let command = match examples {
        Some(examples) => command.after_help(examples),
        None => command,
    };
    command.mut_subcommands(with_examples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_file_decides() {
        for (path, expected) in [
            ("/usr/local/bin/kubectl-svix", true),
            ("kubectl-svix", true),
            ("kubectl-svix.exe", true),
            ("/usr/local/bin/svix-operator", false),
            ("/opt/kubectl-svix/svix-operator", false),
            ("", false),
        ] {
            assert_eq!(is_plugin(Some(Path::new(path))), expected, "{path}");
        }
        assert!(!is_plugin(None));
    }
}
