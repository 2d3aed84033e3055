//! The outcome of an object that is only compared with Svix. Pure.

use crate::{
    api::{Action, ConditionStatus, ConditionType, Reason},
    plan::{
        Difference, ReconcileError, describe, difference,
        status::{ExtraCondition, ReadyState},
    },
};

use super::super::{
    object::Mode,
    outcome::{Details, Outcome},
    queue::Next,
};

/// Returns what status says of an object that is observed or suspended. `what` is what managing it would do; `refusal`
/// is why it would be refused, if so.
#[must_use]
pub fn outcome(
    mode: Mode,
    what: Option<(Action, &[Difference])>,
    refusal: Option<&ReconcileError>,
) -> Outcome {
    let (observed, why) = match mode {
        Mode::Suspended => (Reason::Suspended, "suspended: nothing is written"),
        Mode::Observe | Mode::Manage => (Reason::Observed, "observed: nothing is written"),
    };
    let (in_sync, status, text) = match what {
        None => (Reason::InSync, ConditionStatus::True, "Svix holds what is declared".to_owned()),
        Some((action, differences)) => {
            (Reason::Differs, ConditionStatus::False, would(action, differences, refusal))
        }
    };
    // A suspended object says that it is, whatever Svix holds.
    let reason = if what.is_some() && mode != Mode::Suspended { Reason::Differs } else { observed };
    let extra =
        ExtraCondition { type_: ConditionType::InSync, status, reason: in_sync, message: text.clone() };
    Outcome {
        ready: ReadyState::Ready(reason, format!("{why}; {text}").into()),
        remote: None,
        details: Some(Box::new(Details {
            extra_conditions: vec![extra],
            difference: what.map(|(action, differences)| difference(action, differences)),
            ..Details::default()
        })),
        next: Next::Settled,
    }
}

/// Returns what managing an object would do.
fn would(action: Action, differences: &[Difference], refusal: Option<&ReconcileError>) -> String {
    let fields = describe(differences);
    match (action, refusal) {
        (_, Some(refusal)) => format!("managing it would be refused: {}", refusal.message),
        (Action::Create, _) => "it is not in Svix, and would be created".to_owned(),
        (Action::Adopt, _) if fields.is_empty() => "it is in Svix, equal, and would be adopted".to_owned(),
        (Action::Adopt, _) => format!("it is in Svix, and would be adopted and changed: {fields}"),
        (Action::Revive, _) if fields.is_empty() => {
            "it is archived in Svix, and would be unarchived".to_owned()
        }
        (Action::Revive, _) => format!("it is archived in Svix, and would be unarchived: {fields}"),
        (Action::Change, _) if fields.is_empty() => {
            "its owner mark is missing, and would be written".to_owned()
        }
        (Action::Change, _) => format!("it would be changed: {fields}"),
        (Action::Refuse, None) => "managing it would be refused".to_owned(),
    }
}

#[cfg(test)]
mod tests;
