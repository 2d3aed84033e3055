//! Metrics in Prometheus' text form. Labels are of a small fixed set: kinds, operations, classes of error.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::{Registry, Unit},
};

use super::{AdmissionMetrics, gateway::GatewayMetrics};

/// How many objects of a kind there are, by what their `Ready` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectCount {
    /// The kind.
    pub kind: &'static str,
    /// `Ready` is true.
    pub ready: u32,
    /// `Ready` is false.
    pub not_ready: u32,
    /// Nothing is said of the present spec yet.
    pub unknown: u32,
    /// Svix differs, of those that are only compared.
    pub differing: u32,
}

/// What is read when metrics are scraped: object counts, and how many objects wait and are worked on.
type Scrape = Box<dyn Fn() -> (Vec<ObjectCount>, (usize, usize)) + Send + Sync>;

/// All metrics. Cheap to clone; no global state.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    scrape: RwLock<Option<Scrape>>,
    reconciles: Family<Reconcile, Counter>,
    reconcile_seconds: Family<OfKind, Histogram>,
    reconcile_errors: Family<ErrorOf, Counter>,
    queue_seconds: Histogram,
    queue_depth: Gauge,
    in_progress: Gauge,
    svix_requests: Family<Call, Counter>,
    svix_request_seconds: Family<Operation, Histogram>,
    budget_seconds: Histogram,
    drift: Family<OfKind, Counter>,
    payload_mismatches: Family<OfPolicy, Counter>,
    status_patches: Family<OfKind, Counter>,
    objects: Family<OfReadiness, Gauge>,
    differing: Family<OfKind, Gauge>,
    leader: Gauge,
    admission: AdmissionMetrics,
    gateway: GatewayMetrics,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reconcile {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfKind {
    pub(super) kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfPolicy {
    pub(super) policy: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrorOf {
    kind: &'static str,
    class: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    operation: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfReadiness {
    kind: &'static str,
    ready: &'static str,
}

pub(super) fn milliseconds_to_minute() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.5, 13))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("svix_operator");
        let seconds = || Family::<OfKind, Histogram>::new_with_constructor(milliseconds_to_minute);
        let calls = Family::<Operation, Histogram>::new_with_constructor(milliseconds_to_minute);
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
        r.register("reconciles", "Looks at objects, by what they came to", inner.reconciles.clone());
        r.register_with_unit(
            "reconcile_duration",
            "How long a look at an object took",
            Unit::Seconds,
            inner.reconcile_seconds.clone(),
        );
        r.register(
            "reconcile_errors",
            "Looks that failed, by class of error",
            inner.reconcile_errors.clone(),
        );
        r.register_with_unit(
            "queue_latency",
            "How long objects waited to be looked at after they were due",
            Unit::Seconds,
            inner.queue_seconds.clone(),
        );
        r.register("queue_depth", "Objects that wait to be looked at", inner.queue_depth.clone());
        r.register("reconciles_in_progress", "Objects that are being looked at", inner.in_progress.clone());
        r.register("svix_requests", "Calls to Svix, by operation and result", inner.svix_requests.clone());
        r.register_with_unit(
            "svix_request_duration",
            "How long calls to Svix took",
            Unit::Seconds,
            inner.svix_request_seconds.clone(),
        );
        r.register_with_unit(
            "budget_wait",
            "How long calls to Svix were held back by the connection's budget or by a 429",
            Unit::Seconds,
            inner.budget_seconds.clone(),
        );
        r.register(
            "drift",
            "Changes made in Svix behind the operator's back that were repaired",
            inner.drift.clone(),
        );
        r.register(
            "payload_mismatches",
            "Payloads of events that did not match their schema, by what their event type says of that",
            inner.payload_mismatches.clone(),
        );
        r.register("status_patches", "Writes of status to Kubernetes", inner.status_patches.clone());
        r.register("objects", "Objects by kind and what their Ready condition says", inner.objects.clone());
        r.register(
            "differing_objects",
            "Objects that are observed or suspended and from which Svix differs",
            inner.differing.clone(),
        );
        r.register("leader", "1 while this process holds the lease and may write", inner.leader.clone());
        r.register("build", "The version that runs", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        inner.registry = registry;
        Self(Arc::new(inner))
    }
}

impl Metrics {
    /// A look at an object ended: what it came to, and how long it took.
    pub fn reconciled(&self, kind: &'static str, outcome: &'static str, took: Duration) {
        self.0.reconciles.get_or_create(&Reconcile { kind, outcome }).inc();
        self.0.reconcile_seconds.get_or_create(&OfKind { kind }).observe(took.as_secs_f64());
    }

    /// A look failed, with an error of this class.
    pub fn reconcile_error(&self, kind: &'static str, class: &'static str) {
        self.0.reconcile_errors.get_or_create(&ErrorOf { kind, class }).inc();
    }

    /// An object waited so long to be looked at.
    pub fn queue_waited(&self, waited: Duration) {
        self.0.queue_seconds.observe(waited.as_secs_f64());
    }

    /// A call to Svix ended with this result.
    pub fn svix_call(&self, operation: &'static str, status: &'static str, took: Duration) {
        self.0.svix_requests.get_or_create(&Call { operation, status }).inc();
        self.0.svix_request_seconds.get_or_create(&Operation { operation }).observe(took.as_secs_f64());
    }

    /// A call was held back so long.
    pub fn budget_waited(&self, waited: Duration) {
        self.0.budget_seconds.observe(waited.as_secs_f64());
    }

    /// Drift was repaired.
    pub fn drift(&self, kind: &'static str) {
        self.0.drift.get_or_create(&OfKind { kind }).inc();
    }

    /// The payload of an event did not match its schema; `policy` says what happened to it.
    pub fn payload_mismatch(&self, policy: &'static str) {
        self.0.payload_mismatches.get_or_create(&OfPolicy { policy }).inc();
    }

    /// Status was written.
    pub fn status_patched(&self, kind: &'static str) {
        self.0.status_patches.get_or_create(&OfKind { kind }).inc();
    }

    /// Whether this process leads.
    pub fn leading(&self, leads: bool) {
        self.0.leader.set(i64::from(leads));
    }

    /// What the admission webhook counts.
    #[must_use]
    pub fn admission(&self) -> AdmissionMetrics {
        self.0.admission.clone()
    }

    /// What the gateway counts.
    #[must_use]
    pub fn gateway(&self) -> &GatewayMetrics {
        &self.0.gateway
    }

    /// What to read at each scrape.
    pub fn on_scrape(&self, read: impl Fn() -> (Vec<ObjectCount>, (usize, usize)) + Send + Sync + 'static) {
        *self.0.scrape.write().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(read));
    }

    /// All metrics as text.
    #[must_use]
    pub fn encode(&self) -> String {
        if let Some(read) = &*self.0.scrape.read().unwrap_or_else(PoisonError::into_inner) {
            let (counts, (waiting, running)) = read();
            for count in counts {
                for (ready, number) in
                    [("true", count.ready), ("false", count.not_ready), ("unknown", count.unknown)]
                {
                    self.0
                        .objects
                        .get_or_create(&OfReadiness { kind: count.kind, ready })
                        .set(i64::from(number));
                }
                self.0.differing.get_or_create(&OfKind { kind: count.kind }).set(i64::from(count.differing));
            }
            self.0.queue_depth.set(i64::try_from(waiting).unwrap_or(i64::MAX));
            self.0.in_progress.set(i64::try_from(running).unwrap_or(i64::MAX));
        }
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.0.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_is_counted_under_fixed_labels() {
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
