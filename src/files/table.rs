//! How each object stands, as a table for people and as JSON for programs.

use std::fmt::Write as _;

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
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Its kind.
    pub kind: String,
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
        rows.sort_by(|a, b| order(a).cmp(&order(b)));
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

    /// The table, each line ended, the totals last. Messages stand under the row they belong to.
    #[must_use]
    pub fn table(&self, style: Style) -> String {
        const HEAD: [&str; 6] = ["KIND", "NAMESPACE", "NAME", "STATE", "SVIX", "REASON"];
        let lines: Vec<[String; 6]> = self
            .objects
            .iter()
            .map(|row| {
                let symbol = if style.unicode { row.state.symbol() } else { "" };
                let state = format!("{symbol}{}", row.state.words(1));
                let cells = [&row.kind, &row.namespace, &row.name, &state, &row.svix, &row.reason];
                cells.map(|cell| if cell.is_empty() { "-".to_owned() } else { clean(cell) })
            })
            .collect();
        let widths: [usize; 6] = std::array::from_fn(|column| {
            let cells = lines.iter().map(|line| line[column].chars().count());
            cells.max().unwrap_or_default().max(HEAD[column].len())
        });
        let mut out = String::new();
        if !lines.is_empty() {
            push_line(&mut out, &HEAD.map(ToOwned::to_owned), &widths, None);
        }
        for (row, line) in self.objects.iter().zip(&lines) {
            push_line(&mut out, line, &widths, style.color.then(|| row.state.color()));
            for text in wrap(&clean(&row.message), style.width.map(|width| width.saturating_sub(4))) {
                let _ = writeln!(out, "    {text}");
            }
        }
        let _ = writeln!(out, "{}", self.totals());
        out
    }
}

/// Connections first, then what they carry, in the order in which they depend on each other.
fn order(row: &Row) -> (usize, &str, &str, &str) {
    let kinds = ["SvixConnection", "WebhookEventType", "WebhookEndpoint"];
    let rank = kinds.iter().position(|kind| *kind == row.kind).unwrap_or(kinds.len());
    (rank, &row.kind, &row.namespace, &row.name)
}

fn push_line(out: &mut String, cells: &[String; 6], widths: &[usize; 6], color: Option<&str>) {
    let mut line = String::new();
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        // Padded before it is coloured: escapes have no width.
        let padding = " ".repeat(width.saturating_sub(cell.chars().count()) + 3);
        match color {
            Some(color) if column == 3 => {
                let _ = write!(line, "\u{1b}[{color}m{cell}\u{1b}[0m{padding}");
            }
            _ => {
                let _ = write!(line, "{cell}{padding}");
            }
        }
    }
    let _ = writeln!(out, "{}", line.trim_end());
}

/// Text that cannot move the cursor or change colours: names and messages come from files and servers.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
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
        let [kind, namespace, name, svix, reason, message] =
            [kind, namespace, name, svix, reason, message].map(ToOwned::to_owned);
        Row { kind, namespace, name, state, svix, reason, message }
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
            report().table(Style::default()),
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
        let table = report().table(Style { color: true, unicode: true, width: Some(40) });
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
        assert_eq!(Report::new(Vec::new()).table(Style::default()), "0 objects\n");
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
