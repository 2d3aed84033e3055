//! An endpoint while its plan is carried out, and once it is.

use crate::plan::{
    endpoint::{Desired, Observed},
    unapplied::Unapplied,
};

use super::super::super::object::Object;

/// An endpoint that Svix holds as declared, as far as lists show it.
#[derive(Debug)]
pub(super) struct Applied {
    /// As it is now.
    pub observed: Observed,
    /// Its `updatedAt` before anything was written.
    pub updated_at_before: i64,
    /// Whether the headers were written with it.
    pub wrote_headers: bool,
    /// Whether the signing key was written with it.
    pub wrote_key: bool,
    /// Whether headers were removed that have to be written again.
    pub withheld_headers: bool,
    /// What the server did not apply.
    pub unapplied: Unapplied,
}

impl Applied {
    /// Nothing had to be written.
    pub fn unchanged(observed: Observed) -> Self {
        Self {
            updated_at_before: observed.updated_at,
            observed,
            wrote_headers: false,
            wrote_key: false,
            withheld_headers: false,
            unapplied: Unapplied::default(),
        }
    }
}

/// An endpoint while its plan is carried out.
pub(super) struct Progress {
    /// The object, as it was stored last.
    pub object: Object,
    /// What Svix is to hold.
    pub wanted: Desired,
    /// What Svix holds.
    pub observed: Option<Observed>,
    /// Whether `observed` was read in this reconcile: the mirror may be out of date.
    pub is_fresh: bool,
    /// The endpoint that this reconcile created and has yet to enable.
    pub created: Option<Applied>,
}
