//! `WebhookEndpoint`: a URL that receives the events of some event types.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Condition, ConnectionRef, DEFAULT_CONNECTION, SvixConnectionSpec};

/// An endpoint in Svix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "svix-operator.dev",
    version = "v1alpha1",
    kind = "WebhookEndpoint",
    plural = "webhookendpoints",
    singular = "webhookendpoint",
    shortname = "whep",
    category = "svix",
    namespaced,
    status = "WebhookEndpointStatus",
    doc = "An endpoint in Svix: an HTTP URL that receives the events of some event types, optionally only on some channels.",
    derive = "PartialEq",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(name = "Event Types", type_ = "string", json_path = ".spec.eventTypes"),
    printcolumn(name = "Channels", type_ = "string", json_path = ".spec.channels", priority = 1),
    printcolumn(name = "Application", type_ = "string", json_path = ".status.svix.application"),
    printcolumn(name = "Endpoint", type_ = "string", json_path = ".status.svix.id", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    )
)]
#[x_kube(validation = Rule::new("has(self.application) == has(oldSelf.application) && (!has(self.application) || self.application == oldSelf.application)")
    .message("application cannot be changed: make another WebhookEndpoint and delete this one")
    .field_path(".application"))]
#[x_kube(validation = Rule::new("has(self.uid) == has(oldSelf.uid) && (!has(self.uid) || self.uid == oldSelf.uid)")
    .message("uid cannot be changed: make another WebhookEndpoint and delete this one")
    .field_path(".uid"))]
#[x_kube(validation = Rule::new("(has(self.connectionRef) ? self.connectionRef.name : 'default') == (has(oldSelf.connectionRef) ? oldSelf.connectionRef.name : 'default')")
    .message("connectionRef cannot be changed: make another WebhookEndpoint and delete this one")
    .field_path(".connectionRef"))]
#[serde(rename_all = "camelCase")]
pub struct WebhookEndpointSpec {
    /// The http or https address that receives the events.
    #[schemars(length(min = 10, max = 65_536), regex(pattern = r"^https?://[^\s/?#]+([/?#][^\s]*)?$"))]
    pub url: String,

    /// The event types to receive: names, whoever declares them. The endpoint waits for those that are not
    /// there yet.
    #[schemars(
        length(min = 1, max = 500),
        inner(length(min = 1, max = 256), regex(pattern = r"^[a-zA-Z0-9_.-]+$"))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub event_types: Vec<String>,

    /// Receive only events on one of these channels. Any text; what Svix does not accept as it is, is mapped
    /// to a UUID. Left out: every event of the types.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 10), inner(length(min = 1, max = 2048)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub channels: Option<Vec<String>>,

    /// Uid of the Svix application that the endpoint lives in. Default: the connection's. Cannot be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[a-zA-Z0-9_.-]+$"))]
    #[x_kube(validation = Rule::new("!self.startsWith('app_') && !self.startsWith('ep_') && !self.startsWith('msg_')").message(
        "a uid in Svix must not start with app_, ep_ or msg_"
    ))]
    pub application: Option<String>,

    /// Uid of the endpoint in Svix. Default: `<ownerId>.<namespace>.<name>`. Cannot be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[a-zA-Z0-9_.-]+$"))]
    #[x_kube(validation = Rule::new("!self.startsWith('app_') && !self.startsWith('ep_') && !self.startsWith('msg_')").message(
        "a uid in Svix must not start with app_, ep_ or msg_"
    ))]
    pub uid: Option<String>,

    /// What the endpoint is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16_384))]
    pub description: Option<String>,

    /// Most messages per second that Svix sends to the endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_535))]
    pub throttle_rate: Option<i32>,

    /// Keys and values to keep with the endpoint in Svix, beside those that others wrote there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 50), with = "Option<BTreeMap<String, MetadataValue>>")]
    #[x_kube(validation = Rule::new("self.all(key, !key.startsWith('svix-operator.dev/'))").message(
        "metadata keys that start with svix-operator.dev/ are reserved"
    ))]
    pub metadata: Option<BTreeMap<String, String>>,

    /// Whether Svix sends nothing to the endpoint. Left out: enabled when it is made, and never touched
    /// after, so that Svix's automatic disabling is respected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,

    /// What happens in Svix when this object is deleted. Default: `Delete`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<EndpointDeletionPolicy>,

    /// The connection to reconcile through. Default: the SvixConnection named `default`. Cannot be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_ref: Option<ConnectionRef>,
}

/// A value.
#[derive(JsonSchema)]
#[schemars(inline)]
#[allow(dead_code)]
struct MetadataValue(#[schemars(length(max = 4096))] String);

/// What happens to the endpoint in Svix when this object is deleted. Default: `Delete`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EndpointDeletionPolicy {
    /// Delete it.
    #[default]
    Delete,
    /// Leave it as it is.
    Retain,
}

impl WebhookEndpoint {
    /// The name of the connection.
    #[must_use]
    pub fn connection_name(&self) -> &str {
        self.spec.connection_ref.as_ref().map_or(DEFAULT_CONNECTION, |reference| &reference.name)
    }
}

impl WebhookEndpointSpec {
    /// What happens in Svix on deletion.
    #[must_use]
    pub fn deletion_policy(&self) -> EndpointDeletionPolicy {
        self.deletion_policy.unwrap_or_default()
    }

    /// The Svix application, the connection's default where none is named.
    #[must_use]
    pub fn application<'a>(&'a self, connection: &'a SvixConnectionSpec) -> &'a str {
        self.application.as_deref().unwrap_or_else(|| connection.default_application())
    }
}

/// What is known of an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookEndpointStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What this object holds in Svix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub svix: Option<EndpointInSvix>,
    /// Whether Svix holds what the spec declares, and if not, why.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// The endpoint in Svix that an object holds: all that its clean-up needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointInSvix {
    /// The connection it was made through.
    #[schemars(length(max = 253))]
    pub connection: String,
    /// Uid of its application.
    #[schemars(length(max = 256))]
    pub application: String,
    /// Its id, given by Svix.
    #[schemars(length(max = 256))]
    pub id: String,
    /// Its uid, given by us.
    #[schemars(length(max = 256))]
    pub uid: String,
    /// The fields that the spec named when it was last written; one that the spec stops naming goes back to
    /// Svix's default.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    #[schemars(length(max = 16), inner(length(max = 64)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub fields: Vec<String>,
    /// The metadata keys that the spec named when it was last written.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    #[schemars(length(max = 50), inner(length(max = 4096)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub metadata_keys: Vec<String>,
}
