//! Regular expressions as ECMA-262 has them, translated for an engine that takes linear time.
//!
//! The grammar is that of the flag `u`: text is a sequence of code points, `\u{…}` and `\p{…}` have their meaning. Where
//! that is a syntax error, annex B applies, as in JavaScript without the flag: `\-` and `\Z` are the characters after the
//! backslash, `{`, `}` and `]` may stand for themselves, `\07` is an octal code.
//!
//! The translation uses nothing but literals, explicit classes, groups, repetitions and assertions, so that no reader of it
//! has a class or an escape of its own: `\d`, `\w`, `\s` and `.` become classes, and `\b` the boundary of an ASCII word.
//!
//! - [`parser`] is the state of the one pass that reads a pattern and writes the translation. [`disjunction`], [`group`]
//!   and [`quantifier`] are its steps.
//! - [`class`] reads brackets, [`escape`] what follows a backslash, [`properties`] the names in `\p{…}`. What they stand
//!   for is a [`set`] of code points.
//! - [`captures`] counts the groups of a pattern before it is read, since a back reference may come before its group.

mod captures;
mod class;
mod disjunction;
mod error;
mod escape;
mod group;
mod parser;
mod pattern;
mod properties;
mod quantifier;
mod set;

use error::SyntaxError;
pub(in crate::schema) use pattern::{Pattern, Remark, RemarkKind, Unsupported};

/// Reads a pattern.
pub(in crate::schema) fn parse(pattern: &str) -> Result<Pattern, SyntaxError> {
    parser::Parser::new(pattern, true).parse()
}

/// Whether a text is a regular expression in the sense of `format: regex`: one with or without the flag `u`, in which
/// no letter is escaped that means nothing.
pub(in crate::schema) fn is_regex(text: &str) -> bool {
    // The text is part of a payload, and may be long: no translation is made of it.
    parser::Parser::new(text, false).parse().is_ok_and(|pattern| !pattern.has_letter_escape)
}

#[cfg(test)]
mod tests;
