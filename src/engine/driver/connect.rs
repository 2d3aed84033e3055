//! From a connection's spec and token to a session.

use std::sync::Arc;

use crate::{
    api::{Reason, SvixConnection, SvixConnectionSpec},
    plan::{Cause, ReconcileError},
    svix::{Budget, Client, ClientOptions, ErrorKind, InvalidConnection},
};

use super::{
    super::{
        context::Context,
        host::{Host, ReferenceError},
        session::{ClientConfig, ConnectionHandle, Session},
    },
    sync_outcome::SyncOutcome,
};

/// Returns the session of a connection as it is now: the one before, with the present token, unless its spec needs
/// another.
pub(super) async fn connect<H: Host>(
    ctx: &Context<H>,
    connection: &SvixConnection,
    handle: &ConnectionHandle,
) -> Result<Arc<Session>, SyncOutcome> {
    let token = ctx.host.token(connection).await.map_err(|error| without_token(handle, error))?;
    let invalid = |error: InvalidConnection| {
        handle.set_session(None);
        let field = error.field();
        let error = ReconcileError::new(Reason::InvalidConnection, error.to_string());
        SyncOutcome::Blocked(match field {
            Some(field) => error.with_field(field),
            None => error,
        })
    };
    let config = ClientConfig::new(&connection.spec, &token);
    if let Some(session) = handle.session().filter(|session| session.config == config) {
        session.client.set_token(&token).map_err(invalid)?;
        return Ok(session);
    }
    let options = ClientOptions {
        server_url: connection.spec.server_url.as_deref(),
        token: &token,
        ca_bundle: connection.spec.ca_bundle.as_deref(),
        timeout: ctx.options.call_timeout,
    };
    let budget = Arc::new(Budget::new(config.requests_per_second));
    let client = Client::new(&options, budget, ctx.metrics.clone()).map_err(invalid)?;
    Ok(Arc::new(Session::new(client, config, handle)))
}

/// Returns what follows when the token cannot be read. A Secret that cannot be read for a moment says nothing about
/// whether it exists, so the session stays.
fn without_token(handle: &ConnectionHandle, error: ReferenceError) -> SyncOutcome {
    match error {
        ReferenceError::NotFound(message) => {
            handle.set_session(None);
            let error = ReconcileError::new(Reason::TokenNotFound, message);
            SyncOutcome::Blocked(error.with_cause(Cause::TokenMissing))
        }
        ReferenceError::Incomplete(message) => {
            handle.set_session(None);
            SyncOutcome::Blocked(ReconcileError::new(Reason::TokenNotFound, message))
        }
        ReferenceError::Failed(message) | ReferenceError::Forbidden(message) => {
            SyncOutcome::Retry(ReconcileError::new(Reason::SecretNotReadable, message))
        }
    }
}

/// Returns that Svix does not accept the token, and where the token comes from.
pub(super) fn token_refused<H: Host>(
    ctx: &Context<H>,
    spec: &SvixConnectionSpec,
    server: &str,
    error: &ErrorKind,
) -> ReconcileError {
    let said = match error {
        ErrorKind::Unauthorized { status, detail } => format!("status {status}: {detail}"),
        other => other.to_string(),
    };
    let reference = &spec.token_secret_ref;
    let source = ctx
        .host
        .token_source()
        .unwrap_or_else(|| format!("key {:?} of the Secret {:?}", reference.key, reference.name));
    let message = format!("{server} does not accept the token ({said}); correct {source}");
    ReconcileError::new(Reason::AuthenticationFailed, message)
}
