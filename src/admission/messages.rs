//! What is found wrong, in words that fit a terminal and the API server's bounds.

use crate::{plan::ReconcileError, schema::Violation};

/// Longest warning that the API server passes on whole, in characters, when there are many.
const MAX_WARNING: usize = 256;
/// Most characters of all warnings together that the API server passes on.
const MAX_WARNINGS: usize = 4096;
/// Longest text about one problem, in characters. A pointer into a payload is as long as the payload's keys.
const MAX_PROBLEM: usize = 1024;

/// One thing that is wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// Where, as a JSON Pointer into the object.
    pub field: String,
    /// What was found, and what was expected.
    pub message: String,
}

impl Problem {
    pub(super) fn new(field: impl Into<String>, message: impl AsRef<str>) -> Self {
        Self { field: plain(&field.into(), MAX_PROBLEM), message: plain(message.as_ref(), MAX_PROBLEM) }
    }

    /// A violation by the payload that is kept in a field. A pointer goes on into an object, not into a text.
    pub(super) fn of_payload(field: &str, violation: &Violation) -> Self {
        let Violation { pointer, message } = violation;
        match field {
            "/spec/payload" => Self::new(format!("{field}{pointer}"), message),
            _ if pointer.is_empty() => Self::new(field, message),
            _ => Self::new(field, format!("{pointer}: {message}")),
        }
    }
}

impl From<ReconcileError> for Problem {
    /// The plan's messages begin with the pointer.
    fn from(refusal: ReconcileError) -> Self {
        let text = refusal.message;
        match text.split_once(": ") {
            Some((place, message)) if place.starts_with('/') => match place.split_once(" (") {
                None => Self::new(place, message),
                Some((pointer, _)) => Self::new(pointer, text[pointer.len()..].trim_start()),
            },
            _ => Self::new("", text),
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.field.as_str() {
            "" => f.write_str(&self.message),
            field => write!(f, "{field}: {}", self.message),
        }
    }
}

/// Text without anything that a terminal would obey, of at most so many characters. Keys of a payload are the
/// sender's, and kubectl prints what it is given.
pub(super) fn plain(text: &str, most: usize) -> String {
    let mut short = String::with_capacity(text.len().min(most));
    for (count, c) in text.chars().enumerate() {
        if count + 1 >= most && text.chars().nth(most).is_some() {
            short.push('…');
            break;
        }
        if c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            short.extend(c.escape_unicode());
        } else {
            short.push(c);
        }
    }
    short
}

/// Warnings as the API server passes them on: each of at most 256 characters, all of at most 4096.
pub(super) fn bounded(warnings: Vec<String>) -> Vec<String> {
    let count = warnings.len();
    let mut left = MAX_WARNINGS;
    let mut told = Vec::new();
    for (index, warning) in warnings.into_iter().enumerate() {
        let mut warning = plain(&warning, MAX_WARNING);
        // What was escaped has become longer.
        if let Some((end, _)) = warning.char_indices().nth(MAX_WARNING) {
            warning.truncate(end);
        }
        let length = warning.chars().count();
        let note = format!("and {} more warnings", count - index);
        if length + note.len() > left {
            told.push(note);
            break;
        }
        left -= length;
        told.push(warning);
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Reason;

    #[test]
    fn a_refusals_pointer_becomes_the_field() {
        let problem = |text: &str| Problem::from(ReconcileError::new(Reason::InvalidSpec, text));
        assert_eq!(problem("/spec/url: not a URL"), Problem::new("/spec/url", "not a URL"));
        let example = "/spec/examples/0 (\"first\") does not match the schema: /a: found 1";
        assert_eq!(
            problem(example),
            Problem::new("/spec/examples/0", "(\"first\") does not match the schema: /a: found 1")
        );
        assert_eq!(problem("no pointer"), Problem::new("", "no pointer"));
    }

    #[test]
    fn nothing_reaches_a_terminal_that_it_would_obey() {
        assert_eq!(plain("a\u{1b}[31m\nb\u{202e}", 100), r"a\u{1b}[31m\u{a}b\u{202e}");
        assert_eq!(plain("abc", 3), "abc");
        assert_eq!(plain("abcd", 3), "ab…");
    }

    #[test]
    fn warnings_stay_within_the_api_servers_bounds() {
        let many = bounded(vec!["é\n".repeat(300); 100]);
        assert!(many.iter().all(|warning| warning.chars().count() <= 256), "{many:?}");
        assert!(many.iter().map(|warning| warning.chars().count()).sum::<usize>() <= 4096);
        assert!(many.last().is_some_and(|last| last.ends_with("more warnings")), "{many:?}");
        assert_eq!(bounded(vec!["one".to_owned()]), ["one"]);
    }
}
