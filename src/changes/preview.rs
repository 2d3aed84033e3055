//! The reviewer of `diff`: takes in what would be done for each object.

mod endpoint;
mod event_type;
mod refusal;

use std::{collections::BTreeMap, fmt};

use parking_lot::Mutex;

use crate::engine::{Kind, Mode, Object, ObjectKey, Proposal, Reviewer};

use super::{
    fingerprint::fingerprint,
    last_only,
    model::{Action, Change, ChangeSet},
    not_compared::refused,
    placeholders::MissingSecrets,
};

pub use endpoint::HiddenHeaders;

/// Takes in the steps of the engine, and writes nothing.
pub struct Preview {
    /// The key of fingerprints: the token.
    key: Vec<u8>,
    hidden_headers: HiddenHeaders,
    missing: MissingSecrets,
    /// Whether the earlier versions of schemas can be read.
    has_history: bool,
    changes: Mutex<BTreeMap<ObjectKey, Change>>,
}

impl fmt::Debug for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preview").finish_non_exhaustive()
    }
}

impl Preview {
    /// A preview without steps. `token`: that of the Svix server.
    #[must_use]
    pub fn new(token: &str, hidden_headers: HiddenHeaders) -> Self {
        let missing = MissingSecrets::default();
        let (key, changes) = (token.as_bytes().to_vec(), Mutex::default());
        Self { key, hidden_headers, missing, has_history: false, changes }
    }

    /// Earlier versions of schemas are compared with where a policy says so; else the change set says that they are not.
    #[must_use]
    pub fn with_history(self) -> Self {
        Self { has_history: true, ..self }
    }

    /// Values of these Secrets are placeholders, so what comes from them cannot be compared.
    #[must_use]
    pub fn without_secrets(self, missing: MissingSecrets) -> Self {
        Self { missing, ..self }
    }

    /// Returns the changes of these objects, connections among them. One for which the engine decided on no step is refused; its status says why.
    /// `origin`: the place of an object's manifest.
    #[must_use]
    pub fn change_set(&self, all: &[Object], origin: impl Fn(&ObjectKey) -> Option<String>) -> ChangeSet {
        let mut changes = std::mem::take(&mut *self.changes.lock());
        let objects = all.iter().filter(|object| matches!(object.kind(), Kind::EventType | Kind::Endpoint));
        let connections = all.iter().filter_map(|object| match object {
            Object::Connection(connection) => Some((object.key().name.to_string(), &connection.spec)),
            _ => None,
        });
        let connections: BTreeMap<_, _> = connections.collect();
        let changes = objects.map(|object| {
            let key = object.key();
            let connection = || connections.get(object.connection_name()).copied();
            let mut change = changes.remove(&key).unwrap_or_else(|| refused(object, connection()));
            change.origin = origin(&key);
            change
        });
        let changes: Vec<Change> = changes.collect();
        let notes = if self.has_history { None } else { last_only::note(&changes, all) };
        ChangeSet { notes: notes.into_iter().collect(), ..ChangeSet::new(changes) }
    }

    fn finish(&self, object: &Object, mode: Mode, proposal: Proposal<'_>, change: &mut Change) {
        if change.action.is_change() {
            change.fingerprint = Some(fingerprint(&self.key, &object.key(), proposal).to_string());
        }
        let why = match mode {
            Mode::Manage => return,
            Mode::Observe => "managementPolicy: Observe",
            Mode::Suspended => "suspend: true",
        };
        change.unmanaged = true;
        if change.action != Action::Nothing {
            change
                .notes
                .push(format!("nothing is written ({why}); managing it would {}", change.action.verb()));
            (change.action, change.fingerprint) = (Action::Nothing, None);
        }
    }
}

impl Reviewer for Preview {
    fn is_preview(&self) -> bool {
        true
    }

    fn propose(&self, object: &Object, mode: Mode, proposal: Proposal<'_>) {
        let change = match proposal {
            Proposal::EventType { .. } => event_type::change(object, proposal),
            Proposal::Endpoint { .. } => {
                endpoint::change(object, proposal, &self.missing, self.hidden_headers)
            }
        };
        if let Some(mut change) = change {
            self.finish(object, mode, proposal, &mut change);
            self.changes.lock().insert(object.key(), change);
        }
    }

    fn permits(&self, _: &ObjectKey, _: Proposal<'_>) -> bool {
        false
    }

    fn permits_details(&self, _: &ObjectKey) -> bool {
        false
    }

    fn writes_hidden_headers(&self) -> bool {
        false
    }
}
