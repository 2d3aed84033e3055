//! The totals of a change set, and the head of a change, in one line each.

use super::super::model::{Action, Change, ChangeSet};

/// What is done, in one line.
#[must_use]
pub fn summary(changes: &ChangeSet) -> String {
    let totals = changes.totals();
    let words = totals.iter().filter(|(action, _)| **action != Action::Nothing);
    let mut words: Vec<_> = words.map(|(action, count)| format!("{count} to {}", action.verb())).collect();
    if let Some(refused) = totals.get(&Action::Refuse) {
        words.pop();
        words.push(format!("{refused} refused"));
    }
    let same = totals.get(&Action::Nothing).copied().unwrap_or(0);
    match words.as_slice() {
        [adopted] if changes.is_as_declared() => format!("no differences ({same} compared), {adopted}"),
        [] => format!("no differences ({same} compared)"),
        words => format!("{}, {same} without differences", words.join(", ")),
    }
}

/// The object, and what it is in Svix.
pub(super) fn head(change: &Change) -> String {
    let mut text = change.object();
    match (&change.application, &change.resource) {
        (Some(application), Some(uid)) => {
            text.push_str(&format!(" (endpoint {uid} of application {application})"))
        }
        (None, Some(name)) if *name != change.name => text.push_str(&format!(" (event type {name})")),
        _ => {}
    }
    if let Some(origin) = &change.origin {
        text.push_str(&format!(" {origin}"));
    }
    text
}
