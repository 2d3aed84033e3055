//! What lives as long as a request: its mark on the connection, and its place among the requests in flight.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use crate::telemetry::GatewayMetrics;

/// The requests of one connection, as far as the reader of the connection has to know them.
#[derive(Default)]
pub(super) struct ConnectionActivity {
    started: AtomicU64,
    busy: AtomicBool,
}

impl ConnectionActivity {
    /// Marks the beginning of a request, whose headers have been read.
    pub(super) fn begin_request(self: &Arc<Self>) -> RequestGuard {
        self.busy.store(true, Ordering::Relaxed);
        self.started.fetch_add(1, Ordering::Relaxed);
        RequestGuard { activity: self.clone(), in_flight: None }
    }

    /// Returns how many requests have begun so far.
    pub(super) fn started(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }

    /// Returns whether a request is in progress.
    pub(super) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed)
    }
}

/// A request in progress, from its headers to the last byte of its response. Dropping it ends the request.
pub(super) struct RequestGuard {
    activity: Arc<ConnectionActivity>,
    in_flight: Option<Arc<InFlight>>,
}

impl RequestGuard {
    /// Counts the request as in flight. Returns `false`, and does not count it, if `max` requests are in flight.
    pub(super) fn enter(&mut self, in_flight: &Arc<InFlight>, max: usize) -> bool {
        let before = in_flight.requests.fetch_add(1, Ordering::Relaxed);
        if before >= max {
            in_flight.requests.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        in_flight.metrics.in_flight(before + 1);
        self.in_flight = Some(in_flight.clone());
        true
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.activity.busy.store(false, Ordering::Relaxed);
        if let Some(in_flight) = &self.in_flight {
            let before = in_flight.requests.fetch_sub(1, Ordering::Relaxed);
            in_flight.metrics.in_flight(before - 1);
        }
    }
}

/// The number of requests in progress on all connections.
pub(super) struct InFlight {
    requests: AtomicUsize,
    metrics: GatewayMetrics,
}

impl InFlight {
    pub(super) fn new(metrics: GatewayMetrics) -> Self {
        Self { requests: AtomicUsize::new(0), metrics }
    }
}
