//! Reads YAML, and JSON as a part of it, into JSON values as kubectl does, with the position of every part.
//!
//! kubectl reads YAML 1.1 (`yes`, `no`, `on`, `off`, `y` and `n` without quotes are booleans) in go-yaml's dialect.
//! Where that silently loses something, this returns an error instead: duplicate keys, a merge key that overrides
//! what stands before it, and text behind `...`. `tests/it/kubectl_yaml.rs` compares both.
//!
//! Values are composed here from the parser's events. `serde-saphyr` 2.1 was tried in its place, with the tests of
//! this module. It has positions (`Spanned`), but a visitor without a type never sees the text of a plain scalar, so:
//! keys stay as they are written (`on`, `017` and `1e3`, where kubectl stores `true`, `15` and `1000`), and `on` beside
//! `yes` is no duplicate; words that kubectl reads as booleans cannot be found for a warning; booleans in any case
//! (`yEs`) are accepted, `1__0` and `.7_39` are not numbers, and `1e400` is an error; a merge key never overrides, where
//! kubectl's does; and a broken document ends the stream.

mod characters;
mod composer;
mod core_schema;
mod diagnosis;
mod document;
mod json;
mod long_lines;
mod mark;
mod repair;
mod rules;
mod scalar;
mod syntax;
mod writer;

use std::collections::BTreeMap;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::json_syntax::{self, JsonMistake};

use composer::Composer;
use document::Positions;
pub use document::{Ambiguous, Document, YamlError, YamlErrorKind};
pub use mark::Mark;
use repair::Repair;
use rules::Rules;
pub use scalar::ScalarError;
pub use syntax::{Open, SyntaxMistake};
pub use writer::write;

/// The documents of a text, each read only when it is needed. An error stands for the rest of its document; the ones
/// after the next `---` are read all the same. Empty documents are left out.
pub fn documents(text: &str) -> impl Iterator<Item = Result<Document, YamlError>> {
    documents_until(text, None)
}

/// The same. Once `stop` is cancelled, which another thread does, the rest cannot be read: one document can be large.
pub fn documents_until<'a>(
    text: &'a str,
    stop: Option<&'a CancellationToken>,
) -> impl Iterator<Item = Result<Document, YamlError>> + 'a {
    chunks(text, stop)
        .into_iter()
        .flat_map(|chunk| read_chunk(&chunk))
        .filter(|document| !document.as_ref().is_ok_and(|document| document.value.is_null()))
}

/// Reads the one document of a text in YAML 1.2, of which JSON is a part: as OpenAPI prescribes it, not as kubectl reads it.
/// `yes` and `on` are text, numbers stay as they are written, and entries override what a merge key brings. A text without a
/// document is null.
pub fn standard(text: &str) -> Result<Document, YamlError> {
    let text = text.trim_start_matches('\u{feff}');
    if let Some((line, column, character)) = characters::control(text) {
        return Err(Mark { line, column }.error(YamlErrorKind::ControlCharacter(character)));
    }
    if let Some(line) = lost_directive(text) {
        return Err(Mark { line, column: 1 }.error(YamlErrorKind::StrayDirective));
    }
    let whole = Chunk { text, lines_before: 0, has_separator_text: false, stop: None };
    match read_repaired(&whole, Rules::Standard) {
        Ok(document) => Ok(document.unwrap_or_else(|| empty_document(Mark::START))),
        Err(error) if matches!(error.kind, YamlErrorKind::Syntax(_)) => json_or(text, error),
        Err(error) => Err(error),
    }
}

/// Reads JSON that the YAML parser does not read. Of a text that is meant as JSON, the error is that of JSON.
fn json_or(text: &str, error: YamlError) -> Result<Document, YamlError> {
    let begin = text.trim_start();
    let inner = begin.strip_prefix(['{', '[']).map(str::trim_start);
    match json::read(text, Rules::Standard) {
        Ok(Some(mut values)) if values.len() == 1 => {
            let value = values.pop().unwrap_or_default();
            Ok(Document { value, ..empty_document(Mark::START) })
        }
        Err(json::DuplicateKey { line, column, key }) => {
            Err(Mark { line, column }.error(YamlErrorKind::DuplicateKey { key, first_line: None }))
        }
        Ok(_) if inner.is_some_and(|inner| inner.starts_with(['"', '{', '['])) => {
            let mistake = json_syntax::find(text, None);
            Err(mistake.map_or(error, |JsonMistake { line, column, kind }| {
                Mark { line, column }.error(YamlErrorKind::Json(kind))
            }))
        }
        Ok(_) => Err(error),
    }
}

fn empty_document(mark: Mark) -> Document {
    Document { value: Value::Null, ambiguous: Vec::new(), positions: Positions::from(mark) }
}

/// Returns a line that begins with `%` behind content, where the parser ends the document and drops the line.
fn lost_directive(text: &str) -> Option<usize> {
    let mut has_content = false;
    for (line, number) in text.lines().zip(1..) {
        match line.as_bytes() {
            [b'%', ..] if has_content => return Some(number),
            [b'%' | b'#', ..] => {}
            _ if line.starts_with("...") => has_content = false,
            _ => has_content |= !line.trim().is_empty(),
        }
    }
    None
}

/// Returns the text of the document that a line belongs to.
pub(super) fn document_at(text: &str, line: usize) -> &str {
    let chunks = chunks(text, None);
    chunks.into_iter().rev().find(|chunk| chunk.lines_before < line).map_or("", |chunk| chunk.text)
}

/// The text between two `---` lines, with the first of them.
struct Chunk<'a> {
    text: &'a str,
    lines_before: usize,
    /// Whether its `---` line has text that is no comment.
    has_separator_text: bool,
    /// When it is cancelled, the rest is not read.
    stop: Option<&'a CancellationToken>,
}

impl Chunk<'_> {
    fn mark(&self, line: usize, column: usize) -> Mark {
        Mark { line: self.lines_before + line, column }
    }
}

fn read_chunk(chunk: &Chunk<'_>) -> Vec<Result<Document, YamlError>> {
    if chunk.has_separator_text {
        return vec![Err(chunk.mark(1, 4).error(YamlErrorKind::SeparatorText))];
    }
    let content = chunk.text.trim_start_matches('\u{feff}');
    // kubectl reads JSON as JSON only at the beginning of a file.
    let is_json = chunk.lines_before == 0 && content.trim_start().starts_with(['{', '[']);
    match read_yaml(chunk) {
        Err(error) if is_json && error.kind != YamlErrorKind::Interrupted => {
            match json::read(content, Rules::Kubectl) {
                Ok(Some(values)) => json_documents(content, chunk.lines_before, values),
                Ok(None) => vec![Err(error)],
                Err(json::DuplicateKey { line, column, key }) => {
                    vec![Err(chunk
                        .mark(line, column)
                        .error(YamlErrorKind::DuplicateKey { key, first_line: None }))]
                }
            }
        }
        Err(error) => vec![Err(error)],
        Ok(document) => document.map(Ok).into_iter().collect(),
    }
}

/// Reads the one document of a chunk.
fn read_yaml(chunk: &Chunk<'_>) -> Result<Option<Document>, YamlError> {
    if let Some((line, column, character)) = characters::refused(chunk.text) {
        return Err(chunk.mark(line, column).error(YamlErrorKind::Character(character)));
    }
    let text = characters::normalized(chunk.text);
    if let Some((line, kind)) = misplaced_line(&text) {
        return Err(chunk.mark(line, 1).error(kind));
    }
    read_repaired(&Chunk { text: &text, ..*chunk }, Rules::Kubectl)
}

/// Reads the one document of a text, which is changed where the parser does not read what others read.
fn read_repaired(chunk: &Chunk<'_>, rules: Rules) -> Result<Option<Document>, YamlError> {
    let mut repair = Repair::new(characters::normalized(chunk.text));
    let mut unclosed_quote = None;
    loop {
        let (error, at) = match compose(repair.text(), rules, chunk, repair.moved()) {
            Ok(document) => return Ok(document),
            Err(Stopped { error, at: Some(at) }) => (error, at),
            Err(Stopped { error, at: None }) => return Err(unclosed_quote.unwrap_or(error)),
        };
        if !repair.repair(&error.kind, at) {
            return Err(unclosed_quote.unwrap_or(error));
        }
        // Whether the quote that was found ends that text is known only if the rest can be read.
        if matches!(error.kind, YamlErrorKind::Syntax(SyntaxMistake::UnclosedQuote(_))) {
            unclosed_quote.get_or_insert(error);
        }
    }
}

/// Composes the one document of a text, whose lines were moved to the right by so many columns.
fn compose(
    text: &str,
    rules: Rules,
    chunk: &Chunk<'_>,
    moved: &BTreeMap<usize, usize>,
) -> Result<Option<Document>, Stopped> {
    let mut composer = Composer::new(text, rules, chunk.lines_before, moved).until(chunk.stop);
    let stopped = |error, composer: &Composer<'_>| Stopped { error, at: composer.stopped_at() };
    let document = match composer.document() {
        None => return Ok(None),
        Some(Err(error)) => return Err(stopped(error, &composer)),
        Some(Ok(document)) => document,
    };
    // kubectl reads one document of what is between two `---`, and nothing of what follows.
    let behind_end = |mark: Mark| {
        let kind = match rules {
            Rules::Kubectl => YamlErrorKind::BehindEnd,
            Rules::Standard => YamlErrorKind::SecondDocument,
        };
        Stopped { error: mark.error(kind), at: None }
    };
    match composer.document() {
        None => Ok(Some(document)),
        Some(Ok(lost)) if lost.value.is_null() => Ok(Some(document)),
        Some(Ok(lost)) => Err(behind_end(lost.positions.mark)),
        Some(Err(error)) if rules == Rules::Kubectl && text.lines().any(|line| line.starts_with("...")) => {
            Err(behind_end(error.mark))
        }
        Some(Err(error)) => Err(stopped(error, &composer)),
    }
}

/// An error, and where the parser stopped in the text that it was given.
struct Stopped {
    error: YamlError,
    at: Option<Mark>,
}

/// Returns a line that kubectl refuses: a directive, an end of nothing, or a tab before the content. kubectl cuts the text at `---`, so it reads a directive without its document; behind
/// content, the parser would end the document and drop the line.
fn misplaced_line(text: &str) -> Option<(usize, YamlErrorKind)> {
    let mut has_content = false;
    // Of the content, behind blank lines and comments.
    let is_content =
        |line: &str| !line.trim().is_empty() && !line.starts_with('#') && !line.starts_with("---");
    let first = text.lines().take_while(|line| !is_content(line)).count();
    for (number, line) in text.lines().enumerate() {
        match line.as_bytes() {
            [b'%', ..] if has_content => return Some((number + 1, YamlErrorKind::StrayDirective)),
            [b'%', ..] => return Some((number + 1, YamlErrorKind::Directive)),
            [b'#', ..] => {}
            [b'-', b'-', b'-', ..] if number == 0 => {}
            _ if line.starts_with("...") && !has_content && number == first => {
                return Some((number + 1, YamlErrorKind::EndWithoutContent));
            }
            _ if line.starts_with("...") => has_content = false,
            // The parser ignores it at the end of the text.
            _ if has_content && line.trim() == "\u{feff}" => {
                return Some((number + 1, SyntaxMistake::ByteOrderMark.into()));
            }
            _ if !has_content && line.trim_start_matches(' ').starts_with('\t') => {
                return Some((number + 1, YamlErrorKind::TabInIndentation));
            }
            _ => has_content |= !line.trim().is_empty(),
        }
    }
    None
}

fn json_documents(text: &str, lines_before: usize, values: Vec<Value>) -> Vec<Result<Document, YamlError>> {
    let blank = text.len() - text.trim_start().len();
    let line = lines_before + 1 + text[..blank].matches('\n').count();
    let positions = Positions::from(Mark { line, column: 1 });
    let document = |value| Ok(Document { value, ambiguous: Vec::new(), positions: positions.clone() });
    values.into_iter().map(document).collect()
}

/// Cuts the text at its `---` lines, as kubectl does, so that a mistake in one document does not hide the others.
fn chunks<'a>(text: &'a str, stop: Option<&'a CancellationToken>) -> Vec<Chunk<'a>> {
    let mut chunks = Vec::new();
    let (mut start, mut lines_before, mut offset, mut has_separator_text) = (0, 0, 0, false);
    // Whether kubectl has a line of a document that it has not ended. It drops a separator that ends one; any other one
    // begins a document, where a comment right behind `---` is a text.
    let mut has_lines = false;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if let Some(rest) = line.strip_prefix("---") {
            if offset > start {
                chunks.push(Chunk { text: &text[start..offset], lines_before, has_separator_text, stop });
            }
            (start, lines_before) = (offset, number);
            let is_text = !has_lines && rest.starts_with('#');
            let rest = rest.trim();
            has_separator_text = is_text || !(rest.is_empty() || rest.starts_with('#'));
            has_lines = !has_lines || has_separator_text;
        } else {
            has_lines = true;
            has_separator_text |= number == 0 && line.trim_start_matches('\u{feff}').starts_with("---#");
        }
        offset += line.len();
    }
    chunks.push(Chunk { text: &text[start..], lines_before, has_separator_text, stop });
    chunks
}

#[cfg(test)]
mod tests;
