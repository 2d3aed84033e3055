//! What the parser reads and kubectl refuses, or reads otherwise.

use saphyr_parser::{Event, Span};

use super::{
    super::{
        diagnosis::{self, Lines},
        document::{YamlError, YamlErrorKind},
        mark::Mark,
        syntax::SyntaxMistake,
    },
    Composer, local,
};

impl<'a> Composer<'a> {
    /// Checks a text without quotes within brackets, of which kubectl reads less than this parser.
    pub(super) fn check_in_brackets(&self, text: &str, span: Span) -> Result<(), SyntaxMistake> {
        let end = self.end(span);
        let line = self.lines.get(end.line.saturating_sub(1)).copied().unwrap_or_default();
        let rest = &line[Lines(&self.lines).before(end).len()..];
        match text.chars().next() {
            _ if rest.starts_with(":,") => Err(SyntaxMistake::ColonBeforeComma),
            Some(first @ ('|' | '>')) => Err(SyntaxMistake::Reserved(first)),
            _ if text.contains('?') => Err(SyntaxMistake::QuestionInBrackets),
            _ => Ok(()),
        }
    }

    /// Whether the anchor or the alias of a value has a name that kubectl does not read.
    pub(super) fn has_wrong_name(&self, event: &Event<'_>, span: Span) -> bool {
        let name = match event {
            Event::Alias(_) => {
                let start = local(span);
                let line = self.lines.get(start.line.saturating_sub(1)).copied().unwrap_or_default();
                line[Lines(&self.lines).before(start).len()..].strip_prefix('*')
            }
            Event::Scalar(_, _, 1.., _) | Event::SequenceStart(1.., _) | Event::MappingStart(1.., _) => {
                Lines(&self.lines).property('&', local(span))
            }
            _ => None,
        };
        name.is_some_and(|name| !diagnosis::is_name(name))
    }

    /// Whether a value has a tag that kubectl reads otherwise.
    pub(super) fn has_wrong_tag(&self, event: &Event<'_>, span: Span) -> bool {
        let (Event::Scalar(_, _, _, Some(_))
        | Event::SequenceStart(_, Some(_))
        | Event::MappingStart(_, Some(_))) = event
        else {
            return false;
        };
        let tag = Lines(&self.lines).property('!', local(span));
        tag.is_some_and(|tag| !diagnosis::is_tag(tag))
    }

    pub(super) fn tab_at(&self, line: usize) -> YamlError {
        self.in_file(Mark { line, column: 1 }).error(YamlErrorKind::TabInIndentation)
    }

    /// Returns a line without content that begins with a tab: kubectl refuses it outside of quotes and brackets.
    pub(super) fn refused_tab(&self) -> Option<usize> {
        if !self.has_tab {
            return None;
        }
        let is_blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
        let blank = self.lines.iter().zip(1..).filter(|(line, _)| line.starts_with('\t') && is_blank(line));
        blank
            .map(|(_, number)| number)
            .find(|number| !self.enclosed.iter().any(|lines| lines.contains(number)))
    }

    /// Returns where a text ends. The parser's mark may be behind the white space that follows a text without quotes.
    fn end(&self, span: Span) -> Mark {
        let mut end = Mark { line: span.end.line(), column: span.end.col() + 1 };
        while end.line > span.start.line() && Lines(&self.lines).before(end).trim().is_empty() {
            end = Mark { line: end.line - 1, column: usize::MAX };
        }
        end
    }

    /// Returns a line that begins with a tab and continues a text without quotes, or would: kubectl refuses it within
    /// brackets, too.
    pub(super) fn tab_behind(&self, span: Span) -> Option<usize> {
        let end = self.end(span);
        let rest = self.lines.get(end.line.checked_sub(1)?)?[Lines(&self.lines).before(end).len()..].trim();
        let following = self.lines.iter().zip(1..).skip(end.line);
        let blank = following.clone().take_while(|(line, _)| line.trim().is_empty()).count();
        let behind = if rest.is_empty() { blank + 1 } else { 0 };
        let continued = self.lines.iter().zip(1..).take(end.line).skip(span.start.line());
        continued
            .chain(following.take(behind))
            .find(|(line, _)| line.starts_with('\t'))
            .map(|(_, number)| number)
    }

    /// Whether a text in double quotes has an escaped slash.
    pub(super) fn escapes_slash(&self, span: Span) -> bool {
        let (first, last) = (span.start.line().saturating_sub(1), span.end.line());
        let lines = self.lines.get(first..last.min(self.lines.len())).unwrap_or_default();
        let skipped = [span.start.col()].into_iter().chain(std::iter::repeat(0));
        let end = if span.start.line() == span.end.line() { span.end.col() } else { usize::MAX };
        lines.iter().zip(skipped).any(|(line, skipped)| {
            let mut characters = line.chars().take(end).skip(skipped);
            while let Some(character) = characters.next() {
                if character == '\\' && characters.next() == Some('/') {
                    return true;
                }
            }
            false
        })
    }

    /// Returns what stands before a value on its line.
    pub(super) fn before(&self, span: Span) -> &'a str {
        Lines(&self.lines).before(local(span))
    }

    /// Whether an item of a list stands behind its `-` and a tab.
    pub(super) fn follows_tab(&self, span: Span) -> bool {
        let before = self.before(span);
        before.contains('-')
            && before.contains('\t')
            && before.chars().all(|character| matches!(character, ' ' | '\t' | '-'))
    }

    /// Whether a key without `?` and its colon go over more than one line.
    pub(super) fn is_broken_key(&self, span: Span) -> bool {
        let goes_on = span.start.line() != span.end.line() || self.is_before_colon_of_other_line(span);
        goes_on && !self.before(span).trim_end().ends_with('?')
    }

    /// Whether the colon of a key within brackets stands on a line behind it.
    fn is_before_colon_of_other_line(&self, span: Span) -> bool {
        let end = self.end(span);
        let Some(line) = self.lines.get(end.line.saturating_sub(1)).filter(|_| !self.open.is_empty()) else {
            return false;
        };
        let is_blank = |text: &str| text.trim().is_empty() || text.trim_start().starts_with('#');
        let mut following = self.lines.iter().skip(end.line).skip_while(|line| is_blank(line));
        is_blank(&line[Lines(&self.lines).before(end).len()..])
            && following.next().is_some_and(|line| line.trim_start().starts_with(':'))
    }
}
