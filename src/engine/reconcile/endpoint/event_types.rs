//! The event types that an endpoint subscribes to: they must be in Svix first.

use std::collections::BTreeSet;

use crate::{
    api::Reason,
    plan::{Field, ReconcileError, status::ReadyState, suggest},
    svix,
};

use super::{
    super::super::{
        context::Context,
        host::Host,
        object::{Object, SvixResource},
        outcome::Error,
        session::Session,
        waiters::Awaited,
    },
    pass::Pass,
};

/// How many event types a message names.
const NAMED: usize = 5;

/// Checks that these event types are in Svix; else the object waits for them.
pub(super) fn require<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    session: &Session,
    event_types: &BTreeSet<String>,
) -> Result<(), Error> {
    let missing = await_missing(ctx, object, session, event_types);
    if missing.is_empty() {
        return Ok(());
    }
    let (names, advice) = (list(&missing), advice(ctx, object.connection_name(), &missing));
    Err(Error::waiting(Reason::WaitingForEventType, format!("not in Svix yet: {names}; {advice}")))
}

/// Says of an endpoint in sync that it does not receive events of these types, or nothing at all, if they are not in Svix
/// any more. It waits for them, too.
pub(super) fn check<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    session: &Session,
    event_types: &BTreeSet<String>,
    ready: &mut ReadyState,
) {
    let ReadyState::Ready(_, message) = ready else { return };
    let missing = await_missing(ctx, object, session, event_types);
    if missing.is_empty() {
        return;
    }
    let (names, advice) = (list(&missing), advice(ctx, object.connection_name(), &missing));
    if missing.len() < event_types.len() {
        message.to_mut().push_str(&format!(
            "; it receives no events of types that are not in Svix, or archived: {names}; {advice}"
        ));
        return;
    }
    let message = format!(
        "the endpoint receives nothing, since all of its event types are missing or archived in Svix: {names}; {advice}"
    );
    *ready =
        ReadyState::Waiting(ReconcileError::at(Reason::WaitingForEventType, "/spec/eventTypes", message));
}

/// Returns those of these event types that are not in Svix, or archived. The object waits for them.
fn await_missing<'a, H: Host>(
    ctx: &Context<H>,
    object: &Object,
    session: &Session,
    event_types: &'a BTreeSet<String>,
) -> Vec<&'a str> {
    let (key, connection) = (object.key(), object.connection_name());
    let is_missing = |name: &&String| !session.mirror.event_type_live(name);
    // The object waits before the check that decides: what comes in between wakes it.
    for name in event_types.iter().filter(is_missing) {
        ctx.waiters.add(connection, Awaited::EventType(name.as_str().into()), &key);
    }
    event_types.iter().filter(is_missing).map(String::as_str).collect()
}

/// Returns the first names, and how many more there are.
fn list(names: &[&str]) -> String {
    let first = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// Returns what to do about event types that are not in Svix.
fn advice<H: Host>(ctx: &Context<H>, connection: &str, missing: &[&str]) -> String {
    let declarer = missing.iter().find_map(|name| {
        ctx.registry.declarers(connection, &SvixResource::EventType((*name).into())).into_iter().next()
    });
    if let Some(key) = declarer {
        return format!("{key} declares it, and its status says why it is not there");
    }
    let known = ctx.registry.event_types(connection);
    let similar = missing.iter().find_map(|name| {
        suggest::closest(name, known.iter().map(AsRef::as_ref)).map(|closest| (*name, closest))
    });
    match similar {
        Some((_, closest)) if missing.len() == 1 => {
            format!("did you mean {closest}? Else a WebhookEventType that declares it is enough")
        }
        Some((name, closest)) => {
            format!("did you mean {closest} by {name}? Else WebhookEventTypes that declare them are enough")
        }
        None => "a WebhookEventType that declares it is enough".to_owned(),
    }
}

/// Returns what follows when Svix refuses an endpoint: perhaps one of its event types was removed meanwhile.
pub(super) async fn why_refused<H: Host>(
    pass: &Pass<'_, H>,
    object: &Object,
    event_types: &BTreeSet<String>,
    error: svix::Error,
) -> Error {
    if !error.is_about(Field::EventTypes) {
        return error.into();
    }
    let Pass { ctx, session, .. } = *pass;
    for name in event_types {
        match session.client.get_event_type(name).await {
            Ok(Some(document)) => session.mirror.put_event_type(document.observed),
            Ok(None) => session.mirror.remove_event_type(name),
            Err(error) => return error.into(),
        }
    }
    let Err(waiting) = require(ctx, object, session, event_types) else { return error.into() };
    // Objects that declare it do not know yet that it is gone.
    for name in event_types.iter().filter(|name| !session.mirror.event_type_live(name)) {
        ctx.wake_declarers(object.connection_name(), &SvixResource::EventType(name.as_str().into()));
    }
    waiting
}
