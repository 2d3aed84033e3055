//! One YAML document as a JSON value, the position of every part of it, and why a text is none.

use std::fmt;

use serde_json::Value;

use crate::{api::JsonPointer, json_syntax::JsonMistakeKind};

use super::{mark::Mark, scalar::ScalarError, syntax::SyntaxMistake};

/// Deepest nesting. serde_json stops at 128 levels, and values are nested in objects before it reads them.
pub(super) const MAX_DEPTH: usize = 100;

impl Mark {
    pub(super) fn error(self, kind: impl Into<YamlErrorKind>) -> YamlError {
        YamlError { mark: self, kind: kind.into() }
    }
}

/// A text that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{mark}: {kind}")]
pub struct YamlError {
    /// The position.
    pub mark: Mark,
    /// The mistake.
    #[source]
    pub kind: YamlErrorKind,
}

/// Why a text cannot be read, and what to do. Messages quote keys, never values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum YamlErrorKind {
    /// The parser does not accept it.
    #[error("not valid YAML: {0}")]
    Syntax(#[from] SyntaxMistake),
    /// Reading was given up, since the process ends.
    #[error("interrupted")]
    Interrupted,
    /// A directive behind content, where the parser would end the document and drop the line.
    #[error(
        "not valid YAML: a line that begins with % stands only before ---: indent it, or put it in quotes"
    )]
    StrayDirective,
    /// A directive, which kubectl separates from the document that it is for.
    #[error("a directive, which kubectl does not read: remove the line")]
    Directive,
    /// Text on the line of `---`.
    #[error("text behind ---, which kubectl does not read: write it on the next line")]
    SeparatorText,
    /// A document behind `...`.
    #[error("kubectl reads nothing behind ...: separate documents with ---")]
    BehindEnd,
    /// A character that YAML does not allow, or that kubectl reads as a line break.
    #[error("found the character U+{:04X}, which kubectl refuses or takes for a line break: write it as an escape in double \
             quotes, such as \"\\u{:04x}\"", u32::from(*.0), u32::from(*.0))]
    Character(char),
    /// A character that YAML does not allow.
    #[error("found the character U+{:04X}, which YAML does not allow: write it as an escape in double quotes, such as \
             \"\\u{:04x}\"", u32::from(*.0), u32::from(*.0))]
    ControlCharacter(char),
    /// A text that begins as JSON and is not.
    #[error("not valid JSON: {0}")]
    Json(#[source] JsonMistakeKind),
    /// A second document where one is read.
    #[error("found a second document, expected one: write it into a file of its own")]
    SecondDocument,
    /// An escape that JSON has and kubectl's YAML does not.
    #[error("found the escape \\/, which kubectl refuses here: write / without the backslash")]
    EscapedSlash,
    /// A tab where the indentation is counted.
    #[error("found a tab in the indentation: indent with spaces")]
    TabInIndentation,
    /// A key that goes over several lines.
    #[error("a key of several lines, which kubectl refuses: write it on one line")]
    KeyOfSeveralLines,
    /// A document that has no beginning.
    #[error("... ends a document that has no content: remove the line")]
    EndWithoutContent,
    /// Nested too deeply.
    #[error("nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
    /// An alias to the value that contains it.
    #[error("an alias inside its own anchor")]
    RecursiveAlias,
    /// Aliases repeat too much.
    #[error("aliases make this document too large: write fewer, or smaller ones")]
    TooManyAliases,
    /// Two values for one key.
    #[error("the key {key:?} is given twice{}: keep one of them", position_of_first(*.first_line))]
    DuplicateKey {
        /// The key.
        key: String,
        /// The line of the first, if it is known.
        first_line: Option<usize>,
    },
    /// A merge key that overrides an entry before it: there kubectl takes the merged value, and YAML's specification
    /// the other one.
    #[error("<< brings {0:?} again, which stands before it: write << first, what follows it overrides it")]
    MergeOverrides(String),
    /// The value of a merge key is not an object.
    #[error("<< takes an object, or a list of objects")]
    MergeOfNoObject,
    /// The braces of a template.
    #[error(
        "found {{{{, as in a template: render it first, such as with helm template, or put the text in quotes"
    )]
    Template,
    /// A list or an object as a key.
    #[error("a key must be text, found a list or an object")]
    KeyIsNoScalar,
    /// Null as a key.
    #[error("a key must be text, found null: put it in quotes if it is a name")]
    KeyIsNull,
    /// A scalar that has no JSON value.
    #[error(transparent)]
    Scalar(#[from] ScalarError),
}

fn position_of_first(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!(", first on line {line}"))
}

/// A word without quotes that kubectl reads as a boolean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ambiguous {
    /// The position.
    pub mark: Mark,
    /// The value, or the object that has it as a key.
    pub pointer: JsonPointer,
    /// The word.
    pub text: String,
    /// Whether it is a key, which becomes `true` or `false` as text.
    pub is_key: bool,
}

impl fmt::Display for Ambiguous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = &self.text;
        let value = matches!(text.as_bytes(), [b'y' | b'Y', ..] | [b'o' | b'O', b'n' | b'N']);
        if self.is_key {
            write!(f, "the key {text} is read as {value}: write \"{text}\" in quotes")
        } else {
            write!(
                f,
                "{text} is read as {value}: write \"{text}\" in quotes for the text, or {value} for the boolean"
            )
        }
    }
}

/// One document.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its content.
    pub value: Value,
    /// The words in it that kubectl reads as booleans.
    pub ambiguous: Vec<Ambiguous>,
    pub(super) positions: Positions,
}

impl Document {
    /// Returns the position of a field: of its key, or of the item in a list. For a field that does not exist, of the
    /// innermost field around it that does.
    #[must_use]
    pub fn locate(&self, pointer: &JsonPointer) -> Mark {
        let mut positions = &self.positions;
        for part in pointer.parts() {
            let part = part.replace("~1", "/").replace("~0", "~");
            let Some((_, next)) = positions.parts.iter().find(|(key, _)| *key == part) else { break };
            positions = next;
        }
        positions.mark
    }
}

/// The position of a value and of its parts.
#[derive(Clone, Debug, Default)]
pub(super) struct Positions {
    pub(super) mark: Mark,
    pub(super) parts: Vec<(String, Positions)>,
}

impl From<Mark> for Positions {
    fn from(mark: Mark) -> Self {
        Self { mark, parts: Vec::new() }
    }
}
