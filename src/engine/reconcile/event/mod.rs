//! Events: judged, sent once, followed until their deliveries end.

mod follow;
mod judge;
mod kind;
mod payload;
mod send;

use jiff::Timestamp;

use crate::{
    api::{Reason, WebhookEvent},
    plan::{
        ReconcileError,
        event::{self, EventStep},
    },
};

use super::{
    super::{
        context::Context,
        host::Host,
        object::{Mode, Object},
        outcome::{Error, Outcome},
        queue::Next,
    },
    prepare::{AccessCheck, prepare},
};

/// Takes an event one step on.
///
/// # Guarantees
/// - An event is sent at most once: its first attempt is recorded before the POST, and after that it is searched for before
///   it is sent again.
/// - A payload that its schema's `payloadPolicy: Enforce` refuses is never sent.
async fn reconcile<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    event: &WebhookEvent,
) -> Result<Outcome, Error> {
    // 1. What is next?
    let step = event::step(event, Timestamp::now());
    match step {
        EventStep::Keep(None) => return Err(Error::Requeue(Next::Settled)),
        EventStep::Keep(Some(left)) => return Err(Error::Requeue(Next::Later(left))),
        EventStep::Delete => {
            ctx.host.delete(object).await?;
            tracing::info!(object = %object.key(), action = "Expired", "its ttlAfterFinished is over");
            return Err(Error::Requeue(Next::Settled));
        }
        EventStep::Send | EventStep::SendAgain | EventStep::Find | EventStep::Follow => {}
    }

    // 2. A connection that may be used for it.
    let access = if step == EventStep::Follow { AccessCheck::NotNeeded } else { AccessCheck::Required };
    let prepared = prepare(ctx, object, access).await?;

    // 3. One that is sent is followed until its deliveries end.
    if step == EventStep::Follow {
        return follow::follow(ctx, object, event, &prepared).await;
    }
    if prepared.mode != Mode::Manage {
        let message = format!(
            "SvixConnection {:?} is suspended or observed: nothing is sent through it",
            event.connection_name()
        );
        return Err(Error::waiting(Reason::Suspended, message));
    }

    // 4. Its payload, and memory for it.
    let (read, mut memory) = payload::load(ctx, object, event).await?;
    let event = read.as_ref().unwrap_or(event);
    let mut desired = event::desired(event, &prepared.connection.spec)?;

    // 5. One that was tried before is searched for.
    if step != EventStep::Send {
        let session = &*prepared.session;
        match session.client.get_message(&desired.application, &desired.event_id).await? {
            Some(found) => return send::found(ctx, object, event, session, &desired, &found, None),
            None if step == EventStep::Find => return Err(not_sent(event).into()),
            None => {}
        }
    }

    // 6. Judged, recorded and sent.
    send::send(ctx, object, event, &prepared, (&mut desired, &mut memory), step).await
}

/// It could not be sent for a day.
fn not_sent(event: &WebhookEvent) -> ReconcileError {
    let first = event.status.as_ref().and_then(|status| status.first_attempt_at);
    let first = first.map_or_else(String::new, |first| format!(" ({first})"));
    ReconcileError::new(
        Reason::NotSent,
        format!(
            "it could not be sent within 24 hours of the first attempt{first}, and an event that old is not sent by \
             itself; create another WebhookEvent if it is still wanted"
        ),
    )
}

#[cfg(test)]
mod tests;
