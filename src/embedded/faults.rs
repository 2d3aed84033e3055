//! Faults that the server can be told to have, for tests: slowness, 429, 500, and connections that are dropped
//! before or after the write took effect.

use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// What goes wrong, and how often. Probabilities are from 0 (never) to 1 (always); each is decided on its own, in
/// the order of the fields, from one generator with the given seed.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultPlan {
    /// Added before every answer.
    pub latency: Duration,
    /// How often a request waits for `slow_for` too.
    pub slow: f64,
    /// How long a slow request waits, beside the latency.
    pub slow_for: Duration,
    /// How often the connection is closed without an answer and without effect.
    pub drop_before: f64,
    /// How often a request gets 429, without effect.
    pub throttled: f64,
    /// The seconds that `Retry-After` of a 429 says, chosen evenly.
    pub retry_after: RangeInclusive<u64>,
    /// How often a request gets 500 with `{}`, without effect.
    pub errors: f64,
    /// How often a request takes effect and its connection is closed without an answer.
    pub drop_after: f64,
    /// The seed: the same requests in the same order meet the same faults.
    pub seed: u64,
    /// The operations it is about (`endpoint.create`, …); `None` is all of them.
    pub only: Option<Vec<String>>,
}

impl Default for FaultPlan {
    /// No faults, and a `Retry-After` of one second for when `throttled` is set.
    fn default() -> Self {
        Self {
            latency: Duration::ZERO,
            slow: 0.0,
            slow_for: Duration::ZERO,
            drop_before: 0.0,
            throttled: 0.0,
            retry_after: 1..=1,
            errors: 0.0,
            drop_after: 0.0,
            seed: 0,
            only: None,
        }
    }
}

/// The faults of a running server. They may be changed at any time, and hold for requests that come afterwards.
#[derive(Default)]
pub struct Faults {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    down: bool,
    plan: Option<(FaultPlan, StdRng)>,
}

/// What is to become of one request.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Decision {
    pub(super) wait: Duration,
    pub(super) fate: Fate,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Fate {
    #[default]
    Served,
    DroppedBefore,
    Throttled {
        retry_after: u64,
    },
    Failed,
    DroppedAfter,
}

impl Faults {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows `plan` from now on.
    pub fn set(&self, plan: FaultPlan) {
        let generator = StdRng::seed_from_u64(plan.seed);
        self.state().plan = Some((plan, generator));
    }

    /// No faults from now on; a server that is down comes up.
    pub fn clear(&self) {
        *self.state() = State::default();
    }

    /// While down, every connection is closed without an answer and without effect.
    pub fn down(&self, down: bool) {
        self.state().down = down;
    }

    pub(super) fn is_down(&self) -> bool {
        self.state().down
    }

    pub(super) fn decide(&self, operation: &str) -> Decision {
        let mut state = self.state();
        if state.down {
            return Decision { fate: Fate::DroppedBefore, ..Decision::default() };
        }
        let Some((plan, generator)) = &mut state.plan else { return Decision::default() };
        if plan.only.as_ref().is_some_and(|only| !only.iter().any(|name| name == operation)) {
            return Decision::default();
        }
        let mut happens = |probability: f64| generator.random::<f64>() < probability;
        // Every die is cast for every request, so that one probability does not shift the others' outcomes.
        let (slow, drop_before) = (happens(plan.slow), happens(plan.drop_before));
        let (throttled, failed) = (happens(plan.throttled), happens(plan.errors));
        let drop_after = happens(plan.drop_after);
        let retry_after = if plan.retry_after.is_empty() {
            *plan.retry_after.start()
        } else {
            generator.random_range(plan.retry_after.clone())
        };
        let fate = if drop_before {
            Fate::DroppedBefore
        } else if throttled {
            Fate::Throttled { retry_after }
        } else if failed {
            Fate::Failed
        } else if drop_after {
            Fate::DroppedAfter
        } else {
            Fate::Served
        };
        let slow_for = if slow { plan.slow_for } else { Duration::ZERO };
        Decision { wait: plan.latency + slow_for, fate }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_faults() {
        let plan = FaultPlan { errors: 0.5, drop_after: 0.5, seed: 7, ..FaultPlan::default() };
        let run = || {
            let faults = Faults::default();
            faults.set(plan.clone());
            (0..50).map(|_| faults.decide("endpoint.create").fate).collect::<Vec<_>>()
        };
        let first = run();
        assert_eq!(first, run());
        assert!(first.contains(&Fate::Failed) && first.contains(&Fate::Served), "{first:?}");
    }

    #[test]
    fn a_plan_for_one_operation_leaves_the_others_alone() {
        let faults = Faults::default();
        faults.set(FaultPlan {
            errors: 1.0,
            only: Some(vec!["endpoint.create".into()]),
            ..FaultPlan::default()
        });
        assert_eq!(faults.decide("endpoint.create").fate, Fate::Failed);
        assert_eq!(faults.decide("endpoint.patch").fate, Fate::Served);
        faults.clear();
        assert_eq!(faults.decide("endpoint.create").fate, Fate::Served);
    }
}
