//! The reviewer of `apply`: permits the steps of a change set and no others.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use parking_lot::Mutex;

use crate::engine::{Mode, Object, ObjectKey, Proposal, Reviewer};

use super::{
    fingerprint::fingerprint,
    model::{Action, ChangeSet},
};

/// The steps that a person approved.
pub struct Approvals {
    key: Vec<u8>,
    write_hidden_headers: bool,
    approved: HashMap<String, Approved>,
    /// The objects of which a step was permitted, and of which one was not.
    permitted: Mutex<HashSet<String>>,
    moved: Mutex<HashSet<String>>,
}

struct Approved {
    fingerprint: String,
    writes_details: bool,
}

impl fmt::Debug for Approvals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Approvals").field("approved", &self.approved.len()).finish_non_exhaustive()
    }
}

impl Approvals {
    /// The approval of all changes of a change set. `token`: that of the Svix server.
    #[must_use]
    pub fn new(changes: &ChangeSet, token: &str, write_hidden_headers: bool) -> Self {
        let approved = changes.changes.iter().filter_map(|change| {
            // When the address moves to another host, headers are withheld and written again.
            let details =
                |field: &str| matches!(field, "signingSecret" | "url") || field.starts_with("headers/");
            let writes_details = matches!(change.action, Action::Create | Action::Adopt)
                || change.fields.iter().any(|field| details(&field.field))
                // The creation that was interrupted.
                || (change.action == Action::Change && change.fields.is_empty());
            let fingerprint = change.fingerprint.clone()?;
            Some((change.key(), Approved { fingerprint, writes_details }))
        });
        Self {
            key: token.as_bytes().to_vec(),
            write_hidden_headers,
            approved: approved.collect(),
            permitted: Mutex::default(),
            moved: Mutex::default(),
        }
    }

    /// How many objects have a step that was permitted.
    #[must_use]
    pub fn permitted(&self) -> usize {
        self.permitted.lock().len()
    }

    /// Whether a step of this object was not the one that was approved.
    #[must_use]
    pub fn has_moved(&self, key: &ObjectKey) -> bool {
        self.moved.lock().contains(&key.to_string())
    }

    fn find(&self, key: &ObjectKey) -> Option<&Approved> {
        self.approved.get(&key.to_string())
    }
}

impl Reviewer for Approvals {
    fn is_preview(&self) -> bool {
        false
    }

    fn propose(&self, _: &Object, _: Mode, _: Proposal<'_>) {}

    fn permits(&self, key: &ObjectKey, proposal: Proposal<'_>) -> bool {
        let found = || fingerprint(&self.key, key, proposal).to_string();
        let is_permitted = self.find(key).is_some_and(|approved| approved.fingerprint == found());
        let noted = if is_permitted { &self.permitted } else { &self.moved };
        noted.lock().insert(key.to_string());
        is_permitted
    }

    fn permits_details(&self, key: &ObjectKey) -> bool {
        self.find(key).is_some_and(|approved| approved.writes_details)
    }

    fn writes_hidden_headers(&self) -> bool {
        self.write_hidden_headers
    }
}
