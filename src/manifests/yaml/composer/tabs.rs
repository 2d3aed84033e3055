//! Tabs in lines without content, which kubectl refuses in most places and this parser reads.
//!
//! kubectl's parser skips tabs where no key may begin: within brackets and quotes, and behind a text without quotes. Elsewhere
//! a tab before the content of a line is an error, whether or not content follows.

use std::ops::RangeInclusive;

/// Lines that tabs may begin.
#[derive(Default)]
pub(super) struct PermittedTabs {
    /// Ranges of lines, and the first column, from 0, at which a tab may stand in each.
    lines: Vec<(RangeInclusive<usize>, usize)>,
    /// Ranges of lines that continue a text, in which a dash is no sign of a list.
    texts: Vec<RangeInclusive<usize>>,
}

impl PermittedTabs {
    /// Permits tabs in lines, from a column on.
    pub(super) fn permit(&mut self, lines: RangeInclusive<usize>, column: usize) {
        self.lines.push((lines, column));
    }

    /// Notes that lines continue a text.
    pub(super) fn note_text(&mut self, lines: RangeInclusive<usize>) {
        self.texts.push(lines);
    }

    /// Whether kubectl refuses a line for a tab, although nothing or only a comment follows it.
    pub(super) fn refuses(&self, line: &str, number: usize) -> bool {
        if is_blank(line) {
            return leading_tab(line).is_some_and(|column| !self.permits(number, column));
        }
        ends_sign_with_tab(line) && !self.permits(number, 0) && !self.continues_text(number)
    }

    fn permits(&self, line: usize, column: usize) -> bool {
        self.lines.iter().any(|(lines, first)| lines.contains(&line) && column >= *first)
    }

    fn continues_text(&self, line: usize) -> bool {
        self.texts.iter().any(|lines| lines.contains(&line))
    }
}

/// Whether a line has no content.
pub(super) fn is_blank(text: &str) -> bool {
    text.trim().is_empty() || text.trim_start().starts_with('#')
}

/// Returns the column, from 0, of the first tab before the content of a line.
fn leading_tab(line: &str) -> Option<usize> {
    line.find(|character| character != ' ').filter(|index| line[*index..].starts_with('\t'))
}

/// Whether a line has nothing but signs of list items or keys, and a tab behind the last of them.
fn ends_sign_with_tab(line: &str) -> bool {
    let is_comment = |index: &usize| line[..*index].ends_with([' ', '\t']);
    let comment = line.match_indices('#').map(|(index, _)| index).find(is_comment);
    let content = line[..comment.unwrap_or(line.len())].trim_end_matches('\r');
    let signs = content.trim_end_matches([' ', '\t']);
    content[signs.len()..].contains('\t')
        && !signs.trim().is_empty()
        && signs.split(' ').all(|sign| matches!(sign, "" | "-" | "?"))
}
