//! What a kind of object has to say for itself to be reconciled.

use std::future::Future;

use jiff::Timestamp;

use crate::{
    api::{Condition, ConditionType},
    plan::{
        audit::Tally,
        status::{self, ReadyState},
    },
};

use super::super::{
    context::Context,
    host::Host,
    object::{Object, Resource, Status},
    outcome::{Details, Error, Outcome, RemoteRef},
};

/// The reconciler of a kind.
///
/// # Guarantees
/// - [`reconcile`](Self::reconcile) runs for one version of the object at a time, never twice at once, and only while the
///   object is not being deleted.
/// - [`clean_up`](Self::clean_up) runs for an object that is being deleted, or has left a connection, and that does not
///   retain what it has in Svix. A spec that is not valid does not keep it from running.
/// - Both may be interrupted at any `await`, by a crash, too; running again repairs what is half done.
///
/// # Assumptions
/// - Both return quickly what they cannot do now: waiting is a matter of the queue.
pub trait Reconcile: Resource + Sized {
    /// Makes Svix hold what the object declares. `object` is `self`, as the host stores it.
    fn reconcile<H: Host>(
        &self,
        ctx: &Context<H>,
        object: &Object,
    ) -> impl Future<Output = Result<Outcome, Error>> + Send;

    /// Removes from Svix what status, or the claim, says is the object's. Gone already is success.
    fn clean_up<H: Host>(
        &self,
        _ctx: &Context<H>,
        _object: &Object,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }

    /// Returns the status that says what a reconcile came to. Pure; `self` has the status of before.
    fn status(&self, report: Report<'_>) -> Status;
}

/// What a reconcile came to, for status.
pub struct Report<'a> {
    /// What `Ready` says.
    pub ready: &'a ReadyState,
    /// What is recorded of Svix from now on; `None`: as before.
    pub remote: Option<RemoteRef>,
    /// What else was observed; `None`: as before.
    pub details: Option<Details>,
    /// The generation that was reconciled.
    pub generation: Option<i64>,
    /// The value of `reconcile-at`, if any, once it is handled; `None`: it is not handled yet.
    pub handled_reconcile_at: Option<Option<&'a str>>,
    /// Events that were sent although their payload does not match, and that status does not count yet.
    pub audit: Option<&'a Tally>,
    /// Whether Svix is made to hold what is declared, rather than compared with it.
    pub is_managed: bool,
    /// The time.
    pub now: Timestamp,
}

impl Report<'_> {
    /// Returns the value of `reconcile-at` that is handled by now.
    pub fn last_handled_reconcile_at(&self, before: Option<&str>) -> Option<String> {
        self.handled_reconcile_at.unwrap_or(before).map(str::to_owned)
    }

    /// Returns the conditions that every kind has.
    pub fn conditions(&self, before: &[Condition]) -> Vec<Condition> {
        let extra = self.details.as_ref().map(|details| details.extra_conditions.as_slice());
        let mut conditions = status::conditions(self.ready, extra, before, self.generation, self.now);
        // It is only said of what is only compared.
        conditions.retain(|condition| !self.is_managed || condition.type_ != ConditionType::InSync);
        conditions
    }
}
