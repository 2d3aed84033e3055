//! The memory that large input takes in this process at one time: permits by weight.
//!
//! What is read of one request or object is bounded by the limits on its size and weight. The sum over all that are handled
//! at the same time is bounded here: code that builds something large reserves its memory first, and waits if other work has
//! reserved too much.
//!
//! # Guarantees
//! - Reservations of up to [`SMALL`] bytes wait for each other only, never for a larger one.
//! - Reservations are granted in the order in which they were asked for, among the small and among the large ones.
//! - A reservation of more than there is gets all of it, so it does not wait forever.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The unit of reservations, in bytes.
const UNIT: usize = 1024;

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
    small: Pool,
    large: Pool,
}

#[derive(Clone, Debug)]
struct Pool {
    free: Arc<Semaphore>,
    total: usize,
}

/// Reserved memory. Dropping it ends the reservation.
#[derive(Debug)]
pub struct MemoryPermit {
    permit: Option<OwnedSemaphorePermit>,
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
        Self { small: Pool::new(small), large: Pool::new(large) }
    }

    /// Waits until so many bytes are free, and reserves them.
    pub async fn reserve(&self, bytes: usize) -> MemoryPermit {
        let pool = self.pool(bytes);
        // The semaphore is never closed.
        MemoryPermit { permit: pool.free.clone().acquire_many_owned(pool.units(bytes)).await.ok() }
    }

    /// Reserves so many bytes if they are free.
    #[must_use]
    pub fn try_reserve(&self, bytes: usize) -> Option<MemoryPermit> {
        let pool = self.pool(bytes);
        let permit = pool.free.clone().try_acquire_many_owned(pool.units(bytes)).ok()?;
        Some(MemoryPermit { permit: Some(permit) })
    }

    fn pool(&self, bytes: usize) -> &Pool {
        if bytes <= SMALL { &self.small } else { &self.large }
    }
}

impl MemoryPermit {
    /// Gives back all but so many bytes.
    pub fn shrink(&mut self, bytes: usize) {
        let Some(permit) = &mut self.permit else { return };
        let surplus = permit.num_permits().saturating_sub(bytes.div_ceil(UNIT));
        drop(permit.split(surplus));
    }
}

impl Pool {
    fn new(bytes: usize) -> Self {
        let total = bytes.div_ceil(UNIT).clamp(1, Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(total)), total }
    }

    fn units(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT).min(self.total)).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn the_sum_of_large_reservations_is_bounded() {
        let budget = MemoryBudget::new(SMALL, 10 * SMALL);
        let first = budget.reserve(6 * SMALL).await;

        assert!(budget.reserve(5 * SMALL).now_or_never().is_none(), "6 of 10 are taken");

        drop(first);
        assert!(budget.reserve(5 * SMALL).now_or_never().is_some(), "all is free again");
    }

    #[tokio::test]
    async fn small_reservations_never_wait_for_large_ones() {
        let budget = MemoryBudget::new(SMALL, 10 * SMALL);
        let _all = budget.reserve(100 * SMALL).await;
        let _waits = Box::pin(budget.reserve(2 * SMALL)).now_or_never();

        assert!(budget.reserve(SMALL).now_or_never().is_some());
    }

    #[tokio::test]
    async fn what_is_not_needed_any_more_is_given_back() {
        let budget = MemoryBudget::new(SMALL, 10 * SMALL);
        let mut permit = budget.reserve(10 * SMALL).await;

        permit.shrink(4 * SMALL);

        assert!(budget.try_reserve(7 * SMALL).is_none());
        assert!(budget.try_reserve(6 * SMALL).is_some());
    }

    #[test]
    fn more_than_there_is_gets_all_of_it() {
        let budget = MemoryBudget::new(SMALL, 10 * SMALL);

        let all = budget.try_reserve(usize::MAX);

        assert!(all.is_some());
        assert!(budget.try_reserve(2 * SMALL).is_none());
    }
}
