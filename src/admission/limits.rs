//! The limits and timeouts of the admission webhook's server.

use std::time::Duration;

use crate::memory;

/// Limits and timeouts.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Maximum size of a body in bytes. etcd stores objects of up to 1.5 MiB, and a request contains the old object as
    /// well; the rest is for clusters that raise etcd's limit.
    pub body: usize,
    /// Maximum size of all bodies of up to 1 MiB in memory together, in bytes; further requests wait. Callers are not
    /// authenticated, so one address never has all of it, and callers take turns.
    pub bodies: usize,
    /// The same of larger bodies.
    pub large_bodies: usize,
    /// The same of bodies of up to 64 KiB, which never wait for larger ones.
    pub small_bodies: usize,
    /// Memory for all reviews together, in bytes, besides the bodies; further ones wait. Small reviews have memory for
    /// themselves.
    pub memory: usize,
    /// Time for a request, including its body and its review.
    pub request: Duration,
    /// Time within which 4 KiB of a body have to arrive, or its end.
    pub body_progress: Duration,
    /// Time for the TLS handshake.
    pub handshake: Duration,
    /// Maximum number of open connections, and of requests in progress. One caller has at most three quarters of either.
    pub connections: usize,
    /// Maximum number of concurrent reviews of bodies of up to 64 KiB that take about a millisecond; further ones wait.
    pub reviews: usize,
    /// The same of larger bodies, and of reviews that take longer.
    pub large_reviews: usize,
    /// Time for requests in flight to end when the server stops.
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 8 * 1024 * 1024,
            bodies: 6 * 1024 * 1024,
            large_bodies: 9 * 1024 * 1024,
            small_bodies: 3 * 1024 * 1024,
            memory: memory::LARGE_TOTAL,
            // The API server gives up after timeoutSeconds, ten by default.
            request: Duration::from_secs(10),
            // An API server sends a body at once.
            body_progress: Duration::from_secs(3),
            handshake: Duration::from_secs(5),
            // One API server has at most 600 requests in progress by default: three quarters.
            connections: 800,
            reviews: 64,
            large_reviews: 1,
            stop: Duration::from_secs(4),
        }
    }
}
