//! `WebhookEventType`: a name, a description, and the JSON Schema of the payloads of its events.

use std::{borrow::Cow, collections::BTreeSet};

use kube::{CustomResource, KubeSchema, ResourceExt as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Adoption, Compatibility, Condition, ConfigMapKeyRef, ConnectionRef, DEFAULT_CONNECTION, Difference,
    JsonObject, JsonPointer, ManagementPolicy, PayloadAudit, RefusedChange, SpecRule, Violation, rule,
};

/// How many published versions of a schema are kept by default, as of a Deployment.
const DEFAULT_REVISION_HISTORY_LIMIT: usize = 10;

/// An event type in Svix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "svix-operator.dev",
    version = "v1alpha1",
    kind = "WebhookEventType",
    plural = "webhookeventtypes",
    singular = "webhookeventtype",
    shortname = "whet",
    category = "svix",
    namespaced,
    status = "WebhookEventTypeStatus",
    doc = "An event type in Svix: its name, its description, and the JSON Schema of its events' payloads.",
    derive = "PartialEq",
    validation = Rule::new("(has(self.spec.name) ? self.spec.name : self.metadata.name) == (has(oldSelf.spec.name) ? oldSelf.spec.name : oldSelf.metadata.name)")
        .message("spec.name cannot be changed: make another WebhookEventType and delete this one")
        .field_path(".spec.name"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Event Type", type_ = "string", json_path = ".status.svix.name"),
    printcolumn(name = "Validation", type_ = "string", json_path = ".status.payloadValidation"),
    printcolumn(name = "Connection", type_ = "string", json_path = ".status.svix.connection", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    )
)]
#[x_kube(validation = Rule::new("[has(self.schema), has(self.schemaText), has(self.schemaFrom)].filter(x, x).size() <= 1")
    .message(SpecRule::SchemaSource))]
#[x_kube(validation = Rule::new("!has(self.examples) || size(self.examples) == 0 || has(self.schema) || has(self.schemaText) || has(self.schemaFrom)")
    .message(SpecRule::ExamplesNeedSchema))]
#[x_kube(validation = Rule::new("!has(self.featureFlag) || !has(self.featureFlags)")
    .message(SpecRule::FeatureFlagSource))]
#[serde(rename_all = "camelCase")]
pub struct WebhookEventTypeSpec {
    /// Name of the event type in Svix, `<group>.<event>`, such as `origin.create`. Default: the object's
    /// name. Cannot be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[a-zA-Z0-9_.-]+$"))]
    pub name: Option<String>,

    /// What the event means, for the people who subscribe to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16_384))]
    pub description: Option<String>,

    /// The JSON Schema of the payload, as YAML. A key with the value `null` does not survive a client-side
    /// `kubectl apply`; use `schemaText` for such a schema. Without `schema`, `schemaText` and `schemaFrom`, the event
    /// type takes any payload, and the schemas that Svix has for it are left as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<JsonObject>,

    /// The JSON Schema of the payload, as JSON text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 524_288))]
    pub schema_text: Option<String>,

    /// The JSON Schema of the payload, as JSON text elsewhere. It is followed: a change of the text is a change
    /// of the schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema_from: Option<SchemaSource>,

    /// Example payloads, each of which must match the schema. Svix shows them to subscribers, and sends the
    /// first as its example message. They are written as part of the schema, so they need one.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub examples: Vec<Example>,

    /// Whether `format` is enforced, and in drafts 6 and 7 `contentEncoding`, on the examples and on events. Default: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format_assertion: Option<bool>,

    /// What happens to an event whose payload does not match the schema. Default: `Enforce`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload_policy: Option<PayloadPolicy>,

    /// What a change of the schema must not do to those who receive the events, and what happens when it does. Default: a
    /// change after which a payload is permitted that was refused before is written with a warning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compatibility: Option<Compatibility>,

    /// How many published versions of the schema are kept as ControllerRevisions, the present one included. 0 keeps none.
    /// Default: 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 50))]
    pub revision_history_limit: Option<i32>,

    /// The group that Svix Cloud shows the event type in. The open-source server has no groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[a-zA-Z0-9_.-]+$"))]
    pub group_name: Option<String>,

    /// The feature flag that a consumer must have to see the event type. The same as `featureFlags` with one entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[a-zA-Z0-9_.-]+$"))]
    pub feature_flag: Option<String>,

    /// The feature flags with which a consumer sees the event type. The open-source server has only one; Svix Cloud has a
    /// list.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 25),
        inner(length(min = 1, max = 256), regex(pattern = r"^[a-zA-Z0-9_.-]+$"))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub feature_flags: Option<Vec<String>>,

    /// Whether the event type is marked as deprecated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<bool>,

    /// What happens in Svix when this object is deleted. `Expunge` must be allowed by the connection's `access`.
    /// Default: `Archive`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<EventTypeDeletionPolicy>,

    /// What happens when an event type of that name is in Svix already and not this object's. Default: `Match`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adoption: Option<Adoption>,

    /// `Observe`: nothing is written; status shows how Svix differs. Default: `Manage`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub management_policy: Option<ManagementPolicy>,

    /// Whether writing to Svix is interrupted. Deleting the object then leaves Svix as it is. Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,

    /// The connection to reconcile through. Default: the SvixConnection named `default`. When it is changed, the event
    /// type is first cleaned up on the connection before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_ref: Option<ConnectionRef>,
}

/// Where a schema is kept outside the object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SchemaSource {
    /// A key of a ConfigMap in the same namespace.
    pub config_map_key_ref: ConfigMapKeyRef,
}

/// A payload that matches the schema.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("has(self.value) != has(self.text)").message(SpecRule::ExampleSource))]
#[serde(rename_all = "camelCase")]
pub struct Example {
    /// What the example is called in messages about it.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// The payload, as YAML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<JsonObject>,
    /// The payload, as JSON text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 262_144))]
    pub text: Option<String>,
}

/// The schema of an event type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeclaredSchema<'a> {
    /// None: any payload is valid, and the schemas in Svix are not managed.
    None,
    /// In the object.
    Inline(&'a JsonObject),
    /// In the object, as JSON text.
    Text(&'a str),
    /// In a ConfigMap.
    ConfigMap(&'a ConfigMapKeyRef),
}

/// The payload of an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExamplePayload<'a> {
    /// In the object.
    Inline(&'a JsonObject),
    /// In the object, as JSON text.
    Text(&'a str),
}

impl Example {
    /// The payload, which is in one place.
    pub fn payload(&self) -> Result<ExamplePayload<'_>, SpecRule> {
        let inline = self.value.as_ref().map(ExamplePayload::Inline);
        rule::one_of(inline, self.text.as_deref().map(ExamplePayload::Text), SpecRule::ExampleSource)
    }
}

/// What happens to the event type in Svix when this object is deleted. Default: `Archive`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EventTypeDeletionPolicy {
    /// Archive it: subscriptions stay, new ones are refused.
    #[default]
    Archive,
    /// Remove it for good.
    Expunge,
    /// Leave it as it is.
    Retain,
}

/// How the payloads of an event type are validated: its policy, or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PayloadValidation {
    /// A payload that does not match the schema is refused.
    Enforce,
    /// It passes, and the sender gets a warning.
    Warn,
    /// It passes, and is counted.
    Audit,
    /// No schema is declared: any payload passes.
    None,
}

/// What happens to an event whose payload does not match the schema. Default: `Enforce`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr,
)]
pub enum PayloadPolicy {
    /// It is refused.
    #[default]
    Enforce,
    /// It passes, and the sender gets a warning.
    Warn,
    /// It passes, and is counted.
    Audit,
}

impl PayloadPolicy {
    /// The policy as manifests and metrics name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl WebhookEventType {
    /// The name in Svix.
    #[must_use]
    pub fn event_type_name(&self) -> String {
        self.spec.name.clone().unwrap_or_else(|| self.name_any())
    }

    /// The name of the connection.
    #[must_use]
    pub fn connection_name(&self) -> &str {
        self.spec.connection_ref.as_ref().map_or(DEFAULT_CONNECTION, |reference| &reference.name)
    }
}

impl WebhookEventTypeSpec {
    /// Checks the rules of the CRD about one state of the object; returns each violation.
    #[must_use]
    pub fn validate(&self) -> Vec<Violation> {
        let mut violations = Vec::from_iter(self.schema().err().map(|rule| rule.at(JsonPointer::SPEC)));
        let needs_schema = !self.examples.is_empty() && self.schema() == Ok(DeclaredSchema::None);
        violations.extend(SpecRule::ExamplesNeedSchema.check(!needs_schema, JsonPointer::SPEC));
        for (index, example) in self.examples.iter().enumerate() {
            let field = || JsonPointer::from_static("/spec/examples").index(index);
            violations.extend(example.payload().err().map(|rule| rule.at(field())));
        }
        let is_one = self.feature_flag.is_none() || self.feature_flags.is_none();
        violations.extend(SpecRule::FeatureFlagSource.check(is_one, JsonPointer::SPEC));
        violations
    }

    /// The schema, which is in one place, if there is one.
    pub fn schema(&self) -> Result<DeclaredSchema<'_>, SpecRule> {
        let text = self.schema_text.as_deref().map(DeclaredSchema::Text);
        match (&self.schema, text, &self.schema_from) {
            (Some(schema), None, None) => Ok(DeclaredSchema::Inline(schema)),
            (None, Some(text), None) => Ok(text),
            (None, None, Some(source)) => Ok(DeclaredSchema::ConfigMap(&source.config_map_key_ref)),
            (None, None, None) => Ok(DeclaredSchema::None),
            _ => Err(SpecRule::SchemaSource),
        }
    }

    /// The feature flags, in whichever form the spec has them.
    #[must_use]
    pub fn feature_flags(&self) -> Option<BTreeSet<String>> {
        match (&self.feature_flag, &self.feature_flags) {
            (Some(flag), _) => Some(BTreeSet::from([flag.clone()])),
            (None, Some(flags)) => Some(flags.iter().cloned().collect()),
            (None, None) => None,
        }
    }

    /// What happens in Svix on deletion.
    #[must_use]
    pub fn deletion_policy(&self) -> EventTypeDeletionPolicy {
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

    /// What happens to an event that does not match.
    #[must_use]
    pub fn payload_policy(&self) -> PayloadPolicy {
        self.payload_policy.unwrap_or_default()
    }

    /// How payloads are validated. Without a schema they are not, whatever the policy.
    #[must_use]
    pub fn payload_validation(&self) -> PayloadValidation {
        match (self.schema(), self.payload_policy()) {
            (Ok(DeclaredSchema::None), _) => PayloadValidation::None,
            (_, PayloadPolicy::Enforce) => PayloadValidation::Enforce,
            (_, PayloadPolicy::Warn) => PayloadValidation::Warn,
            (_, PayloadPolicy::Audit) => PayloadValidation::Audit,
        }
    }

    /// How many published versions of the schema are kept.
    #[must_use]
    pub fn revision_history_limit(&self) -> usize {
        self.revision_history_limit
            .map_or(DEFAULT_REVISION_HISTORY_LIMIT, |limit| usize::try_from(limit).unwrap_or_default())
    }

    /// Whether formats and content encodings are enforced.
    #[must_use]
    pub fn format_assertion(&self) -> bool {
        self.format_assertion.unwrap_or(true)
    }
}

/// The observed state of an event type.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookEventTypeStatus {
    /// The generation of the spec that this status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The value of the annotation `svix-operator.dev/reconcile-at` that was last handled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub last_handled_reconcile_at: Option<String>,
    /// The event type in Svix that this object owns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub svix: Option<EventTypeInSvix>,
    /// The versions of the schema that are kept as ControllerRevisions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema_history: Option<SchemaHistory>,
    /// How the payloads of events are validated: `Enforce`, `Warn` or `Audit`, as `payloadPolicy` says, or `None`: no
    /// schema is declared, and any payload passes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload_validation: Option<PayloadValidation>,
    /// What `payloadPolicy: Enforce` would have refused, while the policy is `Warn` or `Audit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload_audit: Option<PayloadAudit>,
    /// How Svix differs from the spec, while the object is observed or suspended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<Box<Difference>>,
    /// The change of the schema that is refused at present, and who receives the events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused_change: Option<RefusedChange>,
    /// Whether Svix matches the spec, and if not, why.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// The published versions of a schema that are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SchemaHistory {
    /// The number of the revision with the schema that Svix has; none where none is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// The digest of that schema and of `formatAssertion`.
    #[schemars(length(max = 64))]
    pub digest: String,
    /// How many revisions are kept.
    #[schemars(range(min = 0))]
    pub kept: i32,
}

/// The event type in Svix that an object owns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventTypeInSvix {
    /// The connection that it was created through.
    #[schemars(length(max = 253))]
    pub connection: String,
    /// Its name.
    #[schemars(length(max = 256))]
    pub name: String,
    /// The fields that the spec named when it was last written; one that the spec stops naming goes back to
    /// Svix's default.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    #[schemars(length(max = 16), inner(length(max = 64)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub fields: Vec<Cow<'static, str>>,
}
