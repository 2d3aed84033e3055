//! Conditions in status, as kstatus and `kubectl wait` understand them.
//!
//! `Ready` is always there. `Reconciling` and `Stalled` are "abnormal-true": they are there only while they
//! hold (<https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus>).

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
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why, in one word for programs.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z]+$"))]
    pub reason: String,
    /// Why, and what to do, for people.
    #[schemars(length(max = 4096))]
    pub message: String,
    /// When `status` last changed.
    #[schemars(with = "String", length(max = 64), extend("format" = "date-time"))]
    pub last_transition_time: Timestamp,
    /// The generation of the spec that this speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// The conditions that exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ConditionType {
    /// An event's payload was judged, and may be sent.
    Accepted,
    /// Svix took the event.
    Sent,
    /// The event's deliveries ended well.
    Delivered,
    /// Svix holds what an object declares that is observed or suspended. There only for those.
    InSync,
    /// The endpoint is disabled in Svix, and the spec did not ask for that. There only while it holds.
    DisabledInSvix,
    /// What the spec declares is what Svix holds; of an event: it is sent.
    Ready,
    /// The controller is at work, or waits for something that will come by itself.
    Reconciling,
    /// The controller waits for a person: nothing changes until the spec, a Secret or Svix is changed.
    Stalled,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Not known yet.
    Unknown,
}

/// Why an object is as it is. The names are stable: they are the conditions' reasons, the Events' reasons
/// and what `docs/conditions.md` explains.
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
    /// Svix holds what the spec declares.
    InSync,
    /// The connection works: its server answers and takes the token.
    Connected,
    /// An endpoint waits for an event type that is not in Svix yet.
    WaitingForEventType,
    /// The object names a SvixConnection that does not exist.
    ConnectionNotFound,
    /// The connection is there but does not work; its own status says why.
    ConnectionNotReady,
    /// The spec cannot be carried out as it is written.
    InvalidSpec,
    /// The JSON Schema is not valid, or one of the examples does not match it.
    InvalidSchema,
    /// The ConfigMap or its key is not there.
    SchemaSourceNotFound,
    /// Something of that name exists in Svix, is not ours, and differs.
    NotOurs,
    /// Another object declares the same thing in Svix, and holds it.
    Conflict,
    /// The Svix application is missing and the connection forbids to create it.
    ApplicationNotFound,
    /// Svix refuses the content; trying again does not help.
    RefusedBySvix,
    /// Svix took the write but not every field of it.
    FieldsIgnored,
    /// Svix is unreachable or answers with an error that may pass.
    SvixUnavailable,
    /// Svix asks to slow down (429).
    Throttled,
    /// The Secret with the token, or its key, is not there.
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
    /// The payload matches the schema of its event type.
    PayloadValid,
    /// The payload does not match, and the event type lets it through all the same.
    PayloadMismatch,
    /// The event is being sent.
    Sending,
    /// Svix took the event; its deliveries go on.
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
    /// Svix is only compared with the spec, and holds what is declared.
    Observed,
    /// Svix differs from what is declared, of an object that is observed or suspended.
    Differs,
    /// The endpoint is disabled in Svix, by hand or because it failed for long.
    DisabledInSvix,
    /// A Secret that the spec names, or its key, is not there.
    SecretNotFound,
    /// A Secret holds something that cannot be used for what the spec names it for.
    InvalidSecret,
    /// The operator may not read or write Secrets in the namespace.
    SecretNotReadable,
    /// The Secret that the signing key is to be written to is somebody else's.
    SecretNotOurs,
    /// Svix takes no other signing key before an old one has ended.
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
