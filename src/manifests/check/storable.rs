//! Texts that Svix can never store. An API server stores them, but an operator refuses the object.

use serde_json::Value;

use crate::{api::JsonPointer, manifests::problem::Violation, plan::storable};

/// Finds U+0000 in what would be stored in Svix. Texts that contain JSON are left to the plan, which parses them.
pub(super) fn check(kind: &str, object: &Value) -> Vec<Violation> {
    let fields: &[&str] = match kind {
        "WebhookEventType" => &["description", "schema", "examples"],
        "WebhookEndpoint" => &["description", "metadata", "channels"],
        _ => &[],
    };
    let Some(spec) = object.get("spec") else { return Vec::new() };
    let violation = |field: &&str| {
        let inner = storable::find_nul(spec.get(field)?)?;
        Some(Violation::new(JsonPointer::SPEC.child(field).join(&inner), storable::NUL))
    };
    fields.iter().filter_map(violation).collect()
}
