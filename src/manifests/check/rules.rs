//! The CEL rules of the CRDs.
//!
//! They are `validate` of each spec in `api`: kube's `cel` feature would evaluate them, but adds an ANTLR runtime and
//! seven more crates for a few rules. Rules about changes (`oldSelf`) do not apply: a folder has no previous state.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    api::{
        self, JsonPointer, SpecRule, SvixConnectionSpec, WebhookEndpointSpec, WebhookEventSpec,
        WebhookEventTypeSpec,
    },
    manifests::problem::Violation,
};

use super::conform::conform;

/// Checks the rules about one state of an object; `schema` is the structural schema of its kind. `has_violation`: whether the
/// schema refuses the value of a field. Then the rules about that value are left out, and those about its key stay.
pub(super) fn check(
    kind: &str,
    schema: &Value,
    object: &Value,
    has_violation: impl Fn(&JsonPointer) -> bool,
) -> Vec<Violation> {
    let Some(schema) = schema.pointer("/properties/spec") else { return Vec::new() };
    let Some(spec) = object.get("spec").map(|spec| conform(schema, spec)) else { return Vec::new() };
    let violations = match kind {
        "SvixConnection" => validate(spec, SvixConnectionSpec::validate),
        "WebhookEventType" => validate(spec, WebhookEventTypeSpec::validate),
        "WebhookEndpoint" => validate(spec, WebhookEndpointSpec::validate),
        "WebhookEvent" => validate(spec, WebhookEventSpec::validate),
        _ => Vec::new(),
    };
    violations
        .into_iter()
        .filter(|violation| {
            matches!(violation.rule, SpecRule::ReservedMetadata) || !has_violation(&violation.field)
        })
        .map(|violation| Violation::new(violation.field, violation.rule.to_string()))
        .collect()
}

fn validate<T: DeserializeOwned>(
    spec: Value,
    validate: fn(&T) -> Vec<api::Violation>,
) -> Vec<api::Violation> {
    serde_json::from_value(spec).map(|spec| validate(&spec)).unwrap_or_default()
}
