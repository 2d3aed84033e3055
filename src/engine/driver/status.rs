//! The status of a connection.

use std::sync::Arc;

use crate::{api::SvixConnection, plan::status::ReadyState};

use super::super::{
    context::Context,
    events::EventRecord,
    host::{Host, HostError},
    object::Object,
    outcome::{Details, Outcome},
    queue::Next,
    reconcile::status,
    session::ConnectionHandle,
};

/// Reports how a connection is: a log line and an Event for another reason, and status where it differs.
pub(super) async fn report<H: Host>(
    ctx: &Context<H>,
    connection: &Arc<SvixConnection>,
    handle: &ConnectionHandle,
    ready: ReadyState,
) {
    let object = Object::Connection(connection.clone());
    let (reason, message) = (ready.reason(), ready.message().to_owned());
    let is_new_reason = object.conditions().iter().all(|before| before.reason != reason.as_str());
    // The server that is declared, also while the one before is still used.
    let declared = connection.spec.server_url.as_deref().map(|url| url.trim_end_matches('/').to_owned());
    let server_url =
        declared.or_else(|| handle.session().map(|session| session.client.server_url().to_owned()));
    ctx.host.note_field(&object, ready.field());
    let is_ready = ready.is_ready();
    let details = Details { server_url, ..Details::default() };
    let outcome = Outcome { ready, remote: None, details: Some(Box::new(details)), next: Next::Settled };
    let status = status::make(&object, &object, outcome, None, true, jiff::Timestamp::now());
    if object.has_status(&status) {
        return;
    }
    if is_new_reason {
        let name = object.name();
        if is_ready {
            tracing::info!(connection = %name, %reason, message, "connection");
        } else {
            tracing::warn!(connection = %name, %reason, message, "connection");
        }
        let record = EventRecord { warning: !is_ready, reason: reason.as_str(), message };
        ctx.host.publish_event(&object, record);
    }
    match status::write(ctx, &object, status).await {
        Ok(_) | Err(HostError::Gone) => {}
        Err(error) => tracing::warn!(connection = %object.key(), %error, "cannot write status"),
    }
}
