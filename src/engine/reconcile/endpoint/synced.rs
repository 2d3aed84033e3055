//! What came of syncing headers and signing key.

use std::time::Duration;

use crate::{
    api::{SigningKeyStatus, Verified},
    plan::{ReconcileError, status::ReadyState},
};

/// How long to wait for a permission: nobody says when it is given.
pub(super) const PERMISSION_RETRY: Duration = Duration::from_secs(60);

/// What came of syncing headers and signing key.
#[derive(Default)]
pub(super) struct SyncedDetails {
    /// What was verified, for status.
    pub verified: Option<Verified>,
    pub signing_key: Option<SigningKeyStatus>,
    /// The value of `rotate-at` that is handled by now.
    pub handled_rotate_at: Option<String>,
    /// What stands in the way, while the endpoint is in sync otherwise.
    pub blocked: Option<ReadyState>,
    /// When to reconcile again.
    pub next: Option<Duration>,
}

impl SyncedDetails {
    /// A person has to do something first.
    pub fn stalled(cause: ReconcileError) -> Self {
        Self { blocked: Some(ReadyState::Stalled(cause)), ..Self::default() }
    }
}
