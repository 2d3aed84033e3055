//! How many processors a process uses that serves others.
//!
//! Memory grows with the threads that work at the same time: each has a table for each pattern that it matches, and what it
//! builds at the time. A machine may have a hundred processors, and the limits of the chart are the same on each.

use std::{num::NonZero, thread};

/// Most processors that are used. Of what takes long, one task runs at a time, so the other processor is free for what is small.
const MAX: usize = 2;

/// Returns how many processors are used: those that this process may use, at most two.
#[must_use]
pub fn used() -> usize {
    used_of(thread::available_parallelism().map_or(1, NonZero::get))
}

fn used_of(available: usize) -> usize {
    available.min(MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_machines_are_used_as_small_ones() {
        assert_eq!([1, 2, 3, 4, 5, 128].map(used_of), [1, 2, 2, 2, 2, 2]);
    }
}
