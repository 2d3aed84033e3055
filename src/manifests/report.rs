//! The state of each object of a folder: what `dev` prints, as a table for people and as JSON for programs.

use std::{borrow::Cow, fmt, fmt::Write as _, sync::Arc};

use serde::{Serialize, Serializer};

use crate::{
    api::{Difference, JsonPointer},
    engine::Kind,
};

use super::{
    loaded::counted,
    problem::{Position, Problem},
};

/// The state of an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum State {
    /// Svix has what is declared.
    InSync,
    /// Svix has something else, and nothing is written: the object is observed or suspended.
    Differs,
    /// It waits for something that needs no change of the folder.
    Waiting,
    /// It is being reconciled.
    #[default]
    Working,
    /// Something must be changed first.
    Problem,
}

impl State {
    const ALL: [Self; 5] = [Self::InSync, Self::Differs, Self::Working, Self::Waiting, Self::Problem];

    /// The state as the table names it, of so many objects.
    pub(super) fn label(self, count: usize) -> &'static str {
        match self {
            Self::InSync => "in sync",
            Self::Differs if count == 1 => "differs",
            Self::Differs => "differ",
            Self::Waiting => "waiting",
            Self::Working => "working",
            Self::Problem if count == 1 => "problem",
            Self::Problem => "problems",
        }
    }
}

/// The kind of a row that is about a file, not about an object: it is not known which objects the file declares.
pub const FILE: &str = "File";

/// One object, or a file that could not be read in full. There is one for each object, so the texts that objects share are
/// shared here, too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Its kind.
    pub kind: Cow<'static, str>,
    /// Its namespace; empty: the kind has none.
    #[serde(serialize_with = "shared")]
    pub namespace: Arc<str>,
    /// Its name.
    #[serde(serialize_with = "shared")]
    pub name: Arc<str>,
    /// Its state.
    pub state: State,
    /// Its name or id in Svix, such as `origin.create` or `default/ep_...`; empty: it is not in Svix yet.
    pub svix: Box<str>,
    /// The reason of its `Ready` condition.
    pub reason: Cow<'static, str>,
    /// The reason of its state and what to do; empty: there is nothing to say.
    pub message: Cow<'static, str>,
    /// The file that declares it; `None`: no file does, or it could not be read.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shared_if_any")]
    pub file: Option<Arc<str>>,
    /// The line in that file, from 1: of the mistake, if there is one, else of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The field of the object that the message is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<JsonPointer>,
    /// Each mistake of a manifest that cannot be used; the fields above are about the first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<Detail>,
    /// The changes that managing it would make, of an object that is observed or suspended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<Box<Difference>>,
    /// Whether no file declares it, so that `dev` added it.
    #[serde(rename = "madeUp", skip_serializing_if = "std::ops::Not::not")]
    pub is_added: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn shared<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

fn shared_if_any<S: Serializer>(text: &Option<Arc<str>>, serializer: S) -> Result<S::Ok, S::Error> {
    text.as_deref().serialize(serializer)
}

/// One mistake in a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Detail {
    /// The position.
    #[serde(flatten)]
    pub position: Position,
    /// The field of the object; `None`: the object as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<JsonPointer>,
    /// The mistake: what was found, what is expected, and what to do.
    pub message: String,
}

impl From<&Problem> for Detail {
    fn from(problem: &Problem) -> Self {
        Self {
            position: problem.position.clone(),
            pointer: Some(problem.pointer.clone()).filter(|pointer| !pointer.is_root()),
            message: problem.message.clone(),
        }
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.position)?;
        if let Some(pointer) = &self.pointer {
            write!(f, "{pointer}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl Row {
    /// The messages under the row, each on lines of its own.
    pub(super) fn messages(&self) -> Vec<Cow<'_, str>> {
        match self.details.as_slice() {
            [] => vec![Cow::Borrowed(&*self.message)],
            details => details.iter().map(|detail| Cow::Owned(detail.to_string())).collect(),
        }
    }
}

/// The objects with their states and totals. `--output json` prints it as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// All objects.
    pub total: usize,
    /// Those in sync.
    pub in_sync: usize,
    /// Those that are observed or suspended, and from which Svix differs.
    pub differs: usize,
    /// Those that wait for something.
    pub waiting: usize,
    /// Those that are being reconciled.
    pub working: usize,
    /// Those with a problem.
    pub problems: usize,
    /// The number of objects of other kinds that the folder declares.
    pub left_out: usize,
    /// The objects, by kind, namespace and name.
    pub objects: Vec<Row>,
    /// The files that could not be read in full. They do not count as objects.
    pub files: Vec<Row>,
}

impl Report {
    /// A report on these rows, counted and sorted.
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

    /// Whether every object is in sync, and every file was read.
    #[must_use]
    pub fn all_in_sync(&self) -> bool {
        self.in_sync == self.total && self.files.is_empty()
    }

    /// The totals in one line, such as `5 objects: 4 in sync, 1 waiting`.
    #[must_use]
    pub fn totals(&self) -> String {
        let mut line = counted(self.total, "object");
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
                let _ = write!(line, "{separator}{count} {}", state.label(count));
                separator = ", ";
            }
        }
        if !self.files.is_empty() {
            let _ = write!(line, "; {} not read in full", counted(self.files.len(), "file"));
        }
        if self.left_out > 0 {
            let _ = write!(line, "; {} of other kinds left out", counted(self.left_out, "object"));
        }
        line
    }
}

/// The place of a row in the table: kinds in the order in which they depend on each other.
fn order(row: &Row) -> (usize, &str, &str, &str) {
    let rank = Kind::ALL.iter().position(|kind| kind.as_str() == row.kind).unwrap_or(Kind::ALL.len());
    (rank, &row.kind, &row.namespace, &row.name)
}
