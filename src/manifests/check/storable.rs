//! Texts that Svix can never store. An API server stores them, but an operator refuses the object.

use serde_json::Value;

use crate::{api::JsonPointer, manifests::problem::Violation, plan::storable};

/// Finds U+0000 in what would be stored in Svix, and what Svix refuses in descriptions. Texts that contain JSON are left to the plan, which parses them.
pub(super) fn check(kind: &str, object: &Value) -> Vec<Violation> {
    let fields: &[&str] = match kind {
        "WebhookEventType" => &["description", "schema", "examples"],
        "WebhookEndpoint" => &["description", "metadata", "channels"],
        _ => &[],
    };
    let Some(spec) = object.get("spec") else { return Vec::new() };
    let violation = |field: &&str| {
        let value = spec.get(field)?;
        if *field == "description" {
            let error = storable::check_description(value.as_str()?).err()?;
            return Some(Violation::new(JsonPointer::SPEC.child(field), error.to_string()));
        }
        let inner = storable::find_nul(value)?;
        Some(Violation::new(JsonPointer::SPEC.child(field).join(&inner), storable::NUL))
    };
    fields.iter().filter_map(violation).collect()
}
