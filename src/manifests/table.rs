//! Formats a report as a table for people.

use std::{
    borrow::Cow,
    fmt::Write as _,
    io::{self, Write},
};

use crate::plan::controls_terminal;

use super::report::{Report, Row, State};

/// The format of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// With colours.
    pub color: bool,
    /// With symbols beyond ASCII; for terminals.
    pub unicode: bool,
    /// Columns of the terminal, in which messages are wrapped; `None`: they are not.
    pub width: Option<usize>,
}

/// Writes the table: each message under the row it belongs to, and the totals last.
pub fn write(report: &Report, out: &mut impl Write, style: Style) -> io::Result<()> {
    write_rows(report, out, style)?;
    writeln!(out, "{}", report.totals())
}

/// Writes the table without the totals.
pub fn write_rows(report: &Report, out: &mut impl Write, style: Style) -> io::Result<()> {
    const HEAD: [&str; 6] = ["KIND", "NAMESPACE", "NAME", "STATE", "SVIX", "REASON"];
    let rows = || report.objects.iter().chain(&report.files);
    if rows().next().is_none() {
        return Ok(());
    }
    // The widths are found in a pass of their own, so that ten thousand rows are never in memory as text.
    let mut widths = HEAD.map(str::len);
    for row in rows() {
        for (width, cell) in widths.iter_mut().zip(cells(row, style)) {
            *width = cell.chars().count().max(*width);
        }
    }
    write_line(out, &HEAD.map(Cow::Borrowed), &widths, None)?;
    for row in rows() {
        write_line(out, &cells(row, style), &widths, style.color.then(|| color(row.state)))?;
        for message in row.messages() {
            for text in wrap(&printable(&message), style.width.map(|width| width.saturating_sub(4))) {
                writeln!(out, "    {text}")?;
            }
        }
    }
    Ok(())
}

fn color(state: State) -> &'static str {
    match state {
        State::InSync => "32",
        State::Differs => "35",
        State::Waiting => "33",
        State::Working => "36",
        State::Problem => "31",
    }
}

fn symbol(state: State) -> &'static str {
    match state {
        State::InSync => "\u{2713} ",
        State::Differs => "\u{2260} ",
        State::Waiting => "\u{2026} ",
        State::Working => "\u{2192} ",
        State::Problem => "\u{2717} ",
    }
}

/// The text of a row in each column.
fn cells(row: &Row, style: Style) -> [Cow<'_, str>; 6] {
    let state = match style.unicode {
        true => Cow::Owned(format!("{}{}", symbol(row.state), row.state.label(1))),
        false => Cow::Borrowed(row.state.label(1)),
    };
    let text = |text| if str::is_empty(text) { Cow::Borrowed("-") } else { printable(text) };
    let reason = match row.is_added {
        true => printable(&row.reason) + " (added by dev)",
        false => text(&row.reason),
    };
    [text(&row.kind), text(&row.namespace), text(&row.name), state, text(&row.svix), reason]
}

fn write_line(
    out: &mut impl Write,
    cells: &[Cow<'_, str>; 6],
    widths: &[usize; 6],
    color: Option<&str>,
) -> io::Result<()> {
    let mut line = String::new();
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        // The padding is counted without the escapes of the colour, which have no width.
        let padding = width.saturating_sub(cell.chars().count()) + 3;
        let _ = match color {
            Some(color) if column == 3 => write!(line, "\u{1b}[{color}m{cell}\u{1b}[0m{:padding$}", ""),
            _ => write!(line, "{cell}{:padding$}", ""),
        };
    }
    writeln!(out, "{}", line.trim_end())
}

/// Returns text that cannot move the cursor or change colours: names and messages come from files and servers.
fn printable(text: &str) -> Cow<'_, str> {
    if text.contains(controls_terminal) {
        Cow::Owned(text.chars().map(|c| if controls_terminal(c) { ' ' } else { c }).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// Returns the words in lines of at most `width`; a longer word has a line of its own.
fn wrap(text: &str, width: Option<usize>) -> Vec<String> {
    // Narrower lines are harder to read than wrapped ones.
    let width = width.map_or(usize::MAX, |width| width.max(20));
    let (mut lines, mut line, mut length) = (Vec::new(), String::new(), 0);
    for word in text.split_whitespace() {
        let word_length = word.chars().count();
        if length > 0 && length + 1 + word_length > width {
            lines.push(std::mem::take(&mut line));
            length = 0;
        }
        if length > 0 {
            line.push(' ');
            length += 1;
        }
        line.push_str(word);
        length += word_length;
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests;
