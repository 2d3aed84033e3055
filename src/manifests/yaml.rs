//! Reads YAML, and JSON as a part of it, into JSON values as kubectl does, with the position of every part.
//!
//! kubectl reads YAML 1.1 (`yes`, `no`, `on`, `off`, `y` and `n` without quotes are booleans) in go-yaml's dialect.
//! Where that silently loses something, this returns an error instead: duplicate keys, a merge key that overrides
//! what stands before it, and a second document behind `--- # comment`.
//!
//! Values are composed here from the parser's events. `serde-saphyr` 2.1 was tried in its place, with the tests of
//! this module. It has positions (`Spanned`), but a visitor without a type never sees the text of a plain scalar, so:
//! keys stay as they are written (`on`, `017` and `1e3`, where kubectl stores `true`, `15` and `1000`), and `on` beside
//! `yes` is no duplicate; words that kubectl reads as booleans cannot be found for a warning; booleans in any case
//! (`yEs`) are accepted, `1__0` and `.7_39` are not numbers, and `1e400` is an error; a merge key never overrides, where
//! kubectl's does; and a broken document ends the stream.

mod composer;
mod document;
mod json;
mod scalar;

use serde_json::Value;

use composer::Composer;
use document::Positions;
pub use document::{Advice, Ambiguous, Document, Mark, YamlError, YamlErrorKind};
pub use scalar::ScalarError;

/// The documents of a text, each read only when it is needed. An error stands for the rest of its document; the ones
/// after the next `---` are read all the same. Empty documents are left out.
pub fn documents(text: &str) -> impl Iterator<Item = Result<Document, YamlError>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    chunks(text)
        .into_iter()
        .flat_map(|(lines_before, chunk)| read_chunk(chunk, lines_before))
        .filter(|document| !document.as_ref().is_ok_and(|document| document.value.is_null()))
}

/// Returns the text of the document that a line belongs to.
pub(super) fn document_at(text: &str, line: usize) -> &str {
    let chunks = chunks(text);
    chunks.into_iter().rev().find(|(lines_before, _)| *lines_before < line).map_or("", |(_, chunk)| chunk)
}

fn read_chunk(text: &str, lines_before: usize) -> Vec<Result<Document, YamlError>> {
    if let Some(line) = stray_directive(text) {
        let mark = Mark { line: lines_before + line, column: 1 };
        return vec![Err(mark.error(YamlErrorKind::StrayDirective))];
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
                Err(json::DuplicateKey { line, column, key }) => {
                    let mark = Mark { line: lines_before + line, column };
                    return vec![Err(mark.error(YamlErrorKind::DuplicateKey { key, first_line: None }))];
                }
            }
        }
        documents.push(Err(with_tab_advice(error, text, lines_before)));
        break;
    }
    documents
}

/// Returns the line of a directive behind content.
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
    let positions = Positions::from(Mark { line, column: 1 });
    let document = |value| Ok(Document { value, ambiguous: Vec::new(), positions: positions.clone() });
    values.into_iter().map(document).collect()
}

/// Says so when the line of a syntax error, or the one before, is indented with a tab.
fn with_tab_advice(mut error: YamlError, text: &str, lines_before: usize) -> YamlError {
    let lines = error.mark.line.saturating_sub(lines_before);
    let mut near = text.lines().skip(lines.saturating_sub(2)).take(2);
    if let YamlErrorKind::Syntax { advice, .. } = &mut error.kind
        && near.any(|line| line.trim_start_matches(' ').starts_with('\t'))
    {
        *advice = Some(Advice::Tabs);
    }
    error
}

/// Cuts the text at its `---` lines, so that a mistake in one document does not hide the others. Returns each part
/// with the number of lines before it.
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
