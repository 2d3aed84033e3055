//! What `diff` shows for an object that the plan refuses.

use crate::{api::Reason, plan::ReconcileError};

use super::super::model::{Action, Change, Refusal};

/// Records that the engine refuses the object, and why.
pub(super) fn refuse(change: &mut Change, error: &ReconcileError) {
    change.action = Action::Refuse;
    change.incompatible = error.reason == Reason::BreakingChange;
    change.breaks_receivers = change.incompatible;
    let (reason, message) = (error.reason.as_str().to_owned(), error.message.clone());
    change.refusal = Some(Refusal { reason, message });
}
