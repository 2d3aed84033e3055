//! What every reconcile begins with: a connection that may be used for the object.

use std::{sync::Arc, time::Duration};

use crate::api::SvixConnection;

use super::{
    super::{
        context::Context,
        host::Host,
        object::{Mode, Object},
        outcome::Error,
        queue::Next,
        session::Session,
    },
    finalize,
};

/// How long to wait for a connection that is being connected; the first listing wakes all of its objects.
const CONNECTING: Duration = Duration::from_secs(60);

/// A connection that may be used for an object.
pub struct Prepared {
    /// The connection.
    pub connection: Arc<SvixConnection>,
    /// Its session.
    pub session: Arc<Session>,
    /// How far the operator goes with the object.
    pub mode: Mode,
}

/// Whether the connection's `access` is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessCheck {
    /// What is not permitted is refused, without a call to Svix.
    Required,
    /// The object only follows what it was permitted to do before.
    NotNeeded,
}

/// Prepares the reconcile of an object.
///
/// 1. Its connection exists; else it waits for it.
/// 2. A connection that is being deleted and orphans its objects releases it.
/// 3. Its namespace may have what it declares.
/// 4. The connection has a session; else it waits for one. While the connection is being connected and nothing is known
///    to be wrong with it, as after each start, what status says of the present spec stays.
/// 5. What it still has on another connection, or may have created there before a crash, is cleaned up there first.
pub async fn prepare<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    access: AccessCheck,
) -> Result<Prepared, Error> {
    let name = object.connection_name();
    let connection = ctx.registry.connection(name).ok_or_else(|| not_usable(ctx, name))?;
    if ctx.is_orphaned(object) {
        return Err(finalize::orphan(ctx, object).await);
    }
    if access == AccessCheck::Required {
        ctx.registry.check_access(object)?;
    }
    let session = ctx.session(name).map_err(|error| match object.ready() {
        Some(_) if ctx.sessions.is_connecting(name) => Error::Requeue(Next::After(CONNECTING)),
        _ => Error::Waiting(error, Next::Settled),
    })?;
    let mode = ctx.mode(object);
    if object.recorded_connection().is_some_and(|recorded| recorded != name) {
        finalize::leave_connection(ctx, object, mode).await?;
    }
    if let Some(claimed) = object.half_created_on() {
        finalize::leave_claimed(ctx, object, claimed, mode).await?;
    }
    Ok(Prepared { connection, session, mode })
}

/// The object waits for its connection.
fn not_usable<H: Host>(ctx: &Context<H>, connection: &str) -> Error {
    match ctx.session(connection) {
        Err(error) => Error::Waiting(error, Next::Settled),
        // It was created since.
        Ok(_) => Error::Requeue(Next::After(Duration::ZERO)),
    }
}

#[cfg(test)]
mod tests;
