//! The lines of a change that text and Markdown share.

use serde_json::Value;

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

/// A text in one line that controls no terminal and hides nothing: two values that differ look different.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if is_unsafe(c) { '\u{fffd}' } else { c }).collect()
}

/// Whether a character changes how the text around it is shown, or is not seen itself.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Soft hyphen, and marks of other scripts that take no room.
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{3164}' | '\u{ffa0}'
            // Spaces without width, and marks and overrides of the writing direction.
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            // Annotations, tags and variation selectors.
            | '\u{fff9}'..='\u{fffb}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_line_is_invisible() {
        for hidden in
            ["a\u{1b}[2Jb", "a\u{9b}b", "a\nb", "a\u{202e}b", "a\u{200b}b", "a\u{feff}b", "a\u{e0041}b"]
        {
            let shown = printable(hidden);
            assert!(shown.contains('\u{fffd}') && !shown.contains('\u{1b}'), "{hidden:?}: {shown:?}");
        }
        assert_eq!(printable("Grüße, 世界, \u{1f600}"), "Grüße, 世界, \u{1f600}");
    }
}
