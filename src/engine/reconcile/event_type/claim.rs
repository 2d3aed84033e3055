//! Whose an event type in Svix is. Event types have no metadata there: the claim annotation is the proof, until status
//! records it.

use crate::{
    api::{Adoption, WebhookEventType},
    plan::{
        claims,
        event_type::{Desired, Observed},
    },
};

use super::super::{
    super::{context::Context, host::Host, object::Object, session::Session},
    prepare::Prepared,
};

/// How an object relates to the event type of its name in Svix.
#[derive(Clone, Copy)]
pub(super) struct Claim {
    /// Whether status records it, or the object takes it over from one that went.
    pub is_recorded: bool,
    /// The `adoption` that the object may have.
    pub adoption: Adoption,
    /// Whether Svix is read, whatever is remembered of it.
    pub reads_svix: bool,
}

/// Returns how an object relates to the event type of this name in Svix.
pub(super) fn claim_of<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    event_type: &WebhookEventType,
    prepared: &Prepared,
    name: &str,
) -> Claim {
    let connection = event_type.connection_name();
    let recorded = event_type.status.as_ref().and_then(|status| status.svix.as_ref());
    let in_status = recorded.is_some_and(|svix| svix.connection == connection && svix.name == name);
    let is_recorded = ctx.scratch.with(&object.key(), |scratch| {
        // Once status says so, it is status that counts.
        scratch.taken_over_via.take_if(|through| in_status || **through != *connection);
        in_status || scratch.taken_over_via.is_some()
    });
    Claim {
        is_recorded,
        adoption: ctx.adoption(object, &prepared.connection),
        reads_svix: object.pending_reconcile_request().is_some(),
    }
}

/// Whether what is in Svix is the object's: status records it, or the claim announced a write whose end nobody saw.
pub(super) fn is_ours(
    session: &Session,
    object: &Object,
    wanted: &Desired,
    observed: Option<&Observed>,
    claim: Claim,
) -> bool {
    claim.is_recorded
        || observed.is_some_and(|observed| {
            let value = claim_value(session, object, object.connection_name(), &wanted.name, observed);
            claims::is_claimed(object.meta().annotations.as_ref(), &value)
        })
}

/// Returns the claim annotation that an object has if it wrote what is in Svix.
pub(super) fn claim_value(
    session: &Session,
    object: &Object,
    connection: &str,
    name: &str,
    observed: &Observed,
) -> String {
    let resource = claims::resource_name(connection, name);
    let content = observed.content_digest();
    session.client.with_token(|token| claims::claim_value(token, object.uid(), &resource, content))
}
