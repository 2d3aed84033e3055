//! How each object stands, as a table for people and as JSON for programs.

use std::{
    borrow::Cow,
    fmt::Write as _,
    io::{self, Write},
};

use serde::Serialize;

use crate::api::Difference;

/// How an object stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum State {
    /// Svix holds what is declared.
    InSync,
    /// Svix holds something else, and nothing is written: the object is only compared.
    Differs,
    /// It waits for something that will come by itself.
    Waiting,
    /// It is being worked on.
    #[default]
    Working,
    /// Something must be changed first.
    Problem,
}

impl State {
    const ALL: [Self; 5] = [Self::InSync, Self::Differs, Self::Working, Self::Waiting, Self::Problem];

    fn words(self, count: usize) -> &'static str {
        match self {
            Self::InSync => "in step",
            Self::Differs if count == 1 => "differs",
            Self::Differs => "differ",
            Self::Waiting => "waiting",
            Self::Working => "working",
            Self::Problem if count == 1 => "problem",
            Self::Problem => "problems",
        }
    }

    fn color(self) -> &'static str {
        match self {
            Self::InSync => "32",
            Self::Differs => "35",
            Self::Waiting => "33",
            Self::Working => "36",
            Self::Problem => "31",
        }
    }

    fn symbol(self) -> &'static str {
        match self {
            Self::InSync => "\u{2713} ",
            Self::Differs => "\u{2260} ",
            Self::Waiting => "\u{2026} ",
            Self::Working => "\u{2192} ",
            Self::Problem => "\u{2717} ",
        }
    }
}

/// The kind of a row that speaks of a file, not of an object: what it declares is not known in full.
pub const FILE: &str = "File";

/// One object, or a file that could not be read in full.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Its kind.
    pub kind: Cow<'static, str>,
    /// Its namespace; empty: the kind has none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// How it stands.
    pub state: State,
    /// What it is in Svix: `origin.create`, or `default/ep_...`; empty: nothing yet.
    pub svix: String,
    /// Why, in one word: the reason of its `Ready` condition.
    pub reason: String,
    /// Why, for people; empty: there is nothing to say.
    pub message: String,
    /// The file that declares it; `None`: none does, or it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line in that file, from 1: of the mistake, if there is one, else of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The field that the message speaks of, as a JSON Pointer into the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Each mistake of a manifest that cannot be used; the fields above speak of the first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<Detail>,
    /// What managing it would change, of an object that is only compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<Difference>,
    /// Whether no file declares it, and `dev` made it up.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub made_up: bool,
}

/// One mistake in a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Detail {
    /// The file.
    pub file: String,
    /// The line, from 1; `None`: the file as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The column, from 1; `None`: the line as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// JSON Pointer of the field in the object; `None`: the object as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// What was found, what is expected, and what to do.
    pub message: String,
}

impl std::fmt::Display for Detail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.file)?;
        for number in [self.line, self.column].into_iter().map_while(|number| number) {
            write!(f, ":{number}")?;
        }
        f.write_str(": ")?;
        if let Some(pointer) = &self.pointer {
            write!(f, "{pointer}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl Row {
    /// What is said under the row, each on lines of its own.
    fn messages(&self) -> Vec<Cow<'_, str>> {
        match self.details.as_slice() {
            [] => vec![Cow::Borrowed(self.message.as_str())],
            details => details.iter().map(|detail| Cow::Owned(detail.to_string())).collect(),
        }
    }
}

/// How a table is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// With colours.
    pub color: bool,
    /// With symbols beyond ASCII; for terminals.
    pub unicode: bool,
    /// Columns of the terminal, into which messages are wrapped; `None`: they are not.
    pub width: Option<usize>,
}

/// How many objects are in which state, and the objects: what `--output json` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// All objects.
    pub total: usize,
    /// Those in step.
    pub in_sync: usize,
    /// Those that are only compared, and differ.
    pub differs: usize,
    /// Those that wait.
    pub waiting: usize,
    /// Those that are worked on.
    pub working: usize,
    /// Those with a problem.
    pub problems: usize,
    /// How many objects in the folder were left out, since their kinds are others'.
    pub left_out: usize,
    /// The objects, by kind, namespace and name.
    pub objects: Vec<Row>,
    /// The files that could not be read in full. They count as no object.
    pub files: Vec<Row>,
}

impl Report {
    /// Counts and sorts.
    #[must_use]
    pub fn new(mut rows: Vec<Row>, left_out: usize) -> Self {
        rows.sort_unstable_by(|a, b| order(a).cmp(&order(b)));
        let files = rows.extract_if(.., |row| row.kind == FILE).collect();
        let count = |state| rows.iter().filter(|row| row.state == state).count();
        Self {
            total: rows.len(),
            in_sync: count(State::InSync),
            waiting: count(State::Waiting),
            working: count(State::Working),
            differs: count(State::Differs),
            problems: count(State::Problem),
            left_out,
            objects: rows,
            files,
        }
    }

    /// Whether every object is in step, and every file was read.
    #[must_use]
    pub fn all_in_sync(&self) -> bool {
        self.in_sync == self.total && self.files.is_empty()
    }

    /// `5 objects: 4 in step, 1 waiting`
    #[must_use]
    pub fn totals(&self) -> String {
        let mut line = format!("{} object{}", self.total, if self.total == 1 { "" } else { "s" });
        let mut separator = ": ";
        for state in State::ALL {
            let count = match state {
                State::InSync => self.in_sync,
                State::Differs => self.differs,
                State::Waiting => self.waiting,
                State::Working => self.working,
                State::Problem => self.problems,
            };
            if count > 0 {
                let _ = write!(line, "{separator}{count} {}", state.words(count));
                separator = ", ";
            }
        }
        let number =
            |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        if !self.files.is_empty() {
            let _ = write!(line, "; {} not read in full", number(self.files.len(), "file"));
        }
        if self.left_out > 0 {
            let _ = write!(line, "; {} of other kinds left out", number(self.left_out, "object"));
        }
        line
    }

    /// Writes the table: the totals last, and each message under the row it belongs to.
    pub fn write_table(&self, out: &mut impl Write, style: Style) -> io::Result<()> {
        self.write_rows(out, style)?;
        writeln!(out, "{}", self.totals())
    }

    /// Writes the table without the totals.
    pub fn write_rows(&self, out: &mut impl Write, style: Style) -> io::Result<()> {
        const HEAD: [&str; 6] = ["KIND", "NAMESPACE", "NAME", "STATE", "SVIX", "REASON"];
        let rows = || self.objects.iter().chain(&self.files);
        if rows().next().is_none() {
            return Ok(());
        }
        // A first pass for the widths, so that ten thousand rows are never held as text.
        let mut widths = HEAD.map(str::len);
        for row in rows() {
            for (width, cell) in widths.iter_mut().zip(cells(row, style)) {
                *width = cell.chars().count().max(*width);
            }
        }
        write_line(out, &HEAD.map(Cow::Borrowed), &widths, None)?;
        for row in rows() {
            write_line(out, &cells(row, style), &widths, style.color.then(|| row.state.color()))?;
            for message in row.messages() {
                for text in wrap(&clean(&message), style.width.map(|width| width.saturating_sub(4))) {
                    writeln!(out, "    {text}")?;
                }
            }
        }
        Ok(())
    }
}

/// What a row shows in each column.
fn cells(row: &Row, style: Style) -> [Cow<'_, str>; 6] {
    let symbol = if style.unicode { row.state.symbol() } else { "" };
    let state = match symbol {
        "" => Cow::Borrowed(row.state.words(1)),
        symbol => Cow::Owned(format!("{symbol}{}", row.state.words(1))),
    };
    let text = |text| if str::is_empty(text) { Cow::Borrowed("-") } else { clean(text) };
    let reason = match row.made_up {
        true => clean(&row.reason) + " (made up)",
        false => text(&row.reason),
    };
    [text(&row.kind), text(&row.namespace), text(&row.name), state, text(&row.svix), reason]
}

/// Connections first, then what they carry, in the order in which they depend on each other.
fn order(row: &Row) -> (usize, &str, &str, &str) {
    let kinds = ["SvixConnection", "WebhookEventType", "WebhookEndpoint", "WebhookEvent"];
    let rank = kinds.iter().position(|kind| *kind == row.kind).unwrap_or(kinds.len());
    (rank, &row.kind, &row.namespace, &row.name)
}

fn write_line(
    out: &mut impl Write,
    cells: &[Cow<'_, str>; 6],
    widths: &[usize; 6],
    color: Option<&str>,
) -> io::Result<()> {
    let mut line = String::new();
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        // Padded before it is coloured: escapes have no width.
        let padding = width.saturating_sub(cell.chars().count()) + 3;
        let _ = match color {
            Some(color) if column == 3 => write!(line, "\u{1b}[{color}m{cell}\u{1b}[0m{:padding$}", ""),
            _ => write!(line, "{cell}{:padding$}", ""),
        };
    }
    writeln!(out, "{}", line.trim_end())
}

/// Text that cannot move the cursor or change colours: names and messages come from files and servers.
fn clean(text: &str) -> Cow<'_, str> {
    if text.contains(char::is_control) {
        Cow::Owned(text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// Words in lines of at most `width`; a longer word has a line of its own.
fn wrap(text: &str, width: Option<usize>) -> Vec<String> {
    // Narrower than this, wrapping helps nobody.
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
