//! What the parser reads and kubectl refuses, or reads otherwise.

use saphyr_parser::{Event, ScalarStyle, Span};

use super::{
    super::{
        diagnosis,
        document::{YamlError, YamlErrorKind},
        mark::Mark,
        syntax::SyntaxMistake,
    },
    Composer, local,
    tabs::is_blank,
};

impl<'a> Composer<'a> {
    /// Checks a text without quotes within brackets, of which kubectl reads less than this parser.
    pub(super) fn check_in_brackets(&self, text: &str, span: Span) -> Result<(), SyntaxMistake> {
        let end = self.end(span);
        let line = self.lines.get(end.line.saturating_sub(1)).copied().unwrap_or_default();
        let rest = &line[self.lines().before(end).len()..];
        match text.chars().next() {
            _ if [":,", ":]", ":}"].iter().any(|colon| rest.starts_with(colon)) => {
                Err(SyntaxMistake::ColonBeforeComma)
            }
            Some(first @ ('|' | '>' | ':')) => Err(SyntaxMistake::Reserved(first)),
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
                line[self.lines().before(start).len()..].strip_prefix('*')
            }
            Event::Scalar(_, _, 1.., _) | Event::SequenceStart(1.., _) | Event::MappingStart(1.., _) => {
                self.lines().property('&', local(span))
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
        let tag = self.lines().property('!', local(span));
        tag.is_some_and(|tag| !diagnosis::is_tag(tag))
    }

    pub(super) fn tab_at(&self, line: usize) -> YamlError {
        self.in_file(Mark { line, column: 1 }).error(YamlErrorKind::TabInIndentation)
    }

    /// Returns the column, from 0, of the first dash of a list. The parser's position may be behind it.
    pub(super) fn dash_column(&self, span: Span) -> usize {
        let (column, before) = (span.start.col(), self.before(span));
        let is_behind_dash = before.trim_start_matches([' ', '-']).is_empty();
        match before.rfind('-') {
            Some(dash) if is_behind_dash && self.lines().character(local(span)) != Some('-') => dash,
            _ => column,
        }
    }

    /// Notes where tabs may begin lines in and behind a text.
    pub(super) fn permit_tabs(&mut self, style: ScalarStyle, span: Span) {
        match style {
            ScalarStyle::Plain if self.open.is_empty() => {
                let end = self.end(span);
                let line = self.lines.get(end.line.saturating_sub(1)).copied().unwrap_or_default();
                let ends_line = line[self.lines().before(end).len()..].trim().is_empty();
                let mut following = self.lines.iter().skip(end.line);
                let blank = following.clone().take_while(|line| line.trim().is_empty()).count();
                let comment = usize::from(following.nth(blank).is_some_and(|line| is_blank(line)));
                let last = end.line + if ends_line { blank + comment } else { 0 };
                let column = self.blocks.last().map_or(0, |column| column + 1);
                self.tabs.permit(span.start.line() + 1..=last, column);
                self.tabs.note_text(span.start.line() + 1..=end.line);
            }
            ScalarStyle::Literal | ScalarStyle::Folded => {
                // The parser's position of such a text is that of its first line with content.
                let first = local(span).line;
                let line = self.lines.get(first.saturating_sub(1)).copied().unwrap_or_default();
                let column = match self.lines().given_indentation(first) {
                    Some(given) => self.blocks.last().copied().unwrap_or_default() + given,
                    None => line.len() - line.trim_start_matches(' ').len(),
                };
                self.tabs.permit(first..=span.end.line(), column);
                self.tabs.note_text(first..=span.end.line());
            }
            _ => {}
        }
    }

    /// Returns a line with a tab that kubectl refuses, although nothing or only a comment follows it.
    pub(super) fn refused_tab(&self) -> Option<usize> {
        if !self.has_tab {
            return None;
        }
        let refused = self.lines.iter().zip(1..).find(|(line, number)| self.tabs.refuses(line, *number));
        refused.map(|(_, number)| number)
    }

    /// Returns where a text ends. The parser's mark may be behind the white space that follows a text without quotes.
    pub(super) fn end(&self, span: Span) -> Mark {
        let mut end = Mark { line: span.end.line(), column: span.end.col() + 1 };
        while end.line > span.start.line() && self.lines().before(end).trim().is_empty() {
            end = Mark { line: end.line - 1, column: usize::MAX };
        }
        end
    }

    /// Returns a line that begins with a tab and continues a text without quotes, or would: kubectl refuses it within
    /// brackets, too.
    pub(super) fn tab_behind(&self, span: Span) -> Option<usize> {
        let end = self.end(span);
        let rest = self.lines.get(end.line.checked_sub(1)?)?[self.lines().before(end).len()..].trim();
        let following = self.lines.iter().zip(1..).skip(end.line);
        let behind = match rest.is_empty() {
            true => 1 + following.clone().take_while(|(line, _)| line.trim().is_empty()).count(),
            // Nothing behind is read: there can be as many lines as there are texts.
            false => 0,
        };
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
        let is_one_line = span.start.line() == span.end.line();
        let end = self.lines().before(Mark { line: last, column: span.end.col() + 1 }).len();
        let starts = [self.before(span).len()].into_iter().chain(std::iter::repeat(0));
        lines.iter().zip(starts).any(|(line, start)| {
            let end = if is_one_line { end } else { line.len() };
            let mut bytes = line.as_bytes().get(start..end).unwrap_or_default().iter();
            while let Some(byte) = bytes.next() {
                if *byte == b'\\' && bytes.next() == Some(&b'/') {
                    return true;
                }
            }
            false
        })
    }

    /// Returns what stands before a value on its line.
    pub(super) fn before(&self, span: Span) -> &'a str {
        self.lines().before(local(span))
    }

    /// Whether a value that is written in lines begins behind a tab at the beginning of its line.
    pub(super) fn begins_behind_tab(&self, event: &Event<'_>, span: Span) -> bool {
        let has_position = match event {
            Event::Scalar(text, ScalarStyle::Plain, ..) => !text.is_empty(),
            Event::Scalar(_, ScalarStyle::Literal | ScalarStyle::Folded, ..) => false,
            _ => true,
        };
        let before = self.before(span);
        self.has_tab
            && has_position
            && self.open.is_empty()
            && before.trim().is_empty()
            && before.contains('\t')
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
        is_blank(&line[self.lines().before(end).len()..])
            && following.next().is_some_and(|line| line.trim_start().starts_with(':'))
    }
}
