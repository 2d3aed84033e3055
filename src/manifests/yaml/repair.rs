//! What kubectl reads and the parser does not: the text is changed so that both read the same values.
//!
//! Only white space is changed, and only where it is no part of a value: between a colon and its value, at the beginning of
//! a line within brackets or quotes, and before a comment.

use std::{borrow::Cow, collections::BTreeMap, ops::Range};

use super::{document::YamlErrorKind, mark::Mark, syntax::SyntaxMistake};

/// The most places that are changed: each takes another attempt.
const MAX_REPAIRS: usize = 100;

/// A text that is changed until the parser reads it.
pub(super) struct Repair<'a> {
    text: Cow<'a, str>,
    /// By how many columns the content of a line was moved to the right.
    moved: BTreeMap<usize, usize>,
    count: usize,
}

impl<'a> Repair<'a> {
    /// Begins with a text as it is.
    pub(super) fn new(text: Cow<'a, str>) -> Self {
        Self { text, moved: BTreeMap::new(), count: 0 }
    }

    /// Returns the text as it is now.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Returns by how many columns the content of each line was moved to the right.
    pub(super) fn moved(&self) -> &BTreeMap<usize, usize> {
        &self.moved
    }

    /// Changes the text where the parser stopped. `at` is the position in the text as it is now. `false`: nothing there is
    /// read by kubectl.
    pub(super) fn repair(&mut self, kind: &YamlErrorKind, at: Mark) -> bool {
        if self.count == MAX_REPAIRS {
            return false;
        }
        self.count += 1;
        if *kind == YamlErrorKind::TabInIndentation {
            return self.is_blank_behind_text(at.line) && self.replace_indentation(at.line);
        }
        let YamlErrorKind::Syntax(mistake) = kind else { return false };
        match mistake {
            SyntaxMistake::TabInBrackets => {
                !self.continues_text(at.line) && self.replace_indentation(at.line)
            }
            SyntaxMistake::NotIndented => self.indent(at.line, at.line),
            SyntaxMistake::UnclosedQuote(quote) => self.indent_quoted(*quote, at),
            SyntaxMistake::CommentWithoutSpace => self.insert_space(at),
            SyntaxMistake::NoColon => self.indent_block_header(at.line),
            SyntaxMistake::Escape => self.replace_escaped_quote(at),
            _ => self.replace_separating_tabs(at),
        }
    }

    /// Returns where a line begins and ends.
    fn line(&self, number: usize) -> Option<(usize, usize)> {
        let start: usize = self.text.split_inclusive('\n').take(number.checked_sub(1)?).map(str::len).sum();
        let length = self.text[start..].split('\n').next()?.len();
        Some((start, start + length))
    }

    fn offset(&self, at: Mark) -> Option<usize> {
        let (start, end) = self.line(at.line)?;
        let line = &self.text[start..end];
        let column = at.column.checked_sub(1)?;
        Some(start + line.char_indices().nth(column).map_or(line.len(), |(index, _)| index))
    }

    /// Whether a line may continue a text without quotes, for which kubectl refuses a tab.
    fn continues_text(&self, number: usize) -> bool {
        let before = self.text.lines().take(number.saturating_sub(1)).filter(|line| !line.trim().is_empty());
        let last = before.last().unwrap_or_default().trim();
        let has_comment = last.starts_with('#') || last.contains(" #") || last.contains("\t#");
        !has_comment && !last.ends_with([',', '[', '{', ']', '}', ':', '"', '\''])
    }

    /// Whether a line has no content and follows a text without quotes, and its tabs are further right than the line of that
    /// text begins: kubectl skips them.
    fn is_blank_behind_text(&self, number: usize) -> bool {
        let Some((start, end)) = self.line(number) else { return false };
        let line = &self.text[start..end];
        let mut before = self.text.lines().take(number - 1).collect::<Vec<_>>();
        let last =
            std::iter::from_fn(|| before.pop()).find(|line| !line.trim().is_empty()).unwrap_or_default();
        let ends_text =
            |line: &str| !line.trim_end().ends_with([',', '[', '{', ']', '}', ':', '"', '\'', '|', '>', '-']);
        line.trim().is_empty()
            && indentation(line) > indentation(last)
            && !last.contains('#')
            && ends_text(last)
    }

    /// Replaces the tabs in the indentation of a line with spaces. A line in quotes loses its indentation in any case.
    fn replace_indentation(&mut self, number: usize) -> bool {
        let Some((start, end)) = self.line(number) else { return false };
        let line = &self.text[start..end];
        let length = line.len() - line.trim_start_matches([' ', '\t']).len();
        if !line[..length].contains('\t') {
            return false;
        }
        self.text.to_mut().replace_range(start..start + length, &" ".repeat(length));
        true
    }

    /// Indents lines more than any block before them.
    fn indent(&mut self, first: usize, last: usize) -> bool {
        let before = self.text.lines().zip(1..first);
        let indentations = before.filter(|(_, number)| !self.moved.contains_key(number));
        let width = indentations.map(|(line, _)| indentation(line)).max().unwrap_or_default() + 1;
        for number in first..=last {
            let Some((start, _)) = self.line(number) else { return false };
            self.text.to_mut().insert_str(start, &" ".repeat(width));
            *self.moved.entry(number).or_default() += width;
        }
        true
    }

    /// Indents a line with the sign of a text and nothing else, whose key is on a line before it.
    fn indent_block_header(&mut self, number: usize) -> bool {
        let is_header = |line: &str| {
            let content = line.split(" #").next().unwrap_or_default().trim();
            let indicators = content.strip_prefix(['|', '>']);
            indicators.is_some_and(|rest| rest.bytes().all(|byte| matches!(byte, b'+' | b'-' | b'1'..=b'9')))
        };
        let lines: Vec<&str> = self.text.lines().take(number).collect();
        let is_text = |line: &str| line.is_empty() || line.starts_with([' ', '\t', '\r']);
        let found = (1..=number).rev().zip(lines.iter().rev());
        let found = found.skip_while(|(_, line)| is_text(line) && !is_header(line)).map(|(number, _)| number);
        let found = found.take(1).find(|number| is_header(lines[number - 1]));
        let is_of_key = |number: &usize| self.ends_with_key(*number) && !self.moved.contains_key(number);
        found.filter(is_of_key).is_some_and(|number| self.indent(number, number))
    }

    /// Whether the last content before a line is a key without a value, or a dash.
    fn ends_with_key(&self, number: usize) -> bool {
        let lines = self.text.lines().take(number.saturating_sub(1));
        let contents = lines.map(|line| line.split(" #").next().unwrap_or_default().trim());
        let last =
            contents.filter(|line| !line.is_empty() && !line.starts_with('#')).last().unwrap_or_default();
        let last = last.split_whitespace().rev().find(|word| !word.starts_with(['&', '!']));
        last.is_some_and(|word| word.ends_with(':') || word == "-")
    }

    /// Indents the lines of a text in quotes, up to the quote that ends it.
    fn indent_quoted(&mut self, quote: char, at: Mark) -> bool {
        let Some(start) = self.offset(at) else { return false };
        let mut rest = self.text[start..].char_indices().skip(1).peekable();
        let end = loop {
            match rest.next() {
                None => return false,
                Some((_, '\\')) if quote == '"' => {
                    rest.next();
                }
                Some((index, found)) if found == quote => match rest.peek() {
                    Some((_, next)) if quote == '\'' && *next == quote => {
                        rest.next();
                    }
                    _ => break start + index,
                },
                Some(_) => {}
            }
        };
        let lines = self.text[start..end].matches('\n').count();
        // The end of a document is one for kubectl, too.
        let ends_document = self.text[start..end].lines().skip(1).any(is_end_of_document);
        lines > 0 && !ends_document && self.indent(at.line + 1, at.line + lines)
    }

    fn insert_space(&mut self, at: Mark) -> bool {
        let Some(offset) = self.offset(at) else { return false };
        let is_comment = self.text[offset..].starts_with('#');
        if is_comment {
            self.text.to_mut().insert(offset, ' ');
        }
        is_comment
    }

    /// Writes the first `\'` of a text in double quotes as a quote, which it is for kubectl. A space behind the text keeps what
    /// follows it where it was.
    fn replace_escaped_quote(&mut self, at: Mark) -> bool {
        let Some(start) = self.offset(at).filter(|start| self.text[*start..].starts_with('"')) else {
            return false;
        };
        let mut escape = None;
        let mut rest = self.text[start..].char_indices().skip(1);
        while let Some((index, found)) = rest.next() {
            match found {
                '"' => {
                    let Some(escape) = escape else { return false };
                    self.text.to_mut().insert(start + index + 1, ' ');
                    self.text.to_mut().remove(escape);
                    return true;
                }
                '\\' if rest.next().is_some_and(|(_, escaped)| escaped == '\'') => {
                    escape.get_or_insert(start + index);
                }
                _ => {}
            }
        }
        false
    }

    /// Replaces the tabs that end at a position, and follow a colon or the mark of a key, with spaces. Others can be part of a
    /// text.
    fn replace_separating_tabs(&mut self, at: Mark) -> bool {
        let (Some((start, _)), Some(end)) = (self.line(at.line), self.offset(at)) else { return false };
        if self.text[start..end].trim().is_empty() {
            return self.replace_tabs_before_line(start);
        }
        let before = self.text[start..end].trim_end_matches([' ', '\t']);
        let is_key_mark =
            before.strip_suffix('?').is_some_and(|before| before.trim_end().ends_with(['{', '[', ',']));
        let is_colon = before.ends_with(':');
        let tabs = start + before.len()..end;
        // The parser stops at the tab behind the mark of a key.
        let behind = self.text[end..].len() - self.text[end..].trim_start_matches([' ', '\t']).len();
        let tabs = if is_key_mark { tabs.start..end + behind } else { tabs };
        self.replace_tabs(tabs, is_colon || is_key_mark)
    }

    /// Replaces tabs behind the colon that ends the line with content before a line.
    fn replace_tabs_before_line(&mut self, start: usize) -> bool {
        let before = self.text[..start].trim_end_matches(['\n', '\r', ' ', '\t']);
        let line_end = before.len() + self.text[before.len()..].find(['\n', '\r']).unwrap_or_default();
        let is_colon = before.ends_with(':');
        self.replace_tabs(before.len()..line_end, is_colon)
    }

    fn replace_tabs(&mut self, tabs: Range<usize>, is_separator: bool) -> bool {
        if !is_separator || !self.text[tabs.clone()].contains('\t') {
            return false;
        }
        let spaces = " ".repeat(tabs.len());
        self.text.to_mut().replace_range(tabs, &spaces);
        true
    }
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

fn is_end_of_document(line: &str) -> bool {
    line.strip_prefix("...").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r']))
}
