//! The conditions of an event.

use k8s_openapi::jiff::Timestamp;

use crate::{
    api::{Condition, ConditionStatus, ConditionType, Reason, WebhookEventStatus},
    plan::{status, status::ReadyState},
};

/// The conditions of an event: `Accepted`, `Sent` and `Delivered`, and those of every object. `status` is the rest of the
/// status; `accepted` is the result of validating the payload, `None`: as before; `missed`: whether endpoints that are
/// declared for it did not receive it.
#[must_use]
pub fn conditions(
    state: &ReadyState,
    status: &WebhookEventStatus,
    accepted: Option<(Reason, &str)>,
    before: &[Condition],
    generation: Option<i64>,
    now: Timestamp,
    missed: bool,
) -> Vec<Condition> {
    let mut facts: Vec<(ConditionType, ConditionStatus, Reason, String)> = Vec::new();
    let reason = state.reason();
    let old = before.iter().find(|old| old.type_ == ConditionType::Accepted);
    let mut kept = None;
    match (accepted, reason) {
        (_, Reason::InvalidPayload | Reason::ValidationLimitExceeded) => {
            facts.push((ConditionType::Accepted, ConditionStatus::False, reason, state.message().to_owned()));
        }
        (Some((reason, message)), _) => {
            facts.push((ConditionType::Accepted, ConditionStatus::True, reason, message.to_owned()));
        }
        // The result from before it was sent stays.
        (None, _) if status.first_attempt_at.is_some() => kept = old.cloned(),
        (None, _) => {}
    }
    let (sent, sent_reason, sent_message) = match &status.message_id {
        Some(id) => (ConditionStatus::True, Reason::Sent, format!("Svix took it as message {id}")),
        // The message of `Ready` is the reason.
        None => (ConditionStatus::False, reason, "not sent".to_owned()),
    };
    facts.push((ConditionType::Sent, sent, sent_reason, sent_message));
    if status.message_id.is_some() && state.is_ready() {
        let delivered = match reason {
            Reason::NoEndpointMatched if missed => ConditionStatus::False,
            Reason::Delivered | Reason::NoEndpointMatched => ConditionStatus::True,
            Reason::DeliveryFailed => ConditionStatus::False,
            _ => ConditionStatus::Unknown,
        };
        facts.push((ConditionType::Delivered, delivered, reason, state.message().to_owned()));
    }
    let facts = facts.into_iter().map(|(type_, status, reason, message)| {
        status::condition(type_, status, reason, message.into(), before, generation, now)
    });
    kept.into_iter()
        .chain(facts)
        .chain(status::conditions(state, Some(&[]), before, generation, now))
        .collect()
}
