//! Metrics of the gateway. Every request is counted, so the counters are kept by outcome and need no look-up by label.

use std::time::Duration;

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use super::{
    durations::fractions_of_milliseconds_to_seconds,
    labels::{OutcomeLabels, PolicyLabels},
};

/// The outcome of a request to the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Svix answered it.
    Forwarded,
    /// Its payload is valid, and it was a request to validate only.
    Checked,
    /// Its payload does not match its schema.
    Invalid,
    /// Nobody declares its event type.
    Undeclared,
    /// It was refused for another reason, such as its path or its size.
    Refused,
    /// The gateway was overloaded, or its schemas were not loaded yet.
    Overload,
    /// Svix did not answer.
    UpstreamFailed,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: [Self; 7] = [
        Self::Forwarded,
        Self::Checked,
        Self::Invalid,
        Self::Undeclared,
        Self::Refused,
        Self::Overload,
        Self::UpstreamFailed,
    ];

    /// Returns the outcome as a label.
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

/// The metrics of the gateway. Cheap to clone.
#[derive(Clone)]
pub struct GatewayMetrics {
    requests: [Counter; Outcome::ALL.len()],
    violations: Family<PolicyLabels, Counter>,
    seconds: Histogram,
    in_flight: Gauge,
}

impl GatewayMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let requests = Family::<OutcomeLabels, Counter>::default();
        let metrics = Self {
            requests: Outcome::ALL
                .map(|outcome| requests.get_or_create(&OutcomeLabels { outcome: outcome.as_str() }).clone()),
            violations: Family::default(),
            seconds: fractions_of_milliseconds_to_seconds(),
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
            "Time from the headers of a request to the gateway to those of its response",
            Unit::Seconds,
            metrics.seconds.clone(),
        );
        registry.register(
            "gateway_requests_in_flight",
            "Requests to the gateway that are in progress",
            metrics.in_flight.clone(),
        );
        metrics
    }

    /// Records a request and the time that it took.
    pub fn answered(&self, outcome: Outcome, took: Duration) {
        // In the order of `ALL`, which is that of the variants.
        self.requests[outcome as usize].inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// Records a payload that does not match its schema, under this policy.
    pub fn violated(&self, policy: &'static str) {
        self.violations.get_or_create(&PolicyLabels { policy }).inc();
    }

    /// Sets the number of requests in progress.
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
