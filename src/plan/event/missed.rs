//! The endpoints that were declared for an event and did not receive it.

use crate::api::{Condition, ConditionType, Reason, SvixConnectionSpec, WebhookEndpoint, WebhookEvent};

/// Whether a declared endpoint is meant to receive a declared event, once the endpoint is in Svix.
#[must_use]
pub fn is_for(object: &WebhookEvent, endpoint: &WebhookEndpoint, connection: &SvixConnectionSpec) -> bool {
    endpoint.spec.disabled != Some(true)
        && endpoint.spec.application(connection) == object.spec.application(connection)
        && endpoint.spec.event_types.contains(&object.spec.event_type)
        && endpoint
            .spec
            .channels
            .as_ref()
            .is_none_or(|mine| object.spec.channels.iter().flatten().any(|channel| mine.contains(channel)))
}

/// An endpoint that was declared for an event that no endpoint received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// Namespace and name.
    pub name: String,
    /// The reason of its `Ready` condition; `None`: it is in sync.
    pub reason: Option<String>,
}

/// Returns the endpoints that were declared for an event when it was sent, by name.
#[must_use]
pub fn missed<'a>(
    object: &WebhookEvent,
    endpoints: impl IntoIterator<Item = &'a WebhookEndpoint>,
    connection: &SvixConnectionSpec,
) -> Vec<Missed> {
    let sent = object.status.as_ref().and_then(|status| status.sent_at);
    let in_time = |endpoint: &WebhookEndpoint| match (&endpoint.metadata.creation_timestamp, sent) {
        (Some(created), Some(sent)) => created.0 <= sent,
        _ => true,
    };
    let mut missed: Vec<_> = endpoints
        .into_iter()
        .filter(|endpoint| endpoint.metadata.deletion_timestamp.is_none() && in_time(endpoint))
        .filter(|endpoint| is_for(object, endpoint, connection))
        .map(|endpoint| {
            let reason = ready(endpoint).map_or("not reconciled yet", |ready| &*ready.reason);
            Missed {
                name: format!(
                    "{}/{}",
                    endpoint.metadata.namespace.as_deref().unwrap_or_default(),
                    endpoint.metadata.name.as_deref().unwrap_or_default()
                ),
                reason: (reason != Reason::InSync.as_str()).then(|| reason.to_owned()),
            }
        })
        .collect();
    missed.sort_by(|a, b| a.name.cmp(&b.name));
    missed
}

/// Whether an endpoint is in sync, according to its status.
#[must_use]
pub fn is_in_sync(endpoint: &WebhookEndpoint) -> bool {
    ready(endpoint).is_some_and(|ready| ready.reason == Reason::InSync.as_str())
}

fn ready(endpoint: &WebhookEndpoint) -> Option<&Condition> {
    let conditions = endpoint.status.as_ref().map_or(&[][..], |status| &status.conditions);
    conditions.iter().find(|condition| condition.type_ == ConditionType::Ready)
}

/// The message for an event that no endpoint received although these are declared for it.
#[must_use]
pub fn missed_message(missed: &[Missed]) -> String {
    let names: Vec<_> = missed
        .iter()
        .take(3)
        .map(|one| match &one.reason {
            Some(reason) => format!("{} ({reason})", one.name),
            None => one.name.clone(),
        })
        .collect();
    let more = match missed.len() - names.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "sent; no endpoint received it, since these are declared for it and were not in Svix as declared: {}{more}. It is \
         not sent again by itself: once they are in sync, resend it from Svix, or make another event",
        names.join(", ")
    )
}
