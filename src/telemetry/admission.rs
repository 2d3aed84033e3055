//! Metrics of the admission webhook. Dry runs count like other requests.

use std::time::Duration;

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use super::{
    durations::milliseconds_to_minute,
    labels::{CertificateLabels, KindLabels, PolicyLabels, ResultLabels, ReviewLabels},
};

/// The metrics of the admission webhook. Cheap to clone.
#[derive(Clone)]
pub struct AdmissionMetrics {
    reviews: Family<ReviewLabels, Counter>,
    review_seconds: Family<KindLabels, Histogram>,
    violations: Family<PolicyLabels, Counter>,
    certificate_end: Family<CertificateLabels, Gauge>,
    reloads: Family<ResultLabels, Counter>,
}

impl AdmissionMetrics {
    pub(super) fn register(r: &mut Registry) -> Self {
        let metrics = Self {
            reviews: Family::default(),
            review_seconds: Family::new_with_constructor(milliseconds_to_minute),
            violations: Family::default(),
            certificate_end: Family::default(),
            reloads: Family::default(),
        };
        r.register(
            "admission_reviews",
            "Admission reviews, by outcome; dry runs count, too",
            metrics.reviews.clone(),
        );
        r.register_with_unit(
            "admission_review_duration",
            "Time to answer an admission review",
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
            "Expiry of a certificate, in seconds since 1970",
            Unit::Seconds,
            metrics.certificate_end.clone(),
        );
        r.register(
            "certificate_reloads",
            "Serving certificates that were loaded, or found unusable",
            metrics.reloads.clone(),
        );
        metrics
    }

    /// Records an admission review.
    pub fn reviewed(&self, kind: &'static str, outcome: &'static str, took: Duration) {
        self.reviews.get_or_create(&ReviewLabels { kind, outcome }).inc();
        self.review_seconds.get_or_create(&KindLabels { kind }).observe(took.as_secs_f64());
    }

    /// Records a payload that does not match its schema.
    pub fn payload_violated(&self, policy: &'static str) {
        self.violations.get_or_create(&PolicyLabels { policy }).inc();
    }

    /// Records the expiry of a certificate, `serving` or `ca`, in seconds since 1970.
    pub fn certificate_end(&self, certificate: &'static str, second: i64) {
        self.certificate_end.get_or_create(&CertificateLabels { certificate }).set(second);
    }

    /// Records that a serving certificate was loaded, or was found unusable.
    pub fn certificate_reloaded(&self, is_usable: bool) {
        let result = if is_usable { "ok" } else { "unusable" };
        self.reloads.get_or_create(&ResultLabels { result }).inc();
    }
}
