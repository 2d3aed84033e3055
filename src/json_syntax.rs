//! What is wrong with a text that is not JSON: the place, what was found, what was expected, and what to do.
//!
//! `serde_json` reports the first mistake in terms of its parser, and without a way out. This module scans the text again and
//! describes the mistake. No part of a text in quotes or of a number is shown, since it may be confidential.

use std::{fmt, iter::Peekable, str::Chars};

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

fn closing(bracket: char) -> char {
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

/// Returns the first mistake in a text that `serde_json` does not read, which reads at most `depth` levels of nesting.
#[must_use]
pub fn explain(text: &str, depth: Option<usize>, error: &serde_json::Error) -> JsonMistake {
    let other = JsonMistake { line: error.line(), column: error.column(), kind: JsonMistakeKind::Other };
    find(text, depth).unwrap_or(other)
}

/// Returns the first mistake in a text; `None`: it is JSON.
#[must_use]
pub fn find(text: &str, depth: Option<usize>) -> Option<JsonMistake> {
    Scanner { rest: text.chars().peekable(), at: (1, 1), open: Vec::new(), depth }.document().err()
}

/// A position: line and column.
type At = (usize, usize);

struct Scanner<'t> {
    rest: Peekable<Chars<'t>>,
    at: At,
    /// The brackets of lists and objects without an end, and their positions.
    open: Vec<(char, At)>,
    depth: Option<usize>,
}

fn mistake((line, column): At, kind: JsonMistakeKind) -> JsonMistake {
    JsonMistake { line, column, kind }
}

impl Scanner<'_> {
    fn next(&mut self) -> Option<char> {
        let character = self.rest.next()?;
        self.at = if character == '\n' { (self.at.0 + 1, 1) } else { (self.at.0, self.at.1 + 1) };
        Some(character)
    }

    /// Skips white space, and returns what follows.
    fn peek(&mut self) -> Option<char> {
        while let Some(' ' | '\t' | '\n' | '\r') = self.rest.peek() {
            self.next();
        }
        self.rest.peek().copied()
    }

    fn found(&mut self) -> Found {
        match self.peek() {
            None => Found::End,
            Some('#' | '/') => Found::Comment,
            Some('"') => Found::Text,
            Some('\'') => Found::SingleQuote,
            Some('0'..='9' | '-') => Found::Number,
            Some(character) if character.is_alphabetic() || character == '_' => Found::Word,
            Some(character) => Found::Character(character),
        }
    }

    /// Returns the mistake of something that is not expected here; at the end of the text, of the bracket without an end.
    fn unexpected(&mut self, kind: impl FnOnce(Found) -> JsonMistakeKind) -> JsonMistake {
        let found = self.found();
        match (found, self.open.last()) {
            (Found::End, Some(&(bracket, (line, column)))) => {
                mistake(self.at, JsonMistakeKind::Unclosed { bracket, line, column })
            }
            (found, _) => mistake(self.at, kind(found)),
        }
    }

    fn document(mut self) -> Result<(), JsonMistake> {
        if self.peek().is_none() {
            return Err(mistake(self.at, JsonMistakeKind::Empty));
        }
        loop {
            // Before a value.
            let begins_container = self.value()?;
            if begins_container && !self.closes_empty() {
                self.key()?;
                continue;
            }
            // Behind a value.
            loop {
                let Some(&(bracket, _)) = self.open.last() else {
                    return match self.peek() {
                        None => Ok(()),
                        Some(_) => Err(self.unexpected(JsonMistakeKind::BehindValue)),
                    };
                };
                let end = closing(bracket);
                match self.peek() {
                    Some(found) if found == end => {
                        self.next();
                        self.open.pop();
                    }
                    Some(',') => {
                        let comma = self.at;
                        self.next();
                        if let Some(found @ (']' | '}')) = self.peek() {
                            return Err(mistake(comma, JsonMistakeKind::TrailingComma(found)));
                        }
                        self.key()?;
                        break;
                    }
                    _ => return Err(self.unexpected(|found| JsonMistakeKind::NoComma { found, end })),
                }
            }
        }
    }

    /// Ends the list or the object that has just begun, if it is empty.
    fn closes_empty(&mut self) -> bool {
        let found = self.peek();
        let is_end = self.open.last().is_some_and(|(bracket, _)| found == Some(closing(*bracket)));
        if is_end {
            self.next();
            self.open.pop();
        }
        is_end
    }

    /// Reads a key and its colon, in an object.
    fn key(&mut self) -> Result<(), JsonMistake> {
        if self.open.last().is_none_or(|(bracket, _)| *bracket == '[') {
            return Ok(());
        }
        if self.peek() != Some('"') {
            return Err(self.unexpected(JsonMistakeKind::NoKey));
        }
        self.text()?;
        if self.peek() != Some(':') {
            return Err(self.unexpected(JsonMistakeKind::NoColon));
        }
        self.next();
        Ok(())
    }

    /// Reads a value, or the beginning of a list or an object: then it returns `true`.
    fn value(&mut self) -> Result<bool, JsonMistake> {
        let begin = self.peek();
        let at = self.at;
        match begin {
            Some(bracket @ ('[' | '{')) => {
                self.next();
                self.open.push((bracket, at));
                match self.depth {
                    Some(depth) if self.open.len() >= depth => {
                        Err(mistake(at, JsonMistakeKind::TooDeep(depth)))
                    }
                    _ => Ok(true),
                }
            }
            Some('"') => self.text().map(|()| false),
            Some('0'..='9' | '-' | '+' | '.') => self.number().map(|()| false),
            Some(character) if character.is_alphabetic() || character == '_' => {
                let word = self.take(|character| character.is_alphanumeric() || character == '_');
                match word.as_str() {
                    "true" | "false" | "null" => Ok(false),
                    _ => Err(mistake(at, JsonMistakeKind::NoValue(Found::Word))),
                }
            }
            _ => Err(self.unexpected(JsonMistakeKind::NoValue)),
        }
    }

    fn take(&mut self, is_part: impl Fn(char) -> bool) -> String {
        let mut taken = String::new();
        while let Some(character) = self.rest.peek().copied().filter(|character| is_part(*character)) {
            self.next();
            taken.push(character);
        }
        taken
    }

    fn number(&mut self) -> Result<(), JsonMistake> {
        let at = self.at;
        let text =
            self.take(|character| character.is_alphanumeric() || matches!(character, '+' | '-' | '.' | '_'));
        if !is_number(&text) {
            return Err(mistake(at, JsonMistakeKind::Number));
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(()),
            _ => Err(mistake(at, JsonMistakeKind::NumberRange)),
        }
    }

    /// Reads a text in quotes.
    fn text(&mut self) -> Result<(), JsonMistake> {
        let begin = self.at;
        self.next();
        loop {
            let at = self.at;
            match self.next() {
                None => return Err(mistake(begin, JsonMistakeKind::UnclosedText)),
                Some('"') => return Ok(()),
                Some('\\') => self.escape(at)?,
                // A line break is mostly a quote that is missing.
                Some('\n' | '\r') if !self.is_closed_later() => {
                    return Err(mistake(begin, JsonMistakeKind::UnclosedText));
                }
                Some(character @ '\0'..='\u{1f}') => {
                    return Err(mistake(at, JsonMistakeKind::Control(character)));
                }
                Some(_) => {}
            }
        }
    }

    /// Whether the text in quotes whose line has ended goes on: a line follows whose first quote ends it.
    fn is_closed_later(&self) -> bool {
        let rest: String = self.rest.clone().collect();
        let behind = rest.split_once('"').map(|(_, behind)| behind.trim_start());
        behind.is_some_and(|behind| behind.is_empty() || behind.starts_with([',', ':', '}', ']']))
            && !rest.trim_start().starts_with('"')
    }

    fn escape(&mut self, at: At) -> Result<(), JsonMistake> {
        match self.next() {
            Some('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't') => Ok(()),
            Some('u') => {
                let half = |unit: u32, first: u32| (first..first + 0x400).contains(&unit);
                let unit = self.digits(at)?;
                if half(unit, 0xdc00) {
                    return Err(mistake(at, JsonMistakeKind::Surrogate));
                }
                if !half(unit, 0xd800) {
                    return Ok(());
                }
                let mut rest = self.rest.clone();
                if (rest.next(), rest.next()) != (Some('\\'), Some('u')) {
                    return Err(mistake(at, JsonMistakeKind::Surrogate));
                }
                self.next();
                self.next();
                match self.digits(at)? {
                    unit if half(unit, 0xdc00) => Ok(()),
                    _ => Err(mistake(at, JsonMistakeKind::Surrogate)),
                }
            }
            _ => Err(mistake(at, JsonMistakeKind::Escape)),
        }
    }

    fn digits(&mut self, at: At) -> Result<u32, JsonMistake> {
        (0..4).try_fold(0, |unit, _| {
            let digit = self.next().and_then(|character| character.to_digit(16));
            digit.map(|digit| unit * 16 + digit).ok_or_else(|| mistake(at, JsonMistakeKind::EscapeDigits))
        })
    }
}

/// `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?`
fn is_number(text: &str) -> bool {
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (text, exponent) =
        text.split_once(['e', 'E']).map_or((text, None), |(text, rest)| (text, Some(rest)));
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, rest)| (whole, Some(rest)));
    is_digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(is_digits)
        && exponent.is_none_or(|exponent| is_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn said(text: &str) -> String {
        find(text, None).map(|mistake| mistake.to_string()).unwrap_or_default()
    }

    #[test]
    fn mistakes_have_a_place_and_a_way_out() {
        for (text, expected) in [
            ("", "1:1: not valid JSON: found no value, expected one"),
            ("{", "1:2: not valid JSON: found the end of the text, expected } for the { at 1:1"),
            (
                "{\n \"a\": [1,\n 2\n",
                "4:1: not valid JSON: found the end of the text, expected ] for the [ at 2:7",
            ),
            ("{\"a\"", "1:5: not valid JSON: found the end of the text, expected } for the { at 1:1"),
            (
                "{\"a\": 1,\n}",
                "1:8: not valid JSON: found a comma before }, expected commas only between parts",
            ),
            ("[1,]", "1:3: not valid JSON: found a comma before ]"),
            ("[1 2]", "1:4: not valid JSON: found a number, expected a comma or ]"),
            ("{\"a\": 1\n\"b\": 2}", "2:1: not valid JSON: found a text, expected a comma or }"),
            ("{\"a\": [1}", "1:9: not valid JSON: found }, expected a comma or ]"),
            ("{a: 1}", "1:2: not valid JSON: found a word without quotes, expected a key in double quotes"),
            (
                "{'a': 1}",
                "1:2: not valid JSON: found a single quote, which begins no text in JSON, expected a key",
            ),
            ("{\"a\" 1}", "1:6: not valid JSON: found a number, expected a colon"),
            ("{\"a\": }", "1:7: not valid JSON: found }, expected a value"),
            ("{\"a\": True}", "1:7: not valid JSON: found a word without quotes, expected a value"),
            ("{\"a\": NaN}", "1:7: not valid JSON: found a word without quotes, expected a value"),
            ("{\"a\": 'x'}", "1:7: not valid JSON: found a single quote"),
            ("{ // c\n}", "1:3: not valid JSON: found a comment, which JSON does not have"),
            ("{} {}", "1:4: not valid JSON: found { behind the end of the value, expected one value"),
            ("[01]", "1:2: not valid JSON: found a number that JSON does not have"),
            ("[.5]", "1:2: not valid JSON: found a number that JSON does not have"),
            ("[1.]", "1:2: not valid JSON: found a number that JSON does not have"),
            ("[+1]", "1:2: not valid JSON: found a number that JSON does not have"),
            ("[1e400]", "1:2: not valid JSON: found a number beyond the range of a 64-bit float"),
            (
                "[\"a\tb\"]",
                "1:4: not valid JSON: found the character U+0009 in a text, expected an escape: write \\t",
            ),
            (
                "[\"a\nb\"]",
                "1:4: not valid JSON: found the character U+000A in a text, expected an escape: write \\n",
            ),
            (
                "{\"a\": \"x,\n \"b\": 1}",
                "1:7: not valid JSON: found \", which begins a text, and no \" that ends it",
            ),
            ("[\"a", "1:2: not valid JSON: found \", which begins a text, and no \" that ends it"),
            ("[\"C:\\dir\"]", "1:5: not valid JSON: found a backslash that begins no escape of JSON"),
            ("[\"\\u00g0\"]", "1:3: not valid JSON: found \\u without four hexadecimal digits"),
            ("[\"\\ud800\"]", "1:3: not valid JSON: found an escape of a surrogate without the other half"),
            ("[\"é\" x]", "1:6: not valid JSON: found a word without quotes, expected a comma or ]"),
            ("}", "1:1: not valid JSON: found }, expected a value"),
        ] {
            assert!(said(text).starts_with(expected), "{text:?}: {}", said(text));
        }
    }

    #[test]
    fn nesting_is_counted_as_serde_json_does() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));

        let found = find(&nested(128), Some(128)).unwrap();

        assert_eq!((found.column, found.kind), (128, JsonMistakeKind::TooDeep(128)));
        assert_eq!(find(&nested(127), Some(128)), None);
        assert!(serde_json::from_str::<serde_json::Value>(&nested(127)).is_ok());
        assert!(serde_json::from_str::<serde_json::Value>(&nested(128)).is_err());
    }

    #[test]
    fn no_value_is_shown() {
        for text in
            ["{\"a\": hunter2}", "[\"hunter2", "[\"hunter2\\x\"]", "{\"a\": \"x\" \"hunter2\"}", "[0hunter2]"]
        {
            assert!(!said(text).contains("hunter2"), "{}", said(text));
        }
    }

    proptest! {
        #[test]
        fn the_same_texts_are_refused_as_by_serde_json(
            text in r#"([\[\]{},: 0-9.eE+\-"\\ua-f/\n\t]|true|null|"a"|"a":|\\ud83d\\ude00|\{"a":|\[1,){0,12}"#
        ) {
            let read = serde_json::from_str::<serde_json::Value>(&text);

            prop_assert_eq!(find(&text, Some(128)).is_none(), read.is_ok(), "{:?}: {:?}", said(&text), read);
        }
    }
}
