//! One task for each connection: it reads the token, lists Svix, repeats that at every interval, and says in the
//! connection's status whether it works.

mod connect;
mod status;
mod sync;
mod sync_outcome;
mod users;

use std::time::Duration;

use futures::FutureExt as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    api::Reason,
    plan::{ReconcileError, status::ReadyState},
    svix::jitter,
};

use super::{backoff::Backoff, context::Context, host::Host, session::ConnectionHandle};

use status::report;
use sync_outcome::SyncOutcome;

/// How long to wait after a failed sync.
const RETRY: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));
/// How long after the last sync began Svix is listed again when somebody asks for it: at first, and when it was for
/// nothing again and again.
const RELIST: Backoff = Backoff::new(Duration::from_secs(3), Duration::from_secs(60));
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
/// 3. The next pass follows after the interval or a back-off; at once when it is triggered; soon when somebody asks for a
///    listing.
async fn drive<H: Host>(ctx: &Context<H>, name: &str, handle: &ConnectionHandle) {
    let mut retry = RETRY;
    let mut relist = RELIST;
    let mut was_relisted = false;
    let mut failing_since: Option<Instant> = None;
    loop {
        let began = Instant::now();
        // What was asked for before is answered by this pass.
        let _ = handle.relist_requested().now_or_never();
        let outcome = sync::sync(ctx, name, handle).await;
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
                let message = "Svix answers and accepts the token".to_owned();
                let ready = ReadyState::Ready(Reason::Connected, message);
                report(ctx, &connection, handle, ready).await;
            }
            SyncOutcome::Retry(error) => {
                let cause = error.clone();
                set_error(ctx, name, handle, error);
                // What passes within a moment is not worth a write.
                if has_lasted() {
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
        };
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
