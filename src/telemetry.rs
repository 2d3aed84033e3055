//! Logs, metrics and health.

use std::time::Duration;

/// Placeholder until the telemetry branch lands.
#[derive(Clone, Default)]
pub struct Metrics;

impl Metrics {
    /// x
    pub fn budget_waited(&self, _: Duration) {}
    /// x
    pub fn queue_waited(&self, _: Duration) {}
    /// x
    pub fn reconciled(&self, _: &'static str, _: &'static str, _: Duration) {}
    /// x
    pub fn reconcile_error(&self, _: &'static str, _: &'static str) {}
    /// x
    pub fn status_patched(&self, _: &'static str) {}
    /// x
    pub fn drift(&self, _: &'static str) {}
    /// x
    pub fn svix_call(&self, _: &'static str, _: &'static str, _: Duration) {}
}
