//! A mistake in JSON text: its place, what was found, what was expected, and what to do.

use std::fmt;

/// A mistake in JSON text, and its position; both numbers from 1, the column in characters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: not valid JSON: {kind}")]
pub struct JsonMistake {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
    /// What is wrong.
    #[source]
    pub kind: JsonMistakeKind,
}

/// What is wrong at a place in JSON text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonMistakeKind {
    /// There is no value at all.
    #[error("found no value, expected one")]
    Empty,
    /// A text in quotes has no end.
    #[error("found \", which begins a text, and no \" that ends it: add it at the end of the text")]
    UnclosedText,
    /// A list or an object has no end.
    #[error("found the end of the text, expected {} for the {bracket} at {line}:{column}", closing(*.bracket))]
    Unclosed {
        /// The bracket that it begins with.
        bracket: char,
        /// Its line.
        line: usize,
        /// Its column.
        column: usize,
    },
    /// A comma before a closing bracket.
    #[error("found a comma before {0}, expected commas only between parts: remove it")]
    TrailingComma(char),
    /// Two parts without a comma between them.
    #[error("found {found}, expected a comma or {end}: write a comma between two parts")]
    NoComma {
        /// What stands there.
        found: Found,
        /// The bracket that would end the list or the object.
        end: char,
    },
    /// A key without quotes, or none.
    #[error("found {0}, expected a key in double quotes")]
    NoKey(Found),
    /// A key without a colon behind it.
    #[error("found {0}, expected a colon between key and value")]
    NoColon(Found),
    /// No value where one belongs.
    #[error(
        "found {0}, expected a value: true, false, null, a number, a text in double quotes, a list or an object"
    )]
    NoValue(Found),
    /// Something behind the value.
    #[error("found {0} behind the end of the value, expected one value: remove what follows it")]
    BehindValue(Found),
    /// A number in a form that JSON does not have.
    #[error(
        "found a number that JSON does not have, expected digits on both sides of a dot and behind e, no + and no 0 before \
         other digits, such as 0.5 or 1e3"
    )]
    Number,
    /// A number that does not fit a float of 64 bits.
    #[error("found a number beyond the range of a 64-bit float, expected one between -1.79e308 and 1.79e308")]
    NumberRange,
    /// A control character in a text.
    #[error("found the character U+{:04X} in a text, expected an escape: write {}", u32::from(*.0), escape_of(*.0))]
    Control(char),
    /// A backslash that begins no escape.
    #[error("found a backslash that begins no escape of JSON: write it as \\\\")]
    Escape,
    /// `\u` without its digits.
    #[error("found \\u without four hexadecimal digits: write the number of the character, such as \\u00e9")]
    EscapeDigits,
    /// Half of a pair of surrogates.
    #[error(
        "found an escape of a surrogate without the other half of its pair: write both, such as \\ud83d\\ude00"
    )]
    Surrogate,
    /// Nested too deeply.
    #[error("found more than {0} levels of nesting, expected fewer")]
    TooDeep(usize),
    /// Anything else.
    #[error("found text that no JSON has here: check quotes, commas and brackets")]
    Other,
}

/// What stands where something else was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing more.
    End,
    /// A comment.
    Comment,
    /// A word, such as `None`.
    Word,
    /// A text in double quotes.
    Text,
    /// A number.
    Number,
    /// A single quote, which does not begin a text.
    SingleQuote,
    /// Another character.
    Character(char),
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::End => f.write_str("the end of the text"),
            Self::Comment => f.write_str("a comment, which JSON does not have"),
            Self::Word => f.write_str("a word without quotes"),
            Self::Text => f.write_str("a text"),
            Self::Number => f.write_str("a number"),
            Self::SingleQuote => f.write_str("a single quote, which begins no text in JSON"),
            Self::Character(character) if character.is_control() => {
                write!(f, "U+{:04X}", u32::from(*character))
            }
            Self::Character(character) => write!(f, "{character}"),
        }
    }
}

pub(super) fn closing(bracket: char) -> char {
    if bracket == '[' { ']' } else { '}' }
}

fn escape_of(character: char) -> String {
    match character {
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        other => format!("\\u{:04x}", u32::from(other)),
    }
}
