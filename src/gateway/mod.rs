//! A gateway in front of Svix's own API: what is sent through it is judged by the schema of its event type first.
//!
//! An official SDK is pointed at it by changing the server's address. A payload that does not match is refused
//! in Svix's own error shape; a good one goes on byte for byte, with the caller's own token. The judgement
//! ([`judge`], [`message`], [`paths`]) is pure; [`service`] carries it out; [`connection`] and [`upstream`] are
//! the two sides of the wire. Which schemas there are is the catalogue's business, which somebody else fills.

mod answer;
mod body;
pub mod catalogue_source;
mod connection;
mod headers;
pub mod judge;
pub mod message;
pub mod operations;
mod outcome;
pub mod paths;
mod service;
mod upstream;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{api::ChannelEncoding, catalogue::Catalogue, schema, telemetry::Metrics};

pub use outcome::{Fate, Listener, Told};
pub use upstream::InvalidUpstream;

/// Most bytes of a body that Svix reads.
pub const MAX_BODY: usize = 2 * 1024 * 1024;

/// What happens to an event whose type nobody declares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Undeclared {
    /// It is refused.
    #[default]
    Refuse,
    /// It goes on to Svix, unjudged.
    Pass,
}

/// How a gateway is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; default `127.0.0.1:8071`.
    pub listen: SocketAddr,
    /// Address of the Svix server.
    pub svix_url: String,
    /// PEM certificates to trust beside the system's.
    pub ca_bundle: Option<String>,
    /// The connection whose event types count.
    pub connection: String,
    /// How that connection writes channels in Svix; may change at any time.
    pub channel_encoding: watch::Receiver<ChannelEncoding>,
    /// What happens to an event whose type nobody declares.
    pub undeclared: Undeclared,
    /// Whether nothing but messages passes.
    pub only_sending: bool,
    /// Beside declaring it, what the answer advises for an event type that nobody declares; empty: nothing.
    pub undeclared_advice: &'static str,
    /// Who is told what became of each message.
    pub listener: Option<Listener>,
    /// Bounds and time-outs.
    pub limits: Limits,
}

impl Options {
    /// Everything as it is by default, in front of this server.
    #[must_use]
    pub fn new(svix_url: impl Into<String>) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8071)),
            svix_url: svix_url.into(),
            ca_bundle: None,
            connection: crate::api::DEFAULT_CONNECTION.to_owned(),
            channel_encoding: watch::channel(ChannelEncoding::WhenNeeded).1,
            undeclared: Undeclared::Refuse,
            only_sending: false,
            undeclared_advice: ", or start the gateway with --undeclared pass",
            listener: None,
            limits: Limits::default(),
        }
    }
}

/// Bounds and time-outs of a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of a payload; default and at most 1 MiB.
    pub max_payload: usize,
    /// Most requests at once; one more is answered 503. Default 1024.
    pub max_in_flight: usize,
    /// Most connections at once; one more is answered 503 and closed. Default 8192.
    pub max_connections: usize,
    /// Most bytes of bodies that are held at once; beyond it is answered 503. Default 128 MiB.
    pub max_buffered: usize,
    /// Most bytes of a request's line and headers; default 64 KiB.
    pub max_head: usize,
    /// How long a request's line and headers may take from their first byte; default 10 s.
    pub head_timeout: Duration,
    /// How long a request's body may take; default 30 s.
    pub body_timeout: Duration,
    /// How long a connection may have nothing to do; default 75 s.
    pub idle_timeout: Duration,
    /// How long Svix may take to begin its answer, and then between two parts of it; default 30 s.
    pub upstream_timeout: Duration,
    /// How long requests may take to end after the gateway is told to stop; default 30 s.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_payload: schema::MAX_PAYLOAD_BYTES,
            max_in_flight: 1024,
            max_connections: 8192,
            max_buffered: 128 * 1024 * 1024,
            max_head: 64 * 1024,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            upstream_timeout: Duration::from_secs(30),
            grace: Duration::from_secs(30),
        }
    }
}

/// Why a gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("the gateway cannot listen at {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The Svix server cannot be spoken to as it is given.
    #[error(transparent)]
    Upstream(#[from] InvalidUpstream),
}

/// A running gateway. Dropping it does not stop it: the token it was started with does.
pub struct Gateway {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Gateway {
    /// Starts a gateway on the current runtime, until `stop`. It listens from the moment this returns, and
    /// answers 503 until the catalogue is loaded.
    pub async fn start(
        options: Options,
        catalogue: Catalogue,
        metrics: Metrics,
        stop: CancellationToken,
    ) -> Result<Self, StartError> {
        let listen = options.listen;
        let limits = options.limits;
        let service = service::Service::new(options, catalogue, metrics)?;
        let failed = |source| StartError::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let task = tokio::spawn(connection::accept(listener, Arc::new(service), limits, stop));
        Ok(Self { address, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://<address>`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until it has stopped: requests in flight have ended, or their grace has.
    pub async fn stopped(self) {
        // A task that panicked has said so itself.
        let _ = self.task.await;
    }
}
