//! Why a text is no regular expression.

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
