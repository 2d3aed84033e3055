//! What is wrong where the parser stops, from the message of the parser and the text.
//!
//! The parser says what it was scanning, in terms that few people know. What a person did, and can do, follows from its
//! message together with the text at the place. A message that is not known gets general advice, so that none of the
//! parser's words are shown; a test has an input for each of them.

use super::{
    document::YamlErrorKind,
    long_lines::LongLines,
    mark::Mark,
    syntax::{Open, SyntaxMistake},
};

/// The lines of a text.
#[derive(Clone, Copy)]
pub(super) struct Lines<'t, 'a>(pub(super) &'t [&'a str], pub(super) &'t LongLines);

impl<'a> Lines<'_, 'a> {
    fn line(self, number: usize) -> &'a str {
        number.checked_sub(1).and_then(|index| self.0.get(index)).copied().unwrap_or_default()
    }

    /// Returns the text of a line before a position.
    pub(super) fn before(self, at: Mark) -> &'a str {
        let line = self.line(at.line);
        &line[..self.1.byte(at.line, line, at.column.saturating_sub(1))]
    }

    /// Returns the character at a position.
    pub(super) fn character(self, at: Mark) -> Option<char> {
        let line = self.line(at.line);
        line[self.1.byte(at.line, line, at.column.checked_sub(1)?)..].chars().next()
    }

    /// Whether nothing but white space and comments follows.
    fn is_end(self, at: Mark) -> bool {
        let is_blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
        let rest = self.line(at.line)[self.before(at).len()..].trim();
        (rest.is_empty() || rest.starts_with('#'))
            && self.0.get(at.line..).unwrap_or_default().iter().all(|line| is_blank(line))
    }

    /// Returns the text behind the sign of a property of a value, `&` of its anchor or `!` of its tag; `at` is where the value
    /// or its properties begin.
    pub(super) fn property(self, sign: char, at: Mark) -> Option<&'a str> {
        let behind = |line: &'a str, end: usize| {
            let begins = |(index, _): &(usize, &str)| {
                *index == 0 || line[..*index].ends_with([' ', '\t', '[', '{', ',', '-', ':', '?'])
            };
            line[..end].rmatch_indices(sign).find(begins).map(|(index, _)| &line[index + 1..])
        };
        let (line, start) = (self.line(at.line), self.before(at).len());
        let here = line[start..].strip_prefix(sign).or_else(|| behind(line, start));
        here.or_else(|| {
            let before = self.line(self.content_before(at.line)?.line);
            behind(before, before.len())
        })
    }

    /// Returns the bracket that a list or an object begins with, behind its properties.
    pub(super) fn bracket(self, at: Mark) -> Option<char> {
        let mut rest = &self.line(at.line)[self.before(at).len()..];
        while rest.starts_with(['&', '!']) {
            rest = rest.split_once([' ', '\t'])?.1.trim_start();
        }
        rest.chars().next().filter(|found| matches!(found, '[' | '{'))
    }

    /// Returns a line with a tab that begins a text of `|` or `>` whose indentation is not given; `at` is in its first line
    /// with content.
    pub(super) fn tab_in_block(self, at: Mark) -> Option<usize> {
        if self.given_indentation(at.line).is_some() {
            return None;
        }
        let header = self.content_before(at.line)?.line;
        let has_tab = |line: &str| line[..line.len() - line.trim_start().len()].contains('\t');
        (header + 1..=at.line).find(|number| has_tab(self.line(*number)))
    }

    /// Returns how far a text of `|` or `>` is indented, if the line of the sign says it; `number` is the first line of the text
    /// with content.
    pub(super) fn given_indentation(self, number: usize) -> Option<usize> {
        let header = self.line(self.content_before(number)?.line);
        let indicators = header.rsplit(['|', '>']).next()?.split('#').next()?;
        let digit = indicators.chars().find_map(|character| character.to_digit(10))?;
        usize::try_from(digit).ok()
    }

    /// Returns the beginning of the last line with content before a line.
    fn content_before(self, number: usize) -> Option<Mark> {
        (1..number).rev().find_map(|line| {
            let text = self.line(line);
            let indentation = text.chars().take_while(|character| character.is_whitespace()).count();
            let content = text.trim();
            (!content.is_empty() && !content.starts_with('#'))
                .then_some(Mark { line, column: indentation + 1 })
        })
    }
}

/// Whether a text begins with a name of an anchor as kubectl reads it: letters, digits, `-` and `_`.
pub(super) fn is_name(text: &str) -> bool {
    let is_part = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
    let end = text.trim_start_matches(is_part);
    end.len() < text.len()
        && end.chars().next().is_none_or(|next| matches!(next, ' ' | '\t' | '\r' | ',' | ']' | '}'))
}

/// Whether a text begins with a tag that kubectl reads as this parser does: brackets, commas and `#` are parts of it for one
/// of them only.
pub(super) fn is_tag(text: &str) -> bool {
    let end = text.find([' ', '\t', '\r']).unwrap_or(text.len());
    !text[..end].contains([',', '[', ']', '{', '}', '#'])
}

/// Whether a line is indented with a tab.
fn has_tab(line: &str) -> bool {
    line.trim_start_matches(' ').starts_with('\t')
}

/// Returns the mistake at a position, and where it is. `message` is the parser's; `open` is the innermost bracket without
/// an end.
pub(super) fn mistake(
    message: &str,
    lines: Lines<'_, '_>,
    at: Mark,
    open: Option<Open>,
) -> (YamlErrorKind, Mark) {
    let says = |part: &str| message.contains(part);
    let tab_line = [at.line, at.line + 1].into_iter().find(|line| has_tab(lines.line(*line)));
    let is_about_tab = ["tabs disallowed", "found a tab", "tab cannot be used", "start with a tab"];
    if is_about_tab.into_iter().any(says)
        && let Some(line) = tab_line
    {
        let at = Mark { line, column: 1 };
        return match open {
            Some(_) => (SyntaxMistake::TabInBrackets.into(), at),
            None => (YamlErrorKind::TabInIndentation, at),
        };
    }
    let found = lines.character(at);
    let kind = if says("mapping values are not allowed") {
        match lines.before(at).trim_start_matches(['-', ' ']).contains(": ") {
            true => SyntaxMistake::ColonInValue,
            false => SyntaxMistake::KeyInValue,
        }
    } else if says("simple key expect") || says("unexpected end of plain scalar") {
        let at = if at.column == 1 { lines.content_before(at.line).unwrap_or(at) } else { at };
        return (SyntaxMistake::NoColon.into(), at);
    } else if says("parsing a block mapping") {
        match lines.line(at.line).trim_start().starts_with("- ") {
            true => SyntaxMistake::ItemForKey,
            false => SyntaxMistake::Indentation,
        }
    } else if says("parsing a block collection") {
        SyntaxMistake::NoItem
    } else if says("block sequence entries are not allowed") {
        SyntaxMistake::ItemOnKeyLine
    } else if says("only valid inside a block") || says("cannot start with '-'") {
        SyntaxMistake::DashInBrackets
    } else if says("unexpected character") || says("mapping keys are not allowed") {
        found.map_or(SyntaxMistake::Other, SyntaxMistake::Reserved)
    } else if says("unknown anchor") {
        SyntaxMistake::UnknownAnchor
    } else if says("anchor or alias") {
        found.map_or(SyntaxMistake::Other, SyntaxMistake::NoName)
    } else if says("quoted scalar, found unexpected") || says("indentation in quoted scalar") {
        SyntaxMistake::UnclosedQuote(found.filter(|found| *found == '\'').unwrap_or('"'))
    } else if says("trailing content after") {
        if found == Some(',') { SyntaxMistake::Comma } else { SyntaxMistake::BehindQuote }
    } else if says("unknown escape character") {
        SyntaxMistake::Escape
    } else if says("hexadecimal number") || says("character escape code") {
        SyntaxMistake::EscapeDigits
    } else if let (true, Some(open)) = (says("parsing a flow") || says("illegal placement of ':'"), open) {
        if lines.is_end(at) { SyntaxMistake::Unclosed(open) } else { SyntaxMistake::NoComma(open) }
    } else if says("misplaced bracket") {
        found.map_or(SyntaxMistake::Other, SyntaxMistake::StrayBracket)
    } else if says("expected node content") || says("unexpected eof") {
        SyntaxMistake::NoValue
    } else if says("scanning a block scalar") {
        SyntaxMistake::BlockHeader
    } else if says("comment intercepting") {
        SyntaxMistake::CommentInValue
    } else if says("comments must be separated") {
        SyntaxMistake::CommentWithoutSpace
    } else if says("tag") || says("handle wasn't declared") || says("TAG") {
        SyntaxMistake::Tag
    } else if says("<document start>") || says("document end marker") {
        SyntaxMistake::BehindValue
    } else if says("byte order mark") {
        SyntaxMistake::ByteOrderMark
    } else if says("indentation in flow construct") || (open.is_some() && says("invalid indentation")) {
        SyntaxMistake::NotIndented
    } else if says("indent") {
        SyntaxMistake::Indentation
    } else {
        SyntaxMistake::Other
    };
    let is_of_lines =
        matches!(kind, SyntaxMistake::KeyInValue | SyntaxMistake::Indentation | SyntaxMistake::NoItem);
    match [at.line.saturating_sub(1), at.line].into_iter().find(|line| has_tab(lines.line(*line))) {
        Some(line) if is_of_lines && open.is_none() => {
            (YamlErrorKind::TabInIndentation, Mark { line, column: 1 })
        }
        _ => (kind.into(), at),
    }
}
