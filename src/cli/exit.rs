//! The exit codes of all commands. `docs/cli.md` has them in one table.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It did what it is for, or there was nothing to do.
    Done = 0,
    /// It found something: differences, findings, a payload that does not match, an event id that is in use.
    Found = 1,
    /// It could not begin: wrong arguments, a file that cannot be read, nothing to work on.
    Usage = 2,
    /// Svix or the API server failed, or refused.
    Failed = 3,
    /// A change of a schema that the compatibility level forbids.
    Incompatible = 4,
    /// Whether a change of a schema is compatible was not decided.
    Undecided = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
