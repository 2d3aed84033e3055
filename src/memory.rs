//! The memory that large input takes in this process at one time: permits by weight.
//!
//! What is read of one request or object is bounded by the limits on its size and weight. The sum over all that are handled
//! at the same time is bounded here: code that builds something large reserves its memory first, and waits if other work has
//! reserved too much.
//!
//! # Guarantees
//! - Reservations of up to [`SMALL`] bytes wait for each other only, never for a larger one.
//! - Among the small and among the large ones, no [`Sender`] has all memory, and those that wait take turns by sender, as
//!   [`Shares`] says: the object of a namespace without memory waits for the objects that have memory at the time, and for at most
//!   one of each other namespace.
//! - A reservation of more than there is gets all of it, so it does not wait forever.

use crate::turns::{Sender, Share, Shares};

/// Largest reservation that counts as small, in bytes.
pub const SMALL: usize = 1024 * 1024;

/// Memory for all small reservations together, in bytes.
pub const SMALL_TOTAL: usize = 8 * 1024 * 1024;

/// The same in the sidecar, whose small work does not wait for anything while it has memory.
pub const SMALL_TOTAL_OF_SIDECAR: usize = 4 * 1024 * 1024;

/// Memory for all large reservations together, in bytes. Together with what a process takes at rest, this fits into the
/// limits of the chart.
pub const LARGE_TOTAL: usize = 48 * 1024 * 1024;

/// Memory that is shared by the work of a process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct MemoryBudget {
    small: Shares,
    large: Shares,
}

/// Reserved memory. Dropping it ends the reservation.
#[derive(Debug)]
pub struct MemoryPermit {
    share: Share,
}

impl Default for MemoryBudget {
    fn default() -> Self {
        Self::new(SMALL_TOTAL, LARGE_TOTAL)
    }
}

impl MemoryBudget {
    /// Returns a budget of so many bytes for small and for large reservations.
    #[must_use]
    pub fn new(small: usize, large: usize) -> Self {
        Self { small: Shares::new(small), large: Shares::new(large) }
    }

    /// Waits until a sender may have so many bytes, and reserves them.
    pub async fn reserve(&self, sender: Sender, bytes: usize) -> MemoryPermit {
        let shares = if bytes <= SMALL { &self.small } else { &self.large };
        MemoryPermit { share: shares.take(sender, bytes).await }
    }
}

impl MemoryPermit {
    /// Gives back all but so many bytes.
    pub fn shrink(&mut self, bytes: usize) {
        self.share.shrink(bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use futures::FutureExt as _;
    use parking_lot::Mutex;

    use super::*;
    use crate::turns::Caller;

    fn namespace(name: &str) -> Sender {
        Sender::at(Caller::namespace(name))
    }

    #[tokio::test]
    async fn the_sum_of_large_reservations_is_bounded() {
        let budget = MemoryBudget::new(SMALL, 10 * SMALL);
        let first = budget.reserve(namespace("a"), 6 * SMALL).await;

        assert!(budget.reserve(namespace("b"), 5 * SMALL).now_or_never().is_none(), "6 of 10 are taken");

        drop(first);
        assert!(budget.reserve(namespace("b"), 5 * SMALL).now_or_never().is_some(), "all is free again");
    }

    #[tokio::test]
    async fn small_reservations_never_wait_for_large_ones() {
        let budget = MemoryBudget::new(SMALL, 10 * SMALL);
        let _all = budget.reserve(namespace("a"), 100 * SMALL).await;
        let _waits = Box::pin(budget.reserve(namespace("a"), 2 * SMALL)).now_or_never();

        assert!(budget.reserve(namespace("a"), SMALL).now_or_never().is_some());
    }

    #[tokio::test]
    async fn what_is_not_needed_any_more_is_given_back() {
        let budget = MemoryBudget::new(SMALL, 10 * SMALL);
        let mut permit = budget.reserve(namespace("a"), 10 * SMALL).await;

        permit.shrink(4 * SMALL);

        assert!(budget.reserve(namespace("b"), 7 * SMALL).now_or_never().is_none());
        assert!(budget.reserve(namespace("b"), 6 * SMALL).now_or_never().is_some());
    }

    #[test]
    fn more_than_there_is_gets_all_of_it() {
        let budget = MemoryBudget::new(SMALL, 10 * SMALL);

        let all = budget.reserve(namespace("a"), usize::MAX).now_or_never();

        assert!(all.is_some());
        assert!(budget.reserve(namespace("b"), 2 * SMALL).now_or_never().is_none());
    }

    #[test]
    fn one_namespace_leaves_memory_to_others() {
        let budget = MemoryBudget::new(SMALL, 40 * SMALL);

        let reserve = || budget.reserve(namespace("flood"), 2 * SMALL).now_or_never();
        let flood: Vec<_> = std::iter::from_fn(reserve).collect();
        let other = budget.reserve(namespace("other"), 10 * SMALL).now_or_never();

        assert_eq!(flood.len(), 15, "three quarters");
        assert!(other.is_some(), "it does not wait for any of them");
    }

    #[tokio::test]
    async fn namespaces_that_wait_take_turns() {
        let budget = MemoryBudget::new(SMALL, 10 * SMALL);
        let granted: Mutex<Vec<&str>> = Mutex::default();
        let wait = |name: &'static str| -> Pin<Box<dyn Future<Output = MemoryPermit> + '_>> {
            let (budget, granted) = (&budget, &granted);
            let mut waiting = Box::pin(async move {
                let permit = budget.reserve(namespace(name), 8 * SMALL).await;
                granted.lock().push(name);
                permit
            });
            assert!(waiting.as_mut().now_or_never().is_none());
            waiting
        };
        let first = budget.reserve(namespace("flood"), 8 * SMALL).await;
        let mut waiting: Vec<_> = (0..20).map(|_| wait("flood")).collect();
        waiting.push(wait("other"));

        drop(first);
        while !waiting.is_empty() {
            let (permit, _, left) = futures::future::select_all(waiting).await;
            waiting = left;
            drop(permit);
        }

        let granted = granted.lock();
        assert_eq!((&granted[..3], granted.len()), (&["flood", "other", "flood"][..], 21));
    }
}
