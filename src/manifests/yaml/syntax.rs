//! Mistakes in the syntax of YAML: what was found, what was expected, and what to do.

use std::fmt;

use super::mark::Mark;

/// A mistake in the syntax of YAML.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxMistake {
    /// A colon and a space in a value on the line of its key.
    #[error(
        "found \": \" in a value: put the value in quotes, or write the inner key on the next line, indented"
    )]
    ColonInValue,
    /// A key on a line that belongs to the value before it.
    #[error(
        "found a key in the lines of the value before it: indent it as the keys beside it, and write \": \" behind \
         each key"
    )]
    KeyInValue,
    /// A line without a colon among keys.
    #[error(
        "found a line without \": \", expected a key: write \"key: value\", or indent the line if it belongs to the \
         value before it"
    )]
    NoColon,
    /// An indentation between those of the lines around it.
    #[error(
        "found an indentation that no line before it has: indent the keys of an object alike, and the items of a list"
    )]
    Indentation,
    /// A list item beside keys.
    #[error(
        "found a list item, expected a key: indent it as the other items, below the key whose value is the list"
    )]
    ItemForKey,
    /// A line beside list items that is none.
    #[error(
        "found a line that is no item of the list before it: begin it with \"- \", or indent it as what it belongs to"
    )]
    NoItem,
    /// A list item on the line of its key.
    #[error(
        "found - on the line of a key: write the list item on the next line, or put a text that begins with - in quotes"
    )]
    ItemOnKeyLine,
    /// A list item of a block in brackets.
    #[error(
        "found - in a list in []: separate its items with commas, and put a text that begins with - in quotes"
    )]
    DashInBrackets,
    /// A character that no value without quotes begins with.
    #[error("found {0} at the beginning of a value: put the value in quotes")]
    Reserved(char),
    /// An alias whose anchor does not come before it.
    #[error(
        "found an alias whose anchor is not defined before it: define it with & and the same name, or put a text that \
         begins with * in quotes"
    )]
    UnknownAnchor,
    /// A question mark in a text without quotes within brackets.
    #[error(
        "found ? in a text within [] or {{}}, which kubectl takes for the mark of a key: put the text in quotes"
    )]
    QuestionInBrackets,
    /// A key without a value whose colon stands right before a comma or a bracket.
    #[error(
        "found : right before a comma or a bracket, which kubectl takes for a part of the key: write null between them"
    )]
    ColonBeforeComma,
    /// A name of an anchor or an alias with other characters than kubectl reads.
    #[error(
        "found a name behind & or * that is not made of letters, digits, - and _: correct it, or put a text that begins \
         with & or * in quotes"
    )]
    Name,
    /// An anchor or an alias without a name.
    #[error("found {0} without a name: put a text that begins with {0} in quotes")]
    NoName(char),
    /// A text in quotes without an end, or whose next lines are not indented.
    #[error("found {0}, which begins a text, and no {0} that ends it: add it at the end of the text")]
    UnclosedQuote(char),
    /// Text behind the quote that ends a value.
    #[error(
        "found text behind the quote that ends a value: put the whole value in one pair of quotes; ' is written as '' \
         between single quotes, and \" as \\\" between double quotes"
    )]
    BehindQuote,
    /// A comma behind a value.
    #[error(
        "found a comma behind a value: remove it, since only the parts of [] and {{}} are separated by commas"
    )]
    Comma,
    /// A backslash with a character that is no escape.
    #[error(
        "found a backslash that begins no escape of YAML: write it as \\\\, or put the text in single quotes"
    )]
    Escape,
    /// An escape of a character that does not exist.
    #[error(
        "found an escape whose digits are no character: write \\x and two hexadecimal digits, \\u and four, or \\U and \
         eight, of a character that is no surrogate"
    )]
    EscapeDigits,
    /// A list or an object in brackets without an end.
    #[error("found no end of {0}: close it with {end}", end = .0.closing())]
    Unclosed(Open),
    /// Two parts of a list or an object in brackets without a comma between them.
    #[error("found neither a comma nor the end of {0}: write a comma between its parts, or close it with {end}", end = .0.closing())]
    NoComma(Open),
    /// A closing bracket without an opening one.
    #[error("found {0}, which closes nothing: remove it, or put a text that begins with it in quotes")]
    StrayBracket(char),
    /// Nothing where a value belongs.
    #[error("found no value: write one, or remove the comma or the key that expects it")]
    NoValue,
    /// Text on the line of `|` or `>`.
    #[error(
        "found text behind | or >: begin the text on the next line; only - or +, an indentation of 1 to 9, and a comment \
         may follow"
    )]
    BlockHeader,
    /// A comment between the lines of a value.
    #[error("found a comment between the lines of a value: move the comment, or put the value in quotes")]
    CommentInValue,
    /// A comment without a space before it.
    #[error("found # right behind a value: write a space before a comment, or put the value in quotes")]
    CommentWithoutSpace,
    /// A tag that cannot be read.
    #[error("found a tag that cannot be read: put a text that begins with ! in quotes")]
    Tag,
    /// Lines behind the value of the document.
    #[error(
        "found more behind the end of the document's value: indent all its lines alike, and separate documents with ---"
    )]
    BehindValue,
    /// A byte order mark within the text.
    #[error("found a byte order mark inside a document: remove it")]
    ByteOrderMark,
    /// A line of a list or an object in brackets that is not indented.
    #[error("found a line within [] or {{}} that is not indented: indent it more than the key")]
    NotIndented,
    /// Tabs at the beginning of a line within brackets.
    #[error("found a tab in the indentation within [] or {{}}: indent with spaces")]
    TabInBrackets,
    /// Anything else.
    #[error(
        "found text that cannot be read: check quotes, brackets and the indentation of this line and the one before"
    )]
    Other,
}

/// A bracket that a list or an object begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    pub(super) bracket: char,
    pub(super) mark: Mark,
}

impl Open {
    fn closing(self) -> char {
        if self.bracket == '[' { ']' } else { '}' }
    }
}

impl fmt::Display for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.bracket == '[' { "list" } else { "object" };
        write!(f, "the {what} that begins with {} at {}", self.bracket, self.mark)
    }
}
