//! The lines of a change that text and Markdown share.

use serde_json::Value;

use crate::plan::{printable, receivers::describe};

use super::super::{
    json_diff::differences,
    model::{Change, FieldChange, Side},
};

/// How a line differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Added,
    Removed,
    Changed,
}

impl Sign {
    pub(super) fn character(self) -> char {
        match self {
            Self::Added => '+',
            Self::Removed => '-',
            Self::Changed => '~',
        }
    }
}

/// A line about one place.
pub(super) struct Line {
    pub(super) sign: Sign,
    pub(super) text: String,
}

/// The longest value in a line, in characters.
const MAX_VALUE: usize = 200;
/// The most lines of one field.
const MAX_LINES: usize = 100;

/// The lines of the fields of a change.
pub(super) fn lines(change: &Change) -> Vec<Line> {
    change.fields.iter().flat_map(field).collect()
}

/// What else a reader should know, and the receivers.
pub(super) fn notes(change: &Change) -> Vec<String> {
    change.notes.iter().cloned().chain(change.receivers.as_ref().and_then(describe)).collect()
}

fn field(field: &FieldChange) -> Vec<Line> {
    match (&field.before, &field.after) {
        (Side::Value(before), Side::Value(after)) if is_document(before) && is_document(after) => {
            document(&field.field, before, after)
        }
        (before, after) => {
            let (sign, text) = match (before, after) {
                (Side::Absent, after) => (Sign::Added, shown(after)),
                (before, Side::Absent) => (Sign::Removed, shown(before)),
                (Side::Hidden, Side::Hidden) => (Sign::Changed, "another value (not shown)".to_owned()),
                (before, after) => (Sign::Changed, format!("{} → {}", shown(before), shown(after))),
            };
            vec![Line { sign, text: format!("{}: {text}", printable(&field.field)) }]
        }
    }
}

fn is_document(value: &Value) -> bool {
    value.is_object()
}

/// The places where two documents differ.
pub(super) fn document(field: &str, before: &Value, after: &Value) -> Vec<Line> {
    let differences = differences(before, after);
    let more = differences.len().saturating_sub(MAX_LINES);
    let mut lines: Vec<_> = differences
        .iter()
        .take(MAX_LINES)
        .map(|difference| {
            let place = match (field, difference.pointer.as_str()) {
                ("", "") => "/".to_owned(),
                (field, pointer) => format!("{field}{pointer}"),
            };
            let (sign, text) = match (&difference.before, &difference.after) {
                (None, after) => (Sign::Added, after.as_ref().map(value).unwrap_or_default()),
                (before, None) => (Sign::Removed, before.as_ref().map(value).unwrap_or_default()),
                (Some(before), Some(after)) => {
                    (Sign::Changed, format!("{} → {}", value(before), value(after)))
                }
            };
            Line { sign, text: format!("{}: {text}", printable(&place)) }
        })
        .collect();
    if more > 0 {
        let field = if field.is_empty() { "/" } else { field };
        lines.push(Line { sign: Sign::Changed, text: format!("{field}: {more} more places") });
    }
    lines
}

fn shown(side: &Side) -> String {
    match side {
        Side::Absent => "none".to_owned(),
        Side::Hidden => "a value (not shown)".to_owned(),
        Side::Value(shown) => value(shown),
    }
}

fn value(value: &Value) -> String {
    let text = value.to_string();
    let text = match text.char_indices().nth(MAX_VALUE) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    };
    printable(&text)
}
