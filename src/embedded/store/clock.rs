//! Timestamps as Svix stores them, to the microsecond.

use jiff::Timestamp;

/// Returns the current time.
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

/// Returns an `updatedAt` that is later than the one before, however fast the writes follow each other.
pub(crate) fn next_update(before: Timestamp) -> Timestamp {
    let next = Timestamp::from_microsecond(before.as_microsecond().saturating_add(1)).unwrap_or(before);
    now().max(next)
}
