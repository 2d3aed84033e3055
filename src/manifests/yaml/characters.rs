//! The characters that a document of YAML may have.

use std::borrow::Cow;

use super::document::Mark;

/// The most tabs that are replaced: each takes another attempt.
const MAX_TABS: usize = 100;

/// Returns the first character that kubectl refuses or reads as a line break where most readers do not: line, column, and
/// the character.
pub(super) fn refused(text: &str) -> Option<(usize, usize, char)> {
    let (mut line, mut column) = (1, 1);
    for character in text.trim_start_matches('\u{feff}').chars() {
        match character {
            '\n' => (line, column) = (line + 1, 0),
            '\t'
            | '\r'
            | ' '..='~'
            | '\u{a0}'..='\u{2027}'
            | '\u{202a}'..='\u{fefe}'
            | '\u{ff00}'..='\u{fffd}' => {}
            '\u{feff}' if column == 1 => {}
            '\u{10000}'.. => {}
            other => return Some((line, column, other)),
        }
        column += 1;
    }
    None
}

/// Returns the text without byte order marks at its beginning, and with `\n` for the line ends of old Macs.
pub(super) fn normalized(text: &str) -> Cow<'_, str> {
    let after_separator = || text.lines().take_while(|line| line.starts_with("---")).count();
    let has_marks = text.contains('\u{feff}');
    let has_old_line_ends =
        text.bytes().zip(text.bytes().skip(1).chain([0])).any(|pair| pair.0 == b'\r' && pair.1 != b'\n');
    if !has_marks && !has_old_line_ends {
        return Cow::Borrowed(text);
    }
    let first = after_separator();
    let lines = text.split_inclusive('\n').enumerate().map(|(number, line)| {
        // A mark at the beginning of a document; elsewhere it is refused before.
        let line = if number <= first { line.trim_start_matches('\u{feff}') } else { line };
        let (content, end) = match line.strip_suffix("\r\n") {
            Some(content) => (content, "\r\n"),
            None => (line, ""),
        };
        content.replace('\r', "\n") + end
    });
    Cow::Owned(lines.collect())
}

/// Returns the text with spaces in place of the tabs between a colon and its value. `error` returns where a text cannot be
/// parsed; only a tab there is replaced, since others can be part of a text.
pub(super) fn without_separating_tabs(text: Cow<'_, str>, error: impl Fn(&str) -> Option<Mark>) -> String {
    let mut text = text.into_owned();
    for _ in 0..MAX_TABS {
        let Some(mark) = error(&text) else { break };
        let Some(run) = tabs_before(&text, mark) else { break };
        let spaces = " ".repeat(run.len());
        text.replace_range(run, &spaces);
    }
    text
}

/// Returns the white space with tabs that ends at a position and follows a colon.
fn tabs_before(text: &str, mark: Mark) -> Option<std::ops::Range<usize>> {
    let start: usize = text.split_inclusive('\n').take(mark.line.checked_sub(1)?).map(str::len).sum();
    let line = text[start..].split('\n').next()?;
    let end = line.char_indices().nth(mark.column.checked_sub(1)?).map_or(line.len(), |(index, _)| index);
    let before = line[..end].trim_end_matches([' ', '\t']);
    let run = start + before.len()..start + end;
    (before.ends_with(':') && text[run.clone()].contains('\t')).then_some(run)
}
