//! What kubectl reads and the parser does not: the text is changed so that both read the same values.
//!
//! Only white space is changed, and only where it is no part of a value: between a colon and its value, at the beginning of
//! a line within brackets or quotes, and before a comment.

use std::{borrow::Cow, collections::BTreeMap};

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
        let YamlErrorKind::Syntax(mistake) = kind else { return false };
        if self.count == MAX_REPAIRS {
            return false;
        }
        self.count += 1;
        match mistake {
            SyntaxMistake::TabInBrackets => {
                !self.continues_text(at.line) && self.replace_indentation(at.line)
            }
            SyntaxMistake::NotIndented => self.indent(at.line, at.line),
            SyntaxMistake::UnclosedQuote(quote) => self.indent_quoted(*quote, at),
            SyntaxMistake::CommentWithoutSpace => self.insert_space(at),
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

    /// Replaces the tabs that end at a position and follow a colon with spaces. Others can be part of a text.
    fn replace_separating_tabs(&mut self, at: Mark) -> bool {
        let (Some((start, _)), Some(end)) = (self.line(at.line), self.offset(at)) else { return false };
        let before = self.text[start..end].trim_end_matches([' ', '\t']);
        let tabs = start + before.len()..end;
        if !before.ends_with(':') || !self.text[tabs.clone()].contains('\t') {
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
