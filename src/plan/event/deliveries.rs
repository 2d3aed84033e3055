//! The state of the deliveries of an event.

use std::time::Duration;

use crate::{
    api::{Attempts, Reason},
    plan::quoted,
};

/// How long deliveries are followed. Svix's own schedule of retries ends after 28 hours.
pub const FOLLOW_LIMIT: Duration = Duration::from_secs(36 * 3600);
/// How long Svix has for the first attempt on an endpoint that matches, before it is assumed that none does.
const FIRST_ATTEMPT_LIMIT: Duration = Duration::from_secs(3600);
/// How long to wait for an attempt on a matching endpoint when others have theirs: it may be new.
const LATE_LIMIT: Duration = Duration::from_secs(60);
/// The earliest time after sending at which "no endpoint matches" is distinguished from "not tried yet".
pub const EARLIEST_NONE: Duration = Duration::from_secs(2);
/// The shortest and the longest time between two readings of the deliveries.
const SHORTEST_POLL: Duration = Duration::from_millis(500);
const LONGEST_POLL: Duration = Duration::from_secs(3600);

/// The state of the delivery of a message to one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It arrived.
    Succeeded,
    /// It is tried for the first time.
    Pending,
    /// An attempt failed, and Svix will try again.
    Retrying,
    /// Svix gave up.
    Failed,
}

/// The state of the deliveries of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Numbers of endpoints by the state of their delivery.
    pub attempts: Attempts,
    /// How they ended; `None`: they go on.
    pub ended: Option<Reason>,
    /// The message for status.
    pub message: String,
}

/// How many endpoints are expected to receive an event: as many as matched when it was sent (`recorded`), but no more
/// than match now or were tried. One that was created or enabled since does not receive it.
#[must_use]
pub fn expected(recorded: Option<Attempts>, matching: usize, tried: usize) -> usize {
    let recorded = recorded.map(|Attempts { succeeded, pending, failed }| {
        usize::try_from(succeeded.saturating_add(pending).saturating_add(failed)).unwrap_or(0)
    });
    recorded.unwrap_or(matching).min(matching.max(tried)).max(tried)
}

/// Returns the state of the deliveries, given the endpoints that were tried, how many are expected to be, and how long
/// ago the event was sent.
#[must_use]
pub fn progress(tried: &[Delivery], expected: usize, since_sent: Duration) -> Progress {
    let count = |wanted| {
        let count = tried.iter().filter(|delivery| **delivery == wanted).count();
        i32::try_from(count).unwrap_or(i32::MAX)
    };
    let untried = i32::try_from(expected.saturating_sub(tried.len())).unwrap_or(i32::MAX);
    let mut attempts = Attempts {
        succeeded: count(Delivery::Succeeded),
        pending: count(Delivery::Pending).saturating_add(count(Delivery::Retrying)),
        failed: count(Delivery::Failed),
    };
    let late_limit = if tried.is_empty() { FIRST_ATTEMPT_LIMIT } else { LATE_LIMIT };
    let waits_for_untried =
        if untried > 0 { since_sent < late_limit } else { tried.is_empty() && since_sent < EARLIEST_NONE };
    let Attempts { succeeded, pending, failed } = attempts;
    let all = succeeded.saturating_add(pending).saturating_add(failed);
    let (ended, message) = if (pending > 0 || waits_for_untried) && since_sent < FOLLOW_LIMIT {
        if waits_for_untried {
            attempts.pending = attempts.pending.saturating_add(untried);
        }
        let pending = attempts.pending;
        (
            None,
            match (pending, failed) {
                (0, _) => "sent; no endpoint is tried yet".to_owned(),
                (_, 0) => format!("sent; delivered to {succeeded}, {pending} to go"),
                _ => format!("sent; delivered to {succeeded}, {pending} to go, {failed} failed"),
            },
        )
    } else if pending > 0 {
        let hours = FOLLOW_LIMIT.as_secs() / 3600;
        (
            Some(Reason::DeliveryUnknown),
            format!(
                "{pending} of {all} endpoints had not answered after {hours} hours; it is not followed any more"
            ),
        )
    } else if all == 0 {
        (
            Some(Reason::NoEndpointMatched),
            "sent; no enabled endpoint of the application subscribes to this event type on these channels"
                .to_owned(),
        )
    } else if failed > 0 {
        let advice = "check the receiver, then resend from Svix";
        (
            Some(Reason::DeliveryFailed),
            format!("Svix gave up on {failed} of {all} endpoints, delivered to {succeeded}; {advice}"),
        )
    } else {
        let endpoints = if succeeded == 1 { "endpoint" } else { "endpoints" };
        (Some(Reason::Delivered), format!("delivered to {succeeded} {endpoints}"))
    };
    Progress { attempts, ended, message }
}

/// Whether an attempt failed, so that Svix can say why.
#[must_use]
pub fn has_failures(tried: &[Delivery]) -> bool {
    tried.iter().any(|delivery| matches!(delivery, Delivery::Retrying | Delivery::Failed))
}

/// Puts in front of a message why an attempt got no response, as Svix says it: an address that Svix does not deliver to, a name that
/// does not resolve, a timeout. A text with a URL is not shown, since the URL can be a credential.
#[must_use]
pub fn with_cause(message: String, cause: Option<&str>) -> String {
    match cause.map(str::trim) {
        None | Some("") => message,
        Some(cause) if cause.contains("://") => format!("an attempt got no response; {message}"),
        Some(cause) => format!("an attempt got no response: {}; {message}", quoted(cause)),
    }
}

/// How long to wait before deliveries are read again, at this time after sending.
#[must_use]
pub fn next_poll(since_sent: Duration) -> Duration {
    (since_sent / 2).clamp(SHORTEST_POLL, LONGEST_POLL)
}
