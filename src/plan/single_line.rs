//! Values that are one line of text: addresses, the values of headers, tokens and signing keys.
//!
//! Tools that write them to files leave white space at the ends (`echo` a line break), which is trimmed. Inside, a line
//! break or a byte order mark is a mistake that parsers treat differently: the URL parser removes a line break, so two
//! lines would become one address. No message contains the value, which may be a credential.

/// Bytes that are not a value of one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLine {
    /// There is nothing, or only white space.
    #[error("found an empty value; expected one line of text")]
    Empty,
    /// It begins like a file in UTF-16.
    #[error("found text in UTF-16; expected one line of text in UTF-8: save the file in UTF-8")]
    Utf16,
    /// It is not text.
    #[error("found bytes that are not UTF-8; expected one line of text")]
    NotText,
    /// It has a byte order mark, at its beginning or, in files that were joined, inside.
    #[error(
        "found a byte order mark (U+FEFF); expected one line of text: save the file in UTF-8 without the mark"
    )]
    ByteOrderMark,
    /// It has several lines.
    #[error(
        "found {0} lines; expected one line: keep each value under a key of its own, without a line break inside"
    )]
    Lines(usize),
    /// It has another control character.
    #[error("found the control character U+{:04X}; expected one line of text: remove it", u32::from(*.0))]
    ControlCharacter(char),
    /// It has a character that cannot be seen.
    #[error("found the invisible character U+{:04X}; expected one line of text: remove it", u32::from(*.0))]
    Invisible(char),
}

/// Returns the line without the white space at its ends.
pub fn trimmed(bytes: &[u8]) -> Result<&str, InvalidLine> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(InvalidLine::Utf16);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| InvalidLine::NotText)?;
    check(text.trim())
}

/// Checks a line that has no white space at its ends.
pub fn check(text: &str) -> Result<&str, InvalidLine> {
    if text.is_empty() {
        return Err(InvalidLine::Empty);
    }
    if text.contains('\u{feff}') {
        return Err(InvalidLine::ByteOrderMark);
    }
    let is_break = |c: char| matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let lines = text.split(is_break).filter(|line| !line.is_empty()).count();
    if lines > 1 {
        return Err(InvalidLine::Lines(lines));
    }
    if let Some(control) = text.chars().find(|c| c.is_control() && *c != '\t') {
        return Err(InvalidLine::ControlCharacter(control));
    }
    match text.chars().find(|c| matches!(c, '\u{200b}' | '\u{2060}')) {
        Some(invisible) => Err(InvalidLine::Invisible(invisible)),
        None => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_at_the_ends_is_trimmed() {
        for text in ["a b", "a b\n", "a b\r\n", "\r\n\t a b \n\n", "\u{a0}a b\u{3000}"] {
            assert_eq!(trimmed(text.as_bytes()), Ok("a b"), "{text:?}");
        }
    }

    #[test]
    fn what_is_not_one_line_is_refused() {
        for (bytes, problem) in [
            (&b""[..], InvalidLine::Empty),
            (b" \r\n", InvalidLine::Empty),
            (b"a\nb", InvalidLine::Lines(2)),
            (b"a\r\nb\n\nc\n", InvalidLine::Lines(3)),
            ("a\u{2028}b".as_bytes(), InvalidLine::Lines(2)),
            ("\u{feff}a".as_bytes(), InvalidLine::ByteOrderMark),
            ("\n\u{feff}a\n".as_bytes(), InvalidLine::ByteOrderMark),
            ("a\u{feff}".as_bytes(), InvalidLine::ByteOrderMark),
            (b"\xff\xfea\0", InvalidLine::Utf16),
            (b"\xfe\xff\0a", InvalidLine::Utf16),
            (b"a\xff", InvalidLine::NotText),
            (b"a\0", InvalidLine::ControlCharacter('\0')),
            (b"a\x1b[0m", InvalidLine::ControlCharacter('\x1b')),
            ("a\u{200b}".as_bytes(), InvalidLine::Invisible('\u{200b}')),
        ] {
            assert_eq!(trimmed(bytes), Err(problem), "{bytes:?}");
        }
    }
}
