//! The faults to inject and their probabilities.

use std::ops::RangeInclusive;
use std::time::Duration;

/// The faults to inject. Probabilities are from 0 (never) to 1 (always); each is decided on its own, in
/// the order of the fields, from one generator with the given seed.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultPlan {
    /// Added before every response.
    pub latency: Duration,
    /// How often a request waits for `slow_for` too.
    pub slow: f64,
    /// How long a slow request waits, beside the latency.
    pub slow_for: Duration,
    /// How often the connection is closed without a response and without effect.
    pub drop_before: f64,
    /// How often a request gets 429, without effect.
    pub throttled: f64,
    /// The seconds in `Retry-After` of a 429, chosen evenly.
    pub retry_after: RangeInclusive<u64>,
    /// How often a request gets 500 with `{}`, without effect.
    pub errors: f64,
    /// How often a request gets 422, without effect, as when a server has a rule that nobody knows.
    pub refused: f64,
    /// How often a request takes effect and its connection is closed without a response.
    pub drop_after: f64,
    /// The seed: the same requests in the same order meet the same faults.
    pub seed: u64,
    /// The operations that the plan applies to (`endpoint.create`, …); `None` is all of them.
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
            refused: 0.0,
            drop_after: 0.0,
            seed: 0,
            only: None,
        }
    }
}
