//! Other writers: objects that declare the same in Svix, and somebody who changes Svix itself.

use std::borrow::Cow;

use tokio::time::Instant;

use crate::{
    api::Reason,
    plan::{Difference, ReconcileError, describe},
};

use super::super::{
    context::Context,
    drift::{MOST_REPAIRS, is_drift},
    events::EventReason,
    host::Host,
    object::{Object, ObjectKey},
    outcome::{Error, Outcome},
    queue::Next,
};

/// Checks that no other object owns what this one declares; `resource` names that in messages.
pub fn require_ownership<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    resource: impl FnOnce() -> String,
) -> Result<(), ReconcileError> {
    match ctx.registry.other_owner(&object.key()) {
        None => Ok(()),
        Some(owner) => Err(ReconcileError::new(
            Reason::Conflict,
            format!(
                "{} belongs to {owner}, which also declares it; delete one of the two, or rename it",
                resource()
            ),
        )),
    }
}

/// Adds to a message the other objects that declare what this one owns. An Event names those that are new.
pub fn name_other_declarers<H: Host>(ctx: &Context<H>, object: &Object, message: &mut Cow<'static, str>) {
    let key = object.key();
    let Some((connection, resource)) = ctx.registry.declared_by(&key) else { return };
    let others = ctx.registry.other_declarers(&connection, &resource, &key);
    let has_new = ctx.scratch.with(&key, |scratch| {
        let has_new = others.iter().any(|other| !scratch.other_declarers.contains(other));
        scratch.other_declarers.clone_from(&others);
        has_new
    });
    let names: Vec<_> = others.iter().take(3).map(ObjectKey::to_string).collect();
    let text = match others.len() {
        0 => return,
        1 => format!("{} declares it, too, and waits", names.join(", ")),
        number if number <= names.len() => format!("{} declare it, too, and wait", names.join(", ")),
        number => format!("{} and {} more declare it, too, and wait", names.join(", "), number - names.len()),
    };
    message.to_mut().push_str("; ");
    message.to_mut().push_str(&text);
    if has_new {
        ctx.publish_warning(object, EventReason::Contested.as_str(), text);
    }
}

/// Asks whether a difference may be written now, and counts it when it is drift. The same drift is repaired a few times
/// an hour: somebody else means it, and two that take turns would never end.
pub fn admit_repair<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    differences: &[Difference],
) -> Result<(), Error> {
    let found: Vec<_> = differences.iter().map(|difference| (difference.field, &difference.found)).collect();
    let what = ctx.digest(&found);
    let admitted = ctx.scratch.with(&object.key(), |scratch| {
        if object.pending_reconcile_request().is_some() {
            scratch.drift.reset();
        }
        scratch.drift.admit(Instant::now(), what, object.generation(), is_drift(object))
    });
    admitted.map_err(|wait| {
        let message = format!(
            "somebody keeps changing it in Svix: {}. It was changed back {MOST_REPAIRS} times within an hour and is left \
             for now; find who else declares it, or set managementPolicy: Observe here",
            describe(differences)
        );
        let cause = ReconcileError::new(Reason::Contested, message);
        Error::Report(Box::new(Outcome { next: Next::Later(wait), ..Outcome::stalled(cause) }))
    })
}

#[cfg(test)]
mod tests;
