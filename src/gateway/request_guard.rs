//! What belongs to a request while it is in progress: its place among the requests in flight, who sent it, and whether its body
//! has been read.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use hyper::{
    Request,
    body::{Body as _, Incoming},
    http::request,
};

use crate::{
    telemetry::GatewayMetrics,
    turns::{Caller, Sender, Share, Shares},
};

/// A request in progress, from its headers to the last byte of its response. Dropping it ends the request.
pub(super) struct RequestGuard {
    caller: Caller,
    place: Option<Place>,
}

/// A place among the requests in flight.
struct Place {
    /// `None` only while it is dropped.
    share: Option<Share>,
    in_flight: InFlight,
}

impl RequestGuard {
    /// Begins a request of a caller.
    pub(super) fn new(caller: Caller) -> Self {
        Self { caller, place: None }
    }

    /// Returns who sent it.
    pub(super) fn caller(&self) -> Caller {
        self.caller
    }

    /// Counts the request as in flight. Returns `false`, and does not count it, if the sender may have no more, or if nobody
    /// may.
    pub(super) fn enter(&mut self, in_flight: &InFlight, sender: Sender) -> bool {
        let Some(share) = in_flight.places.try_take(sender, 1) else { return false };
        self.place = Some(Place { share: Some(share), in_flight: in_flight.clone() });
        in_flight.report();
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.share = None;
        self.in_flight.report();
    }
}

/// The requests in progress on all connections. Cheap to clone.
#[derive(Clone)]
pub(super) struct InFlight {
    places: Shares,
    metrics: GatewayMetrics,
}

impl InFlight {
    /// Returns so many places.
    pub(super) fn new(max: usize, metrics: GatewayMetrics) -> Self {
        Self { places: Shares::new(max), metrics }
    }

    fn report(&self) {
        self.metrics.in_flight(self.places.used());
    }
}

/// Returns who sent a request. The service puts it there.
pub(super) fn sender_of(parts: &request::Parts) -> Sender {
    parts.extensions.get().copied().unwrap_or(Sender::at(Caller::INTERNAL))
}

/// Whether the body of a request has been read to its end.
#[derive(Clone)]
pub(super) struct BodyIsRead(Arc<AtomicBool>);

impl BodyIsRead {
    pub(super) fn of(request: &Request<Incoming>) -> Self {
        Self(Arc::new(AtomicBool::new(request.body().is_end_stream())))
    }

    pub(super) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
