//! Metrics in Prometheus' text format. Label values come from small fixed sets: kinds, operations, classes of errors.

use std::{sync::Arc, time::Duration};

use parking_lot::RwLock;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

use super::{
    admission::AdmissionMetrics,
    gateway::GatewayMetrics,
    labels::{KindLabel, PolicyLabel, milliseconds_to_minute},
};

/// The number of objects of a kind, by the status of their `Ready` condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectCount {
    /// The kind.
    pub kind: &'static str,
    /// `Ready` is true.
    pub ready: u32,
    /// `Ready` is false.
    pub not_ready: u32,
    /// `Ready` does not describe the current spec yet.
    pub unknown: u32,
    /// Objects that are only compared and from which Svix differs.
    pub differing: u32,
}

/// Read when metrics are scraped: object counts, and the numbers of objects that wait and that are being reconciled.
type Scrape = Box<dyn Fn() -> (Vec<ObjectCount>, (usize, usize)) + Send + Sync>;

/// All metrics. Cheap to clone; no global state.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    scrape: RwLock<Option<Scrape>>,
    reconciles: Family<ReconcileLabels, Counter>,
    reconcile_seconds: Family<KindLabel, Histogram>,
    reconcile_errors: Family<ErrorLabels, Counter>,
    queue_seconds: Histogram,
    queue_depth: Gauge,
    in_progress: Gauge,
    svix_requests: Family<CallLabels, Counter>,
    svix_request_seconds: Family<OperationLabel, Histogram>,
    budget_seconds: Histogram,
    drift: Family<KindLabel, Counter>,
    payload_mismatches: Family<PolicyLabel, Counter>,
    status_patches: Family<KindLabel, Counter>,
    objects: Family<ObjectLabels, Gauge>,
    differing: Family<KindLabel, Gauge>,
    leader: Gauge,
    admission: AdmissionMetrics,
    gateway: GatewayMetrics,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReconcileLabels {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrorLabels {
    kind: &'static str,
    class: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    operation: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabel {
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ObjectLabels {
    kind: &'static str,
    ready: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("svix_operator");
        let seconds = || Family::<KindLabel, Histogram>::new_with_constructor(milliseconds_to_minute);
        let calls = Family::<OperationLabel, Histogram>::new_with_constructor(milliseconds_to_minute);
        let mut inner = Inner {
            registry: Registry::default(),
            scrape: RwLock::default(),
            reconciles: Family::default(),
            reconcile_seconds: seconds(),
            reconcile_errors: Family::default(),
            queue_seconds: milliseconds_to_minute(),
            queue_depth: Gauge::default(),
            in_progress: Gauge::default(),
            svix_requests: Family::default(),
            svix_request_seconds: calls,
            budget_seconds: milliseconds_to_minute(),
            drift: Family::default(),
            payload_mismatches: Family::default(),
            status_patches: Family::default(),
            objects: Family::default(),
            differing: Family::default(),
            leader: Gauge::default(),
            admission: AdmissionMetrics::register(&mut registry),
            gateway: GatewayMetrics::register(&mut registry),
        };
        let r = &mut registry;
        r.register("reconciles", "Reconciliations of objects, by outcome", inner.reconciles.clone());
        r.register_with_unit(
            "reconcile_duration",
            "Duration of the reconciliation of an object",
            Unit::Seconds,
            inner.reconcile_seconds.clone(),
        );
        r.register(
            "reconcile_errors",
            "Reconciliations that failed, by class of error",
            inner.reconcile_errors.clone(),
        );
        r.register_with_unit(
            "queue_latency",
            "Time that objects waited in the queue after they were due",
            Unit::Seconds,
            inner.queue_seconds.clone(),
        );
        r.register("queue_depth", "Objects that wait to be reconciled", inner.queue_depth.clone());
        r.register("reconciles_in_progress", "Objects that are being reconciled", inner.in_progress.clone());
        r.register("svix_requests", "Calls to Svix, by operation and result", inner.svix_requests.clone());
        r.register_with_unit(
            "svix_request_duration",
            "Duration of calls to Svix",
            Unit::Seconds,
            inner.svix_request_seconds.clone(),
        );
        r.register_with_unit(
            "budget_wait",
            "Time that calls to Svix were delayed by the rate limit of the connection or by a 429",
            Unit::Seconds,
            inner.budget_seconds.clone(),
        );
        r.register("drift", "Changes made in Svix by others that were repaired", inner.drift.clone());
        r.register(
            "payload_mismatches",
            "Payloads of events that did not match their schema, by payloadPolicy of the event type",
            inner.payload_mismatches.clone(),
        );
        r.register(
            "status_patches",
            "Patches of the status of objects in Kubernetes",
            inner.status_patches.clone(),
        );
        r.register("objects", "Objects, by kind and status of their Ready condition", inner.objects.clone());
        r.register(
            "differing_objects",
            "Observed or suspended objects from which Svix differs",
            inner.differing.clone(),
        );
        r.register("leader", "1 while this process holds the lease and may write", inner.leader.clone());
        r.register("build", "Version of this process", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        inner.registry = registry;
        Self(Arc::new(inner))
    }
}

impl Metrics {
    /// Counts the reconciliation of an object, with its outcome and its duration.
    pub fn reconciled(&self, kind: &'static str, outcome: &'static str, took: Duration) {
        self.0.reconciles.get_or_create(&ReconcileLabels { kind, outcome }).inc();
        self.0.reconcile_seconds.get_or_create(&KindLabel { kind }).observe(took.as_secs_f64());
    }

    /// Counts a reconciliation that failed with an error of this class.
    pub fn reconcile_error(&self, kind: &'static str, class: &'static str) {
        self.0.reconcile_errors.get_or_create(&ErrorLabels { kind, class }).inc();
    }

    /// Records how long an object waited in the queue.
    pub fn queue_waited(&self, waited: Duration) {
        self.0.queue_seconds.observe(waited.as_secs_f64());
    }

    /// Counts a call to Svix, with its result and its duration.
    pub fn svix_call(&self, operation: &'static str, status: &'static str, took: Duration) {
        self.0.svix_requests.get_or_create(&CallLabels { operation, status }).inc();
        self.0.svix_request_seconds.get_or_create(&OperationLabel { operation }).observe(took.as_secs_f64());
    }

    /// Records how long a call to Svix was delayed.
    pub fn budget_waited(&self, waited: Duration) {
        self.0.budget_seconds.observe(waited.as_secs_f64());
    }

    /// Counts a repair of drift.
    pub fn drift(&self, kind: &'static str) {
        self.0.drift.get_or_create(&KindLabel { kind }).inc();
    }

    /// Counts a payload of an event that did not match its schema, by the policy of its event type.
    pub fn payload_mismatch(&self, policy: &'static str) {
        self.0.payload_mismatches.get_or_create(&PolicyLabel { policy }).inc();
    }

    /// Counts a patch of the status of an object.
    pub fn status_patched(&self, kind: &'static str) {
        self.0.status_patches.get_or_create(&KindLabel { kind }).inc();
    }

    /// Records whether this process is the leader.
    pub fn leading(&self, leads: bool) {
        self.0.leader.set(i64::from(leads));
    }

    /// Returns the metrics of the admission webhook.
    #[must_use]
    pub fn admission(&self) -> AdmissionMetrics {
        self.0.admission.clone()
    }

    /// Returns the metrics of the gateway.
    #[must_use]
    pub fn gateway(&self) -> &GatewayMetrics {
        &self.0.gateway
    }

    /// Sets the function that is called at each scrape.
    pub fn on_scrape(&self, read: impl Fn() -> (Vec<ObjectCount>, (usize, usize)) + Send + Sync + 'static) {
        *self.0.scrape.write() = Some(Box::new(read));
    }

    /// Returns all metrics as text.
    #[must_use]
    pub fn encode(&self) -> String {
        if let Some(read) = &*self.0.scrape.read() {
            let (counts, (waiting, running)) = read();
            for count in counts {
                for (ready, number) in
                    [("true", count.ready), ("false", count.not_ready), ("unknown", count.unknown)]
                {
                    self.0
                        .objects
                        .get_or_create(&ObjectLabels { kind: count.kind, ready })
                        .set(i64::from(number));
                }
                self.0
                    .differing
                    .get_or_create(&KindLabel { kind: count.kind })
                    .set(i64::from(count.differing));
            }
            self.0.queue_depth.set(i64::try_from(waiting).unwrap_or(i64::MAX));
            self.0.in_progress.set(i64::try_from(running).unwrap_or(i64::MAX));
        }
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.0.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_have_fixed_labels() {
        let metrics = Metrics::default();
        metrics.reconciled("WebhookEndpoint", "ready", Duration::from_millis(3));
        metrics.svix_call("endpoint.create", "ok", Duration::from_millis(2));
        metrics.svix_call("endpoint.create", "throttled", Duration::from_millis(2));
        metrics.reconcile_error("WebhookEndpoint", "transport");
        metrics.drift("WebhookEndpoint");
        metrics.payload_mismatch("Warn");
        metrics.leading(true);
        metrics.on_scrape(|| {
            (
                vec![ObjectCount {
                    kind: "WebhookEndpoint",
                    ready: 2,
                    not_ready: 1,
                    unknown: 0,
                    differing: 0,
                }],
                (5, 3),
            )
        });
        let text = metrics.encode();
        for line in [
            r#"svix_operator_reconciles_total{kind="WebhookEndpoint",outcome="ready"} 1"#,
            r#"svix_operator_svix_requests_total{operation="endpoint.create",status="throttled"} 1"#,
            r#"svix_operator_reconcile_errors_total{kind="WebhookEndpoint",class="transport"} 1"#,
            r#"svix_operator_drift_total{kind="WebhookEndpoint"} 1"#,
            r#"svix_operator_payload_mismatches_total{policy="Warn"} 1"#,
            r#"svix_operator_objects{kind="WebhookEndpoint",ready="false"} 1"#,
            "svix_operator_queue_depth 5",
            "svix_operator_leader 1",
            "# UNIT svix_operator_queue_latency_seconds seconds",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
