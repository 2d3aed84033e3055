//! Decides which fault a request meets.

use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::embedded::faults::plan::FaultPlan;

/// The faults of a running server. They may be changed at any time, and apply to requests that come afterwards.
#[derive(Default)]
pub struct Faults {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    down: bool,
    accepts_used_event_ids: bool,
    plan: Option<(FaultPlan, StdRng)>,
}

/// How one request is handled.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Decision {
    pub(crate) delay: Duration,
    pub(crate) fault: Fault,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    #[default]
    None,
    DropBefore,
    Throttle {
        retry_after: u64,
    },
    Fail,
    Refuse,
    DropAfter,
}

impl Faults {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Follows `plan` from now on.
    pub fn set(&self, plan: FaultPlan) {
        let generator = StdRng::seed_from_u64(plan.seed);
        self.state().plan = Some((plan, generator));
    }

    /// No faults from now on; a server that is down comes up again.
    pub fn clear(&self) {
        *self.state() = State::default();
    }

    /// While down, the server closes every connection without a response and without effect.
    pub fn down(&self, down: bool) {
        self.state().down = down;
    }

    /// While set, a message may have an event id that an earlier message has, as in Svix Cloud after a day.
    pub fn accept_used_event_ids(&self, accept: bool) {
        self.state().accepts_used_event_ids = accept;
    }

    pub(crate) fn accepts_used_event_ids(&self) -> bool {
        self.state().accepts_used_event_ids
    }

    pub(crate) fn is_down(&self) -> bool {
        self.state().down
    }

    pub(crate) fn decide(&self, operation: &str) -> Decision {
        let mut state = self.state();
        if state.down {
            return Decision { fault: Fault::DropBefore, ..Decision::default() };
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
        let refused = plan.refused > 0.0 && happens(plan.refused);
        let retry_after = if plan.retry_after.is_empty() {
            *plan.retry_after.start()
        } else {
            generator.random_range(plan.retry_after.clone())
        };
        let fault = if drop_before {
            Fault::DropBefore
        } else if throttled {
            Fault::Throttle { retry_after }
        } else if failed {
            Fault::Fail
        } else if refused {
            Fault::Refuse
        } else if drop_after {
            Fault::DropAfter
        } else {
            Fault::None
        };
        let slow_for = if slow { plan.slow_for } else { Duration::ZERO };
        Decision { delay: plan.latency + slow_for, fault }
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
            (0..50).map(|_| faults.decide("endpoint.create").fault).collect::<Vec<_>>()
        };
        let first = run();
        assert_eq!(first, run());
        assert!(first.contains(&Fault::Fail) && first.contains(&Fault::None), "{first:?}");
    }

    #[test]
    fn a_plan_for_one_operation_leaves_the_others_alone() {
        let faults = Faults::default();
        faults.set(FaultPlan {
            errors: 1.0,
            only: Some(vec!["endpoint.create".into()]),
            ..FaultPlan::default()
        });
        assert_eq!(faults.decide("endpoint.create").fault, Fault::Fail);
        assert_eq!(faults.decide("endpoint.patch").fault, Fault::None);
        faults.clear();
        assert_eq!(faults.decide("endpoint.create").fault, Fault::None);
    }
}
