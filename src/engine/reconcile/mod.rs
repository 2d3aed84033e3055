//! Reconciling one object: prepare, carry out or clean up, write status.
//!
//! Each kind has one file or folder here, which implements `Resource` (what it is) and `Reconcile` (what is done for
//! it); the other files are the steps that kinds share.

mod application;
mod connection;
mod contention;
mod endpoint;
mod event;
mod event_type;
mod failure;
mod finalize;
mod ignored_fields;
mod kind;
mod observe;
mod prepare;
mod schema_source;
pub mod status;

use std::{panic::AssertUnwindSafe, time::Instant};

use futures::FutureExt as _;

use crate::{plan::status::ReadyState, svix::on_behalf_of};

use super::{
    context::Context,
    host::Host,
    object::{Kind, dispatch},
    outcome::Outcome,
    queue::{Next, Work},
};

use kind::Reconcile as _;

/// Reconciles one object. Returns when to do so again.
///
/// 1. The object is read from the registry; one that is gone needs nothing, and connections have drivers of their own.
/// 2. One that is being deleted is cleaned up and released (`finalize`).
/// 3. For any other, its kind's reconciler makes Svix hold what it declares: `event_type`, `endpoint`, `event`.
/// 4. An error becomes an outcome (`failure`).
/// 5. The outcome becomes status, when it says something new (`status`).
///
/// A panic, a defect of ours or of a library, costs this object its turn and no other anything.
pub async fn reconcile<H: Host>(ctx: &Context<H>, work: &Work) -> Next {
    let reconciled = on_behalf_of(work.key.namespace.clone(), reconcile_and_report(ctx, work));
    ctx.long_work.begin(&work.key);
    let next = AssertUnwindSafe(reconciled).catch_unwind().await.unwrap_or_else(|_| {
        tracing::error!(object = %work.key, "a defect: the reconcile of this object panicked; it is tried again");
        ctx.metrics.reconcile_error(work.key.kind.as_str(), "panic");
        Next::Failed
    });
    ctx.end_long_work(&work.key);
    next
}

async fn reconcile_and_report<H: Host>(ctx: &Context<H>, work: &Work) -> Next {
    let begun = Instant::now();
    ctx.metrics.queue_waited(work.waited);
    let kind = work.key.kind;
    let Some(object) = ctx.registry.get(&work.key) else { return Next::Settled };
    if kind == Kind::Connection {
        return Next::Settled;
    }
    let result = if object.is_deleting() {
        match finalize::finalize(ctx, &object).await {
            Ok(()) => {
                ctx.metrics.reconciled(kind.as_str(), "released", begun.elapsed());
                return Next::Settled;
            }
            Err(error) => Err(error),
        }
    } else {
        dispatch!(&object, |it| it.reconcile(ctx, &object).await)
    };
    if result.is_ok() {
        ctx.scratch.with(&work.key, |scratch| (scratch.failing, scratch.failed_call) = (None, None));
    }
    let outcome = match result.or_else(|error| failure::outcome_of(ctx, &object, error)) {
        Ok(outcome) => outcome,
        Err(next) => return next,
    };
    ctx.metrics.reconciled(kind.as_str(), label(&outcome), begun.elapsed());
    status::report(ctx, &object, outcome).await
}

/// Returns the label of an outcome in metrics.
fn label(outcome: &Outcome) -> &'static str {
    match (&outcome.ready, outcome.next) {
        (ReadyState::Ready(..), _) => "ready",
        (ReadyState::Waiting(_), Next::Failed) => "failed",
        (ReadyState::Waiting(_), _) => "waiting",
        (ReadyState::Stalled(_), _) => "stalled",
    }
}
