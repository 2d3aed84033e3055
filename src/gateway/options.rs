//! How a gateway is configured.

use std::{net::SocketAddr, time::Duration};

use tokio::sync::watch;

use crate::{api::ChannelEncoding, connections::BodyTimes, memory::MemoryBudget, schema};

use super::{outcome::Listener, paths::Scope};

/// Maximum size of a request body in bytes, as in Svix.
pub const MAX_BODY: usize = 2 * 1024 * 1024;

/// Policy for messages whose event type is not declared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Undeclared {
    /// The message is rejected.
    #[default]
    Refuse,
    /// The message is forwarded to Svix without validation.
    Pass,
}

/// Configuration of a gateway.
#[derive(Clone, Debug)]
pub struct Options {
    /// Address to listen on; default `127.0.0.1:8071`.
    pub listen: SocketAddr,
    /// Address of the Svix server.
    pub svix_url: String,
    /// PEM certificates to trust in addition to the system's.
    pub ca_bundle: Option<String>,
    /// The connection whose event types are used.
    pub connection: String,
    /// How that connection writes channels in Svix; may change at any time.
    pub channel_encoding: watch::Receiver<ChannelEncoding>,
    /// Policy for messages whose event type is not declared.
    pub undeclared: Undeclared,
    /// Which operations are forwarded.
    pub scope: Scope,
    /// Whether operations that change event types in Svix are forwarded. The sending of examples is then rejected: an example
    /// could be replaced between its validation and its delivery. Must not be set if event types come from Svix.
    pub allow_event_type_writes: bool,
    /// Whether requests that a web page makes are refused, as [`local_requests`](crate::local_requests) defines them: for a
    /// gateway on a workstation.
    pub local_only: bool,
    /// What to advise for an undeclared event type besides declaring it; may be empty.
    pub undeclared_advice: &'static str,
    /// Receives the outcome of each message.
    pub listener: Option<Listener>,
    /// Limits and timeouts.
    pub limits: Limits,
    /// The memory for reading payloads as trees, which all servers of a process share.
    pub memory: MemoryBudget,
}

impl Options {
    /// The default configuration in front of this server.
    #[must_use]
    pub fn new(svix_url: impl Into<String>) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8071)),
            svix_url: svix_url.into(),
            ca_bundle: None,
            connection: crate::api::DEFAULT_CONNECTION.to_owned(),
            channel_encoding: watch::channel(ChannelEncoding::WhenNeeded).1,
            undeclared: Undeclared::Refuse,
            scope: Scope::default(),
            allow_event_type_writes: false,
            local_only: false,
            undeclared_advice: ", or start the gateway with --undeclared pass",
            listener: None,
            limits: Limits::default(),
            memory: MemoryBudget::default(),
        }
    }
}

/// Limits and timeouts of a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum size of a payload in bytes; default and upper bound 1 MiB.
    pub max_payload: usize,
    /// Maximum number of concurrent requests; further requests get a 503. One caller has at most three quarters of them, and
    /// requests with the same token from one caller at most three quarters of that. Default 768.
    pub max_in_flight: usize,
    /// Maximum number of open connections; further connections get a 503 and are closed. Default 1152.
    pub max_connections: usize,
    /// Maximum number of body bytes in memory, over all requests; beyond it, requests get a 503. Bodies of more than 64 KiB
    /// have at most three quarters of it, and callers share both as they share requests. Default 20 MiB.
    pub max_buffered: usize,
    /// Maximum size of a request line and its headers in bytes; default 16 KiB.
    pub max_head: usize,
    /// Time for the request line and the headers, from their first byte; default 10 s.
    pub head_timeout: Duration,
    /// Time for the request body; default 30 s.
    pub body_timeout: Duration,
    /// Time within which 4 KiB of a request body have to arrive, or its end; default 5 s.
    pub body_progress: Duration,
    /// Time after which an idle connection is closed; default 75 s.
    pub idle_timeout: Duration,
    /// Time until Svix begins its response, and then between two parts of it; default 30 s.
    pub upstream_timeout: Duration,
    /// Time for requests in flight to end after the gateway is asked to stop; default 30 s.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_payload: schema::MAX_PAYLOAD_BYTES,
            max_in_flight: 768,
            max_connections: 1152,
            max_buffered: 20 * 1024 * 1024,
            max_head: 16 * 1024,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            body_progress: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(75),
            upstream_timeout: Duration::from_secs(30),
            grace: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// Returns how fast a request body has to arrive.
    pub(super) fn body_times(&self) -> BodyTimes {
        BodyTimes { total: self.body_timeout, progress: self.body_progress }
    }
}
