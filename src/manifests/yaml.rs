//! YAML text, and JSON as part of it, to JSON values as kubectl reads them, with the place of every part.
//!
//! kubectl reads YAML 1.1 (`yes`, `no`, `on`, `off`, `y` and `n` without quotes are booleans) in go-yaml's
//! dialect. Where that silently loses something, this is an error instead: duplicate keys, a merge key that
//! overrides what stands before it, and a second document behind `--- # comment`.

mod compose;
mod json;
mod scalar;

use std::fmt;

use serde_json::Value;

use compose::Composer;

/// A place in a file, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
}

impl Mark {
    /// The beginning of a file.
    pub const START: Self = Self { line: 1, column: 1 };

    fn error(self, message: impl Into<String>) -> YamlError {
        YamlError { mark: self, message: message.into() }
    }
}

impl Default for Mark {
    fn default() -> Self {
        Self::START
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A text that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{mark}: {message}")]
pub struct YamlError {
    /// Where.
    pub mark: Mark,
    /// Why, and what to do. It quotes keys, never values.
    pub message: String,
}

/// A word without quotes that kubectl reads as a boolean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ambiguous {
    /// Where.
    pub mark: Mark,
    /// JSON Pointer of the value, or of the object that has it as a key.
    pub pointer: String,
    /// The word.
    pub text: String,
    /// Whether it is a key, which becomes `true` or `false` as text.
    pub is_key: bool,
}

/// One document.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its content.
    pub value: Value,
    /// The words in it that kubectl reads as booleans.
    pub ambiguous: Vec<Ambiguous>,
    spot: Spot,
}

impl Document {
    /// The place of what a JSON Pointer names: its key, or the item itself in a list. For what is not there,
    /// the nearest part around it that is.
    #[must_use]
    pub fn locate(&self, pointer: &str) -> Mark {
        let mut spot = &self.spot;
        for part in pointer.split('/').skip(1) {
            let part = part.replace("~1", "/").replace("~0", "~");
            let Some((_, next)) = spot.parts.iter().find(|(key, _)| *key == part) else { break };
            spot = next;
        }
        spot.mark
    }
}

/// Where a value stands, and its parts.
#[derive(Clone, Debug, Default)]
struct Spot {
    mark: Mark,
    parts: Vec<(String, Spot)>,
}

impl From<Mark> for Spot {
    fn from(mark: Mark) -> Self {
        Self { mark, parts: Vec::new() }
    }
}

/// Appends a part to a JSON Pointer.
#[must_use]
pub fn join(pointer: &str, part: &str) -> String {
    format!("{pointer}/{}", part.replace('~', "~0").replace('/', "~1"))
}

/// The documents of a text, each read only when it is asked for. An error stands for the rest of its
/// document; the ones after the next `---` are read none the less. Empty documents are left out.
pub fn documents(text: &str) -> impl Iterator<Item = Result<Document, YamlError>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    chunks(text)
        .into_iter()
        .flat_map(|(lines_before, chunk)| read_chunk(chunk, lines_before))
        .filter(|document| !document.as_ref().is_ok_and(|document| document.value.is_null()))
}

fn read_chunk(text: &str, lines_before: usize) -> Vec<Result<Document, YamlError>> {
    if let Some(line) = stray_directive(text) {
        let mark = Mark { line: lines_before + line, column: 1 };
        let message = "not valid YAML: a line that begins with % stands only before ---: indent it, or put it in quotes";
        return vec![Err(mark.error(message))];
    }
    let mut composer = Composer::new(text, lines_before);
    let mut documents = Vec::new();
    while let Some(document) = composer.document() {
        let Err(error) = document else {
            documents.push(document);
            continue;
        };
        if text.trim_start().starts_with(['{', '[']) {
            match json::read(text) {
                Ok(Some(values)) => return json_documents(text, lines_before, values),
                Ok(None) => {}
                Err((line, column, message)) => {
                    let mark = Mark { line: lines_before + line, column };
                    return vec![Err(mark.error(message))];
                }
            }
        }
        documents.push(Err(explain(error, text, lines_before)));
        break;
    }
    documents
}

/// The line of a directive behind content, where the parser would end the document and drop the line.
fn stray_directive(text: &str) -> Option<usize> {
    let mut has_content = false;
    for (number, line) in text.lines().enumerate() {
        match line.as_bytes() {
            [b'%', ..] if has_content => return Some(number + 1),
            [b'%' | b'#', ..] => {}
            _ if line.starts_with("...") => has_content = false,
            _ => has_content |= !line.trim().is_empty(),
        }
    }
    None
}

fn json_documents(text: &str, lines_before: usize, values: Vec<Value>) -> Vec<Result<Document, YamlError>> {
    let blank = text.len() - text.trim_start().len();
    let line = lines_before + 1 + text[..blank].matches('\n').count();
    let spot = Spot::from(Mark { line, column: 1 });
    let document = |value| Ok(Document { value, ambiguous: Vec::new(), spot: spot.clone() });
    values.into_iter().map(document).collect()
}

/// Adds what is most often the reason, where it can be seen.
fn explain(mut error: YamlError, text: &str, lines_before: usize) -> YamlError {
    let lines = error.mark.line.saturating_sub(lines_before);
    let mut near = text.lines().skip(lines.saturating_sub(2)).take(2);
    if !error.message.starts_with("not valid YAML") {
        return error;
    }
    if near.any(|line| line.trim_start_matches(' ').starts_with('\t')) {
        error.message.push_str(": indent with spaces, not with tabs");
    } else if error.message.contains("mapping values are not allowed") {
        error.message.push_str(": check the indentation, and put a text that contains \": \" in quotes");
    }
    error
}

/// The text cut at its `---` lines, with the number of lines before each part, so that what is wrong in one
/// document does not hide the others.
fn chunks(text: &str) -> Vec<(usize, &str)> {
    let mut chunks = Vec::new();
    let (mut start, mut lines_before, mut offset) = (0, 0, 0);
    // Directives and comments belong to the document that follows them.
    let mut has_content = false;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let marker = line.strip_prefix("---");
        if marker.is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace)) {
            if has_content {
                chunks.push((lines_before, &text[start..offset]));
                (start, lines_before) = (offset, number);
            }
            has_content = true;
        } else if !line.trim().is_empty() && !line.starts_with(['%', '#']) {
            has_content = true;
        }
        offset += line.len();
    }
    chunks.push((lines_before, &text[start..]));
    chunks
}

#[cfg(test)]
mod tests;
