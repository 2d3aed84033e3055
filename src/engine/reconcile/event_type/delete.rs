//! What becomes of an event type in Svix when its object goes, or moves to another connection.

use crate::{
    api::{CLAIM_ANNOTATION, EventTypeDeletionPolicy, WebhookEventType, annotation},
    plan::{claims, event_type::Observed, receivers},
};

use super::{
    super::{
        super::{
            context::Context,
            events::EventReason,
            host::{Host, HostError},
            object::{Object, ObjectKey, SvixResource},
            outcome::Error,
        },
        finalize,
    },
    claim::claim_value,
};

/// Archives or expunges what an event type has in Svix, or hands it to the next object that declares it.
pub(super) async fn delete<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    event_type: &WebhookEventType,
) -> Result<(), Error> {
    let key = object.key();
    let recorded = event_type.status.as_ref().and_then(|status| status.svix.as_ref());
    // Without status, a create may have gone through whose end nobody saw: on the connection that the claim names.
    let connection = match (recorded, claims::claimed(&event_type.metadata)) {
        (Some(svix), _) => svix.connection.as_str(),
        (None, Some((connection, _))) => connection,
        (None, None) => event_type.connection_name(),
    };
    let name = recorded.map_or_else(|| event_type.event_type_name(), |svix| svix.name.clone());
    let is_elsewhere = connection != event_type.connection_name();
    if recorded.is_none() && !is_elsewhere && ctx.registry.other_owner(&key).is_some() {
        return Ok(());
    }
    let resource = SvixResource::EventType(name.as_str().into());
    if let Some(next_owner) = ctx.registry.next_owner(connection, &resource, &key) {
        if recorded.is_some() {
            hand_over(ctx, connection, &name, &next_owner).await?;
            ctx.scratch.with(&next_owner, |scratch| scratch.taken_over_via = Some(connection.into()));
            let message = format!("event type {name} stays in Svix for {next_owner}");
            ctx.publish(object, EventReason::HandedOver, message);
        }
        return Ok(());
    }
    // Nothing was ever written for it.
    let claim = annotation(&event_type.metadata, CLAIM_ANNOTATION);
    if recorded.is_none() && claim.is_none() {
        return Ok(());
    }
    let session = match ctx.session(connection) {
        Ok(session) => session,
        Err(unusable) => return finalize::await_connection(ctx, object, unusable),
    };
    let Some(document) = session.client.get_event_type(&name).await? else { return Ok(()) };
    let is_ours = recorded.is_some()
        || claim == Some(&claim_value(&session, object, connection, &name, &document.observed));
    // A namespace that may not expunge any more archives.
    let expunge = event_type.spec.deletion_policy() == EventTypeDeletionPolicy::Expunge
        && ctx.registry.check_access(object).is_ok();
    if is_ours && (expunge || !document.observed.archived) {
        session.client.delete_event_type(&name, expunge).await?;
        if expunge {
            session.mirror.remove_event_type(&name);
        } else {
            session.mirror.put_event_type(Observed { archived: true, ..document.observed });
        }
        ctx.check_event_type_live(connection, &name);
        let reason = if expunge { EventReason::Expunged } else { EventReason::Archived };
        let message = format!("event type {name}");
        let receivers = ctx.registry.receivers(connection, &name, object.namespace());
        match receivers::describe(&receivers) {
            Some(text) => ctx.publish_warning(object, reason.as_str(), format!("{message}; {text}")),
            None => ctx.publish(object, reason, message),
        }
    }
    Ok(())
}

/// Records that what is in Svix is the next owner's, so that a crash before that one has it changes nothing.
async fn hand_over<H: Host>(
    ctx: &Context<H>,
    connection: &str,
    name: &str,
    next_owner: &ObjectKey,
) -> Result<(), Error> {
    let (Ok(session), Some(object)) = (ctx.session(connection), ctx.registry.get(next_owner)) else {
        return Ok(());
    };
    let Some(observed) = session.mirror.event_type(name) else { return Ok(()) };
    let value = claim_value(&session, &object, connection, name, &observed);
    match ctx.claim(&object, Some(&value)).await {
        Ok(_) => Ok(()),
        // Another one may be the next owner by now.
        Err(HostError::Gone) => Err(HostError::Conflict.into()),
        Err(error) => Err(error.into()),
    }
}
