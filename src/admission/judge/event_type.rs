//! WebhookEventTypes: the name, the schema and its examples, by the rules of the operator.

use serde_json::Value;

use crate::{
    admission::{Known, messages::Problem},
    api::{EventTypeNames, JsonPointer, SvixConnectionSpec, WebhookEventType},
    plan::{
        compatibility::{self, Change},
        event_type, ids,
        schema_source::{self, Source},
    },
    schema::Effort,
};

use super::{Comparison, Findings, receivers};

/// Validates an event type before it is stored. A schema in a ConfigMap is left to the operator: it changes without this
/// object. `before` is the object that it replaces; the comparison of both schemas is left to the caller, as [`Findings::comparison`].
/// Where the effort is exceeded, the findings say nothing.
#[must_use]
pub fn event_type(
    object: &WebhookEventType,
    before: Option<&WebhookEventType>,
    known: &Known,
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
    let (mut of_schema, mut declared) = (Vec::new(), None);
    match schema_source::schema_text(object) {
        Ok(Source::Inline(schema)) => {
            let schema = schema.to_value();
            of_schema = schema_source::warnings(object, &schema);
            match schema_source::validate_all(object, schema, effort) {
                // Payloads are validated by its own draft all the same, so the object is of use where nothing is written.
                Ok((schema, examples)) => {
                    let error =
                        schema_source::check_draft7(&schema_source::field(object), &schema, effort).err();
                    findings.warnings.extend(error.map(Problem::from));
                    declared = Some(Some(event_type::with_examples(schema, examples)));
                }
                Err((first, others)) => {
                    findings.problems.extend([first].into_iter().chain(others).map(Problem::from));
                }
            }
        }
        Ok(Source::None) => declared = Some(None),
        Ok(Source::ConfigMap(_)) => {}
        Err(error) => findings.problems.push(error.into()),
    }
    let before = before.filter(|_| findings.problems.is_empty());
    let spec = known.directory.connection(connection);
    if let (Some(before), Some(new)) = (before, &declared)
        && let Some(change) = change(before, (object, new.as_ref()), spec.as_deref(), effort)
    {
        let field = schema_source::field(object);
        let receivers = receivers::problem(receivers::of(object, known).as_ref(), field.clone());
        findings.comparison =
            Some(Box::new(Comparison { change, field, receivers, place: findings.warnings.len() }));
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

/// Begins to assess the change from one object to another, of which the schema is known. The operator compares with what Svix has,
/// which may be something else; a schema in a ConfigMap is left to it.
fn change(
    before: &WebhookEventType,
    (object, new): (&WebhookEventType, Option<&Value>),
    connection: Option<&SvixConnectionSpec>,
    effort: &Effort,
) -> Option<Change> {
    let policies = compatibility::policies(object, connection);
    if policies.is_empty() {
        return None;
    }
    let Ok(Source::Inline(old)) = schema_source::schema_text(before) else { return None };
    let (old, examples) = schema_source::validate_within(before, old.to_value(), effort).ok()?;
    let old = event_type::with_examples(old, examples);
    Change::declared((before, &old), (object, new), &policies)
}
