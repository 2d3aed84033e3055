//! What happens when an object goes, or leaves its connection: clean-up, release, and the ways out.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    api::{ORPHAN_ON_DELETE_ANNOTATION, Reason},
    plan::{ReconcileError, status::ReadyState},
};

use super::{
    super::{
        context::Context,
        events::EventReason,
        host::{Host, HostError},
        object::{Mode, Object, SvixResource, dispatch},
        outcome::{Error, Outcome, RemoteRef},
        policy,
        queue::Next,
    },
    failure::{outcome_of, svix_failure},
    kind::Reconcile as _,
};

/// How long after a move the object is reconciled again: its status is written by then.
const AFTER_MOVE: Duration = Duration::from_millis(20);

/// Cleans up after an object that is being deleted, and removes our finalizer.
///
/// Clean-up needs no more than the ids in status. What fails is reported with the ways out, and tried again.
pub async fn finalize<H: Host>(ctx: &Context<H>, object: &Object) -> Result<(), Error> {
    if !object.has_finalizer() {
        return Ok(());
    }
    if !ctx.retains(object) {
        dispatch!(object, |it| it.clean_up(ctx, object).await).map_err(|error| match error {
            Error::Svix(error) => {
                let outcome = svix_failure(ctx, object, object.connection_name(), &error);
                Error::Report(Box::new(blocked(object, outcome)))
            }
            error => error,
        })?;
    }
    match ctx.host.release(object).await {
        Ok(()) | Err(HostError::Gone) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Releases an object whose connection goes and leaves Svix as it is. Returns what status says of it then.
pub async fn orphan<H: Host>(ctx: &Context<H>, object: &Object) -> Error {
    if object.has_finalizer() {
        if let Err(error) = ctx.host.release(object).await {
            return error.into();
        }
        tracing::info!(object = %object.key(), action = "Released", "its connection is being deleted");
        ctx.store(object.without_finalizer());
    }
    Error::waiting(
        Reason::ConnectionNotFound,
        format!(
            "SvixConnection {:?} is being deleted and has released this object; create the connection again, or name \
             another in spec.connectionRef",
            object.connection_name()
        ),
    )
}

/// Cleans up on the connection that an object was on before. `Ok`: it stays there for now, since it is suspended.
pub async fn leave_connection<H: Host>(ctx: &Context<H>, object: &Object, mode: Mode) -> Result<(), Error> {
    if mode == Mode::Suspended {
        return Ok(());
    }
    let Some((before, left)) = object.resource().recorded() else { return Ok(()) };
    // Whether it is cleaned up is for the object and the connection that it leaves to say. A connection that is gone has
    // released those without our finalizer; on one that exists, they are those that retained what they had until now.
    let is_released = !object.has_finalizer() && ctx.registry.connection(before).is_none();
    if !is_released && !ctx.retains(object) {
        clean_up_before_moving(ctx, object, before).await?;
    }
    ctx.publish(object, EventReason::Moved, format!("from SvixConnection {before}"));
    // Objects that declare the same there may have it now.
    ctx.wake_declarers(before, &left);
    let message = format!("it has left SvixConnection {before:?}");
    let cause = ReconcileError::new(Reason::Moving, message);
    Err(Error::Report(Box::new(Outcome {
        remote: Some(RemoteRef::None),
        ..Outcome::waiting(cause, Next::After(AFTER_MOVE))
    })))
}

/// Cleans up what a reconcile that did not come to its end may have created on another connection, which the claim names.
pub async fn leave_claimed<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    claimed: &str,
    mode: Mode,
) -> Result<(), Error> {
    // Once status speaks of the present spec, it was done; the claim stays until something is created.
    let is_done =
        object.observed_generation() == object.generation() && !object.has_ready_reason(Reason::Moving);
    if is_done || mode != Mode::Manage || object.retains() {
        return Ok(());
    }
    match ctx.registry.connection(claimed) {
        // It was left as it is, or released, with all that it had.
        None => Ok(()),
        Some(connection) if policy::retains(object, Some(&connection)) => Ok(()),
        Some(_) => clean_up_before_moving(ctx, object, claimed).await,
    }
}

/// Cleans up on the connection that an object leaves.
async fn clean_up_before_moving<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    before: &str,
) -> Result<(), Error> {
    dispatch!(object, |it| it.clean_up(ctx, object).await).map_err(|error| {
        let outcome = match error {
            Error::Svix(error) => svix_failure(ctx, object, before, &error),
            error @ (Error::Host(_) | Error::Requeue(_)) => return error,
            error => match outcome_of(ctx, object, error) {
                Ok(outcome) => outcome,
                Err(next) => return Error::Requeue(next),
            },
        };
        let message = format!(
            "it is cleaned up on SvixConnection {before:?} before it is created on {:?}: {}",
            object.connection_name(),
            outcome.ready.message()
        );
        let ready = ReadyState::Waiting(ReconcileError::new(Reason::Moving, message));
        Error::Report(Box::new(Outcome { ready, ..outcome }))
    })
}

/// What an object does whose clean-up needs a connection that cannot be used: it waits, and when the API server says
/// that the connection or its token does not exist, it is released after a while. `Ok`: release it.
pub fn await_connection<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    unusable: ReconcileError,
) -> Result<(), Error> {
    let waited = waited_for_deletion(object, Timestamp::now());
    let orphan_after = ctx.options.orphan_after;
    if unusable.cause.is_some() && waited >= orphan_after {
        let message = format!(
            "released without clean-up {} after its deletion, since {}. {} stays in Svix; delete it there if it is not needed",
            in_words(orphan_after),
            unusable.message,
            left_in_svix(object)
        );
        ctx.publish_warning(object, EventReason::Orphaned.as_str(), message);
        return Ok(());
    }
    let limit = match unusable.cause {
        Some(_) => {
            format!(" The object is released without clean-up {} after its deletion.", in_words(orphan_after))
        }
        None => String::new(),
    };
    let message = format!("clean-up in Svix waits: {}.{limit} {}", unusable.message, way_out(object));
    let next = match unusable.cause {
        Some(_) => Next::After(orphan_after.saturating_sub(waited)),
        None => Next::Settled,
    };
    Err(Error::Waiting(ReconcileError::new(Reason::Deleting, message), next))
}

/// Names what an object has, or may have, in Svix.
fn left_in_svix(object: &Object) -> String {
    let resource = object.resource();
    let connection = resource.connection_name();
    let (connection, left) = match resource.recorded() {
        Some((connection, left)) => (connection, Some(left)),
        None => (connection, None),
    };
    let what = match (left, resource.recorded_id()) {
        (Some(SvixResource::EventType(name)), _) => format!("event type {name}"),
        (Some(SvixResource::Endpoint(application, uid)), Some(id)) => {
            format!("endpoint {id} (uid {uid}) in application {application}")
        }
        (Some(SvixResource::Endpoint(application, uid)), None) => {
            format!("the endpoint with uid {uid} in application {application}")
        }
        (None, _) => "what the object may have created".to_owned(),
    };
    format!("On SvixConnection {connection:?}, {what}")
}

/// Returns a duration as people say it.
fn in_words(duration: Duration) -> String {
    match duration.as_secs() {
        seconds if seconds >= 120 && seconds.is_multiple_of(60) => format!("{} minutes", seconds / 60),
        seconds => format!("{seconds} seconds"),
    }
}

/// Returns how long ago an object was deleted.
fn waited_for_deletion(object: &Object, now: Timestamp) -> Duration {
    let deleted = object.meta().deletion_timestamp.as_ref();
    let seconds = deleted.map_or(0, |time| now.duration_since(time.0).as_secs());
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// A clean-up that failed: whatever the reason, status says how to get out.
fn blocked(object: &Object, outcome: Outcome) -> Outcome {
    let message = format!(
        "clean-up in Svix waits ({}): {}. {}",
        outcome.ready.reason(),
        outcome.ready.message(),
        way_out(object)
    );
    let cause = ReconcileError::new(Reason::Deleting, message);
    let ready = match outcome.ready {
        ReadyState::Stalled(_) => ReadyState::Stalled(cause),
        ReadyState::Ready(..) | ReadyState::Waiting(_) => ReadyState::Waiting(cause),
    };
    Outcome { ready, ..outcome }
}

/// Returns how an object is released whose clean-up does not come to an end.
fn way_out(object: &Object) -> String {
    let through = object.recorded_connection().unwrap_or_else(|| object.connection_name());
    format!(
        "To release it without clean-up, set deletionPolicy: Retain; for everything on SvixConnection {through:?}, \
         annotate that with {ORPHAN_ON_DELETE_ANNOTATION}=true and delete it"
    )
}

#[cfg(test)]
mod tests;
