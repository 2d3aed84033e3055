//! The changes that would be made, as data. No value of a Secret is in it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    api::{Reason, Receivers},
    engine::Object,
    plan::Field,
};

/// What would be done for an object.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, strum::IntoStaticStr,
)]
pub enum Action {
    /// Nothing: Svix is as declared.
    Nothing,
    /// Create it.
    Create,
    /// Change fields.
    Change,
    /// Take over an endpoint that has no owner.
    Adopt,
    /// Unarchive an event type.
    Unarchive,
    /// Delete an endpoint.
    Delete,
    /// Archive an event type.
    Archive,
    /// Delete an event type with everything about it.
    Expunge,
    /// Nothing, since it is not possible or not permitted.
    Refuse,
}

impl Action {
    /// Whether something would be written.
    #[must_use]
    pub fn is_change(self) -> bool {
        !matches!(self, Self::Nothing | Self::Refuse)
    }

    /// The word for it in a sentence.
    #[must_use]
    pub fn verb(self) -> &'static str {
        match self {
            Self::Nothing => "keep",
            Self::Create => "create",
            Self::Change => "change",
            Self::Adopt => "adopt",
            Self::Unarchive => "unarchive",
            Self::Delete => "delete",
            Self::Archive => "archive",
            Self::Expunge => "expunge",
            Self::Refuse => "refuse",
        }
    }
}

/// One side of a field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Side {
    /// There is none.
    Absent,
    /// A value.
    Value(Value),
    /// A value that may be a credential, and is not shown.
    Hidden,
}

/// A field that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Its name in the spec; parts of a field after `/`.
    pub field: String,
    /// What Svix has.
    pub before: Side,
    /// What is declared.
    pub after: Side,
}

/// Why nothing is done for an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The reason, as in the condition `Ready`.
    pub reason: String,
    /// The message.
    pub message: String,
}

/// The field of the owner mark.
pub(super) const OWNER_MARK: &str = "owner mark";

/// What would be done for one object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The kind of the object.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The file and line of its manifest.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub origin: Option<String>,
    /// The application of an endpoint.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub application: Option<String>,
    /// The name of the event type, or the uid of the endpoint, in Svix.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub resource: Option<String>,
    /// What would be done.
    pub action: Action,
    /// The fields that differ.
    pub fields: Vec<FieldChange>,
    /// What else a reader should know.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub notes: Vec<String>,
    /// Why nothing is done, if it is refused.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub refusal: Option<Refusal>,
    /// Whether the change of its schema is one that the compatibility level forbids.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub incompatible: bool,
    /// Whether the new schema permits what the old one refuses, at whatever level.
    #[serde(skip)]
    pub(super) breaks_receivers: bool,
    /// The endpoints that receive the events of an event type that is archived, removed, or given a schema that breaks receivers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub receivers: Option<Receivers>,
    /// Secrets that the object refers to and that are not among the manifests. Without them it cannot be applied.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub missing_secrets: Vec<String>,
    /// Whether nothing is written for the object since it is suspended or observed.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub unmanaged: bool,
    /// What the change depends on: another fingerprint is another change. Only those with the token can compute it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fingerprint: Option<String>,
}

impl Change {
    /// An object that nothing is done for.
    pub(super) fn of(object: &Object) -> Self {
        let key = object.key();
        Self {
            kind: key.kind.as_str().to_owned(),
            namespace: key.namespace.to_string(),
            name: key.name.to_string(),
            origin: None,
            application: None,
            resource: None,
            action: Action::Nothing,
            fields: Vec::new(),
            notes: Vec::new(),
            refusal: None,
            incompatible: false,
            breaks_receivers: false,
            receivers: None,
            missing_secrets: Vec::new(),
            unmanaged: false,
            fingerprint: None,
        }
    }

    /// Something in Svix that no manifest declares.
    pub(super) fn not_declared(foreign: &Foreign, action: Action) -> Self {
        Self {
            kind: foreign.kind.clone(),
            namespace: foreign.application.clone().unwrap_or_default(),
            name: foreign.name.clone(),
            origin: None,
            application: foreign.application.clone(),
            resource: Some(foreign.name.clone()),
            action,
            fields: Vec::new(),
            notes: vec!["no manifest declares it".to_owned()],
            refusal: None,
            incompatible: false,
            breaks_receivers: false,
            receivers: None,
            missing_secrets: Vec::new(),
            unmanaged: false,
            fingerprint: None,
        }
    }

    /// Whether it concerns those who receive the events of an event type.
    pub(super) fn concerns_receivers(&self) -> bool {
        self.breaks_receivers || matches!(self.action, Action::Archive | Action::Expunge)
    }

    /// The object, as the engine names it.
    #[must_use]
    pub fn key(&self) -> String {
        let parts = [&self.kind, &self.namespace, &self.name];
        parts.iter().filter(|part| !part.is_empty()).map(|part| part.as_str()).collect::<Vec<_>>().join("/")
    }

    /// The object, as messages name it.
    #[must_use]
    pub fn object(&self) -> String {
        if self.namespace.is_empty() {
            return format!("{} {}", self.kind, self.name);
        }
        format!("{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// Something in Svix that no manifest declares.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Foreign {
    /// `event type` or `endpoint`.
    pub kind: String,
    /// The application of an endpoint.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub application: Option<String>,
    /// Its name, uid or id.
    pub name: String,
    /// The owner mark of an endpoint.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner: Option<String>,
}

/// How many objects there are of each action.
pub type Totals = BTreeMap<Action, usize>;

/// The changes of a folder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChangeSet {
    /// Sorted by kind, namespace and name.
    pub changes: Vec<Change>,
    /// What Svix has and no manifest declares, where that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub foreign: Vec<Foreign>,
    /// What a reader should know of all of them.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub notes: Vec<String>,
}

impl ChangeSet {
    /// A change set of these changes.
    #[must_use]
    pub fn new(mut changes: Vec<Change>) -> Self {
        changes.sort_by(|one, other| {
            let key = |change: &Change| (change.kind.clone(), change.namespace.clone(), change.name.clone());
            key(one).cmp(&key(other))
        });
        Self { changes, foreign: Vec::new(), notes: Vec::new() }
    }

    /// Refuses the changes of objects whose Secrets are not among the manifests: they can be compared, and not applied.
    pub fn refuse_without_secrets(&mut self) {
        for change in &mut self.changes {
            if !change.action.is_change() || change.missing_secrets.is_empty() {
                continue;
            }
            let secrets = change.missing_secrets.join(", ");
            let message = format!(
                "found no Secret {secrets} among the manifests, which applying needs; add it, or leave the object to the operator"
            );
            change.action = Action::Refuse;
            change.refusal = Some(Refusal { reason: Reason::SecretNotFound.as_str().to_owned(), message });
            change.fingerprint = None;
        }
    }

    /// How many objects there are of each action.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::new();
        for change in &self.changes {
            *totals.entry(change.action).or_default() += 1;
        }
        totals
    }

    /// Whether something would be written, or is refused.
    #[must_use]
    pub fn has_differences(&self) -> bool {
        self.changes.iter().any(|change| change.action != Action::Nothing)
    }

    /// Whether what manifests declare is in Svix, apart from owner marks of endpoints that are adopted, and the uids that are
    /// given together with them.
    #[must_use]
    pub fn is_as_declared(&self) -> bool {
        self.changes.iter().all(|change| match change.action {
            Action::Nothing => true,
            Action::Adopt => {
                let marks = [OWNER_MARK, Field::Uid.as_str()];
                change.fields.iter().all(|field| marks.contains(&field.field.as_str()))
            }
            _ => false,
        })
    }

    /// Whether something is refused.
    #[must_use]
    pub fn has_refusals(&self) -> bool {
        self.changes.iter().any(|change| change.action == Action::Refuse)
    }

    /// Whether a schema changes as its compatibility level forbids.
    #[must_use]
    pub fn is_incompatible(&self) -> bool {
        self.changes.iter().any(|change| change.incompatible)
    }
}
