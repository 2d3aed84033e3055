//! Metrics of the gateway. Counted in every request, so each counter is at hand without a look-up.

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use super::metrics::OfPolicy;

/// What a request to the gateway came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Svix has answered it.
    Forwarded,
    /// Its payload was judged good, and nothing was to be sent.
    Checked,
    /// Its payload was refused.
    Invalid,
    /// Nobody declares its event type.
    Undeclared,
    /// It was refused for another reason: its path, its form, its size.
    Refused,
    /// There was too much to do, or nothing to judge by yet.
    Overload,
    /// Svix did not answer.
    UpstreamFailed,
}

impl Outcome {
    /// All there are.
    pub const ALL: [Self; 7] = [
        Self::Forwarded,
        Self::Checked,
        Self::Invalid,
        Self::Undeclared,
        Self::Refused,
        Self::Overload,
        Self::UpstreamFailed,
    ];

    /// As a metric's label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Checked => "checked",
            Self::Invalid => "invalid",
            Self::Undeclared => "undeclared",
            Self::Refused => "refused",
            Self::Overload => "overload",
            Self::UpstreamFailed => "upstream-failed",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfOutcome {
    outcome: &'static str,
}

/// Metrics of the gateway. Cheap to clone.
#[derive(Clone)]
pub struct GatewayMetrics {
    requests: [Counter; Outcome::ALL.len()],
    violations: Family<OfPolicy, Counter>,
    seconds: Histogram,
    in_flight: Gauge,
}

impl GatewayMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let requests = Family::<OfOutcome, Counter>::default();
        let metrics = Self {
            requests: Outcome::ALL
                .map(|outcome| requests.get_or_create(&OfOutcome { outcome: outcome.as_str() }).clone()),
            violations: Family::default(),
            // From a tenth of a millisecond to 26 seconds.
            seconds: Histogram::new(exponential_buckets(0.0001, 4.0, 10)),
            in_flight: Gauge::default(),
        };
        registry.register("gateway_requests", "Requests to the gateway, by what they came to", requests);
        registry.register(
            "gateway_violations",
            "Payloads that break the schema of their event type, by its payloadPolicy",
            metrics.violations.clone(),
        );
        registry.register_with_unit(
            "gateway_request_duration",
            "How long requests to the gateway took, from their headers to those of the answer",
            Unit::Seconds,
            metrics.seconds.clone(),
        );
        registry.register(
            "gateway_requests_in_flight",
            "Requests that the gateway is working on",
            metrics.in_flight.clone(),
        );
        metrics
    }

    /// A request was answered.
    pub fn answered(&self, outcome: Outcome, took: Duration) {
        // In the order of `ALL`, which is that of the variants.
        self.requests[outcome as usize].inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// A payload broke its schema, under this policy.
    pub fn violated(&self, policy: &'static str) {
        self.violations.get_or_create(&OfPolicy { policy }).inc();
    }

    /// So many requests are worked on.
    pub fn in_flight(&self, requests: usize) {
        self.in_flight.set(i64::try_from(requests).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_has_its_own_counter() {
        for (index, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, index, "{}", outcome.as_str());
        }
        let metrics = crate::telemetry::Metrics::default();
        metrics.gateway().answered(Outcome::UpstreamFailed, Duration::from_millis(1));
        metrics.gateway().violated("Audit");
        let text = metrics.encode();
        for line in [
            r#"svix_operator_gateway_requests_total{outcome="upstream-failed"} 1"#,
            r#"svix_operator_gateway_requests_total{outcome="forwarded"} 0"#,
            r#"svix_operator_gateway_violations_total{policy="Audit"} 1"#,
            "svix_operator_gateway_request_duration_seconds_count 1",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
