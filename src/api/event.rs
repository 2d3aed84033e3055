//! `WebhookEvent`: one event, declared once and sent once.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::{
    Condition, ConnectionRef, DEFAULT_CONNECTION, JsonObject, JsonPointer, SpecRule, Summary,
    SvixConnectionSpec, Violation, duration, rule,
};

/// An event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "svix-operator.dev",
    version = "v1alpha1",
    kind = "WebhookEvent",
    plural = "webhookevents",
    singular = "webhookevent",
    shortname = "whev",
    category = "svix",
    namespaced,
    status = "WebhookEventStatus",
    doc = "One event, sent through Svix once to the endpoints that subscribe to its event type.",
    derive = "PartialEq",
    printcolumn(
        name = "Sent",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Sent\")].status"
    ),
    printcolumn(
        name = "Delivered",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Delivered\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(name = "Event Type", type_ = "string", json_path = ".spec.eventType"),
    printcolumn(name = "Channels", type_ = "string", json_path = ".status.summary.channels", priority = 1),
    printcolumn(name = "Id", type_ = "string", json_path = ".status.messageId", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    )
)]
#[x_kube(validation = Rule::new("has(self.payload) != has(self.payloadText)")
    .message(SpecRule::PayloadSource))]
#[x_kube(validation = Rule::new("self == oldSelf")
    .message("an event cannot be changed, it may have been sent: make another WebhookEvent"))]
#[serde(rename_all = "camelCase")]
pub struct WebhookEventSpec {
    /// Name of the event type. The event waits until the event type exists.
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[a-zA-Z0-9_.-]+$"))]
    pub event_type: String,

    /// The payload, as YAML. A key with the value `null` does not survive a client-side `kubectl apply`: use
    /// `kubectl create`, `kubectl apply --server-side`, or `payloadText`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<JsonObject>,

    /// The payload, as JSON text. Sent as it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 1_048_576))]
    pub payload_text: Option<String>,

    /// The channels of the event: endpoints without a channel receive it, too, endpoints with channels only when
    /// they share one. Any text; what Svix does not accept as it is, is mapped to a UUID. Svix Cloud accepts ten, the
    /// open-source server five.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 10), inner(length(min = 1, max = 2048)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub channels: Option<Vec<String>>,

    /// Uid of the Svix application whose endpoints receive the event. Default: the connection's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[a-zA-Z0-9_.-]+$"))]
    #[x_kube(validation = Rule::new("!self.startsWith('app_') && !self.startsWith('ep_') && !self.startsWith('msg_')").message(SpecRule::UidPrefix))]
    pub application: Option<String>,

    /// Id of the event: Svix takes each only once within an application. Default: made from the owner, namespace,
    /// name, application, event type and payload, so that the same event is not sent again when its object is
    /// created again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[a-zA-Z0-9_.-]+$"))]
    #[x_kube(validation = Rule::new("!self.startsWith('app_') && !self.startsWith('ep_') && !self.startsWith('msg_')").message(SpecRule::UidPrefix))]
    pub event_id: Option<String>,

    /// How long after its deliveries have ended the object is deleted, such as `24h` or `10m`. Left out: never,
    /// since a Git tool would create it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?$"))]
    #[x_kube(validation = Rule::new("self != '' && duration(self) <= duration('8760h')").message(SpecRule::TtlAfterFinished))]
    pub ttl_after_finished: Option<String>,

    /// The connection to send through. Default: the SvixConnection named `default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_ref: Option<ConnectionRef>,
}

impl WebhookEvent {
    /// The name of the connection.
    #[must_use]
    pub fn connection_name(&self) -> &str {
        self.spec.connection_ref.as_ref().map_or(DEFAULT_CONNECTION, |reference| &reference.name)
    }
}

impl WebhookEventSpec {
    /// The Svix application, the connection's default where none is named.
    #[must_use]
    pub fn application<'a>(&'a self, connection: &'a SvixConnectionSpec) -> &'a str {
        self.application.as_deref().unwrap_or_else(|| connection.default_application())
    }

    /// How long after its deliveries have ended the object is deleted; `None`: never, also when the text is no
    /// duration, which only an object that never passed an API server can contain.
    #[must_use]
    pub fn ttl_after_finished(&self) -> Option<Duration> {
        self.ttl_after_finished.as_deref().and_then(duration::parse)
    }

    /// Checks the rules of the CRD about one state of the object; returns each violation.
    #[must_use]
    pub fn validate(&self) -> Vec<Violation> {
        /// Longest time that a finished event is kept.
        const MAX_TTL: Duration = Duration::from_secs(8760 * 3600);
        let has_ttl =
            self.ttl_after_finished.is_none() || self.ttl_after_finished().is_some_and(|ttl| ttl <= MAX_TTL);
        let violations = [
            self.payload().err().map(|rule| rule.at(JsonPointer::SPEC)),
            rule::check_uid(self.application.as_deref(), "/spec/application"),
            rule::check_uid(self.event_id.as_deref(), "/spec/eventId"),
            SpecRule::TtlAfterFinished.check(has_ttl, "/spec/ttlAfterFinished"),
        ];
        violations.into_iter().flatten().collect()
    }

    /// The payload as JSON text, which is in one place.
    pub fn payload(&self) -> Result<&str, SpecRule> {
        let object = self.payload.as_ref().map(JsonObject::as_str);
        rule::one_of(object, self.payload_text.as_deref(), SpecRule::PayloadSource)
    }
}

/// The observed state of an event.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookEventStatus {
    /// The generation of the spec that this status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Id under which the event is sent; recorded before the first attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub event_id: Option<String>,
    /// When sending was first tried. Nothing is sent automatically more than 24 hours later.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", length(max = 64), extend("format" = "date-time"))]
    pub first_attempt_at: Option<Timestamp>,
    /// Id of the message in Svix.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub message_id: Option<String>,
    /// When Svix accepted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", length(max = 64), extend("format" = "date-time"))]
    pub sent_at: Option<Timestamp>,
    /// When its deliveries had ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", length(max = 64), extend("format" = "date-time"))]
    pub finished_at: Option<Timestamp>,
    /// The channels of the spec as text, for `kubectl get`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    /// How many endpoints it was, is being, or could not be delivered to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<Attempts>,
    /// Whether it was accepted, sent and delivered, and if not, why.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// Numbers of endpoints, by the state of the delivery of one event to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attempts {
    /// Delivered.
    #[schemars(range(min = 0))]
    pub succeeded: i32,
    /// Not tried yet, or to be tried again.
    #[schemars(range(min = 0))]
    pub pending: i32,
    /// Given up.
    #[schemars(range(min = 0))]
    pub failed: i32,
}
