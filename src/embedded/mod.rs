//! The embedded Svix: an in-memory implementation of the part of the API that this project uses, for `dev` and for
//! tests. It is not a product of its own: it implements only what the contract suite (`tests/it/svix_contract`)
//! compares with a real server.
//!
//! Names, limits, error bodies, pagination, idempotency and signed delivery are those of the open-source server
//! 1.100. In addition it injects faults ([`Faults`]), records calls ([`Call`]) and shows everything that it stores
//! ([`Snapshot`]). Nothing is written to disk, and two servers in a process share nothing.
//!
//! It is for programs on the same machine: requests that a web page makes are refused
//! ([`local_requests`](crate::local_requests)), although the real server accepts them.
//!
//! `api` handles requests, `store` has the data, `delivery` sends messages to endpoints, `faults` injects failures;
//! `serve` accepts connections, and `server` is the state that these share.

mod api;
mod calls;
mod delivery;
mod faults;
mod options;
mod serve;
mod server;
mod store;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

pub use calls::Call;
pub use delivery::report::DeliveryReport;
pub use faults::injector::Faults;
pub use faults::plan::FaultPlan;
pub use options::{DeliveryOptions, HeaderNames, Options};
pub use store::snapshot::{ApplicationState, EndpointState, EventTypeState, MessageState, Snapshot, Times};

use calls::Recorder;
use delivery::report;
use delivery::sender::Sender;
use server::Server;

/// A running server. It stops, at once, when it is dropped.
pub struct EmbeddedSvix {
    address: SocketAddr,
    server: Arc<Server>,
}

impl EmbeddedSvix {
    /// Starts a server on the current runtime. It accepts requests from the moment this returns.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(options: Options) -> std::io::Result<Self> {
        let Options { listen, token, delivery, record_calls } = options;
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let token = token.unwrap_or_else(|| format!("testsk_{}", uuid::Uuid::new_v4().simple()));
        let server = Arc::new(Server::new(token, Sender::new(delivery), Recorder::new(record_calls)));
        server.tasks.spawn(serve::accept(listener, address.ip(), Arc::clone(&server)));
        Ok(Self { address, server })
    }

    /// Returns `http://<address>:<port>`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the token that requests must carry.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.server.token
    }

    /// Returns the faults that it injects, which may be changed at any time.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.server.faults
    }

    /// Returns the requests so far, oldest first. A request is among them before its response is sent.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.server.calls.all()
    }

    /// Clears the record of requests.
    pub fn clear_calls(&self) {
        self.server.calls.clear();
    }

    /// Returns everything that it stores.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.server.store())
    }

    /// Registers a function that is called with each delivery attempt. It must not block. Only the first
    /// registration counts.
    pub fn on_delivery(&self, listener: impl Fn(DeliveryReport) + Send + Sync + 'static) {
        self.server.sender.listen(Box::new(listener));
    }

    /// Returns the last attempt of a message (`msg_…`) at each endpoint that it was sent to.
    #[must_use]
    pub fn last_deliveries(&self, message: &str) -> Vec<DeliveryReport> {
        report::last_attempts(&self.server.store(), message)
    }

    /// Stops, and waits until all tasks have ended. Open connections are closed; deliveries are aborted.
    pub async fn shutdown(self) {
        self.server.shutdown.cancel();
        self.server.tasks.close();
        self.server.tasks.wait().await;
    }
}

impl Drop for EmbeddedSvix {
    fn drop(&mut self) {
        self.server.shutdown.cancel();
    }
}
