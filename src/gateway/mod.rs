//! A gateway in front of Svix's API that validates each message by the JSON Schema of its event type.
//!
//! Callers point an official SDK at the gateway's address in place of Svix's. A message whose payload does not match
//! is rejected in Svix's own error format; a valid one is forwarded byte for byte, with the caller's own token.
//!
//! A request passes these files in this order: `connection` accepts it, `service` handles it, `paths` says which
//! operation it is, `buffer` reads its body, [`judge`] decides whether it may pass, `upstream` forwards it, and
//! `response` builds what the gateway says itself. [`judge`], [`message`] and [`paths`] are pure. The event types come
//! from the [catalogue](crate::catalogue), which others fill, such as [`catalogue_source`].

mod audit;
mod body;
mod buffer;
pub mod catalogue_source;
mod connection;
mod example;
mod headers;
pub mod judge;
pub mod message;
pub mod operations;
mod options;
mod outcome;
pub mod paths;
mod rejection;
mod report;
mod request_guard;
mod response;
mod service;
mod stream_events;
mod upstream;

use std::{net::SocketAddr, sync::Arc};

use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{catalogue::Catalogue, connections, telemetry::Metrics};

use service::Service;

pub use operations::Surface;
pub use options::{Limits, MAX_BODY, Options, Undeclared};
pub use outcome::{Listener, MessageOutcome, MessageReport};
pub use paths::Scope;
pub use rejection::{FieldError, Rejection, RejectionBody};
pub use upstream::InvalidUpstream;

/// Why a gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("the gateway cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The Svix server's address or certificates are not usable.
    #[error(transparent)]
    Upstream(#[from] InvalidUpstream),
}

/// A running gateway. Dropping it does not stop it; the token that it was started with does.
pub struct Gateway {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Gateway {
    /// Starts a gateway on the current runtime. It runs until `stop` is cancelled. When this returns, it listens; it
    /// responds to messages with 503 until the catalogue is loaded.
    pub async fn start(
        options: Options,
        catalogue: Catalogue,
        metrics: Metrics,
        stop: CancellationToken,
    ) -> Result<Self, StartError> {
        let (listen, limits) = (options.listen, options.limits);
        let metrics = metrics.gateway().clone();
        let service = Arc::new(Service::new(options, catalogue, metrics.clone())?);
        let failed = |source| StartError::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let bounds = connections::Limits::new(limits.max_connections, limits.idle_timeout);
        let handler = connection::Handler::new(service, metrics, limits);
        let task = tokio::spawn(connections::serve(listener, bounds, limits.grace, stop, handler));
        Ok(Self { address, task })
    }

    /// Returns the address that the gateway listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns `http://<address>`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until the gateway has stopped: requests in flight have ended, or the grace period has.
    pub async fn stopped(self) {
        // A panic of the task is in the log already.
        let _ = self.task.await;
    }
}
