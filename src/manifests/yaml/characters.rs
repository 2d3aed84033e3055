//! The characters that a document of YAML may have.

use std::borrow::Cow;

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

/// Returns the first control character that YAML 1.2 does not allow: line, column, and the character.
pub(super) fn control(text: &str) -> Option<(usize, usize, char)> {
    let is_control = |character: char| matches!(character, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}');
    text.split('\n').zip(1..).find_map(|(line, number)| {
        let found = line.chars().zip(1..).find(|(character, _)| is_control(*character));
        found.map(|(character, column)| (number, column, character))
    })
}

/// Returns the text without byte order marks at its beginning, without a comment right behind `---`, and with `\n` for the
/// line ends of old Macs.
pub(super) fn normalized(text: &str) -> Cow<'_, str> {
    let Some(comment) = text.strip_prefix("---#") else { return normalized_lines(text) };
    let rest = comment.find(['\n', '\r']).map_or("", |end| &comment[end..]);
    Cow::Owned(normalized_lines(&format!("---{rest}")).into_owned())
}

fn normalized_lines(text: &str) -> Cow<'_, str> {
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
