//! A change set in a file: what `diff --out` writes and `apply --plan` carries out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::error::Category;

use crate::json_syntax::{self, JsonMistake};

use super::model::{Action, Change, ChangeSet};

/// The form of the file. Another number is another form.
const VERSION: u32 = 1;

/// How many levels of nesting `serde_json` does not read any more.
const MAX_DEPTH: usize = 128;

/// A change set that can be carried out later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
    /// The form of the file.
    version: u32,
    /// The address of the Svix server, without path and user.
    pub server: String,
    /// The connection whose objects take part.
    pub connection: String,
    /// The changes. Each has a fingerprint, which only those with the token can compute.
    #[serde(flatten)]
    pub changes: ChangeSet,
}

/// A file that is no plan.
#[derive(Debug, thiserror::Error)]
pub enum InvalidPlan {
    /// It is not JSON.
    #[error(transparent)]
    Syntax(#[from] JsonMistake),
    /// It is JSON, and not in the form of a plan.
    #[error(
        "{}found something else than a plan has there; write the plan again with diff --out",
        place(.0)
    )]
    Form(#[source] serde_json::Error),
    /// It is in another form.
    #[error(
        "/version: found {0}, expected {VERSION}; write the plan again with this version of svix-operator"
    )]
    Version(u32),
    /// A change cannot be identified.
    #[error("/changes/{0}/fingerprint: found nothing, expected the fingerprint that diff --out writes")]
    NoFingerprint(usize),
}

/// Returns line and column; of a mistake whose place is not known, nothing.
fn place(error: &serde_json::Error) -> String {
    match error.line() {
        0 => String::new(),
        line => format!("{line}:{}: ", error.column()),
    }
}

/// A change that is not as in the plan.
#[derive(Clone, Debug, PartialEq)]
pub enum Stale {
    /// The plan has another change of this object.
    Differs {
        /// As planned.
        planned: Box<Change>,
        /// As it would be now.
        now: Box<Change>,
    },
    /// The plan has no change of this object.
    New(Box<Change>),
    /// The object does not exist any more.
    Gone(Box<Change>),
}

impl Plan {
    /// A plan of these changes. What does not change is not part of it.
    #[must_use]
    pub fn new(server: String, connection: String, changes: &ChangeSet) -> Self {
        let changes = changes.changes.iter().filter(|change| change.action != Action::Nothing).cloned();
        Self { version: VERSION, server, connection, changes: ChangeSet::new(changes.collect()) }
    }

    /// Reads a plan.
    pub fn parse(text: &str) -> Result<Self, InvalidPlan> {
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        let invalid = |error: serde_json::Error| match error.classify() {
            Category::Data => InvalidPlan::Form(error),
            _ => json_syntax::explain(text, Some(MAX_DEPTH), &error).into(),
        };
        let head: Head = serde_json::from_str(text).map_err(invalid)?;
        if head.version != VERSION {
            return Err(InvalidPlan::Version(head.version));
        }
        let plan: Self = serde_json::from_str(text).map_err(invalid)?;
        let is_anonymous = |change: &Change| change.action.is_change() && change.fingerprint.is_none();
        match plan.changes.changes.iter().position(is_anonymous) {
            Some(index) => Err(InvalidPlan::NoFingerprint(index)),
            None => Ok(plan),
        }
    }

    /// The text of the file.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Returns what is not as planned. What was carried out since, such as by a run that was interrupted, is as planned.
    #[must_use]
    pub fn compare(&self, now: &ChangeSet) -> Vec<Stale> {
        let mut present: BTreeMap<String, &Change> =
            now.changes.iter().map(|change| (change.object(), change)).collect();
        let mut stale = Vec::new();
        for planned in &self.changes.changes {
            match present.remove(&planned.object()) {
                None => stale.push(Stale::Gone(Box::new(planned.clone()))),
                Some(now) if is_as_planned(planned, now) => {}
                Some(now) => {
                    stale.push(Stale::Differs {
                        planned: Box::new(planned.clone()),
                        now: Box::new(now.clone()),
                    });
                }
            }
        }
        let new = present.into_values().filter(|change| change.action != Action::Nothing);
        stale.extend(new.map(|change| Stale::New(Box::new(change.clone()))));
        stale
    }
}

fn is_as_planned(planned: &Change, now: &Change) -> bool {
    // An object that was suspended since is not carried out.
    let is_done = now.action == Action::Nothing && !now.unmanaged && planned.action.is_change();
    // The creation was interrupted before the endpoint was enabled.
    let is_half_done =
        planned.action == Action::Create && now.action == Action::Change && now.fields.is_empty();
    let is_same = planned.fingerprint == now.fingerprint
        && planned.action == now.action
        && planned.fields == now.fields
        && planned.refusal.as_ref().map(|refusal| &refusal.reason)
            == now.refusal.as_ref().map(|refusal| &refusal.reason);
    is_same || is_done || is_half_done
}
