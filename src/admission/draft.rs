//! A review that is begun: done, or without the comparison of two versions of a schema, which takes turns of its own.

use crate::plan::compatibility::{Change, KeptVersions};

use super::{
    judge::{Comparison, Findings},
    messages::{self, Problem},
    response::{Outcome, Reviewed, admission, answered, refused},
};

/// A review that is begun.
#[derive(Debug)]
pub enum Begun {
    /// It is done.
    Done(Reviewed),
    /// Two versions of a schema are to be compared before it is done.
    Comparing(Box<Draft>),
}

/// A review that lacks the comparison of two schemas.
#[derive(Debug)]
pub struct Draft {
    pub(super) judged: Judged,
    pub(super) comparison: Comparison,
}

impl Draft {
    /// What is to be compared.
    pub fn change(&mut self) -> &mut Change {
        &mut self.comparison.change
    }

    /// Ends the review when all is compared.
    #[must_use]
    pub fn end(mut self) -> Reviewed {
        self.judged.findings.compared(self.comparison);
        self.judged.end()
    }

    /// Makes the comparisons. `kept` are the versions of the schema that a new one is compared with, besides the one before.
    #[must_use]
    pub fn assess(mut self, kept: &KeptVersions) -> Reviewed {
        self.comparison.change.compare_all(kept);
        self.end()
    }
}

/// An object that was judged.
#[derive(Debug)]
pub(super) struct Judged {
    pub uid: String,
    pub name: Option<String>,
    pub kind: &'static str,
    pub findings: Findings,
    pub unwatched: Option<Problem>,
    pub connection: Option<Problem>,
}

impl Judged {
    /// Returns the response.
    pub fn end(self) -> Reviewed {
        let Self { uid, name, kind, mut findings, unwatched, connection } = self;
        if let Some(unwatched) = unwatched {
            // Then no other warning matters.
            findings.warnings = vec![unwatched];
        } else {
            findings.warnings.splice(0..0, connection);
        }
        if !findings.problems.is_empty() {
            return refused(uid, name, kind, findings);
        }
        let warnings = messages::bounded(&findings.warnings);
        let outcome = if warnings.is_empty() { Outcome::Admitted } else { Outcome::Warned };
        let violated = findings.violated;
        Reviewed { violated, ..answered(kind, outcome, admission(uid, warnings)) }
    }
}
