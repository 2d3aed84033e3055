//! What stands behind a backslash.

use super::{
    error::{Problem, SyntaxError},
    parser::Parser,
    pattern::RemarkKind,
    properties,
    set::Set,
};

/// The meaning of an escape.
pub(super) enum Escape {
    /// A code point, which may be a surrogate.
    Char(u32),
    Set(Set),
    WordBoundary,
    NotWordBoundary,
    BackReference,
}

/// Reads an escape; the backslash, at `begin`, is read.
pub(super) fn escape(parser: &mut Parser, begin: usize, in_class: bool) -> Result<Escape, SyntaxError> {
    let c = parser.bump().ok_or_else(|| parser.error_at(Problem::TrailingBackslash, begin))?;
    Ok(match c {
        'b' if in_class => Escape::Char(8),
        'b' => Escape::WordBoundary,
        'B' if !in_class => Escape::NotWordBoundary,
        'd' => Escape::Set(Set::digit()),
        'D' => Escape::Set(Set::digit().negated()),
        'w' => Escape::Set(Set::word()),
        'W' => Escape::Set(Set::word().negated()),
        's' => Escape::Set(Set::space()),
        'S' => Escape::Set(Set::space().negated()),
        'p' | 'P' if parser.peek() == Some('{') => Escape::Set(property(parser, begin, c == 'P')?),
        't' => Escape::Char(0x09),
        'n' => Escape::Char(0x0a),
        'v' => Escape::Char(0x0b),
        'f' => Escape::Char(0x0c),
        'r' => Escape::Char(0x0d),
        'c' => control(parser, in_class),
        'x' => match hex(parser, 2) {
            Some(code) => Escape::Char(code),
            None => letter(parser, c, begin),
        },
        'u' => unicode(parser, begin)?,
        'k' if !in_class && !parser.names().is_empty() => {
            let name = if parser.eat('<') { parser.group_name() } else { None };
            match name {
                Some(name) if parser.names().contains(&name) => Escape::BackReference,
                _ => return Err(parser.error_at(Problem::UnknownGroupReference, begin)),
            }
        }
        '1'..='9' if !in_class && is_back_reference(parser) => Escape::BackReference,
        '0'..='7' => octal(parser, c),
        _ if c.is_ascii_alphabetic() => letter(parser, c, begin),
        _ => Escape::Char(u32::from(c)),
    })
}

/// A letter that means itself, which annex B allows.
fn letter(parser: &mut Parser, c: char, begin: usize) -> Escape {
    parser.remark(RemarkKind::LetterEscape(c), begin);
    Escape::Char(u32::from(c))
}

/// `\cJ`. Without a letter, the backslash means itself, and `c` is read again.
fn control(parser: &mut Parser, in_class: bool) -> Escape {
    match parser.peek() {
        Some(c) if c.is_ascii_alphabetic() || (in_class && (c.is_ascii_digit() || c == '_')) => {
            parser.position += 1;
            Escape::Char(u32::from(c) % 32)
        }
        _ => {
            parser.position -= 1;
            Escape::Char(u32::from('\\'))
        }
    }
}

/// So many hexadecimal digits, or nothing.
fn hex(parser: &mut Parser, digits: usize) -> Option<u32> {
    let begin = parser.position;
    let mut code = 0;
    for _ in 0..digits {
        match parser.bump().and_then(|c| c.to_digit(16)) {
            Some(digit) => code = code * 16 + digit,
            None => {
                parser.position = begin;
                return None;
            }
        }
    }
    Some(code)
}

/// `\u{1f600}`, `\u0041`, or two of the latter that are the halves of one code point.
fn unicode(parser: &mut Parser, begin: usize) -> Result<Escape, SyntaxError> {
    if parser.peek() == Some('{') && parser.peek_second().is_some_and(|c| c.is_ascii_hexdigit()) {
        let back = parser.position;
        parser.position += 1;
        let mut code = 0u32;
        while let Some(digit) = parser.peek().and_then(|c| c.to_digit(16)) {
            parser.position += 1;
            code = code.saturating_mul(16).saturating_add(digit);
        }
        if parser.eat('}') {
            if code > 0x10_ffff {
                return Err(parser.error_at(Problem::CodePoint, begin));
            }
            return Ok(Escape::Char(code));
        }
        parser.position = back;
    }
    let Some(code) = hex(parser, 4) else { return Ok(letter(parser, 'u', begin)) };
    if (0xd800..0xdc00).contains(&code) {
        let back = parser.position;
        if parser.eat('\\')
            && parser.eat('u')
            && let Some(low @ 0xdc00..=0xdfff) = hex(parser, 4)
        {
            return Ok(Escape::Char(0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00)));
        }
        parser.position = back;
    }
    Ok(Escape::Char(code))
}

/// Whether the number, whose first digit is read, is that of a group; it is read then.
fn is_back_reference(parser: &mut Parser) -> bool {
    let begin = parser.position;
    parser.position -= 1;
    let mut number = 0u32;
    while let Some(digit) = parser.peek().and_then(|c| c.to_digit(10)) {
        number = number.saturating_mul(10).saturating_add(digit);
        parser.position += 1;
    }
    if number <= parser.groups() {
        return true;
    }
    parser.position = begin;
    false
}

/// `\0`, and the octal codes of annex B up to `\377`. The first digit is read.
fn octal(parser: &mut Parser, first: char) -> Escape {
    let mut code = first.to_digit(8).unwrap_or_default();
    for _ in 0..2 {
        match parser.peek().and_then(|c| c.to_digit(8)) {
            Some(digit) if code * 8 + digit <= 0o377 => {
                code = code * 8 + digit;
                parser.position += 1;
            }
            _ => break,
        }
    }
    Escape::Char(code)
}

/// `{Name}` or `{Name=Value}`.
fn property(parser: &mut Parser, begin: usize, negated: bool) -> Result<Set, SyntaxError> {
    parser.position += 1;
    let mut text = String::new();
    loop {
        match parser.bump() {
            Some('}') => break,
            Some(c) => text.push(c),
            None => return Err(parser.error_at(Problem::UnknownProperty(text), begin)),
        }
    }
    let key = format!("{text}{}", if negated { '^' } else { ' ' });
    let set = parser.properties.entry(key).or_insert_with(|| properties::set(&text, negated));
    match set {
        Some(set) => Ok(set.clone()),
        None => Err(parser.error_at(Problem::UnknownProperty(text), begin)),
    }
}
