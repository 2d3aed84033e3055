//! One finding: what is wrong, or deserves a warning, and where.

use serde::Serialize;
use strum::IntoStaticStr;

use crate::{
    api::{JsonPointer, SvixConnection, WebhookEndpoint, WebhookEvent, WebhookEventType},
    engine::{Kind, ObjectKey},
    manifests::{ObjectId, Position, Problem},
};

/// The name of the standard input in positions.
pub const STANDARD_INPUT: &str = "standard input";

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, IntoStaticStr)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Severity {
    /// It would be refused, or could never be reconciled.
    Error,
    /// It would be admitted, and is probably not what its author wants.
    Warning,
}

/// The rule that a finding is about. The names are part of the output.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, IntoStaticStr, strum::VariantArray,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Rule {
    /// The file can be read, and the object fits the custom resource definition.
    Manifest,
    /// The admission webhook admits the object, without a warning.
    Admission,
    /// What the object refers to exists.
    Reference,
    /// No other object declares the same in Svix.
    Ownership,
    /// The schema changes as its compatibility level permits.
    Compatibility,
    /// The payload matches the schema of its event type.
    Payload,
    /// An accepted warning still occurs.
    Acceptance,
}

impl Rule {
    /// The name in the output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// What the rule asks for, in one sentence.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::Manifest => {
                "Each file can be read as kubectl reads it, and each object fits its custom resource definition."
            }
            Self::Admission => "The admission webhook admits the object without a warning.",
            Self::Reference => "Whatever the object refers to exists in what was read.",
            Self::Ownership => "No two objects declare the same event type or endpoint.",
            Self::Compatibility => "The schema changes only in ways that its compatibility level permits.",
            Self::Payload => "The payload matches the schema of its event type.",
            Self::Acceptance => "Each accepted warning still occurs.",
        }
    }
}

impl Severity {
    /// The name in the output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// One finding. Sorted by position; the same one of two rules stands side by side.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The position.
    pub position: Position,
    /// The object; `None`: the file, or a payload.
    pub object: Option<ObjectId>,
    /// The field of the object, or the place in the payload.
    pub pointer: JsonPointer,
    /// What was found, what is expected, and what to do.
    pub message: String,
    /// How bad it is.
    pub severity: Severity,
    /// The rule.
    pub rule: Rule,
}

impl Finding {
    /// A mistake that was found while the manifests were read.
    pub(super) fn error(problem: Problem) -> Self {
        Self::of(problem, Severity::Error)
    }

    /// A warning that was given while the manifests were read.
    pub(super) fn warning(problem: Problem) -> Self {
        Self::of(problem, Severity::Warning)
    }

    fn of(problem: Problem, severity: Severity) -> Self {
        let Problem { position, object, pointer, message } = problem;
        Self { position, object, pointer, severity, rule: Rule::Manifest, message }
    }

    /// Whether it says the same as another one, whichever rule found it.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (&self.position.file, &self.object, &self.pointer, &self.message)
            == (&other.position.file, &other.object, &other.pointer, &other.message)
    }
}

/// The name of an object, for people.
pub(super) fn id_of(key: &ObjectKey) -> ObjectId {
    let namespace = Some(key.namespace.to_string()).filter(|namespace| !namespace.is_empty());
    ObjectId { kind: key.kind.as_str().to_owned(), namespace, name: key.name.to_string() }
}

/// A finding about an object that was read, before its position is known.
#[derive(Debug)]
pub(super) struct Unplaced {
    pub(super) key: ObjectKey,
    pub(super) severity: Severity,
    pub(super) rule: Rule,
    pub(super) pointer: JsonPointer,
    pub(super) message: String,
}

/// The key of an object of ours.
pub(super) trait Keyed {
    fn key(&self) -> ObjectKey;
}

macro_rules! keyed {
    ($($type:ty => $kind:ident),*) => {$(
        impl Keyed for $type {
            fn key(&self) -> ObjectKey {
                ObjectKey::of(Kind::$kind, &self.metadata)
            }
        }
    )*};
}
keyed!(SvixConnection => Connection, WebhookEventType => EventType, WebhookEndpoint => Endpoint, WebhookEvent => Event);
