//! Conditions from the outcome of a reconcile, as kstatus understands them.

use std::borrow::Cow;

use k8s_openapi::jiff::Timestamp;

use crate::api::{Condition, ConditionStatus, ConditionType, JsonPointer, Reason};

use super::ReconcileError;

/// The state of an object after a reconcile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadyState {
    /// It is in Svix as declared: `Ready`.
    Ready(Reason, Cow<'static, str>),
    /// It waits for something that comes without a change by a person, or is retried: `Reconciling`.
    Waiting(ReconcileError),
    /// It waits for a person: `Stalled`.
    Stalled(ReconcileError),
}

impl ReadyState {
    /// The reason.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Ready(reason, _) => *reason,
            Self::Waiting(error) | Self::Stalled(error) => error.reason,
        }
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Ready(_, message) => message,
            Self::Waiting(error) | Self::Stalled(error) => &error.message,
        }
    }

    /// The message, without a copy of its text where that is constant: most objects of most clusters have the same one.
    fn text(&self) -> Cow<'static, str> {
        match self {
            Self::Ready(_, message) => message.clone(),
            Self::Waiting(error) | Self::Stalled(error) => error.message.clone().into(),
        }
    }

    /// The message without the content of a payload.
    #[must_use]
    pub fn redacted_message(&self) -> &str {
        match self {
            Self::Ready(_, message) => message,
            Self::Waiting(error) | Self::Stalled(error) => error.redacted_message(),
        }
    }

    /// The field that the message is about, if it is about one.
    #[must_use]
    pub fn field(&self) -> Option<&JsonPointer> {
        match self {
            Self::Ready(..) => None,
            Self::Waiting(error) | Self::Stalled(error) => error.field.as_ref(),
        }
    }

    /// Whether `Ready` is true.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self, Self::Ready(..))
    }
}

/// Longest message in a condition, in bytes; the CRD bounds it at 4096 characters.
const MAX_MESSAGE: usize = 2048;

/// A condition beside `Ready`, `Reconciling` and `Stalled`, present while it applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtraCondition {
    /// The condition.
    pub type_: ConditionType,
    /// Its status.
    pub status: ConditionStatus,
    /// Its reason.
    pub reason: Reason,
    /// Its message.
    pub message: String,
}

/// The types of extra conditions.
const EXTRA_CONDITIONS: [ConditionType; 2] = [ConditionType::InSync, ConditionType::DisabledInSvix];

/// The conditions for a state, and the extra ones; `None`: the extra ones stay as they were.
///
/// A condition that does not change keeps its `lastTransitionTime`, so that equal states give equal
/// conditions and nothing is written. `Ready` comes last.
#[must_use]
pub fn conditions(
    state: &ReadyState,
    extra_conditions: Option<&[ExtraCondition]>,
    before: &[Condition],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let condition = |type_: ConditionType, status: ConditionStatus| {
        self::condition(type_, status, state.reason(), state.text(), before, generation, now)
    };
    let mut conditions: Vec<_> = match extra_conditions {
        Some(extra_conditions) => extra_conditions
            .iter()
            .map(|extra| {
                let ExtraCondition { type_, status, reason, message } = extra;
                self::condition(*type_, *status, *reason, message.clone().into(), before, generation, now)
            })
            .collect(),
        None => before.iter().filter(|old| EXTRA_CONDITIONS.contains(&old.type_)).cloned().collect(),
    };
    conditions.extend(match state {
        ReadyState::Ready(..) => vec![condition(ConditionType::Ready, ConditionStatus::True)],
        ReadyState::Waiting(_) => vec![
            condition(ConditionType::Reconciling, ConditionStatus::True),
            condition(ConditionType::Ready, ConditionStatus::False),
        ],
        ReadyState::Stalled(_) => vec![
            condition(ConditionType::Stalled, ConditionStatus::True),
            condition(ConditionType::Ready, ConditionStatus::False),
        ],
    });
    // There is one list for each object in memory.
    conditions.shrink_to_fit();
    conditions
}

/// The message about the users of a connection: how many of each kind, and the first of them.
#[must_use]
pub fn still_use(counts: &[(&str, usize)], first: &str) -> String {
    let counted: Vec<_> = counts
        .iter()
        .filter(|(_, number)| *number > 0)
        .map(|(kind, number)| format!("{number} {kind}{}", if *number == 1 { "" } else { "s" }))
        .collect();
    let text = match counted.as_slice() {
        [] => return "nothing uses this connection".to_owned(),
        [one] => one.clone(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    };
    match counts.iter().map(|(_, number)| number).sum::<usize>() {
        1 => format!("{text} still uses this connection: {first}"),
        _ => format!("{text} still use this connection, {first} first"),
    }
}

/// One condition. It keeps the time of its last change from `before` while its status is the same.
#[must_use]
pub fn condition(
    type_: ConditionType,
    status: ConditionStatus,
    reason: Reason,
    message: Cow<'static, str>,
    before: &[Condition],
    generation: Option<i64>,
    now: Timestamp,
) -> Condition {
    let since = before.iter().find(|old| old.type_ == type_ && old.status == status);
    Condition {
        type_,
        status,
        reason: reason.as_str().into(),
        message: shortened(message),
        last_transition_time: since.map_or(now, |old| old.last_transition_time),
        observed_generation: generation,
    }
}

fn shortened(message: Cow<'static, str>) -> Cow<'static, str> {
    if message.len() <= MAX_MESSAGE {
        return message;
    }
    let mut end = MAX_MESSAGE;
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &message[..end]).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn equal_states_give_equal_conditions() {
        let state = ReadyState::Stalled(ReconcileError::new(Reason::NotOurs, "m"));
        let first = conditions(&state, None, &[], Some(1), at(10));
        assert_eq!(conditions(&state, None, &first, Some(1), at(20)), first);
    }

    #[test]
    fn abnormal_conditions_are_removed_when_ready() {
        let waiting = conditions(
            &ReadyState::Waiting(ReconcileError::new(Reason::Throttled, "m")),
            None,
            &[],
            Some(1),
            at(1),
        );
        let types =
            |conditions: &[Condition]| conditions.iter().map(|c| (c.type_, c.status)).collect::<Vec<_>>();
        assert_eq!(
            types(&waiting),
            [
                (ConditionType::Reconciling, ConditionStatus::True),
                (ConditionType::Ready, ConditionStatus::False)
            ]
        );
        let ready = conditions(&ReadyState::Ready(Reason::InSync, "".into()), None, &waiting, Some(1), at(2));
        assert_eq!(types(&ready), [(ConditionType::Ready, ConditionStatus::True)]);
        assert_eq!(ready[0].last_transition_time, at(2));
    }

    #[test]
    fn users_of_a_connection_are_counted_by_kind() {
        let message = |endpoints, types| {
            still_use(&[("WebhookEndpoint", endpoints), ("WebhookEventType", types)], "WebhookEndpoint/a/b")
        };
        assert_eq!(message(1, 0), "1 WebhookEndpoint still uses this connection: WebhookEndpoint/a/b");
        assert_eq!(
            message(2, 1),
            "2 WebhookEndpoints and 1 WebhookEventType still use this connection, WebhookEndpoint/a/b first"
        );
    }

    #[test]
    fn long_messages_are_cut_at_a_character() {
        let state = ReadyState::Waiting(ReconcileError::new(Reason::Throttled, "é".repeat(3000)));
        let message = &conditions(&state, None, &[], None, at(1))[0].message;
        assert!(message.ends_with('…') && message.len() < 2100);
    }
}
