//! Metrics of the admission webhook. Dry runs are counted like other requests.

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use super::metrics::{OfKind, OfPolicy};

/// What the webhook counts. Cheap to clone.
#[derive(Clone)]
pub struct AdmissionMetrics {
    reviews: Family<Review, Counter>,
    review_seconds: Family<OfKind, Histogram>,
    violations: Family<OfPolicy, Counter>,
    certificate_end: Family<OfCertificate, Gauge>,
    reloads: Family<OfResult, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Review {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfCertificate {
    certificate: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfResult {
    result: &'static str,
}

impl AdmissionMetrics {
    pub(super) fn register(r: &mut Registry) -> Self {
        let seconds =
            Family::<OfKind, Histogram>::new_with_constructor(super::metrics::milliseconds_to_minute);
        let metrics = Self {
            reviews: Family::default(),
            review_seconds: seconds,
            violations: Family::default(),
            certificate_end: Family::default(),
            reloads: Family::default(),
        };
        r.register(
            "admission_reviews",
            "Requests of the API server, by what they came to; dry runs are counted, too",
            metrics.reviews.clone(),
        );
        r.register_with_unit(
            "admission_review_duration",
            "How long the judging of a request took",
            Unit::Seconds,
            metrics.review_seconds.clone(),
        );
        r.register(
            "admission_payload_violations",
            "Events whose payload does not match its schema, by the event type's payloadPolicy",
            metrics.violations.clone(),
        );
        r.register_with_unit(
            "certificate_not_after_timestamp",
            "When a certificate ends, in seconds since 1970",
            Unit::Seconds,
            metrics.certificate_end.clone(),
        );
        r.register(
            "certificate_reloads",
            "Serving certificates that were taken, or found unusable",
            metrics.reloads.clone(),
        );
        metrics
    }

    /// A request was judged.
    pub fn reviewed(&self, kind: &'static str, outcome: &'static str, took: Duration) {
        self.reviews.get_or_create(&Review { kind, outcome }).inc();
        self.review_seconds.get_or_create(&OfKind { kind }).observe(took.as_secs_f64());
    }

    /// A payload does not match its schema.
    pub fn payload_violated(&self, policy: &'static str) {
        self.violations.get_or_create(&OfPolicy { policy }).inc();
    }

    /// When a certificate ends: `serving` or `ca`, in seconds since 1970.
    pub fn certificate_end(&self, certificate: &'static str, second: i64) {
        self.certificate_end.get_or_create(&OfCertificate { certificate }).set(second);
    }

    /// A serving certificate was taken, or could not be.
    pub fn certificate_reloaded(&self, taken: bool) {
        let result = if taken { "ok" } else { "unusable" };
        self.reloads.get_or_create(&OfResult { result }).inc();
    }
}
