//! Metrics of the gateway. Every request is counted, so counters are kept without a lookup by label.

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

use super::labels::PolicyLabel;

/// The outcome of a request to the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatewayOutcome {
    /// Svix responded to it.
    Forwarded,
    /// Its payload is valid, and there was nothing to forward.
    Checked,
    /// Its payload does not match its schema.
    Invalid,
    /// Its event type is not declared.
    Undeclared,
    /// It was rejected for another reason, such as its path, format or size.
    Refused,
    /// The gateway was overloaded, or the event types were not loaded yet.
    Overload,
    /// Svix did not respond.
    UpstreamFailed,
}

impl GatewayOutcome {
    /// All outcomes, in the order of the variants.
    pub const ALL: [Self; 7] = [
        Self::Forwarded,
        Self::Checked,
        Self::Invalid,
        Self::Undeclared,
        Self::Refused,
        Self::Overload,
        Self::UpstreamFailed,
    ];

    /// Returns the value of the metric's label.
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
struct OutcomeLabel {
    outcome: &'static str,
}

/// Metrics of the gateway. Cheap to clone.
#[derive(Clone)]
pub struct GatewayMetrics {
    requests: [Counter; GatewayOutcome::ALL.len()],
    violations: Family<PolicyLabel, Counter>,
    seconds: Histogram,
    in_flight: Gauge,
}

impl GatewayMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let requests = Family::<OutcomeLabel, Counter>::default();
        let metrics = Self {
            requests: GatewayOutcome::ALL
                .map(|outcome| requests.get_or_create(&OutcomeLabel { outcome: outcome.as_str() }).clone()),
            violations: Family::default(),
            // From a tenth of a millisecond to 26 seconds.
            seconds: Histogram::new(exponential_buckets(0.0001, 4.0, 10)),
            in_flight: Gauge::default(),
        };
        registry.register("gateway_requests", "Requests to the gateway, by outcome", requests);
        registry.register(
            "gateway_violations",
            "Payloads that do not match the schema of their event type, by its payloadPolicy",
            metrics.violations.clone(),
        );
        registry.register_with_unit(
            "gateway_request_duration",
            "Duration of requests to the gateway, from their headers to the headers of the response",
            Unit::Seconds,
            metrics.seconds.clone(),
        );
        registry.register(
            "gateway_requests_in_flight",
            "Requests that the gateway is handling",
            metrics.in_flight.clone(),
        );
        metrics
    }

    /// Counts a request, with its outcome and its duration.
    pub fn handled(&self, outcome: GatewayOutcome, took: Duration) {
        // The counters are in the order of `ALL`, which is the order of the variants.
        self.requests[outcome as usize].inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// Counts a payload that does not match its schema, by the policy of its event type.
    pub fn violated(&self, policy: &'static str) {
        self.violations.get_or_create(&PolicyLabel { policy }).inc();
    }

    /// Records how many requests are being handled.
    pub fn in_flight(&self, requests: usize) {
        self.in_flight.set(i64::try_from(requests).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_has_its_own_counter() {
        for (index, outcome) in GatewayOutcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, index, "{}", outcome.as_str());
        }
        let metrics = crate::telemetry::Metrics::default();
        metrics.gateway().handled(GatewayOutcome::UpstreamFailed, Duration::from_millis(1));
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
