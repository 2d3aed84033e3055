//! What lives as long as a request: its place among the requests in flight.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::{telemetry::GatewayMetrics, turns::Caller};

/// A request in progress, from its headers to the last byte of its response. Dropping it ends the request.
pub(super) struct RequestGuard {
    caller: Caller,
    in_flight: Option<Arc<InFlight>>,
}

impl RequestGuard {
    /// Begins a request of a caller.
    pub(super) fn new(caller: Caller) -> Self {
        Self { caller, in_flight: None }
    }

    /// Returns who sent it.
    pub(super) fn caller(&self) -> Caller {
        self.caller
    }

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
