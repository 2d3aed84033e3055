//! What one pass of a driver came to.

use crate::plan::ReconcileError;

/// What a pass came to.
pub(super) enum SyncOutcome {
    /// Svix is listed; the next pass follows after the interval.
    Listed,
    /// It failed in a way that may pass.
    Retry(ReconcileError),
    /// It waits until its objects are released.
    Releasing(ReconcileError),
    /// It waits for a change.
    Blocked(ReconcileError),
    /// The connection is gone.
    Gone,
}
