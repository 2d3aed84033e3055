//! Calls of one object that Svix fails with 5xx again and again, while other calls of the connection succeed.
//!
//! That is no outage of Svix, so waiting does not end it: something in what the object declares makes Svix fail.

use std::time::Duration;

use tokio::time::Instant;

use super::backoff::{exponential, half_random};

/// After so many failures with a success of the connection between two of them, it is the object that fails.
pub const ALONE_AFTER: u32 = 3;
/// The delay that doubles with each such failure, and the longest. It is longer than that of other failures: a person has
/// to change something first.
const FIRST_DELAY: Duration = Duration::from_secs(1);
const LONGEST_DELAY: Duration = Duration::from_secs(600);

/// The failures of one object with status 5xx since it was reconciled last without one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Failing {
    /// The generation of the spec that fails.
    generation: Option<i64>,
    /// When it failed last.
    last: Instant,
    /// How often it failed while the connection worked.
    alone: u32,
}

impl Failing {
    /// Records a failure of this generation. `last_success` is when a call of the connection succeeded last, and
    /// `is_known_alone` says that status records already that only the object fails.
    pub fn record(
        before: Option<Self>,
        now: Instant,
        generation: Option<i64>,
        last_success: Option<Instant>,
        is_known_alone: bool,
    ) -> Self {
        match before.filter(|before| before.generation == generation) {
            Some(before) => {
                let worked = last_success.is_some_and(|success| success >= before.last);
                Self { generation, last: now, alone: before.alone.saturating_add(u32::from(worked)) }
            }
            None => Self { generation, last: now, alone: if is_known_alone { ALONE_AFTER } else { 0 } },
        }
    }

    /// Whether Svix fails on this object and not on others.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.alone >= ALONE_AFTER
    }

    /// Returns how long to wait before the next attempt.
    #[must_use]
    pub fn delay(&self) -> Duration {
        half_random(exponential(FIRST_DELAY, LONGEST_DELAY, self.alone))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails so often, a second apart; `works` says whether the connection works in between.
    fn failed(times: u32, works: bool) -> Failing {
        let start = Instant::now();
        let at = |n: u32| start + Duration::from_secs(n.into());
        let fail = |before, n| Failing::record(before, at(n), Some(1), works.then_some(at(n)), false);
        (1..=times).fold(fail(None, 0), |before, n| fail(Some(before), n))
    }

    #[test]
    fn failures_while_the_connection_works_are_the_objects_own() {
        assert!(!failed(ALONE_AFTER - 1, true).is_alone());
        assert!(failed(ALONE_AFTER, true).is_alone());
        assert!(!failed(100, false).is_alone(), "an outage is none of its doing");
    }

    #[test]
    fn another_generation_begins_again() {
        let before = failed(ALONE_AFTER, true);

        let now = Failing::record(Some(before), Instant::now(), Some(2), None, false);

        assert!(!now.is_alone());
    }

    #[test]
    fn what_status_records_is_known_after_a_restart() {
        assert!(Failing::record(None, Instant::now(), Some(1), None, true).is_alone());
    }

    #[test]
    fn the_delay_grows_beyond_a_minute_up_to_ten() {
        let longest = failed(40, true).delay();

        assert!((LONGEST_DELAY / 2..=LONGEST_DELAY).contains(&longest), "{longest:?}");
        assert!(failed(ALONE_AFTER, true).delay() <= Duration::from_secs(8));
    }
}
