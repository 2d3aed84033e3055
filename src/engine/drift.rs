//! Drift: what somebody changed in Svix behind the operator's back, and how often it is repaired.

use std::time::Duration;

use tokio::time::Instant;

use super::object::Object;

/// How often the same drift is repaired within [`PERIOD`].
pub const MOST_REPAIRS: usize = 5;
/// The period in which repairs are counted.
const PERIOD: Duration = Duration::from_secs(3600);
/// How many repairs are remembered of one object.
const REMEMBERED: usize = 32;

/// Whether what differs in Svix was changed there, not here: the present spec had been carried out.
///
/// A schema in a ConfigMap may have changed without the spec, so there it is never called drift.
#[must_use]
pub fn is_drift(object: &Object) -> bool {
    object.ready() == Some(true) && object.resource().config_map_name().is_none()
}

/// Counts the repairs of one object. Two that declare the same differently, such as two clusters on one environment,
/// would otherwise write forever; a drift that differs each time is repaired each time.
#[derive(Debug, Default, PartialEq)]
pub struct DriftLimiter {
    repairs: Vec<Repair>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Repair {
    at: Instant,
    what: u64,
    generation: Option<i64>,
}

impl DriftLimiter {
    /// Forgets the repairs of the past: somebody asked for a reconcile.
    pub fn reset(&mut self) {
        self.repairs.clear();
    }

    /// Asks whether a difference may be written now; `Err` is how long to wait until it may be.
    ///
    /// `what` is a digest of the fields and of what was found in them; another generation of the spec begins to count
    /// again. Only what `is_drift` is counted: what changes with the spec is not.
    pub fn admit(
        &mut self,
        now: Instant,
        what: u64,
        generation: Option<i64>,
        is_drift: bool,
    ) -> Result<(), Duration> {
        self.repairs
            .retain(|repair| repair.generation == generation && now.duration_since(repair.at) < PERIOD);
        let same: Vec<_> =
            self.repairs.iter().filter(|repair| repair.what == what).map(|repair| repair.at).collect();
        match same.first() {
            Some(first) if same.len() >= MOST_REPAIRS => {
                return Err(PERIOD.saturating_sub(now.duration_since(*first)));
            }
            _ => {}
        }
        if !is_drift {
            return Ok(());
        }
        if self.repairs.len() >= REMEMBERED {
            self.repairs.remove(0);
        }
        self.repairs.push(Repair { at: now, what, generation });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_drift_is_repaired_five_times_an_hour() {
        let mut limiter = DriftLimiter::default();
        let start = Instant::now();
        for _ in 0..MOST_REPAIRS {
            assert_eq!(limiter.admit(start, 1, Some(1), true), Ok(()));
        }

        let minute = start + Duration::from_secs(60);
        assert_eq!(limiter.admit(minute, 1, Some(1), true), Err(PERIOD - Duration::from_secs(60)));
        assert_eq!(limiter.admit(start + PERIOD, 1, Some(1), true), Ok(()));
    }

    #[test]
    fn another_drift_and_another_generation_are_repaired() {
        let mut limiter = DriftLimiter::default();
        let now = Instant::now();
        for _ in 0..MOST_REPAIRS {
            assert_eq!(limiter.admit(now, 1, Some(1), true), Ok(()));
        }

        assert_eq!(limiter.admit(now, 2, Some(1), true), Ok(()));
        assert_eq!(limiter.admit(now, 1, Some(2), true), Ok(()));
    }
}
