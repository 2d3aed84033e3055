//! The CEL rules of the CRDs, as code.
//!
//! kube's `cel` feature would evaluate them, but adds an ANTLR runtime and seven more crates for a few rules. A test
//! fails when a CRD has a rule that is not known here. Rules about changes (`oldSelf`) do not apply: a folder has no
//! previous state.

use serde_json::Value;

use crate::{
    api::{JsonPointer, RESERVED_METADATA_PREFIX, SigningSecret, SvixConnectionSpec, WebhookEventSpec},
    manifests::problem::Violation,
};

/// Checks the rules of a kind that are about one state of an object.
pub(super) fn check(kind: &str, object: &Value) -> Vec<Violation> {
    let mut out = Vec::new();
    let Some(spec) = object.get("spec") else { return out };
    let has = |object: &Value, field: &str| object.get(field).is_some_and(|value| !value.is_null());
    let mut refuse = |pointer: JsonPointer, message: &str| out.push(Violation::new(pointer, message));
    for field in ["defaultApplication", "application", "uid", "eventId"] {
        let text = spec.get(field).and_then(Value::as_str).unwrap_or_default();
        if ["app_", "ep_", "msg_"].iter().any(|prefix| text.starts_with(prefix)) {
            refuse(JsonPointer::SPEC.child(field), "a uid in Svix must not start with app_, ep_ or msg_");
        }
    }
    match kind {
        "WebhookEventType" => {
            let sources = ["schema", "schemaText", "schemaFrom"];
            if sources.iter().filter(|field| has(spec, field)).count() != 1 {
                refuse(JsonPointer::SPEC, "exactly one of schema, schemaText and schemaFrom must be given");
            }
            let examples = spec.get("examples").and_then(Value::as_array);
            for (index, example) in examples.into_iter().flatten().enumerate() {
                if has(example, "value") == has(example, "text") {
                    refuse(
                        JsonPointer::SPEC.child("examples").index(index),
                        "exactly one of value and text must be given",
                    );
                }
            }
        }
        "WebhookEndpoint" => {
            if has(spec, "url") == has(spec, "urlFrom") {
                refuse(JsonPointer::SPEC, "exactly one of url and urlFrom must be given");
            }
            for (index, header) in
                spec.get("headers").and_then(Value::as_array).into_iter().flatten().enumerate()
            {
                if has(header, "value") == has(header, "valueFrom") {
                    let pointer = JsonPointer::SPEC.child("headers").index(index);
                    refuse(pointer, "exactly one of value and valueFrom must be given");
                }
            }
            if let Some(signing) = spec.get("signingSecret").filter(|signing| signing.is_object()) {
                signing_secret(signing, &mut refuse);
            }
            for (key, _) in spec.get("metadata").and_then(Value::as_object).into_iter().flatten() {
                if key.starts_with(RESERVED_METADATA_PREFIX) {
                    refuse(
                        JsonPointer::SPEC.child("metadata").child(key),
                        "metadata keys that start with svix-operator.dev/ are reserved",
                    );
                }
            }
        }
        "WebhookEvent" => {
            if has(spec, "payload") == has(spec, "payloadText") {
                refuse(JsonPointer::SPEC, "exactly one of payload and payloadText must be given");
            }
            // The accessor knows the bounds: what it cannot read, the CRD refuses.
            let ttl = spec.get("ttlAfterFinished").and_then(Value::as_str).is_some();
            let parsed = serde_json::from_value::<WebhookEventSpec>(spec.clone());
            let most = std::time::Duration::from_secs(8760 * 3600);
            if ttl && parsed.is_ok_and(|spec| spec.ttl_after_finished().is_none_or(|ttl| ttl > most)) {
                refuse(
                    "/spec/ttlAfterFinished".into(),
                    "ttlAfterFinished must be between 0s and 8760h, such as 24h",
                );
            }
        }
        "SvixConnection" => {
            let rules = spec.get("access").and_then(Value::as_array);
            for (rule, access) in rules.into_iter().flatten().enumerate() {
                let requirements = access.pointer("/namespaces/matchExpressions").and_then(Value::as_array);
                for (index, requirement) in requirements.into_iter().flatten().enumerate() {
                    let operator = requirement.get("operator").and_then(Value::as_str).unwrap_or_default();
                    let values = requirement
                        .get("values")
                        .and_then(Value::as_array)
                        .is_some_and(|all| !all.is_empty());
                    if ["In", "NotIn"].contains(&operator) != values {
                        let namespaces = JsonPointer::SPEC.child("access").index(rule).child("namespaces");
                        refuse(
                            namespaces.child("matchExpressions").index(index),
                            "In and NotIn need values, Exists and DoesNotExist take none",
                        );
                    }
                }
            }
            // The accessor knows the bounds: what it cannot read, the CRD refuses.
            let interval = spec.get("resyncInterval").and_then(Value::as_str).is_some();
            let parsed = serde_json::from_value::<SvixConnectionSpec>(spec.clone());
            if interval && parsed.is_ok_and(|spec| spec.resync_interval().is_none()) {
                refuse(
                    "/spec/resyncInterval".into(),
                    "resyncInterval must be between 1s and 168h, such as 10m",
                );
            }
        }
        _ => {}
    }
    out
}

/// Checks the rules about `signingSecret`. The accessors know the bounds of durations: what they cannot read, the CRD
/// refuses.
fn signing_secret(signing: &Value, refuse: &mut impl FnMut(JsonPointer, &str)) {
    let has = |field: &str| signing.get(field).is_some_and(|value| !value.is_null());
    if has("fromSecret") == has("toSecret") {
        refuse("/spec/signingSecret".into(), "exactly one of fromSecret and toSecret must be given");
    }
    if has("rotateAfter") && !has("toSecret") {
        refuse(
            "/spec/signingSecret".into(),
            "rotateAfter needs toSecret: a key that comes from a Secret is replaced by changing the Secret",
        );
    }
    let Ok(parsed) = serde_json::from_value::<SigningSecret>(signing.clone()) else { return };
    if has("rotateAfter") && parsed.rotate_after().is_none() {
        refuse(
            "/spec/signingSecret/rotateAfter".into(),
            "rotateAfter must be between 1h and 87600h, such as 720h",
        );
    }
    if parsed.grace_period().is_none() {
        refuse(
            "/spec/signingSecret/gracePeriod".into(),
            "gracePeriod must be between 0s and 168h, such as 24h",
        );
    }
}
