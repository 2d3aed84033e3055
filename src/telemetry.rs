//! Logs, metrics and health.

use std::time::Duration;

/// Placeholder until the telemetry branch lands.
#[derive(Clone, Default)]
pub struct Metrics;

impl Metrics {
    /// x
    pub fn budget_waited(&self, _: Duration) {}
    /// x
    pub fn svix_call(&self, _: &'static str, _: &'static str, _: Duration) {}
}
