//! How many processors a process uses that serves others.
//!
//! Memory grows with the threads that work at the same time: each has a table for each pattern that it matches, and what it
//! builds at the time. A machine may have a hundred processors, and the limits of the chart are the same on each.

use std::{num::NonZero, thread};

/// Most processors that are used.
const MAX: usize = 2;

/// Returns how many processors are used: those that this process may use, at most two.
#[must_use]
pub fn used() -> usize {
    used_of(thread::available_parallelism().map_or(1, NonZero::get))
}

fn used_of(available: usize) -> usize {
    available.min(MAX)
}

/// Returns how many tasks that may take a second of a processor each run at once: half of the processors that are used, at
/// least one, so that the others are free for what is small.
#[must_use]
pub fn heavy_tasks() -> usize {
    heavy_tasks_of(used())
}

fn heavy_tasks_of(used: usize) -> usize {
    (used / 2).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_machines_are_used_as_small_ones() {
        let of_machines = [1, 2, 3, 4, 5, 128].map(used_of);

        assert_eq!(of_machines, [1, 2, 2, 2, 2, 2]);
        assert_eq!(of_machines.map(heavy_tasks_of), [1; 6]);
    }
}
