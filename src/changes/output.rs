//! The formats of a change set: text for a terminal, JSON for programs, Markdown for a comment on a pull request.

mod lines;
mod markdown;
mod text;

use std::io::{self, Write};

use super::model::{Action, ChangeSet};

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

/// What is done, in one line.
#[must_use]
pub fn summary(changes: &ChangeSet) -> String {
    let totals = changes.totals();
    let words = totals.iter().filter(|(action, _)| **action != Action::Nothing);
    let mut words: Vec<_> = words.map(|(action, count)| format!("{count} to {}", action.verb())).collect();
    if let Some(refused) = totals.get(&Action::Refuse) {
        words.pop();
        words.push(format!("{refused} refused"));
    }
    let same = totals.get(&Action::Nothing).copied().unwrap_or(0);
    match words.as_slice() {
        [] => format!("no differences ({same} compared)"),
        words => format!("{}, {same} without differences", words.join(", ")),
    }
}
