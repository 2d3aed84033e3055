//! What a change of a schema must not do to those who receive the payloads, and what happens when it does.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Receivers;

/// Annotation of a WebhookEventType that lets one change of its schema through although it breaks compatibility:
/// `<digest of the change> <reason>`. The refusal prints the digest. The next change has another one.
pub const ALLOW_BREAKING_ANNOTATION: &str = "svix-operator.dev/allow-breaking";

/// How a new schema is compared with the one that Svix has, and what happens when it breaks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Compatibility {
    /// What a change of the schema must not do. Default: `ConsumerSafe`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<CompatibilityLevel>,
    /// What happens when it does. Default: `Warn`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<CompatibilityAction>,
    /// Which versions the new schema is compared with. Default: `Last`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<CompatibilityAgainst>,
}

/// What a change of a schema must not do. Default: `ConsumerSafe`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr,
)]
pub enum CompatibilityLevel {
    /// Permit a payload that the old schema refuses. Receivers ignore fields that they do not know, so an object that the
    /// old schema closes counts as open.
    #[default]
    ConsumerSafe,
    /// Permit a payload that the old schema refuses, fields that it does not know included.
    Strict,
    /// Refuse a payload that the old schema permits: stored events can be sent again.
    Backward,
    /// What `ConsumerSafe` and `Backward` forbid.
    Full,
    /// Nothing is compared.
    None,
}

impl CompatibilityLevel {
    /// The level as manifests name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// What happens when a change of a schema breaks compatibility. Default: `Warn`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum CompatibilityAction {
    /// It is written, with a warning.
    #[default]
    Warn,
    /// It is refused, and nothing is written to Svix.
    Enforce,
}

/// Which versions a new schema is compared with. Default: `Last`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum CompatibilityAgainst {
    /// The one that Svix has.
    #[default]
    Last,
    /// The one that Svix has, and each published version that is kept (`revisionHistoryLimit`).
    All,
}

impl Compatibility {
    /// What a change must not do.
    #[must_use]
    pub fn level(&self) -> CompatibilityLevel {
        self.level.unwrap_or_default()
    }

    /// What happens when it does.
    #[must_use]
    pub fn action(&self) -> CompatibilityAction {
        self.action.unwrap_or_default()
    }

    /// Which versions a new schema is compared with.
    #[must_use]
    pub fn against(&self) -> CompatibilityAgainst {
        self.against.unwrap_or_default()
    }
}

/// A change of the schema that is refused because it breaks those who receive the events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefusedChange {
    /// The digest of the change, for the annotation `svix-operator.dev/allow-breaking`.
    #[schemars(length(max = 64))]
    pub digest: String,
    /// The endpoints that receive the events, as they were when the change was refused first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receivers: Option<Receivers>,
}
