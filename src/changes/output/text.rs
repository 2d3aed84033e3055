//! Text: a line for each object that changes, a line for each field below it, and the totals last.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use crate::plan::printable;

use super::{
    super::model::{Action, ChangeSet},
    lines::{Line, Sign, document, lines, notes},
    summary::{head, summary},
};

/// Writes a line for each place where two documents differ, as below an object that changes. Returns whether there is one.
pub(super) fn write_documents(
    before: &Value,
    after: &Value,
    color: bool,
    out: &mut impl Write,
) -> io::Result<bool> {
    let lines = document("", before, after);
    lines.iter().try_for_each(|line| writeln!(out, "{}", painted(color, line)))?;
    Ok(!lines.is_empty())
}

fn painted(color: bool, line: &Line) -> String {
    let style = match line.sign {
        Sign::Added => foreground(AnsiColor::Green),
        Sign::Removed => foreground(AnsiColor::Red),
        Sign::Changed => foreground(AnsiColor::Yellow),
    };
    paint(color, style, &format!("{} {}", line.sign.character(), line.text))
}

fn paint(color: bool, style: Style, text: &str) -> String {
    match color {
        true => format!("{style}{text}{style:#}"),
        false => text.to_owned(),
    }
}

fn foreground(color: AnsiColor) -> Style {
    Style::new().fg_color(Some(color.into()))
}

pub(super) fn write(changes: &ChangeSet, color: bool, out: &mut impl Write) -> io::Result<()> {
    for change in &changes.changes {
        if change.action == Action::Nothing && change.notes.is_empty() {
            continue;
        }
        let style = match change.action {
            Action::Nothing => Style::new(),
            Action::Create => foreground(AnsiColor::Green),
            Action::Change | Action::Adopt | Action::Unarchive => foreground(AnsiColor::Yellow),
            Action::Delete | Action::Archive | Action::Expunge | Action::Refuse => foreground(AnsiColor::Red),
        };
        writeln!(out, "{} {}", paint(color, style.bold(), change.action.verb()), printable(&head(change)))?;
        for line in lines(change) {
            writeln!(out, "  {}", painted(color, &line))?;
        }
        if let Some(refusal) = &change.refusal {
            writeln!(out, "  {}: {}", printable(&refusal.reason), printable(&refusal.message))?;
        }
        for note in notes(change) {
            writeln!(out, "  {}", printable(&note))?;
        }
    }
    for foreign in &changes.foreign {
        let application = foreign.application.iter().map(|name| format!(" of application {name}"));
        let owner = foreign.owner.iter().map(|owner| format!(", marked as {owner}"));
        let details: String = application.chain(owner).collect();
        let text = format!("not declared: {} {}{details}", foreign.kind, foreign.name);
        writeln!(out, "{}", printable(&text))?;
    }
    for note in &changes.notes {
        writeln!(out, "note: {}", printable(note))?;
    }
    writeln!(out, "{}", summary(changes))
}
