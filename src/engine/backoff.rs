//! Delays that double with each failure, and their random parts: one rule for every loop of the engine that retries.

use std::time::Duration;

use crate::svix::jitter;

/// A delay that doubles from a first value up to a longest one.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    doublings: u32,
}

impl Backoff {
    /// A back-off that begins with `first` and never exceeds `longest`.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, doublings: 0 }
    }

    /// Returns the delay as it stands.
    #[must_use]
    pub fn current(&self) -> Duration {
        exponential(self.first, self.longest, self.doublings)
    }

    /// Doubles the delay for the next time.
    pub fn grow(&mut self) {
        self.doublings = self.doublings.saturating_add(1);
    }

    /// Begins again with the first delay.
    pub fn reset(&mut self) {
        self.doublings = 0;
    }

    /// Returns the delay to wait now, half of it random, and doubles it for the next time.
    #[must_use]
    pub fn next(&mut self) -> Duration {
        let delay = half_random(self.current());
        self.grow();
        delay
    }
}

/// Returns `first` doubled so many times, at most `longest`.
#[must_use]
pub fn exponential(first: Duration, longest: Duration, doublings: u32) -> Duration {
    first.saturating_mul(1 << doublings.min(16)).min(longest)
}

/// Returns between half and all of a duration, so that what failed together does not come back together.
#[must_use]
pub fn half_random(full: Duration) -> Duration {
    full / 2 + jitter(full / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_doubles_up_to_its_bound_and_begins_again() {
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(2));

        let delays: Vec<_> = (0..4)
            .map(|_| {
                let delay = backoff.current();
                backoff.grow();
                delay.as_millis()
            })
            .collect();

        assert_eq!(delays, [500, 1000, 2000, 2000]);
        backoff.reset();
        assert_eq!(backoff.current(), Duration::from_millis(500));
    }

    #[test]
    fn the_random_part_is_at_most_half() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(1));

        let delay = backoff.next();

        assert!((Duration::from_millis(500)..=Duration::from_secs(1)).contains(&delay), "{delay:?}");
    }

    #[test]
    fn a_thousand_failures_do_not_overflow() {
        let hour = Duration::from_secs(3600);

        assert_eq!(exponential(Duration::from_secs(1), hour, 1000), hour);
    }
}
