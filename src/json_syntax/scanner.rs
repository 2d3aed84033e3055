//! Scans a text up to the first place that is not JSON. It needs no recursion.

use std::{iter::Peekable, str::Chars};

use super::mistake::{Found, JsonMistake, JsonMistakeKind, closing};

/// Returns the first mistake in a text; `None`: it is JSON. `depth`: the number of levels that are too many.
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
