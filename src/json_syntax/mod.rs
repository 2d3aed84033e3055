//! What is wrong with a text that is not JSON: the place, what was found, what was expected, and what to do.
//!
//! `serde_json` reports the first mistake in terms of its parser, and without a way out. This module scans the text again and
//! describes the mistake. No part of a text in quotes or of a number is shown, since it may be confidential.

mod mistake;
mod scanner;
#[cfg(test)]
mod tests;

pub use mistake::{Found, JsonMistake, JsonMistakeKind};
pub use scanner::find;

/// Returns the first mistake in a text that `serde_json` does not read, which reads at most `depth` levels of nesting.
#[must_use]
pub fn explain(text: &str, depth: Option<usize>, error: &serde_json::Error) -> JsonMistake {
    let other = JsonMistake { line: error.line(), column: error.column(), kind: JsonMistakeKind::Other };
    find(text, depth).unwrap_or(other)
}
