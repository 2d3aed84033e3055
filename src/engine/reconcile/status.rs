//! Status: made from an outcome, and written when it says something new. No other file writes it.

use jiff::Timestamp;
use tokio::time::Instant;

use crate::{
    api::{ConditionType, Reason},
    plan::{
        audit::{self, Tally},
        status::ReadyState,
    },
};

use super::{
    super::{
        audits::Unwritten,
        context::Context,
        events::EventRecord,
        host::{Host, HostError},
        object::{Mode, Object, Status, dispatch},
        outcome::{Outcome, RemoteRef},
        queue::Next,
    },
    kind::{Reconcile as _, Report},
};

/// Reports what a reconcile came to. Returns when to reconcile again.
///
/// 1. Waiting is reported once it has lasted ([`Options::settle`](super::super::context::Options)).
/// 2. Status is made from the outcome, on top of what the object is by now.
/// 3. A new reason that is not ready is published as a Warning.
/// 4. Status is written, when it differs.
pub async fn report<H: Host>(ctx: &Context<H>, reconciled: &Object, outcome: Outcome) -> Next {
    let next = report_now(ctx, reconciled, outcome).await;
    match ctx.registry.get(&reconciled.key()) {
        Some(object) => ctx.audits.next(&object, ctx.options.audit_interval, Timestamp::now(), next),
        None => next,
    }
}

async fn report_now<H: Host>(ctx: &Context<H>, reconciled: &Object, outcome: Outcome) -> Next {
    let next = outcome.next;
    let key = reconciled.key();
    // The object may have been claimed meanwhile: status goes onto what is stored now.
    let Some(object) = ctx.registry.get(&key).filter(|now| now.meta().uid == reconciled.meta().uid) else {
        return next;
    };
    if let Some(sooner) = not_yet(ctx, reconciled, &outcome) {
        return sooner;
    }
    let ready = outcome.ready.clone();
    let is_managed = ctx.mode(&object) == Mode::Manage;
    let now = Timestamp::now();
    let unwritten = ctx.audits.take_due(&object, ctx.options.audit_interval, now);
    let audit = unwritten.as_ref().map(Unwritten::tally);
    let status = make(&object, reconciled, outcome, audit, is_managed, now);
    ctx.host.note_field(&object, ready.field());
    if object.has_status(&status) {
        return next;
    }
    if !ready.is_ready() && is_new_reason(&object, &ready) {
        let message = ready.redacted_message();
        tracing::warn!(object = %key, reason = %ready.reason(), message, "not ready");
        ctx.host.publish_event(&object, EventRecord::warning(ready.reason().as_str(), message));
    }
    match write(ctx, &object, status).await {
        Ok(written) => {
            publish_audit(ctx, &object, &written);
            next
        }
        Err(HostError::Gone) => Next::Settled,
        Err(error) => {
            if let Some(unwritten) = unwritten {
                ctx.audits.put_back(&key, unwritten);
            }
            tracing::debug!(object = %key, %error, "cannot write status");
            ctx.metrics.reconcile_error(key.kind.as_str(), "kubernetes");
            Next::Failed
        }
    }
}

/// Returns the status of an object after this outcome. Pure. `reconciled` is the version that was reconciled, which may
/// be older than `object`: a newer spec is reconciled again.
#[must_use]
pub fn make(
    object: &Object,
    reconciled: &Object,
    outcome: Outcome,
    audit: Option<&Tally>,
    is_managed: bool,
    now: Timestamp,
) -> Status {
    let Outcome { ready, remote, details, next: _ } = outcome;
    let report = Report {
        ready: &ready,
        remote,
        details: details.map(|details| *details),
        generation: reconciled.generation(),
        // A reconcile that waits is not over.
        handled_reconcile_at: match &ready {
            ReadyState::Waiting(_) => None,
            ReadyState::Ready(..) | ReadyState::Stalled(_) => Some(reconciled.reconcile_at()),
        },
        audit,
        is_managed,
        now,
    };
    dispatch!(object, |it| it.status(report))
}

/// Writes status, and stores the object as it is then.
pub async fn write<H: Host>(ctx: &Context<H>, object: &Object, status: Status) -> Result<Object, HostError> {
    ctx.metrics.status_patched(object.kind().as_str());
    let object = ctx.host.report(object, status).await?.without_recorded_claim();
    let is_over = object.resource().is_over();
    let connection = object.connection_name().to_owned();
    ctx.store(object.clone());
    // A connection that is being deleted may have waited for this object.
    if is_over && ctx.registry.is_connection_deleting(&connection) {
        ctx.sessions.trigger(&connection);
    }
    Ok(object)
}

/// Publishes where payloads do not match that matched there before.
fn publish_audit<H: Host>(ctx: &Context<H>, before: &Object, now: &Object) {
    let audit = |object: &Object| match object {
        Object::EventType(event_type) => event_type.status.as_ref()?.payload_audit.clone(),
        _ => None,
    };
    let (before, Some(after)) = (audit(before), audit(now)) else { return };
    if let Some(message) = audit::describe_new(before.as_ref(), &after) {
        let reason = Reason::PayloadMismatch.as_str();
        ctx.host.publish_event(now, EventRecord { warning: false, reason, message });
    }
}

/// Whether `Ready` had another reason before.
fn is_new_reason(object: &Object, ready: &ReadyState) -> bool {
    let before = object.conditions().iter().find(|condition| condition.type_ == ConditionType::Ready);
    before.is_none_or(|before| before.reason != ready.reason().as_str())
}

/// Returns when to reconcile again, of an object that has not waited long enough for status to say so.
fn not_yet<H: Host>(ctx: &Context<H>, object: &Object, outcome: &Outcome) -> Option<Next> {
    let key = object.key();
    if !matches!(outcome.ready, ReadyState::Waiting(_)) {
        ctx.scratch.with(&key, |scratch| scratch.waiting_since = None);
        return None;
    }
    let since = ctx.scratch.with(&key, |scratch| *scratch.waiting_since.get_or_insert_with(Instant::now));
    let (waited, settle) = (since.elapsed(), ctx.options.settle);
    // What is not in Svix any more is recorded at once.
    if waited >= settle || outcome.remote == Some(RemoteRef::None) {
        return None;
    }
    Some(match outcome.next {
        Next::Failed => Next::Failed,
        Next::After(delay) | Next::Later(delay) => Next::After(delay.min(settle - waited)),
        Next::Settled => Next::After(settle - waited),
    })
}

#[cfg(test)]
mod tests;
