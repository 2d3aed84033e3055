//! One pass of a driver: connect and list; or, of a connection that is being deleted, clean up.

use std::sync::Arc;

use crate::{
    api::{Reason, SvixConnection},
    plan::{ReconcileError, status::ReadyState},
    svix::{Changed, Class, Error, ErrorKind},
};

use super::{
    super::{
        context::Context,
        host::{Host, HostError},
        object::Object,
        policy,
        session::{
            ConnectionHandle, Session,
            listing::{self, OnListed},
        },
        waiters::Awaited,
    },
    connect::{connect, token_refused},
    status::report,
    sync_outcome::SyncOutcome,
    users::{in_use, needing, unreleased},
};

/// Connects and lists; of a connection that is being deleted, releases what it orphans, and the connection itself once
/// nothing needs it.
pub(super) async fn sync<H: Host>(ctx: &Context<H>, name: &str, handle: &ConnectionHandle) -> SyncOutcome {
    let Some(connection) = ctx.registry.connection(name) else { return SyncOutcome::Gone };
    let object = Object::Connection(connection.clone());
    if object.is_deleting() {
        if let Some(outcome) = clean_up(ctx, &object, &connection).await {
            return outcome;
        }
    } else if !object.has_finalizer() {
        match ctx.host.claim(&object, true, None).await {
            Ok(object) => ctx.store(object),
            Err(error) => {
                return retry(Reason::SvixUnavailable, error.to_string());
            }
        }
    }
    let session = match connect(ctx, &connection, handle).await {
        Ok(session) => session,
        Err(outcome) => return outcome,
    };
    let is_first = handle.session().is_none_or(|before| !Arc::ptr_eq(&before, &session));
    match list(ctx, &connection, handle, &session, is_first).await {
        Ok(()) => {
            handle.set_last_error(None);
            handle.set_session(Some(session));
            let users = ctx.registry.users_of(name);
            if is_first {
                ctx.wake_all(users);
            } else {
                // What they wait for may have come without a difference that names them.
                ctx.wake_apart(ctx.scratch.only_waiting(users));
            }
            if object.is_deleting() { SyncOutcome::Blocked(in_use(ctx, name)) } else { SyncOutcome::Listed }
        }
        Err(error) => listing_failed(ctx, &connection, handle, &session, error),
    }
}

/// Releases what a deleted connection orphans, and the connection once nothing needs it. `None`: it is still needed, so
/// it goes on working.
async fn clean_up<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    connection: &SvixConnection,
) -> Option<SyncOutcome> {
    let is_orphaning = policy::is_orphaning(connection);
    if is_orphaning {
        // All are released while their status can still say why: without the connection nobody could clean up after
        // them. The queue does it, so that ten thousand are not written at once.
        let unreleased = unreleased(ctx, object.name());
        if !unreleased.is_empty() {
            let message = format!("objects that are released first: {}", unreleased.len());
            ctx.wake_all(unreleased);
            return Some(SyncOutcome::Releasing(ReconcileError::new(Reason::Deleting, message)));
        }
    }
    if !is_orphaning && !needing(ctx, object.name()).is_empty() {
        return None;
    }
    Some(match ctx.host.release(object).await {
        Ok(()) | Err(HostError::Gone) => {
            SyncOutcome::Blocked(ReconcileError::new(Reason::Deleting, "released"))
        }
        Err(error) => retry(Reason::Deleting, format!("cannot remove the finalizer: {error}")),
    })
}

/// Lists Svix. The first listing of a new spec may take a while: status says so once it does.
async fn list<H: Host>(
    ctx: &Context<H>,
    connection: &SvixConnection,
    handle: &ConnectionHandle,
    session: &Session,
    is_first: bool,
) -> Result<(), Error> {
    let name = connection.metadata.name.as_deref().unwrap_or_default();
    let mut applications = ctx.registry.applications(name);
    applications.extend(ctx.waiters.applications(name));
    // The first listing wakes all objects at its end; later ones those that differ, page by page.
    let wakes = Wakes { ctx, connection: name, is_first };
    let listing = listing::list(session, applications, &wakes);
    tokio::pin!(listing);
    let observed_generation = connection.status.as_ref().and_then(|status| status.observed_generation);
    let is_new_spec = observed_generation != connection.metadata.generation
        && connection.metadata.deletion_timestamp.is_none();
    tokio::select! {
        listed = &mut listing => listed,
        () = tokio::time::sleep(ctx.options.settle), if is_first && is_new_spec => {
            let message = format!("it is being connected to {}", session.client.server_url());
            let cause = ReconcileError::new(Reason::ConnectionNotReady, message);
            // As it is now: it may have been claimed in this pass.
            if let Some(connection) = ctx.registry.connection(name) {
                report(ctx, &connection, handle, ReadyState::Waiting(cause)).await;
            }
            listing.await
        }
    }
}

/// Wakes the objects that a listing concerns.
struct Wakes<'a, H: Host> {
    ctx: &'a Context<H>,
    connection: &'a str,
    is_first: bool,
}

impl<H: Host> OnListed for Wakes<'_, H> {
    fn changed(&self, changes: &[Changed]) {
        if !self.is_first {
            self.ctx.svix_changed(self.connection, changes);
        }
    }

    fn application_present(&self, application: Box<str>) {
        self.ctx.release_waiters(self.connection, &Awaited::Application(application));
    }
}

/// Returns what follows when Svix does not respond to calls in between.
pub(super) fn unreachable<H: Host>(
    ctx: &Context<H>,
    name: &str,
    handle: &ConnectionHandle,
    session: &Session,
    error: Error,
) -> SyncOutcome {
    match ctx.registry.connection(name) {
        Some(connection) => listing_failed(ctx, &connection, handle, session, error),
        None => SyncOutcome::Gone,
    }
}

/// Returns what follows from a listing that failed.
fn listing_failed<H: Host>(
    ctx: &Context<H>,
    connection: &SvixConnection,
    handle: &ConnectionHandle,
    session: &Session,
    error: Error,
) -> SyncOutcome {
    let server = session.client.server_url();
    let class = error.class();
    if class == Class::Unauthorized {
        handle.set_session(None);
        return SyncOutcome::Blocked(token_refused(ctx, &connection.spec, server, &error.kind));
    }
    let name = connection.metadata.name.as_deref().unwrap_or_default();
    tracing::warn!(connection = %name, %error, "cannot list Svix");
    let reason = match class {
        Class::Throttled => Reason::Throttled,
        Class::Terminal => Reason::RefusedBySvix,
        Class::Transient | Class::Unauthorized => Reason::SvixUnavailable,
    };
    let message = match error.kind {
        // Every Svix has a list of event types.
        ErrorKind::NotFound => format!(
            "{server} returns 404 for the list of event types, which every Svix has; is this a Svix server? \
             /spec/serverUrl ends before /api/v1"
        ),
        kind => format!("cannot list {server}: {kind}"),
    };
    retry(reason, message)
}

fn retry(reason: Reason, message: String) -> SyncOutcome {
    SyncOutcome::Retry(ReconcileError::new(reason, message))
}
