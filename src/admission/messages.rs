//! Errors in an object, as text that is safe on a terminal and within the API server's bounds.

use std::fmt::Display;

use crate::{
    api::JsonPointer,
    plan::{ReconcileError, controls_terminal},
    schema::Violation,
};

/// Longest warning that the API server passes on whole, in characters, when there are many.
const MAX_WARNING: usize = 256;
/// Most characters of all warnings together that the API server passes on.
const MAX_WARNINGS: usize = 4096;
/// Longest text about one problem, in characters. A pointer into a payload is as long as the payload's keys.
const MAX_PROBLEM: usize = 1024;

/// An error in an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field of the object.
    pub field: JsonPointer,
    /// What was found, and what was expected.
    pub message: String,
}

impl Problem {
    pub(super) fn new(field: impl Into<JsonPointer>, message: impl Display) -> Self {
        Self { field: field.into(), message: plain(&message.to_string(), MAX_PROBLEM) }
    }

    /// A violation by a payload that is part of the object, in this field.
    pub(super) fn of_payload(field: &JsonPointer, violation: &Violation) -> Self {
        Self::new(field.join(&violation.pointer), &violation.message)
    }

    /// A violation by a payload that is kept as text: a document of its own, in this field.
    pub(super) fn of_payload_text(field: &JsonPointer, violation: &Violation) -> Self {
        match violation.pointer.as_str() {
            "" => Self::new(field.clone(), &violation.message),
            _ => Self::new(field.clone(), violation),
        }
    }
}

impl Problem {
    /// The field as text that is safe to print; `/` for the whole object.
    pub(super) fn printable_field(&self) -> String {
        if self.field.is_root() { "/".to_owned() } else { plain(self.field.as_str(), MAX_PROBLEM) }
    }
}

impl From<ReconcileError> for Problem {
    fn from(error: ReconcileError) -> Self {
        Self::new(error.field.clone().unwrap_or_default(), error.detail())
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.field.is_root() {
            write!(f, "{}: ", self.printable_field())?;
        }
        f.write_str(&self.message)
    }
}

/// Text without control characters that a terminal would interpret, of at most this many characters. The sender chooses
/// the keys of a payload, and kubectl prints messages as they are.
pub(super) fn plain(text: &str, most: usize) -> String {
    let mut short = String::with_capacity(text.len().min(most));
    for (count, c) in text.chars().enumerate() {
        if count + 1 >= most && text.chars().nth(most).is_some() {
            short.push('…');
            break;
        }
        if controls_terminal(c) {
            short.extend(c.escape_unicode());
        } else {
            short.push(c);
        }
    }
    short
}

/// Warnings as the API server passes them on: each of at most 256 characters, all of at most 4096.
pub(super) fn bounded(warnings: &[Problem]) -> Vec<String> {
    let count = warnings.len();
    let mut left = MAX_WARNINGS;
    let mut kept = Vec::new();
    for (index, warning) in warnings.iter().enumerate() {
        let mut warning = plain(&warning.to_string(), MAX_WARNING);
        // What was escaped has become longer.
        if let Some((end, _)) = warning.char_indices().nth(MAX_WARNING) {
            warning.truncate(end);
        }
        let length = warning.chars().count();
        let note = format!("and {} more warnings", count - index);
        if length + note.len() > left {
            kept.push(note);
            break;
        }
        left -= length;
        kept.push(warning);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Reason;

    #[test]
    fn a_problem_has_the_field_of_the_error() {
        let url = ReconcileError::at(Reason::InvalidSpec, "/spec/url", "not a URL");
        assert_eq!(Problem::from(url), Problem::new("/spec/url", "not a URL"));
        let example = ReconcileError::in_sentence(
            Reason::InvalidSchema,
            "/spec/examples/0",
            "(\"first\") does not match the schema: /a: found 1",
        );
        assert_eq!(
            Problem::from(example),
            Problem::new("/spec/examples/0", "(\"first\") does not match the schema: /a: found 1")
        );
        let without_field = ReconcileError::new(Reason::InvalidSpec, "no pointer");
        assert_eq!(Problem::from(without_field), Problem::new("", "no pointer"));
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(plain("a\u{1b}[31m\nb\u{202e}", 100), r"a\u{1b}[31m\u{a}b\u{202e}");
        assert_eq!(plain("abc", 3), "abc");
        assert_eq!(plain("abcd", 3), "ab…");
    }

    #[test]
    fn warnings_stay_within_the_api_servers_bounds() {
        let many = bounded(&vec![Problem::new("/spec", "é\n".repeat(300)); 100]);
        assert!(many.iter().all(|warning| warning.chars().count() <= 256), "{many:?}");
        assert!(many.iter().map(|warning| warning.chars().count()).sum::<usize>() <= 4096);
        assert!(many.last().is_some_and(|last| last.ends_with("more warnings")), "{many:?}");
        assert_eq!(bounded(&[Problem::new("", "one")]), ["one"]);
    }
}
