//! Regular expressions as ECMA-262 has them, translated for an engine that takes linear time.
//!
//! The grammar is that of the flag `u`: text is a sequence of code points, `\u{…}` and `\p{…}` have their meaning. Where
//! that is a syntax error, annex B applies, as in JavaScript without the flag: `\-` and `\Z` are the characters after the
//! backslash, `{`, `}` and `]` may stand for themselves, `\07` is an octal code.
//!
//! The translation uses nothing but literals, explicit classes, groups, repetitions and assertions, so that no reader of it
//! has a class or an escape of its own: `\d`, `\w`, `\s` and `.` become classes, and `\b` the boundary of an ASCII word.
//!
//! - [`parser`] reads a pattern and writes the translation in one pass, with [`group`] and [`quantifier`].
//! - [`class`] reads brackets, [`escape`] what follows a backslash, [`properties`] the names in `\p{…}`.

mod class;
mod escape;
mod group;
mod parser;
mod properties;
mod quantifier;

/// A pattern that was read.
#[derive(Debug)]
pub(in crate::schema) struct Pattern {
    /// The same in the syntax of the engine.
    pub translation: String,
    /// What the engine cannot do, if the pattern needs it.
    pub unsupported: Option<Unsupported>,
    /// Parts that probably mean something else than the author thinks.
    pub remarks: Vec<Remark>,
    /// Whether a letter is escaped that means nothing but itself.
    has_letter_escape: bool,
}

/// A construct that takes more than linear time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::schema) struct Unsupported {
    pub construct: Construct,
    /// Where it begins, in characters from one.
    pub at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::schema) enum Construct {
    Lookahead,
    NegativeLookahead,
    Lookbehind,
    NegativeLookbehind,
    BackReference,
    MultilineAnchor,
}

impl std::fmt::Display for Construct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Lookahead => "the look-ahead (?=…)",
            Self::NegativeLookahead => "the negative look-ahead (?!…)",
            Self::Lookbehind => "the look-behind (?<=…)",
            Self::NegativeLookbehind => "the negative look-behind (?<!…)",
            Self::BackReference => "the back reference",
            Self::MultilineAnchor => "the flag m with ^ or $",
        })
    }
}

impl Construct {
    /// How to do without it.
    pub fn way_out(self) -> &'static str {
        match self {
            Self::Lookahead => "write a pattern for each condition, under allOf",
            Self::NegativeLookahead | Self::NegativeLookbehind => {
                "put a pattern for what must not match under not"
            }
            Self::Lookbehind => "make what stands before it part of the pattern",
            Self::BackReference => "write out the alternatives",
            Self::MultilineAnchor => "match the line breaks themselves",
        }
    }
}

/// Why a text is no regular expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at character {at}")]
pub(in crate::schema) struct SyntaxError {
    pub problem: Problem,
    /// In characters from one.
    pub at: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::schema) enum Problem {
    #[error("a group that is not closed")]
    OpenGroup,
    #[error("a ) without a (")]
    UnmatchedParenthesis,
    #[error("a class that is not closed")]
    OpenClass,
    #[error("a range whose end is before its beginning")]
    ReversedRange,
    #[error("nothing to repeat")]
    NothingToRepeat,
    #[error("a repetition whose most is less than its least")]
    ReversedRepetition,
    #[error("a repetition of more than 1000000 times")]
    TooManyRepetitions,
    #[error("a group of an unknown kind")]
    UnknownGroup,
    #[error("a name of a group that is not one, or that is taken")]
    GroupName,
    #[error("a reference to a group that is not there")]
    UnknownGroupReference,
    #[error("a backslash with nothing behind it")]
    TrailingBackslash,
    #[error("a code point beyond \\u{{10FFFF}}")]
    CodePoint,
    #[error("the unknown Unicode property {0:?}")]
    UnknownProperty(String),
    #[error("groups that are nested deeper than 200 levels")]
    TooDeep,
}

/// Something that is allowed, and probably a mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::schema) struct Remark {
    pub kind: RemarkKind,
    /// In characters from one.
    pub at: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::schema) enum RemarkKind {
    /// An escaped letter that means nothing but itself.
    LetterEscape(char),
    /// Braces that are a repetition in other dialects, and text in this one.
    LiteralBraces(String),
}

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
