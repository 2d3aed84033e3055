//! The formats that commands about schemas print in.

/// The format of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// Text, for people.
    Text,
    /// One JSON document, for programs.
    Json,
}
