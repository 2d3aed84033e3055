//! How many connections a server has, and how long they may be idle.

use std::time::Duration;

/// Time for the first request of a connection to arrive, the TLS handshake and the headers included.
pub const FIRST_REQUEST: Duration = Duration::from_secs(10);

/// How many connections a server has, and how long they may be idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum number of open connections.
    pub total: usize,
    /// Time for the first request to arrive.
    pub first_request: Duration,
    /// Time after which a connection without a request is closed.
    pub idle: Duration,
}

impl Limits {
    /// Returns limits with [`FIRST_REQUEST`].
    #[must_use]
    pub fn new(total: usize, idle: Duration) -> Self {
        Self { total, first_request: FIRST_REQUEST, idle }
    }

    /// Returns the maximum number of connections of one caller.
    #[must_use]
    pub fn per_caller(&self) -> usize {
        (self.total * 3 / 4).max(1)
    }
}
