//! The embedded Svix: an in-memory implementation of the part of the API that this project uses, for `dev` and for
//! tests. It is no product of its own: what the contract suite (`tests/it/svix_contract`) does not compare with a
//! real server is not in it.
//!
//! Names, limits, error bodies, pagination, idempotency and signed delivery are those of the open-source server
//! 1.100. Beside that it injects faults ([`Faults`]), records calls ([`Call`]) and shows all it holds
//! ([`Snapshot`]). Nothing is written to disk, and nothing is shared between two servers in a process.

mod applications;
mod attempts;
mod calls;
mod delivery;
mod endpoint_input;
mod endpoints;
mod errors;
mod event_types;
mod extract;
mod faults;
mod headers;
mod idempotency;
mod ids;
mod limits;
mod messages;
mod operations;
mod pagination;
mod routes;
mod schemas;
mod secrets;
mod send_example;
mod serve;
mod snapshot;
mod state;
mod tried;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

pub use calls::Call;
pub use faults::{FaultPlan, Faults};
pub use snapshot::{ApplicationState, EndpointState, EventTypeState, MessageState, Snapshot, Times};
pub use tried::Tried;

/// How to run an embedded Svix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Where to listen; default a free port of 127.0.0.1.
    pub listen: SocketAddr,
    /// The token that requests must carry; default a random one, which [`EmbeddedSvix::token`] returns.
    pub token: Option<String>,
    /// How deliveries are made.
    pub delivery: DeliveryOptions,
    /// Whether [`EmbeddedSvix::calls`] has anything to show; default true. The last 100,000 are kept.
    pub record_calls: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            token: None,
            delivery: DeliveryOptions::default(),
            record_calls: true,
        }
    }
}

/// How deliveries are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryOptions {
    /// The waits between one attempt and the next; the first attempt is made at once. Default Svix's: 5 s, 5 min,
    /// 30 min, 2 h, 5 h, 10 h, 10 h. Unlike Svix's they are kept to exactly.
    pub retry_schedule: Vec<Duration>,
    /// How long one attempt may take; default 30 s.
    pub timeout: Duration,
    /// An endpoint is disabled when a message is given up on, this long after the first that was, with no success
    /// in between; default 120 h.
    pub disable_after: Duration,
}

impl Default for DeliveryOptions {
    fn default() -> Self {
        let seconds = [5, 300, 1800, 7200, 18_000, 36_000, 36_000];
        Self {
            retry_schedule: seconds.map(Duration::from_secs).to_vec(),
            timeout: Duration::from_secs(30),
            disable_after: Duration::from_secs(120 * 3600),
        }
    }
}

/// A running server. It stops, at once, when it is dropped.
pub struct EmbeddedSvix {
    address: SocketAddr,
    server: Arc<state::Server>,
}

impl EmbeddedSvix {
    /// Starts a server on the current runtime. It answers from the moment this returns.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(options: Options) -> std::io::Result<Self> {
        let Options { listen, token, delivery, record_calls } = options;
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let token = token.unwrap_or_else(|| format!("testsk_{}", uuid::Uuid::new_v4().simple()));
        let server = Arc::new(state::Server::new(token, delivery, record_calls));
        server.tasks.spawn(serve::accept(listener, Arc::clone(&server)));
        Ok(Self { address, server })
    }

    /// `http://<address>:<port>`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The token that requests must carry.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.server.token
    }

    /// The faults it has, which may be changed at any time.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.server.faults
    }

    /// The requests that were made, oldest first. A request is in it when its answer is on its way.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.server.calls.all()
    }

    /// Forgets the requests that were made.
    pub fn clear_calls(&self) {
        self.server.calls.clear();
    }

    /// Everything it holds.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.server.store())
    }

    /// Has a function called with each delivery that was tried, on its way: it must not wait. Only the first counts.
    pub fn on_tried(&self, listener: impl Fn(Tried) + Send + Sync + 'static) {
        let _ = self.server.listener.set(Box::new(listener));
    }

    /// The last attempt of a message (`msg_…`) on each endpoint that was tried.
    #[must_use]
    pub fn last_tries(&self, message: &str) -> Vec<Tried> {
        tried::last(&self.server.store(), message)
    }

    /// Stops and waits until nothing runs any more. Open connections are closed; deliveries are broken off.
    pub async fn shutdown(self) {
        self.server.stop.cancel();
        self.server.tasks.close();
        self.server.tasks.wait().await;
    }
}

impl Drop for EmbeddedSvix {
    fn drop(&mut self) {
        self.server.stop.cancel();
    }
}
