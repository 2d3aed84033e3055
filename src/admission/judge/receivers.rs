//! Warnings about the endpoints that receive the events of an event type, for changes that concern them.

use crate::{
    admission::{Known, messages::Problem},
    api::{EventTypeDeletionPolicy, JsonPointer, ManagementPolicy, Receivers, WebhookEventType},
    plan::receivers::describe,
};

use super::Findings;

/// Returns the endpoints that receive the events of an object's event type; `None`: there are none, or another object declares the
/// event type. An object that may not declare it learns nothing of them.
pub(super) fn of(object: &WebhookEventType, known: &Known) -> Option<Receivers> {
    let (connection, name) = (object.connection_name(), object.event_type_name());
    let namespace = object.metadata.namespace.as_deref()?;
    let holder = known.directory.holder(connection, &name)?;
    let is_holder = holder.namespace == namespace && Some(&holder.name) == object.metadata.name.as_ref();
    if !is_holder {
        return None;
    }
    known.endpoints.receivers(connection, &name, namespace)
}

/// Returns the receivers as a problem in a field; `None`: there are none.
pub(super) fn problem(receivers: Option<&Receivers>, field: JsonPointer) -> Option<Problem> {
    receivers.and_then(describe).map(|text| Problem::new(field, text))
}

/// Reviews the deletion of an event type: nothing is refused.
#[must_use]
pub fn deletion(object: &WebhookEventType, known: &Known) -> Findings {
    let mut findings = Findings::default();
    if let (Some(effect), Some(receivers)) = (effect_of_leaving(object, known), of(object, known)) {
        let name = object.event_type_name();
        let message = format!(
            "deleting it {} event type {name} in Svix, unless another object declares it",
            effect.active
        );
        findings.warnings.push(Problem::new(JsonPointer::ROOT, message));
        findings.warnings.extend(problem(Some(&receivers), JsonPointer::ROOT));
    }
    findings
}

/// Returns the warnings for an event type that leaves a connection for another one, where it is cleaned up.
pub(super) fn leaving(before: &WebhookEventType, after: &WebhookEventType, known: &Known) -> Vec<Problem> {
    let connection = before.connection_name();
    if connection == after.connection_name() {
        return Vec::new();
    }
    // What the object says by now decides.
    let object = WebhookEventType { spec: after.spec.clone(), ..before.clone() };
    let (Some(effect), Some(receivers)) = (effect_of_leaving(&object, known), of(before, known)) else {
        return Vec::new();
    };
    let field = || JsonPointer::from_static("/spec/connectionRef");
    let message = format!(
        "event type {} is {} through SvixConnection {connection:?}, unless another object declares it there",
        before.event_type_name(),
        effect.passive,
    );
    let warning = Problem::new(field(), message);
    [Some(warning), problem(Some(&receivers), field())].into_iter().flatten().collect()
}

/// What becomes of an event type, as a verb.
#[derive(Clone, Copy)]
struct Effect {
    active: &'static str,
    passive: &'static str,
}

/// Returns what becomes of an event type in Svix when its object goes; `None`: nothing.
fn effect_of_leaving(object: &WebhookEventType, known: &Known) -> Option<Effect> {
    let spec = &object.spec;
    let in_svix = object.status.as_ref().and_then(|status| status.svix.as_ref())?;
    let connection = known.directory.connection(&in_svix.connection)?;
    let is_kept = |suspend: Option<bool>, policy: Option<ManagementPolicy>| {
        suspend == Some(true) || policy == Some(ManagementPolicy::Observe)
    };
    if is_kept(spec.suspend, spec.management_policy)
        || is_kept(connection.suspend, connection.management_policy)
    {
        return None;
    }
    match spec.deletion_policy() {
        EventTypeDeletionPolicy::Archive => Some(Effect { active: "archives", passive: "archived" }),
        EventTypeDeletionPolicy::Expunge => {
            Some(Effect { active: "permanently removes", passive: "permanently removed" })
        }
        EventTypeDeletionPolicy::Retain => None,
    }
}
