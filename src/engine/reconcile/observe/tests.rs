//! What status says of an object that is only compared.

use crate::plan::Field;

use super::*;

fn differing() -> Vec<Difference> {
    let (found, expected) = ("\"theirs\"".to_owned(), "\"mine\"".to_owned());
    vec![Difference { field: Field::Description, found, expected }]
}

/// Returns what `Ready` and `InSync` say.
fn said(outcome: &Outcome) -> (Reason, &str, ConditionStatus, Reason) {
    let details = outcome.details.as_ref().map_or(&[][..], |details| &details.extra_conditions);
    let [in_sync] = details else { unreachable!("{outcome:?}") };
    (outcome.ready.reason(), outcome.ready.message(), in_sync.status, in_sync.reason)
}

#[test]
fn what_is_equal_is_observed_and_in_sync() {
    let outcome = outcome(Mode::Observe, None, None);

    let (reason, message, status, in_sync) = said(&outcome);
    assert_eq!((reason, status, in_sync), (Reason::Observed, ConditionStatus::True, Reason::InSync));
    assert_eq!(message, "observed: nothing is written; Svix holds what is declared");
    assert_eq!(outcome.details.and_then(|details| details.difference), None);
}

#[test]
fn what_differs_is_ready_and_says_what_would_change() {
    let differences = differing();

    let outcome = outcome(Mode::Observe, Some((Action::Change, &differences)), None);

    let (reason, message, status, in_sync) = said(&outcome);
    assert_eq!((reason, status, in_sync), (Reason::Differs, ConditionStatus::False, Reason::Differs));
    assert!(outcome.ready.is_ready() && message.contains("it would be changed: "), "{message}");
    let difference = outcome.details.and_then(|details| details.difference);
    assert_eq!(difference.map(|it| (it.action, it.fields.len())), Some((Action::Change, 1)));
}

#[test]
fn what_is_suspended_says_so_whatever_differs() {
    let outcome = outcome(Mode::Suspended, Some((Action::Create, &[])), None);

    let (reason, message, status, in_sync) = said(&outcome);
    assert_eq!((reason, status, in_sync), (Reason::Suspended, ConditionStatus::False, Reason::Differs));
    assert!(message.ends_with("it is not in Svix, and would be created"), "{message}");
}

#[test]
fn what_would_be_refused_says_why() {
    let refusal = ReconcileError::new(Reason::NotOurs, "it is somebody else's");

    let outcome = outcome(Mode::Observe, Some((Action::Refuse, &[])), Some(&refusal));

    let message = outcome.ready.message();
    assert!(message.ends_with("managing it would be refused: it is somebody else's"), "{message}");
}

#[test]
fn an_observed_object_needs_no_reconcile_by_itself() {
    let outcome = outcome(Mode::Observe, Some((Action::Create, &[])), None);

    assert_eq!((outcome.next, outcome.remote), (Next::Settled, None));
}
