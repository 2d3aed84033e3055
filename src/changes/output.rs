//! The formats of a change set: text for a terminal, JSON for programs, Markdown for a comment on a pull request.

mod lines;
mod markdown;
mod summary;
mod text;

use std::io::{self, Write};

use serde_json::Value;

use super::model::ChangeSet;

pub use summary::summary;

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Text, for people.
    Text,
    /// One JSON document, for programs.
    Json,
    /// Markdown, for a comment on a pull request: at most 65,000 characters.
    Markdown,
}

/// Writes a line for each place where two documents differ, as for a field of an object that changes. Returns whether there is
/// one.
pub fn write_documents(before: &Value, after: &Value, color: bool, out: &mut impl Write) -> io::Result<bool> {
    text::write_documents(before, after, color, out)
}

/// Writes a change set.
pub fn write(changes: &ChangeSet, format: Format, color: bool, out: &mut impl Write) -> io::Result<()> {
    match format {
        Format::Text => text::write(changes, color, out),
        Format::Json => {
            serde_json::to_writer_pretty(&mut *out, changes)?;
            writeln!(out)
        }
        Format::Markdown => out.write_all(markdown::write(changes).as_bytes()),
    }
}
