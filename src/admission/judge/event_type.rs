//! WebhookEventTypes: the name, the schema and its examples, by the rules of the operator.

use serde_json::Value;

use crate::{
    admission::{Known, messages::Problem},
    api::{EventTypeNames, JsonPointer, SvixConnectionSpec, WebhookEventType},
    plan::{
        compatibility::{self, Assessment, KeptVersions},
        event_type, ids,
        schema_source::{self, Source},
    },
    schema::Effort,
};

use super::{Findings, receivers};

/// Validates an event type before it is stored. A schema in a ConfigMap is left to the operator: it changes without this
/// object. `before` is the object that it replaces, `kept` the versions of its schema that are kept. Where the effort is exceeded, the findings say nothing.
#[must_use]
pub fn event_type(
    object: &WebhookEventType,
    before: Option<&WebhookEventType>,
    known: &Known,
    kept: &KeptVersions,
    effort: &Effort,
) -> Findings {
    let mut findings = Findings::default();
    let (connection, name) = (object.connection_name(), object.event_type_name());
    // A connection that is not known yet may have been applied together with this object: the operator checks the name
    // by it.
    let names = known.directory.connection(connection).map(|spec| spec.event_type_names());
    if let Err(message) = ids::check_event_type_name(&name, names.unwrap_or(EventTypeNames::Any)) {
        let field = if object.spec.name.is_some() { "/spec/name" } else { "/metadata/name" };
        findings.problem(field, message);
    }
    findings.problems.extend(event_type::check_description(object).err().map(Problem::from));
    let mut of_schema = Vec::new();
    match schema_source::schema_text(object) {
        Ok(Source::Inline(schema)) => {
            let schema = schema.to_value();
            of_schema = schema_source::warnings(object, &schema);
            match schema_source::validate_all(object, schema, effort) {
                // Payloads are validated by its own draft all the same, so the object is of use where nothing is written.
                Ok((schema, _)) => {
                    let error = schema_source::check_draft7(&schema_source::field(object), &schema).err();
                    findings.warnings.extend(error.map(Problem::from));
                }
                Err((first, others)) => {
                    findings.problems.extend([first].into_iter().chain(others).map(Problem::from));
                }
            }
        }
        Ok(Source::None | Source::ConfigMap(_)) => {}
        Err(error) => findings.problems.push(error.into()),
    }
    let before = before.filter(|_| findings.problems.is_empty());
    let spec = known.directory.connection(connection);
    match before.map(|before| assess_change(before, object, spec.as_deref(), kept)) {
        None | Some(Assessment::Compatible) => {}
        Some(Assessment::Warn(message)) => {
            let field = schema_source::field(object);
            findings.warnings.push(Problem::new(field.clone(), message));
            findings.warnings.extend(receivers::problem(receivers::of(object, known).as_ref(), field));
        }
        Some(Assessment::Refuse(message)) => {
            let field = schema_source::field(object);
            findings.problem(field.clone(), message);
            findings.problems.extend(receivers::problem(receivers::of(object, known).as_ref(), field));
        }
    }
    if let Some(before) = before {
        findings.warnings.extend(receivers::leaving(before, object, known));
    }
    let namespace = object.metadata.namespace.as_deref();
    // An object that may not declare it learns nothing of the one that does.
    if let Some(warning) = super::not_permitted(known, connection, namespace, object) {
        findings.warnings.push(warning);
    } else if let Some(holder) = known.directory.holder(connection, &name).filter(|it| !it.is_refused) {
        let metadata = &object.metadata;
        let is_same = metadata.namespace.as_deref() == Some(&holder.namespace)
            && metadata.name.as_deref() == Some(&holder.name);
        if !is_same {
            let message = format!(
                "{name:?} is declared by {holder} already, which owns it; this object waits until that one is deleted"
            );
            findings.warnings.push(Problem::new(JsonPointer::ROOT, message));
        }
    }
    // Last: there may be many, and the API server passes on only so much.
    let of_schema = of_schema
        .into_iter()
        .map(|warning| Problem::new(JsonPointer::ROOT.join(&warning.pointer), warning.message));
    findings.warnings.extend(of_schema);
    findings
}

/// Assesses the change from one object to another. The operator compares with what Svix has, which may be something else; a
/// schema in a ConfigMap is left to it.
fn assess_change(
    before: &WebhookEventType,
    object: &WebhookEventType,
    connection: Option<&SvixConnectionSpec>,
    kept: &KeptVersions,
) -> Assessment {
    let policies = compatibility::policies(object, connection);
    if policies.is_empty() {
        return Assessment::Compatible;
    }
    let (Some(Some(old)), Some(new)) = (schema_of(before), schema_of(object)) else {
        return Assessment::Compatible;
    };
    compatibility::assess_declared((before, &old), (object, new.as_ref()), kept, &policies)
}

/// Returns the schema as the operator writes it, with the examples; `None`: it is not known here; `Some(None)`: none is
/// declared.
fn schema_of(object: &WebhookEventType) -> Option<Option<Value>> {
    match schema_source::schema_text(object).ok()? {
        Source::None => Some(None),
        Source::ConfigMap(_) => None,
        Source::Inline(schema) => {
            let (schema, examples) = schema_source::validate(object, schema.to_value()).ok()?;
            Some(Some(event_type::with_examples(schema, examples)))
        }
    }
}
