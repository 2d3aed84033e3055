//! WebhookEventTypes: the name, the schema and its examples, as the operator will judge them.

use crate::{
    admission::{Known, messages::Problem},
    api::{EventTypeDeletionPolicy, EventTypeNames, WebhookEventType},
    plan::{
        event_type, ids,
        schema_source::{self, Source},
    },
};

use super::Findings;

/// Judges an event type that is about to be stored. A schema in a ConfigMap is the operator's to judge: it changes
/// without this object.
pub(in crate::admission) fn event_type(object: &WebhookEventType, known: &Known) -> Findings {
    let mut findings = Findings::default();
    let (connection, name) = (object.connection_name(), object.event_type_name());
    // A connection that is not known yet may have been applied together with this: the operator judges by it.
    let names = known.directory.connection(connection).map(|spec| spec.event_type_names());
    if let Err(message) = ids::check_event_type_name(&name, names.unwrap_or(EventTypeNames::Any)) {
        let field = if object.spec.name.is_some() { "/spec/name" } else { "/metadata/name" };
        findings.problem(field, message);
    }
    findings.problems.extend(event_type::check_description(object).err().map(Problem::from));
    match schema_source::schema_text(object) {
        Ok(Source::Here(schema)) => {
            let field = schema_source::field(object);
            match schema_source::all_judged(object, schema.to_value()) {
                // Payloads are judged by its own draft all the same, so the object is of use where nothing is written.
                Ok((schema, _)) => {
                    let problem = schema_source::check_draft7(field, &schema).err();
                    findings.warnings.extend(problem.map(|problem| problem.message));
                }
                Err((first, others)) => {
                    findings.problems.extend([first].into_iter().chain(others).map(Problem::from));
                }
            }
        }
        Ok(Source::ConfigMap(_)) => {}
        Err(refusal) => findings.problems.push(refusal.into()),
    }
    let namespace = object.metadata.namespace.as_deref();
    let expunge = object.spec.deletion_policy() == EventTypeDeletionPolicy::Expunge;
    let refused = super::not_permitted(known, connection, namespace, |grants, _| {
        grants.event_type(&name, object.spec.adoption(), expunge)
    });
    // Who may not declare it learns nothing of who does.
    if let Some(refused) = refused {
        findings.warnings.push(refused);
    } else if let Some(holder) = known.directory.holder(connection, &name) {
        let metadata = &object.metadata;
        let same = metadata.namespace.as_deref() == Some(&holder.namespace)
            && metadata.name.as_deref() == Some(&holder.name);
        if !same {
            findings.warnings.push(format!(
                "{name:?} is declared by {holder} already, which holds it; this object waits until that one is gone"
            ));
        }
    }
    findings
}
