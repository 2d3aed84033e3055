//! One task for each connection: it reads the token, lists Svix, repeats that at every interval, and says in the
//! connection's status whether it works.

mod connect;
mod status;
mod sync;
mod sync_outcome;
mod users;

use std::{sync::Arc, time::Duration};

use futures::FutureExt as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    api::Reason,
    plan::{ReconcileError, status::ReadyState},
    svix::{self, jitter},
};

use super::{
    backoff::Backoff,
    context::Context,
    host::Host,
    session::{ConnectionHandle, Session},
};

use status::report;
use sync_outcome::SyncOutcome;

/// How long to wait after a failed sync.
const RETRY: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));
/// How long after the last sync began Svix is listed again when somebody asks for it: at first, and when it was for
/// nothing again and again.
const RELIST: Backoff = Backoff::new(Duration::from_secs(3), Duration::from_secs(60));
/// How long to wait between two calls that find out whether Svix responds.
const PROBE_PAUSE: Duration = Duration::from_millis(200);
/// How long to wait, at most, until it is checked whether all objects of a connection are released.
const LONGEST_RELEASE_CHECK: Duration = Duration::from_secs(2);
/// How long to wait for a Secret or a token that a person has to correct, when no change is noticed.
const TOKEN_RETRY: Duration = Duration::from_secs(60);
/// How often Svix is listed when the spec does not say it, or not validly.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(600);

/// Drives a connection until its object is gone, or somebody ends it.
pub async fn run<H: Host>(ctx: &Context<H>, name: &str, handle: &ConnectionHandle, abort: CancellationToken) {
    tokio::select! {
        () = abort.cancelled() => {}
        () = handle.shutdown() => {}
        () = drive(ctx, name, handle) => {}
    }
}

/// Drives a connection.
///
/// 1. One pass connects and lists, or cleans up ([`sync::sync`]).
/// 2. What came of it becomes status, once a failure has lasted.
/// 3. The next pass follows after the interval or a back-off; at once when it is triggered, or calls of objects succeed
///    again; soon when somebody asks for a listing.
/// 4. Calls of objects that fail are noticed in between ([`find_outage`]).
async fn drive<H: Host>(ctx: &Context<H>, name: &str, handle: &ConnectionHandle) {
    let mut retry = RETRY;
    let mut relist = RELIST;
    let mut was_relisted = false;
    let mut failing_since: Option<Instant> = None;
    let mut outage: Option<Outage> = None;
    loop {
        let began = Instant::now();
        let outcome = match outage.take() {
            Some(Outage { since, session, error }) => {
                failing_since.get_or_insert(since);
                sync::unreachable(ctx, name, handle, &session, error)
            }
            None => {
                // What was asked for before is answered by this pass.
                let _ = handle.relist_requested().now_or_never();
                sync::sync(ctx, name, handle).await
            }
        };
        let Some(connection) = ctx.registry.connection(name) else {
            ctx.sessions.remove(name);
            return;
        };
        match &outcome {
            // Svix works: one call that keeps failing must not have everything listed again and again.
            SyncOutcome::Listed | SyncOutcome::Blocked(_) if was_relisted => relist.grow(),
            _ => relist.reset(),
        }
        let pause = match &outcome {
            SyncOutcome::Gone => continue,
            SyncOutcome::Listed => {
                retry.reset();
                let interval = connection.spec.resync_interval().unwrap_or(DEFAULT_INTERVAL);
                // Up to a tenth more, so that connections and replicas do not list at the same time.
                interval + jitter(interval / 10)
            }
            SyncOutcome::Retry(_) => retry.next(),
            SyncOutcome::Releasing(_) => {
                let pause = retry.current().min(LONGEST_RELEASE_CHECK);
                retry.grow();
                pause
            }
            SyncOutcome::Blocked(_) => TOKEN_RETRY,
        };
        let mut has_lasted =
            || failing_since.get_or_insert_with(Instant::now).elapsed() >= ctx.options.settle;
        match outcome {
            SyncOutcome::Gone => continue,
            SyncOutcome::Listed => {
                failing_since = None;
                handle.set_last_error(None);
                let message = "Svix responds and accepts the token".into();
                let ready = ReadyState::Ready(Reason::Connected, message);
                report(ctx, &connection, handle, ready).await;
            }
            SyncOutcome::Retry(error) => {
                // What passes within a moment is not worth a write, of its objects neither.
                if has_lasted() {
                    let cause = error.clone();
                    set_error(ctx, name, handle, error);
                    report(ctx, &connection, handle, ReadyState::Waiting(cause)).await;
                }
            }
            SyncOutcome::Releasing(cause) => {
                if has_lasted() {
                    report(ctx, &connection, handle, ReadyState::Waiting(cause)).await;
                }
            }
            SyncOutcome::Blocked(error) => {
                let cause = error.clone();
                set_error(ctx, name, handle, error);
                report(ctx, &connection, handle, ReadyState::Stalled(cause)).await;
            }
        }
        was_relisted = tokio::select! {
            () = handle.triggered() => {
                retry.reset();
                false
            }
            () = async {
                handle.relist_requested().await;
                tokio::time::sleep_until(began + relist.current()).await;
            } => true,
            () = tokio::time::sleep(pause) => false,
            () = wake_subscribers(ctx, name, handle) => false,
            found = find_outage(handle, ctx.options.settle), if failing_since.is_none() => {
                outage = Some(found);
                false
            }
            // A call of an object succeeds: the connection works again.
            () = async {
                recovered(handle).await;
                tokio::time::sleep_until(began + RELIST.current()).await;
            }, if failing_since.is_some() => false,
        };
    }
}

/// Wakes the endpoints that subscribe to event types which go from Svix: perhaps nothing reaches them any more. Never
/// returns.
async fn wake_subscribers<H: Host>(ctx: &Context<H>, name: &str, handle: &ConnectionHandle) {
    loop {
        let gone = handle.gone_event_types(ctx.options.settle).await;
        ctx.wake_all(ctx.registry.subscribers(name, &gone));
    }
}

/// Svix does not respond to the calls of a connection that worked before.
struct Outage {
    since: Instant,
    session: Arc<Session>,
    error: svix::Error,
}

/// Waits until the calls of a connection have failed for a while, and one of the driver's own fails, too: calls that fail
/// because of their content are no outage. That costs one call for each `settle` in which calls fail and none succeeds.
async fn find_outage(handle: &ConnectionHandle, settle: Duration) -> Outage {
    let Some(session) = handle.session() else { return std::future::pending().await };
    loop {
        let since = session.client.health().failing_for(settle).await;
        match session.client.probe().await {
            Err(error) if session.client.health().failing_since().is_some() => {
                return Outage { since, session, error };
            }
            // With 429, neither is known.
            _ => tokio::time::sleep(PROBE_PAUSE).await,
        }
    }
}

/// Waits until calls of a connection succeed.
async fn recovered(handle: &ConnectionHandle) {
    match handle.session() {
        Some(session) => session.client.health().recovered().await,
        None => std::future::pending().await,
    }
}

/// Remembers why a connection does not work. Its objects repeat that while they cannot do anything else, so another
/// reason wakes them; with a connection that worked before they ask Svix itself.
fn set_error<H: Host>(ctx: &Context<H>, name: &str, handle: &ConnectionHandle, error: ReconcileError) {
    let is_new =
        handle.last_error().is_none_or(|before| before.reason != error.reason || before.cause != error.cause);
    handle.set_last_error(Some(error));
    if is_new && handle.session().is_none() {
        ctx.wake_all(ctx.registry.users_of(name));
    }
}

#[cfg(test)]
mod tests;
