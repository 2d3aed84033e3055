//! Text: a line for each object that changes, a line for each field below it, and the totals last.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use crate::plan::printable;

use super::{
    super::model::{Action, ChangeSet},
    lines::{Sign, lines},
    summary::{head, summary},
};

pub(super) fn write(changes: &ChangeSet, color: bool, out: &mut impl Write) -> io::Result<()> {
    let paint = |style: Style, text: &str| match color {
        true => format!("{style}{text}{style:#}"),
        false => text.to_owned(),
    };
    let foreground = |color: AnsiColor| Style::new().fg_color(Some(color.into()));
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
        writeln!(out, "{} {}", paint(style.bold(), change.action.verb()), printable(&head(change)))?;
        for line in lines(change) {
            let style = match line.sign {
                Sign::Added => foreground(AnsiColor::Green),
                Sign::Removed => foreground(AnsiColor::Red),
                Sign::Changed => foreground(AnsiColor::Yellow),
            };
            writeln!(out, "  {}", paint(style, &format!("{} {}", line.sign.character(), line.text)))?;
        }
        if let Some(refusal) = &change.refusal {
            writeln!(out, "  {}: {}", printable(&refusal.reason), printable(&refusal.message))?;
        }
        for note in &change.notes {
            writeln!(out, "  {}", printable(note))?;
        }
    }
    for foreign in &changes.foreign {
        let application = foreign.application.iter().map(|name| format!(" of application {name}"));
        let owner = foreign.owner.iter().map(|owner| format!(", marked as {owner}"));
        let details: String = application.chain(owner).collect();
        let text = format!("not declared: {} {}{details}", foreign.kind, foreign.name);
        writeln!(out, "{}", printable(&text))?;
    }
    writeln!(out, "{}", summary(changes))
}
