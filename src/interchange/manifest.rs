//! WebhookEventType manifests of event types.

use kube::Resource as _;
use serde_json::{Value, json};

use crate::{api::WebhookEventType, plan::digest::Digest};

use super::EventType;

/// Returns the manifest of an event type, without a namespace.
#[must_use]
pub fn to_manifest(event_type: &EventType) -> Value {
    let object_name = object_name(&event_type.name);
    let mut spec = json!({});
    if object_name != event_type.name {
        spec["name"] = event_type.name.clone().into();
    }
    if let Some(description) = &event_type.description {
        spec["description"] = description.clone().into();
    }
    if let Some(group) = &event_type.group_name {
        spec["groupName"] = group.clone().into();
    }
    match event_type.feature_flags.as_slice() {
        [] => {}
        [flag] => spec["featureFlag"] = flag.clone().into(),
        flags => spec["featureFlags"] = flags.to_vec().into(),
    }
    if event_type.deprecated {
        spec["deprecated"] = true.into();
    }
    if let Some(schema) = &event_type.schema {
        let (field, value) = field("schema", "schemaText", schema);
        spec[field] = value;
    }
    let examples = event_type.examples.iter().map(|example| {
        let (field, value) = field("value", "text", &example.value);
        json!({ "name": example.name, field: value })
    });
    let examples: Vec<_> = examples.collect();
    if !examples.is_empty() {
        spec["examples"] = examples.into();
    }
    json!({
        "apiVersion": WebhookEventType::api_version(&()),
        "kind": "WebhookEventType",
        "metadata": { "name": object_name },
        "spec": spec,
    })
}

/// The field for a JSON object: as it is, or as text where `kubectl apply` would change it.
fn field(object: &'static str, text: &'static str, value: &Value) -> (&'static str, Value) {
    if survives(value) { (object, value.clone()) } else { (text, format!("{value:#}").into()) }
}

/// Whether a value stays as it is on its way through kubectl and the API server: no member is null, and no number is beyond
/// what a 64-bit integer or float holds.
fn survives(value: &Value) -> bool {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Object(members) => members.values().all(|member| !member.is_null() && survives(member)),
        Value::Array(items) => items.iter().all(survives),
        Value::Number(number) => {
            number.is_i64() || number.as_f64().is_some_and(|float| !number.is_u64() && float.abs() < EXACT)
        }
        _ => true,
    }
}

/// Returns the name of the Kubernetes object for an event type: the same where Kubernetes accepts it, else lowercase with a
/// digest, so that different event types have different objects.
#[must_use]
pub fn object_name(event_type: &str) -> String {
    /// A DNS subdomain.
    const MAX: usize = 253;
    let is_label = |label: &str| {
        label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if event_type.len() <= MAX && event_type.split('.').all(is_label) {
        return event_type.to_owned();
    }
    let lower = event_type.to_ascii_lowercase().replace('_', "-");
    let labels: Vec<_> =
        lower.split('.').map(|label| label.trim_matches('-')).filter(|label| !label.is_empty()).collect();
    let digest = Digest::of_text(event_type).to_string();
    let digest: String = digest.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
    let mut name: String = labels.join(".").chars().take(MAX - 9).collect();
    name.truncate(name.trim_end_matches(['-', '.']).len());
    if name.is_empty() { format!("event-{digest}") } else { format!("{name}-{digest}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_objects() {
        assert_eq!(object_name("order.placed"), "order.placed");
        assert!(object_name("Order_Placed").starts_with("order-placed-"), "{}", object_name("Order_Placed"));
        assert_ne!(object_name("Order.placed"), object_name("order.Placed"));
        assert!(object_name("...").starts_with("event-"));
        assert!(object_name(&"a".repeat(256)).len() <= 253);
    }

    #[test]
    fn nulls_and_large_numbers_are_text() {
        let with = |schema| {
            let event_type =
                EventType { name: "a.b".to_owned(), schema: Some(schema), ..EventType::default() };
            to_manifest(&event_type)["spec"].clone()
        };

        assert!(with(json!({"minimum": 1, "enum": [null, 1.5]})).get("schema").is_some());
        assert!(with(json!({"default": null})).get("schemaText").is_some());
        assert!(with(json!({"maximum": u64::MAX})).get("schemaText").is_some());
        assert!(with(json!({"maximum": 1e20})).get("schemaText").is_some());
    }
}
