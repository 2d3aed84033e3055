//! The `svix-operator` program: hands over to [`svix_operator::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    svix_operator::cli::main()
}
