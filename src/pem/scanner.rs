//! Finds the first mistake in the blocks of a text.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::mistake::{PemMistake, PemMistakeKind};

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const MARKER: &str = "-----";
const CERTIFICATE: &str = "CERTIFICATE";

/// How PEM begins when it is encoded in base64 once more.
const ENCODED: &str = "LS0tLS1CRUdJTi";

/// Longest name of a block that is shown.
const LONGEST_LABEL: usize = 40;

/// A block that was begun.
struct Block<'a> {
    line: usize,
    label: &'a str,
    content: String,
}

/// Returns the first mistake in a text; `None`: it has whole blocks with certificates.
pub(super) fn find(bytes: &[u8]) -> Option<PemMistake> {
    let mistake = |line, kind| PemMistake { line, kind };
    if bytes.trim_ascii().is_empty() {
        return Some(mistake(None, PemMistakeKind::Empty));
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        // In a file of certificates, comments in another encoding are not read.
        return find_in(&String::from_utf8_lossy(bytes), true);
    };
    find_in(text, false)
}

fn find_in(text: &str, is_lossy: bool) -> Option<PemMistake> {
    let mistake = |line, kind| Some(PemMistake { line: Some(line), kind });
    let mut has_certificate = false;
    let mut open: Option<Block<'_>> = None;
    let mut other = None;
    for (line, content) in lines(text) {
        if content.starts_with(BEGIN) {
            if let Some(block) = open {
                return mistake(block.line, PemMistakeKind::NoEnd(shown(block.label)));
            }
            open = match label(content) {
                Ok(label) => Some(Block { line, label, content: String::new() }),
                Err(kind) => return mistake(line, kind),
            };
            continue;
        }
        if let Some(block) = &mut open {
            let end = content.strip_prefix(END).and_then(|rest| rest.strip_prefix(block.label));
            if end.is_some_and(|rest| rest.starts_with(MARKER)) {
                if STANDARD.decode(&block.content).is_err() {
                    return mistake(block.line, PemMistakeKind::Content);
                }
                if block.label == CERTIFICATE {
                    has_certificate = true;
                } else {
                    other.get_or_insert((block.line, shown(block.label)));
                }
                open = None;
            } else if content.starts_with(MARKER) {
                return mistake(block.line, PemMistakeKind::NoEnd(shown(block.label)));
            } else if content.chars().any(|c| !is_content(c)) {
                return mistake(line, PemMistakeKind::Content);
            } else {
                block.content.extend(content.chars().filter(|c| !c.is_ascii_whitespace()));
            }
        } else if content.trim_start().starts_with(BEGIN) {
            return mistake(line, PemMistakeKind::Indented);
        } else if content.trim_start().starts_with(ENCODED) {
            return mistake(line, PemMistakeKind::EncodedTwice);
        }
    }
    match (open, other) {
        (Some(block), _) => mistake(block.line, PemMistakeKind::NoEnd(shown(block.label))),
        _ if has_certificate => None,
        (None, Some((line, label))) => mistake(line, PemMistakeKind::OtherBlock(label)),
        (None, None) => {
            let kind = if is_lossy { PemMistakeKind::Binary } else { PemMistakeKind::NoBlock };
            Some(PemMistake { line: None, kind })
        }
    }
}

/// Returns the line in which the certificate with this index begins.
pub(super) fn line_of(bytes: &[u8], index: usize) -> Option<usize> {
    let text = String::from_utf8_lossy(bytes);
    let begins = |content: &str| label(content) == Ok(CERTIFICATE);
    let mut found = lines(&text).filter(|(_, content)| content.starts_with(BEGIN) && begins(content));
    found.nth(index).map(|(line, _)| line)
}

/// Returns the lines with their numbers.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = Some(text);
    let lines = std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(['\n', '\r']) else {
            rest = None;
            return Some(text);
        };
        let behind = &text[end..];
        rest = Some(behind.strip_prefix("\r\n").unwrap_or(&behind[1..]));
        Some(&text[..end])
    });
    lines.enumerate().map(|(index, line)| (index + 1, line))
}

/// Returns the name of the block that a line begins.
fn label(line: &str) -> Result<&str, PemMistakeKind> {
    let name = line.trim_end().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(MARKER));
    match name {
        _ if line.contains(END) => Err(PemMistakeKind::OneLine),
        Some(name) if !name.contains(MARKER) && !name.ends_with('-') => Ok(name),
        // Line breaks that were written as escapes, or were lost.
        _ if line[BEGIN.len()..].contains(MARKER) => Err(PemMistakeKind::OneLine),
        _ => Err(PemMistakeKind::Beginning),
    }
}

/// Returns the name of a block for messages: the names that exist are upper-case words. Anything else is not shown.
fn shown(label: &str) -> String {
    let is_name = label.len() <= LONGEST_LABEL
        && label.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == ' ');
    if is_name && !label.is_empty() { label.to_owned() } else { "of another kind".to_owned() }
}

fn is_content(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | ' ' | '\t')
}
