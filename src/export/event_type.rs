//! An event type in Svix as a WebhookEventType.

use serde_json::Value;

use crate::{
    api::{
        ConnectionRef, EventTypeNames, JsonObject, ManagementPolicy, WebhookEventType, WebhookEventTypeSpec,
    },
    manifests::check::Checker,
    plan::{
        describe,
        event_type::{self, Observed, SCHEMA_VERSION},
        ids,
        schema_source::{self, Source},
    },
    svix::EventTypeText,
};

use super::{
    exported::{Exported, manifest},
    json_text,
    limitation::Limitation,
    names::object_name,
    options::Options,
};

/// Longest description of a resource, in characters.
pub(super) const MAX_DESCRIPTION: usize = 16_384;
/// Largest schema that fits into an object of Kubernetes with the rest of it, as text.
const MAX_SCHEMA_TEXT: usize = 524_288;
const MAX_FLAGS: usize = 25;

/// Returns the manifest of an event type, or why there can be none.
pub fn export(found: &EventTypeText, options: &Options, checker: &Checker) -> Result<Exported, Limitation> {
    let observed = &found.observed;
    let mut limitations = Vec::new();
    let mut object =
        WebhookEventType::new(&object_name(&observed.name), spec(observed, options, &mut limitations));
    object.metadata.namespace.clone_from(&options.namespace);
    if object.metadata.name.as_deref() == Some(&observed.name) {
        object.spec.name = None;
    }
    add_schema(&mut object, found, &mut limitations);
    if observed.archived {
        limitations.push(Limitation::Archived);
    }

    let manifest = manifest(&object, checker)?;
    check_adoption(&object, observed)?;
    Ok(Exported { manifest, secret: None, limitations })
}

/// Returns what a manifest says of an event type apart from its schema.
fn spec(observed: &Observed, options: &Options, limitations: &mut Vec<Limitation>) -> WebhookEventTypeSpec {
    let mut leave_out = |field, problem: &str| {
        limitations.push(Limitation::Field { field, problem: problem.to_owned() });
    };
    let description = match observed.description.chars().count() {
        0 => None,
        1..=MAX_DESCRIPTION => Some(observed.description.clone()),
        _ => {
            leave_out("description", "it is longer than 16384 characters");
            None
        }
    };
    let group_name = observed.group_name.clone().filter(|name| {
        let is_valid = is_flag(name);
        if !is_valid {
            leave_out("groupName", "it is no name");
        }
        is_valid
    });
    let mut flags: Vec<String> = observed.feature_flags.iter().cloned().collect();
    if flags.len() > MAX_FLAGS || !flags.iter().all(|flag| is_flag(flag)) {
        leave_out("featureFlags", "there are more than 25, or one that is no name");
        flags.clear();
    }
    let (feature_flag, feature_flags) = match flags.len() {
        0 => (None, None),
        1 => (flags.pop(), None),
        _ => (None, Some(flags)),
    };
    let connection_ref = options.connection_ref();
    // No `..Default`: a new field must be thought of here.
    WebhookEventTypeSpec {
        name: Some(observed.name.clone()),
        description,
        // Added below.
        schema: None,
        schema_text: None,
        schema_from: None,
        // Part of the schema in Svix, and so here.
        examples: Vec::new(),
        format_assertion: None,
        payload_policy: None,
        compatibility: None,
        revision_history_limit: None,
        group_name,
        feature_flag,
        feature_flags,
        deprecated: observed.deprecated.then_some(true),
        deletion_policy: None,
        adoption: None,
        management_policy: observed.archived.then_some(ManagementPolicy::Observe),
        suspend: None,
        connection_ref,
    }
}

/// Whether a resource may have this group or feature flag. Unlike the name of an event type, it can be a dot: it is never part of
/// a path.
fn is_flag(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=ids::MAX_NAME).contains(&text.len()) && text.bytes().all(is_inner)
}

/// Adds the schema of version `"1"`, as YAML where YAML keeps it as it is.
fn add_schema(object: &mut WebhookEventType, found: &EventTypeText, limitations: &mut Vec<Limitation>) {
    let others: Vec<_> = found.schemas.keys().filter(|version| *version != SCHEMA_VERSION).cloned().collect();
    if !others.is_empty() {
        limitations.push(Limitation::SchemaVersions(others.join(", ")));
    }
    let Some(text) =
        found.schemas.get(SCHEMA_VERSION).map(|schema| schema.get()).filter(|text| *text != "null")
    else {
        return;
    };
    if json_text::needs_text(text) {
        object.spec.schema_text =
            Some(json_text::pretty(text)).filter(|pretty| pretty.len() <= MAX_SCHEMA_TEXT);
        object.spec.schema_text.get_or_insert_with(|| text.to_owned());
    } else {
        match JsonObject::parse(text) {
            Ok(schema) => object.spec.schema = Some(schema),
            Err(error) => {
                limitations.push(Limitation::Schema(error.to_string()));
                return;
            }
        }
    }
    if let Err(problem) = check_schema(object, text) {
        (object.spec.schema, object.spec.schema_text) = (None, None);
        limitations.push(Limitation::Schema(problem));
    }
}

/// Checks that the operator accepts the schema.
fn check_schema(object: &WebhookEventType, text: &str) -> Result<(), String> {
    if text.len() > MAX_SCHEMA_TEXT {
        return Err(format!("found {} bytes, expected at most {MAX_SCHEMA_TEXT}", text.len()));
    }
    let schema = parsed_schema(object).map_err(|error| error.to_string())?;
    schema.map_or(Ok(()), |schema| {
        schema_source::validate(object, schema).map(drop).map_err(|error| error.to_string())
    })
}

fn parsed_schema(object: &WebhookEventType) -> Result<Option<Value>, crate::plan::ReconcileError> {
    match schema_source::schema_text(object)? {
        Source::Inline(schema) => Ok(Some(schema.to_value())),
        Source::None | Source::ConfigMap(_) => Ok(None),
    }
}

/// Checks that the operator adopts what the manifest declares without a write.
fn check_adoption(object: &WebhookEventType, observed: &Observed) -> Result<(), Limitation> {
    let refused = |error: crate::plan::ReconcileError| Limitation::NotAdopted(error.to_string());
    let schema = parsed_schema(object).map_err(refused)?;
    let desired =
        event_type::desired(object, schema, Vec::new(), EventTypeNames::Any, &[]).map_err(refused)?;
    let differences = event_type::differences(&desired, observed);
    if differences.is_empty() { Ok(()) } else { Err(Limitation::NotAdopted(describe(&differences))) }
}

/// Whether a name needs `eventTypeNames: Any`.
#[must_use]
pub fn needs_any_names(name: &str) -> bool {
    ids::check_event_type_name(name, EventTypeNames::Grouped).is_err()
}

impl Options {
    /// The reference to the connection, unless it is the one that objects use by default.
    pub(super) fn connection_ref(&self) -> Option<ConnectionRef> {
        let is_default = self.connection == crate::api::DEFAULT_CONNECTION;
        (!is_default).then(|| ConnectionRef { name: self.connection.clone() })
    }
}

#[cfg(test)]
mod tests;
