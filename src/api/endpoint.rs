//! `WebhookEndpoint`: a URL that receives the events of some event types.

use std::{borrow::Cow, collections::BTreeMap};

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Adoption, Condition, ConnectionRef, DEFAULT_CONNECTION, Difference, JsonPointer, ManagementPolicy,
    RESERVED_METADATA_PREFIX, SecretKeyRef, SigningKeyStatus, SigningSecret, SpecRule, Summary,
    SvixConnectionSpec, Violation, rule,
};

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
    printcolumn(name = "Event Types", type_ = "string", json_path = ".status.summary.eventTypes"),
    printcolumn(name = "Channels", type_ = "string", json_path = ".status.summary.channels", priority = 1),
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
#[x_kube(validation = Rule::new("has(self.url) != has(self.urlFrom)")
    .message(SpecRule::UrlSource))]
#[serde(rename_all = "camelCase")]
pub struct WebhookEndpointSpec {
    /// The http or https address that receives the events.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 10, max = 65_536), regex(pattern = r"^https?://[^\s/?#]+([/?#][^\s]*)?$"))]
    pub url: Option<String>,

    /// The address, where it is a credential: a key of a Secret in the same namespace. It is followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_from: Option<Box<SecretSource>>,

    /// The names of the event types to receive, declared by any object. The endpoint waits for those that do not
    /// exist yet.
    #[schemars(
        length(min = 1, max = 500),
        inner(length(min = 1, max = 256), regex(pattern = r"^[a-zA-Z0-9_.-]+$"))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub event_types: Vec<String>,

    /// Receive only events on one of these channels. Any text; what Svix does not accept as it is, is mapped
    /// to a UUID. Left out: every event of the types; a filter on channels that is set in Svix is removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 10), inner(length(min = 1, max = 2048)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub channels: Option<Vec<String>>,

    /// Uid of the Svix application that the endpoint lives in. Default: the connection's. Cannot be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[a-zA-Z0-9_.-]+$"))]
    #[x_kube(validation = Rule::new("!self.startsWith('app_') && !self.startsWith('ep_') && !self.startsWith('msg_')").message(SpecRule::UidPrefix))]
    pub application: Option<String>,

    /// Uid of the endpoint in Svix. Default: `<ownerId>.<namespace>.<name>`. Cannot be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[a-zA-Z0-9_.-]+$"))]
    #[x_kube(validation = Rule::new("!self.startsWith('app_') && !self.startsWith('ep_') && !self.startsWith('msg_')").message(SpecRule::UidPrefix))]
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
    #[x_kube(validation = Rule::new("self.all(key, !key.startsWith('svix-operator.dev/'))").message(SpecRule::ReservedMetadata))]
    pub metadata: Option<BTreeMap<String, String>>,

    /// HTTP headers that Svix sends with each event. They are written before the endpoint is first enabled, and as a
    /// whole: headers that are not named here are removed. Left out: not touched.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub headers: Option<Vec<Header>>,

    /// The key that Svix signs the events with. Left out: Svix's own, which nobody here sees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_secret: Option<Box<SigningSecret>>,

    /// Whether Svix sends nothing to the endpoint. Left out: enabled when it is made, and never touched
    /// after, so that Svix's automatic disabling is respected. `false`: enabled when the spec changes, and not again
    /// before it changes once more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,

    /// Whether status shows how many messages were delivered and how many were not, read at each `resyncInterval`.
    /// It costs a request for each endpoint and reading. Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statistics: Option<bool>,

    /// What happens when an endpoint of that uid, or the one that the annotation `svix-operator.dev/adopt-id` names, is
    /// in Svix already and not this object's. Default: `Match`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adoption: Option<Adoption>,

    /// `Observe`: nothing is written; status shows how Svix differs. Default: `Manage`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub management_policy: Option<ManagementPolicy>,

    /// Whether writing to Svix is interrupted. Deleting the object then leaves Svix as it is. Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,

    /// What happens in Svix when this object is deleted. Default: `Delete`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<EndpointDeletionPolicy>,

    /// The connection to reconcile through. Default: the SvixConnection named `default`. When it is changed, the
    /// endpoint is first cleaned up on the connection before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_ref: Option<ConnectionRef>,
}

/// A value in a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretSource {
    /// A key of a Secret in the same namespace.
    pub secret_key_ref: SecretKeyRef,
}

/// An HTTP header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("has(self.value) != has(self.valueFrom)").message(SpecRule::HeaderSource))]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Its name. Names that Svix sets itself are refused, such as `Content-Type`, `User-Agent` and `svix-*`.
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"))]
    pub name: String,
    /// Its value, at most 4096 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub value: Option<String>,
    /// Its value, where it is a credential. It is followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_from: Option<SecretSource>,
}

/// The address of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address<'a> {
    /// In the object.
    Url(&'a str),
    /// In a Secret.
    Secret(&'a SecretKeyRef),
}

/// What a value of a Secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretUse<'a> {
    /// The address.
    Url,
    /// A header.
    Header {
        /// Its place in `headers`.
        index: usize,
        /// Its name.
        name: &'a str,
    },
    /// The signing key.
    SigningKey,
}

/// The value of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderValue<'a> {
    /// In the object.
    Inline(&'a str),
    /// In a Secret.
    Secret(&'a SecretKeyRef),
}

impl Header {
    /// The value, which is in one place.
    pub fn value(&self) -> Result<HeaderValue<'_>, SpecRule> {
        let inline = self.value.as_deref().map(HeaderValue::Inline);
        let secret = self.value_from.as_ref().map(|source| HeaderValue::Secret(&source.secret_key_ref));
        rule::one_of(inline, secret, SpecRule::HeaderSource)
    }
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
    /// Checks the rules of the CRD about one state of the object; returns each violation.
    #[must_use]
    pub fn validate(&self) -> Vec<Violation> {
        let mut violations = Vec::new();
        violations.extend(self.address().err().map(|rule| rule.at(JsonPointer::SPEC)));
        violations.extend(rule::check_uid(self.application.as_deref(), "/spec/application"));
        violations.extend(rule::check_uid(self.uid.as_deref(), "/spec/uid"));
        for (index, header) in self.headers.iter().flatten().enumerate() {
            let field = || JsonPointer::from_static("/spec/headers").index(index);
            violations.extend(header.value().err().map(|rule| rule.at(field())));
        }
        violations.extend(self.signing_secret.iter().flat_map(|signing| signing.violations()));
        for key in self.metadata.iter().flat_map(BTreeMap::keys) {
            if key.starts_with(RESERVED_METADATA_PREFIX) {
                let field = JsonPointer::from_static("/spec/metadata").child(key);
                violations.push(SpecRule::ReservedMetadata.at(field));
            }
        }
        violations
    }

    /// The address, which is in one place.
    pub fn address(&self) -> Result<Address<'_>, SpecRule> {
        let url = self.url.as_deref().map(Address::Url);
        let secret = self.url_from.as_ref().map(|source| Address::Secret(&source.secret_key_ref));
        rule::one_of(url, secret, SpecRule::UrlSource)
    }

    /// What happens in Svix on deletion.
    #[must_use]
    pub fn deletion_policy(&self) -> EndpointDeletionPolicy {
        self.deletion_policy.unwrap_or_default()
    }

    /// Whether Svix is changed to the spec. A suspended object is managed, too, since the suspension is temporary.
    #[must_use]
    pub fn is_managed(&self) -> bool {
        self.suspend == Some(true) || self.management_policy != Some(ManagementPolicy::Observe)
    }

    /// What happens to one that is not this object's.
    #[must_use]
    pub fn adoption(&self) -> Adoption {
        self.adoption.unwrap_or_default()
    }

    /// The keys of Secrets that the spec takes values from, each with what its value is for.
    pub fn secret_sources(&self) -> impl Iterator<Item = (SecretUse<'_>, &SecretKeyRef)> {
        let url = self.url_from.iter().map(|source| (SecretUse::Url, &source.secret_key_ref));
        let headers = self.headers.iter().flatten().enumerate().filter_map(|(index, header)| {
            let source = header.value_from.as_ref()?;
            Some((SecretUse::Header { index, name: &header.name }, &source.secret_key_ref))
        });
        let key = self.signing_secret.iter().filter_map(|signing| signing.from_secret.as_ref());
        url.chain(headers).chain(key.map(|reference| (SecretUse::SigningKey, reference)))
    }

    /// The names of all Secrets that the spec refers to: those that it takes values from, and the one that the signing
    /// key is written to.
    pub fn secret_names(&self) -> impl Iterator<Item = &str> {
        let to = self.signing_secret.iter().filter_map(|signing| signing.to_secret.as_ref());
        self.secret_sources().map(|(_, source)| source.name.as_str()).chain(to.map(|to| to.name.as_str()))
    }

    /// The Svix application, the connection's default where none is named.
    #[must_use]
    pub fn application<'a>(&'a self, connection: &'a SvixConnectionSpec) -> &'a str {
        self.application.as_deref().unwrap_or_else(|| connection.default_application())
    }
}

/// The observed state of an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookEndpointStatus {
    /// The generation of the spec that this status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The value of the annotation `svix-operator.dev/reconcile-at` that was last handled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub last_handled_reconcile_at: Option<String>,
    /// The value of the annotation `svix-operator.dev/rotate-at` that was last handled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub last_handled_rotate_at: Option<String>,
    /// The endpoint in Svix that this object owns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub svix: Option<EndpointInSvix>,
    /// The signing key, where it is written to a Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_key: Option<Box<SigningKeyStatus>>,
    /// How Svix differs from the spec, while the object is observed or suspended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<Box<Difference>>,
    /// The event types and channels of the spec as text, for `kubectl get`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    /// Messages of the last four weeks, when the spec asks for statistics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statistics: Option<Box<Statistics>>,
    /// Whether Svix matches the spec, and if not, why.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// The endpoint in Svix that an object owns: everything that its clean-up needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointInSvix {
    /// The connection that it was created through.
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
    pub fields: Vec<Cow<'static, str>>,
    /// The metadata keys that the spec named when it was last written.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    #[schemars(length(max = 50), inner(length(max = 4096)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub metadata_keys: Vec<String>,
    /// The generation of the spec that was last written to Svix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// As of when the headers and the signing key, which Svix's lists do not show, are known to be right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<Box<Verified>>,
}

/// As of when what Svix's lists do not show is known to be right.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    /// `updatedAt` of the endpoint in Svix, which moves with every write.
    #[schemars(length(max = 64))]
    pub updated_at: String,
    /// The versions of the Secrets that values were taken from or written to.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    #[schemars(length(max = 60))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub secrets: Vec<SecretVersion>,
}

/// The version of a Secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretVersion {
    /// Its name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Its `resourceVersion`.
    #[schemars(length(max = 128))]
    pub resource_version: String,
}

/// Messages of an endpoint, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Statistics {
    /// Delivered.
    pub succeeded: i64,
    /// Not tried yet, or to be tried again.
    pub pending: i64,
    /// Being delivered.
    pub sending: i64,
    /// Given up.
    pub failed: i64,
}
