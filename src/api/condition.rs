//! Conditions in status, as kstatus and `kubectl wait` understand them.
//!
//! `Ready` is always present. `Reconciling` and `Stalled` are "abnormal-true": they are present only while they
//! are true (<https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus>).

use std::borrow::Cow;

use k8s_openapi::jiff::Timestamp;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One condition of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which condition this is.
    #[serde(rename = "type")]
    pub type_: ConditionType,
    /// The status of the condition.
    pub status: ConditionStatus,
    /// The reason, in one word for programs.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z]+$"))]
    pub reason: Cow<'static, str>,
    /// The reason and the remedy, for people.
    #[schemars(length(max = 4096))]
    pub message: Cow<'static, str>,
    /// When `status` last changed.
    #[schemars(with = "String", length(max = 64), extend("format" = "date-time"))]
    pub last_transition_time: Timestamp,
    /// The generation of the spec that this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// The type of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ConditionType {
    /// The payload of the event is validated, and may be sent.
    Accepted,
    /// Svix accepted the event.
    Sent,
    /// The deliveries of the event have ended successfully.
    Delivered,
    /// Svix matches the spec of an object that is observed or suspended. Present only on those.
    InSync,
    /// The endpoint is disabled in Svix, and the spec does not ask for it. Present only while it is true.
    DisabledInSvix,
    /// Svix matches the spec; for an event: it is sent.
    Ready,
    /// The operator is working on the object, or waits for something that needs no change by a person.
    Reconciling,
    /// The operator waits for a person: nothing changes until the spec, a Secret or Svix is changed.
    Stalled,
}

/// The status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// The condition is true.
    True,
    /// The condition is false.
    False,
    /// Not known yet.
    Unknown,
}

/// The reason of a condition or an Event. The names are stable; `docs/conditions.md` explains them.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    strum::Display,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
pub enum Reason {
    /// Svix matches the spec.
    InSync,
    /// The connection works: its server responds and accepts the token.
    Connected,
    /// An endpoint waits for an event type that is not in Svix yet.
    WaitingForEventType,
    /// The object names a SvixConnection that does not exist.
    ConnectionNotFound,
    /// The connection exists but does not work; its own status says why.
    ConnectionNotReady,
    /// The spec cannot be carried out as it is written.
    InvalidSpec,
    /// The JSON Schema is not valid, or one of the examples does not match it.
    InvalidSchema,
    /// The ConfigMap or its key does not exist.
    SchemaSourceNotFound,
    /// Something of that name exists in Svix, is not ours, and differs.
    NotOurs,
    /// Another object declares the same event type or endpoint, and owns it.
    Conflict,
    /// The Svix application is missing and the connection forbids to create it.
    ApplicationNotFound,
    /// Svix refuses the content; trying again does not help.
    RefusedBySvix,
    /// Svix accepted the write but ignored some of its fields.
    FieldsIgnored,
    /// Svix is unreachable or returns a temporary error.
    SvixUnavailable,
    /// The new schema breaks compatibility, which is enforced; Svix keeps the schema that it has.
    BreakingChange,
    /// Svix fails with 5xx on this object again and again, while other calls of the connection succeed.
    SvixFailsOnObject,
    /// Svix asks to slow down (429).
    Throttled,
    /// The Secret with the token does not exist, or its key is missing or empty.
    TokenNotFound,
    /// Svix does not accept the token.
    AuthenticationFailed,
    /// The connection's spec cannot be used (address, CA bundle or interval).
    InvalidConnection,
    /// Objects still use the connection that is being deleted.
    InUse,
    /// The object is being deleted and is not cleaned up yet.
    Deleting,
    /// The payload does not match the schema of its event type.
    InvalidPayload,
    /// Whether the payload matches the schema of its event type takes too much work to find out.
    ValidationLimitExceeded,
    /// The payload matches the schema of its event type.
    PayloadValid,
    /// The event type is declared without a schema, so any payload passes.
    PayloadNotValidated,
    /// The payload does not match, and the policy of the event type lets it pass.
    PayloadMismatch,
    /// The event is being sent.
    Sending,
    /// Svix accepted the event; its deliveries are not finished.
    Sent,
    /// Every endpoint that the event was meant for has it.
    Delivered,
    /// No endpoint subscribes to the event.
    NoEndpointMatched,
    /// Svix gave up on at least one endpoint.
    DeliveryFailed,
    /// The deliveries had not ended when they ceased to be followed.
    DeliveryUnknown,
    /// Another event was sent under this id.
    EventIdTaken,
    /// It could not be sent within 24 hours of the first attempt.
    NotSent,
    /// The connection's `access` does not allow it.
    NotPermitted,
    /// Writing to Svix is interrupted by `suspend`.
    Suspended,
    /// Svix is only compared with the spec, and matches it.
    Observed,
    /// Svix differs from what is declared, of an object that is observed or suspended.
    Differs,
    /// The endpoint is disabled in Svix, by hand or because it failed for long.
    DisabledInSvix,
    /// A Secret that the spec names, or its key, does not exist.
    SecretNotFound,
    /// A Secret contains a value that cannot be used for what the spec names it for.
    InvalidSecret,
    /// The operator may not read or write Secrets in the namespace, or cannot read the Secret with the token at the
    /// moment.
    SecretNotReadable,
    /// The Secret that the signing key is to be written to is somebody else's.
    SecretNotOurs,
    /// Svix accepts no other signing key before an old one has expired.
    RotationLimited,
    /// Somebody keeps changing in Svix what is declared here.
    Contested,
    /// The object is being cleaned up on the connection that it was on before.
    Moving,
}

impl Reason {
    /// Every reason, for documentation and for metrics.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The reason as conditions and Events contain it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
