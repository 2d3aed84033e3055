//! What `payloadPolicy: Enforce` would have refused, in the status of an event type that has another policy.

use k8s_openapi::jiff::Timestamp;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The WebhookEvents that the operator sent although their payload does not match the schema: what `payloadPolicy: Enforce` would
/// have refused. `svix-operator schema check SCHEMA --widen --payload FILE` suggests the change of the schema that would permit a
/// payload. Nothing of a payload is in it. It is about seven days, which end with the last day on which there was such an event, and
/// begins again with another schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PayloadAudit {
    /// The digest of the schema that it is about.
    #[schemars(length(max = 64))]
    pub schema_digest: String,
    /// The last of the seven days, in UTC.
    #[schemars(length(max = 10))]
    pub last_day: String,
    /// When it was written. There are at least five minutes between two writes.
    #[schemars(with = "String", length(max = 64), extend("format" = "date-time"))]
    pub updated_at: Timestamp,
    /// The number of events in the seven days.
    #[schemars(range(min = 0))]
    pub count: i64,
    /// The number of events on each of the seven days, the last day first.
    #[schemars(length(max = 7))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub daily: Vec<i64>,
    /// Where they do not match, most events first: at most ten places.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub places: Vec<AuditedPlace>,
    /// Whether there are more places, or were when it was written.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub has_more_places: bool,
}

/// A place where payloads do not match the schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditedPlace {
    /// The place in the payload, as a JSON Pointer in which `*` stands for any index, and for any name that the schema does not
    /// declare; `/`: the payload itself.
    #[schemars(length(max = 512))]
    pub payload: String,
    /// The keyword of the schema that is violated; `false`: nothing is permitted there; `validationLimit`: finding out takes too
    /// much work.
    #[schemars(length(max = 512))]
    pub keyword: String,
    /// The number of events in the seven days.
    #[schemars(range(min = 0))]
    pub count: i64,
    /// The number of events on each of the seven days, the last day first.
    #[schemars(length(max = 7))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub daily: Vec<i64>,
    /// The first time, which may be earlier than the seven days.
    #[schemars(with = "String", length(max = 64), extend("format" = "date-time"))]
    pub first_seen: Timestamp,
    /// The last time.
    #[schemars(with = "String", length(max = 64), extend("format" = "date-time"))]
    pub last_seen: Timestamp,
}
