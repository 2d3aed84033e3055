//! Metrics of the admission webhook. Dry runs are counted like other requests.

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use super::labels::{KindLabel, PolicyLabel, milliseconds_to_minute};

/// Metrics of the admission webhook. Cheap to clone.
#[derive(Clone)]
pub struct AdmissionMetrics {
    reviews: Family<ReviewLabels, Counter>,
    review_seconds: Family<KindLabel, Histogram>,
    violations: Family<PolicyLabel, Counter>,
    certificate_end: Family<CertificateLabel, Gauge>,
    reloads: Family<ResultLabel, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReviewLabels {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CertificateLabel {
    certificate: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

impl AdmissionMetrics {
    pub(super) fn register(r: &mut Registry) -> Self {
        let seconds = Family::<KindLabel, Histogram>::new_with_constructor(milliseconds_to_minute);
        let metrics = Self {
            reviews: Family::default(),
            review_seconds: seconds,
            violations: Family::default(),
            certificate_end: Family::default(),
            reloads: Family::default(),
        };
        r.register(
            "admission_reviews",
            "Admission requests, by outcome; includes dry runs",
            metrics.reviews.clone(),
        );
        r.register_with_unit(
            "admission_review_duration",
            "Duration of the review of an admission request",
            Unit::Seconds,
            metrics.review_seconds.clone(),
        );
        r.register(
            "admission_payload_violations",
            "Events whose payload does not match its schema, by payloadPolicy of the event type",
            metrics.violations.clone(),
        );
        r.register_with_unit(
            "certificate_not_after_timestamp",
            "Time at which a certificate expires, in seconds since 1970",
            Unit::Seconds,
            metrics.certificate_end.clone(),
        );
        r.register(
            "certificate_reloads",
            "Serving certificates that were loaded, or could not be used",
            metrics.reloads.clone(),
        );
        metrics
    }

    /// Counts an admission request, with its outcome and its duration.
    pub fn reviewed(&self, kind: &'static str, outcome: &'static str, took: Duration) {
        self.reviews.get_or_create(&ReviewLabels { kind, outcome }).inc();
        self.review_seconds.get_or_create(&KindLabel { kind }).observe(took.as_secs_f64());
    }

    /// Counts a payload that does not match its schema.
    pub fn payload_violated(&self, policy: &'static str) {
        self.violations.get_or_create(&PolicyLabel { policy }).inc();
    }

    /// Records when a certificate (`serving` or `ca`) expires, in seconds since 1970.
    pub fn certificate_end(&self, certificate: &'static str, second: i64) {
        self.certificate_end.get_or_create(&CertificateLabel { certificate }).set(second);
    }

    /// Counts a serving certificate that was loaded, or that could not be.
    pub fn certificate_reloaded(&self, taken: bool) {
        let result = if taken { "ok" } else { "unusable" };
        self.reloads.get_or_create(&ResultLabel { result }).inc();
    }
}
