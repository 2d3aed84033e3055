//! The custom resources of group `svix-operator.dev` and their conditions.
//!
//! Types, their bounds, their rules (`validate`) and their defaults; no behaviour beyond that, and no I/O. The CRDs in `crds/` are
//! generated from here. Optional fields have their defaults in code (the accessor methods below), never as
//! a CRD `default:`, so that what a Git tool applied is what it reads back.

// kube's attributes for columns and rules are repeatable; the lint does not know them.
#![allow(clippy::duplicated_attributes)]

mod access;
mod audit;
mod compatibility;
mod condition;
mod connection;
mod duration;
mod endpoint;
mod event;
mod event_type;
mod json;
mod managed_fields;
mod pointer;
mod policy;
mod receivers;
mod reference;
mod rule;
mod signing;
mod summary;

pub use access::{AccessRule, LabelOperator, LabelRequirement, NamespaceSelector};
pub use audit::{AuditedPlace, PayloadAudit};
pub use compatibility::{
    ALLOW_BREAKING_ANNOTATION, Compatibility, CompatibilityAction, CompatibilityAgainst, CompatibilityLevel,
    RefusedChange,
};
pub use condition::{Condition, ConditionStatus, ConditionType, Reason};
pub use connection::{
    ChannelEncoding, CreateApplications, EventTypeNames, SvixConnection, SvixConnectionSpec,
    SvixConnectionStatus,
};
pub use duration::parse as parse_duration;
pub use endpoint::{
    Address, EndpointDeletionPolicy, EndpointInSvix, Header, HeaderValue, SecretSource, SecretUse,
    SecretVersion, Statistics, Verified, WebhookEndpoint, WebhookEndpointSpec, WebhookEndpointStatus,
};
pub use event::{Attempts, WebhookEvent, WebhookEventSpec, WebhookEventStatus};
pub use event_type::{
    DeclaredSchema, EventTypeDeletionPolicy, EventTypeInSvix, Example, ExamplePayload, PayloadPolicy,
    PayloadValidation, SchemaHistory, SchemaSource, WebhookEventType, WebhookEventTypeSpec,
    WebhookEventTypeStatus,
};
pub use json::{InvalidJson, JsonObject};
pub use managed_fields::without_managed_fields;
pub use pointer::JsonPointer;
pub use policy::{
    ADOPT_ID_ANNOTATION, Action, Adoption, Difference, FieldDifference, ManagementPolicy,
    ORPHAN_ON_DELETE_ANNOTATION, RECONCILE_AT_ANNOTATION, ROTATE_AT_ANNOTATION, annotation,
};
pub use receivers::Receivers;
pub use reference::{ConfigMapKeyRef, ConnectionRef, SecretKeyRef};
pub use rule::{ID_PREFIXES, SpecRule, Violation};
pub use signing::{DEFAULT_SIGNING_KEY, SigningKeySource, SigningKeyStatus, SigningSecret, ToSecret};
pub use summary::Summary;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;

/// API group of all resources.
pub const GROUP: &str = "svix-operator.dev";

/// Finalizer that keeps an object until its event type or endpoint in Svix has been cleaned up.
pub const FINALIZER: &str = "svix-operator.dev/cleanup";

/// Annotation that records, before the first write to Svix, which event type this object is about to
/// create: `<metadata.uid> <connection>/<name> <digest>`. It names the object's own uid, so a copy of the manifest or
/// a restored backup does not carry the claim along; the digest is keyed with the token, so nobody else can make one.
/// Of an endpoint: `<metadata.uid> <connection>/<application>/<uid>`, which only says where to look; the mark in Svix is
/// the proof.
pub const CLAIM_ANNOTATION: &str = "svix-operator.dev/claim";

/// Key in the metadata of an endpoint in Svix that names the object that declares it:
/// `<ownerId>/<namespace>/<name>`.
pub const OWNER_METADATA_KEY: &str = "svix-operator.dev/owner";

/// Key in the metadata of an endpoint in Svix that is being created: it is disabled until its headers are written.
pub const PREPARING_METADATA_KEY: &str = "svix-operator.dev/preparing";

/// Prefix of the keys in Svix metadata that are ours; a spec must not use them.
pub const RESERVED_METADATA_PREFIX: &str = "svix-operator.dev/";

/// Name of the [`SvixConnection`] that resources without a `connectionRef` use.
pub const DEFAULT_CONNECTION: &str = "default";

/// The definitions of all kinds, in the order in which `svix-operator crds` prints them.
#[must_use]
pub fn crds() -> Vec<CustomResourceDefinition> {
    vec![SvixConnection::crd(), WebhookEventType::crd(), WebhookEndpoint::crd(), WebhookEvent::crd()]
}

/// A definition as it is published: without the empty status and the empty lists that kube's type carries
/// along, which Git tools would show as a difference, and without number formats, which add nothing to the
/// bounds and which OpenAPI does not know for unsigned integers.
#[must_use]
pub fn tidy_crd(crd: &CustomResourceDefinition) -> serde_json::Value {
    fn tidy(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(map) => {
                if map.get("type").is_some_and(|kind| kind == "integer" || kind == "number") {
                    map.remove("format");
                }
                map.retain(|_, value| value.as_array().is_none_or(|array| !array.is_empty()));
                map.values_mut().for_each(tidy);
            }
            serde_json::Value::Array(array) => array.iter_mut().for_each(tidy),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(crd).unwrap_or_default();
    if let Some(map) = value.as_object_mut() {
        map.remove("status");
    }
    tidy(&mut value);
    value
}
