//! How each object stands, as a table for people and as JSON for programs.

use std::{
    borrow::Cow,
    fmt::Write as _,
    io::{self, Write},
};

use serde::Serialize;

/// How an object stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum State {
    /// Svix holds what is declared.
    InSync,
    /// It waits for something that will come by itself.
    Waiting,
    /// It is being worked on.
    Working,
    /// Something must be changed first.
    Problem,
}

impl State {
    const ALL: [Self; 4] = [Self::InSync, Self::Working, Self::Waiting, Self::Problem];

    fn words(self, count: usize) -> &'static str {
        match self {
            Self::InSync => "in step",
            Self::Waiting => "waiting",
            Self::Working => "working",
            Self::Problem if count == 1 => "problem",
            Self::Problem => "problems",
        }
    }

    fn color(self) -> &'static str {
        match self {
            Self::InSync => "32",
            Self::Waiting => "33",
            Self::Working => "36",
            Self::Problem => "31",
        }
    }

    fn symbol(self) -> &'static str {
        match self {
            Self::InSync => "\u{2713} ",
            Self::Waiting => "\u{2026} ",
            Self::Working => "\u{2192} ",
            Self::Problem => "\u{2717} ",
        }
    }
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
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
    /// Those that wait.
    pub waiting: usize,
    /// Those that are worked on.
    pub working: usize,
    /// Those with a problem.
    pub problems: usize,
    /// The objects, by kind, namespace and name.
    pub objects: Vec<Row>,
}

impl Report {
    /// Counts and sorts.
    #[must_use]
    pub fn new(mut rows: Vec<Row>) -> Self {
        rows.sort_unstable_by(|a, b| order(a).cmp(&order(b)));
        let count = |state| rows.iter().filter(|row| row.state == state).count();
        Self {
            total: rows.len(),
            in_sync: count(State::InSync),
            waiting: count(State::Waiting),
            working: count(State::Working),
            problems: count(State::Problem),
            objects: rows,
        }
    }

    /// Whether every object is in step.
    #[must_use]
    pub fn all_in_sync(&self) -> bool {
        self.in_sync == self.total
    }

    /// `5 objects: 4 in step, 1 waiting`
    #[must_use]
    pub fn totals(&self) -> String {
        let mut line = format!("{} object{}", self.total, if self.total == 1 { "" } else { "s" });
        let mut separator = ": ";
        for state in State::ALL {
            let count = match state {
                State::InSync => self.in_sync,
                State::Waiting => self.waiting,
                State::Working => self.working,
                State::Problem => self.problems,
            };
            if count > 0 {
                let _ = write!(line, "{separator}{count} {}", state.words(count));
                separator = ", ";
            }
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
        if self.objects.is_empty() {
            return Ok(());
        }
        // A first pass for the widths, so that ten thousand rows are never held as text.
        let mut widths = HEAD.map(str::len);
        for row in &self.objects {
            for (width, cell) in widths.iter_mut().zip(cells(row, style)) {
                *width = cell.chars().count().max(*width);
            }
        }
        write_line(out, &HEAD.map(Cow::Borrowed), &widths, None)?;
        for row in &self.objects {
            write_line(out, &cells(row, style), &widths, style.color.then(|| row.state.color()))?;
            for text in wrap(&clean(&row.message), style.width.map(|width| width.saturating_sub(4))) {
                writeln!(out, "    {text}")?;
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
    [text(&row.kind), text(&row.namespace), text(&row.name), state, text(&row.svix), text(&row.reason)]
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
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn row(kind: &str, name: &str, state: State, svix: &str, reason: &str, message: &str) -> Row {
        let namespace = if kind == "SvixConnection" { "" } else { "default" };
        let kind = kind.to_owned().into();
        let [namespace, name, svix, reason, message] =
            [namespace, name, svix, reason, message].map(ToOwned::to_owned);
        Row { kind, namespace, name, state, svix, reason, message }
    }

    fn table(report: &Report, style: Style) -> String {
        let mut out = Vec::new();
        report.write_table(&mut out, style).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn report() -> Report {
        Report::new(vec![
            row(
                "WebhookEndpoint",
                "b",
                State::Waiting,
                "",
                "WaitingForEventType",
                "The event type origin.visit is not in Svix yet; nothing\u{1b}[31m declares it.",
            ),
            row("WebhookEndpoint", "a", State::InSync, "default/ep_1", "InSync", ""),
            row("WebhookEventType", "origin.create", State::InSync, "origin.create", "InSync", ""),
            row("SvixConnection", "default", State::InSync, "", "Connected", ""),
        ])
    }

    #[test]
    fn plain_text_is_ascii_in_columns() {
        assert_eq!(
            table(&report(), Style::default()),
            "\
KIND               NAMESPACE   NAME            STATE     SVIX            REASON
SvixConnection     -           default         in step   -               Connected
WebhookEventType   default     origin.create   in step   origin.create   InSync
WebhookEndpoint    default     a               in step   default/ep_1    InSync
WebhookEndpoint    default     b               waiting   -               WaitingForEventType
    The event type origin.visit is not in Svix yet; nothing [31m declares it.
4 objects: 3 in step, 1 waiting
"
        );
    }

    #[test]
    fn a_terminal_gets_symbols_colours_and_wrapped_messages() {
        let table = table(&report(), Style { color: true, unicode: true, width: Some(40) });
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(
            lines[4..],
            [
                "WebhookEndpoint    default     b               \u{1b}[33m… waiting\u{1b}[0m   -               WaitingForEventType",
                "    The event type origin.visit is not",
                "    in Svix yet; nothing [31m declares",
                "    it.",
                "4 objects: 3 in step, 1 waiting",
            ]
        );
    }

    #[test]
    fn totals_name_what_there_is() {
        assert_eq!(table(&Report::new(Vec::new()), Style::default()), "0 objects\n");
        let rows =
            [State::Problem, State::Working, State::Problem].map(|state| row("K", "n", state, "", "R", ""));
        assert_eq!(Report::new(rows.to_vec()).totals(), "3 objects: 1 working, 2 problems");
        assert_eq!(Report::new(rows[..1].to_vec()).totals(), "1 object: 1 problem");
    }

    #[test]
    fn programs_get_the_same_rows() {
        let one = Report::new(vec![row("WebhookEndpoint", "a", State::InSync, "default/ep_1", "InSync", "")]);
        assert_eq!(
            serde_json::to_string(&one).unwrap(),
            r#"{"total":1,"inSync":1,"waiting":0,"working":0,"problems":0,"objects":[{"kind":"WebhookEndpoint","namespace":"default","name":"a","state":"InSync","svix":"default/ep_1","reason":"InSync","message":""}]}"#
        );
    }
}
