//! Markdown for a comment on a pull request. GitHub's comments have at most 65,536 characters, so what does not fit is counted.
//! Names and values come from files that anybody may propose, so they stand in code blocks, which they cannot end.

use std::fmt::Write as _;

use super::{
    super::model::{Action, Change, ChangeSet},
    lines::{lines, printable},
    summary::{head, summary},
};

/// The most characters.
const MAX: usize = 65_000;
/// Left for what comes after the changes.
const RESERVE: usize = 1_000;
/// The most characters of one change.
const MAX_CHANGE: usize = 8_000;

pub(super) fn write(changes: &ChangeSet) -> String {
    let mut out = String::from("### Changes in Svix\n\n");
    let _ = writeln!(out, "{}\n", summary(changes));
    let mut left_out = 0;
    let shown = |change: &&Change| change.action != Action::Nothing || !change.notes.is_empty();
    for change in changes.changes.iter().filter(shown) {
        let section = section(change);
        if out.chars().count() + section.chars().count() > MAX - RESERVE {
            left_out += 1;
            continue;
        }
        out.push_str(&section);
    }
    if left_out > 0 {
        let _ = writeln!(
            out,
            "\n{left_out} more are not shown, since a comment is bounded; run `svix-operator diff`."
        );
    }
    if !changes.foreign.is_empty() {
        let _ = writeln!(out, "\n{} in Svix that no manifest declares.", changes.foreign.len());
    }
    out
}

fn section(change: &Change) -> String {
    let mut body = String::new();
    for line in lines(change) {
        let _ = writeln!(body, "{} {}", line.sign.character(), line.text);
    }
    if let Some(refusal) = &change.refusal {
        let _ = writeln!(body, "! {}: {}", refusal.reason, printable(&refusal.message));
    }
    for note in &change.notes {
        let _ = writeln!(body, "# {}", printable(note));
    }
    if let Some((end, _)) = body.char_indices().nth(MAX_CHANGE) {
        body.truncate(end);
        body.push_str("…\n");
    }
    let fence = fence(&body);
    let title = escaped(&head(change));
    format!(
        "<details><summary>{} <code>{title}</code></summary>\n\n{fence}diff\n{body}{fence}\n\n</details>\n",
        change.action.verb()
    )
}

/// A fence that the text cannot end.
fn fence(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}

/// A text within HTML in Markdown: no tags, no mentions, no links.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in printable(text).chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '@' => out.push_str("&#64;"),
            '`' | '*' | '_' | '[' | ']' | '\\' | '#' | '!' | '~' | '|' => {
                let _ = write!(out, "&#{};", u32::from(character));
            }
            other => out.push(other),
        }
    }
    out
}
