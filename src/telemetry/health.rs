//! `/livez`, `/readyz` and `/metrics`.
//!
//! Live: the process responds. The server runs on a thread of its own where the command provides one, so that busy workers do
//! not delay it. Ready: every registered check has passed, such as the initial listing of a kind. Readiness
//! depends neither on leadership nor on Svix: a Svix outage must not take the rest of the operator out of service.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{Request, StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::connections::{self, Connection, HeadLimits, Limits, serve_http1};

use super::metrics::Metrics;

/// Time without a free turn, or without a response of the workers, after which `/readyz` fails.
pub const STALLED: Duration = Duration::from_secs(5);

/// The idle time of a connection: probes and scrapes come more often.
const IDLE: Duration = Duration::from_secs(150);
/// Maximum number of connections: a few probes and scrapes.
const CONNECTIONS: usize = 128;

/// The checks that have to pass before the process is ready.
#[derive(Clone, Default)]
pub struct Readiness {
    checks: Arc<Mutex<BTreeMap<&'static str, Check>>>,
    watched: Arc<Mutex<Vec<Watched>>>,
}

/// A check that is made at each request: how long something has not gone on.
struct Watched {
    name: &'static str,
    message: &'static str,
    stalled_for: Box<dyn Fn() -> Duration + Send>,
}

struct Check {
    is_ready: bool,
    /// What `/readyz` says while the check has not passed.
    message: &'static str,
}

/// Sets the state of one check.
pub struct Gate {
    name: &'static str,
    readiness: Readiness,
}

impl Readiness {
    /// Adds the check that something has been listed.
    #[must_use]
    pub fn register(&self, name: &'static str) -> Gate {
        self.register_with_message(name, "not listed yet")
    }

    /// Adds a check. `/readyz` says `message` while it has not passed.
    #[must_use]
    pub fn register_with_message(&self, name: &'static str, message: &'static str) -> Gate {
        self.checks.lock().insert(name, Check { is_ready: false, message });
        Gate { name, readiness: self.clone() }
    }

    /// Adds a check that fails while something has not gone on for longer than [`STALLED`], and passes again as soon as it
    /// does. `stalled_for` says for how long it has not.
    pub fn watch(
        &self,
        name: &'static str,
        message: &'static str,
        stalled_for: impl Fn() -> Duration + Send + 'static,
    ) {
        self.watched.lock().push(Watched { name, message, stalled_for: Box::new(stalled_for) });
    }

    /// Adds the check that the threads of this runtime respond. Health has a thread of its own, which responds anyway.
    pub fn watch_workers(&self) {
        let last = Arc::new(Mutex::new(Instant::now()));
        let seen = last.clone();
        self.watch("workers", "no thread has been free", move || seen.lock().elapsed());
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(500)).await;
                *last.lock() = Instant::now();
            }
        });
    }

    /// Returns the checks that have not passed, each with its message.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let mut missing = self.not_passed();
        for Watched { name, message, stalled_for } in &*self.watched.lock() {
            let stalled_for = stalled_for();
            if stalled_for > STALLED {
                missing.push(format!("{name}: {message} for {} s", stalled_for.as_secs()));
            }
        }
        missing
    }

    /// Returns the same without the checks that fail only for a while.
    #[must_use]
    pub fn not_passed(&self) -> Vec<String> {
        let checks = self.checks.lock();
        let missing = checks.iter().filter(|(_, check)| !check.is_ready);
        missing.map(|(name, check)| format!("{name}: {}", check.message)).collect()
    }

    fn set(&self, name: &'static str, is_ready: bool) {
        if let Some(check) = self.checks.lock().get_mut(name) {
            check.is_ready = is_ready;
        }
    }
}

impl Gate {
    /// Lets the check pass.
    pub fn ready(&self) {
        self.set(true);
    }

    /// Sets whether the check passes.
    pub fn set(&self, is_ready: bool) {
        self.readiness.set(self.name, is_ready);
    }
}

/// Serves the endpoints at an address until `stop`. Returns the address that it listens on, and the task.
pub async fn serve(
    address: SocketAddr,
    readiness: Readiness,
    metrics: Metrics,
    stop: CancellationToken,
) -> std::io::Result<(SocketAddr, JoinHandle<()>)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let app = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(scrape))
        .with_state((readiness, metrics));
    let limits = Limits::new(CONNECTIONS, IDLE);
    let served = connections::serve(listener, limits, Duration::from_secs(1), stop, Handler(app));
    Ok((address, tokio::spawn(served)))
}

/// Serves the connections of probes and scrapes.
#[derive(Clone)]
struct Handler(Router);

impl connections::Handler for Handler {
    async fn serve(&self, stream: TcpStream, connection: Arc<Connection>, stop: CancellationToken) {
        let service = service_fn(|request: Request<Incoming>| self.0.clone().oneshot(request.map(Body::new)));
        serve_http1(TokioIo::new(stream), service, connection, HeadLimits::default(), stop).await;
    }
}

async fn readyz(State((readiness, _)): State<(Readiness, Metrics)>) -> impl IntoResponse {
    let missing = readiness.missing();
    if missing.is_empty() {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    (StatusCode::SERVICE_UNAVAILABLE, missing.join("\n") + "\n")
}

async fn scrape(State((_, metrics)): State<(Readiness, Metrics)>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], metrics.encode())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn not_ready_while_nothing_goes_on() {
        let readiness = Readiness::default();
        let stalled = Arc::new(Mutex::new(Duration::ZERO));
        let seen = stalled.clone();
        readiness.watch("reviews", "no review had a turn", move || *seen.lock());

        assert!(readiness.missing().is_empty());
        *stalled.lock() = Duration::from_secs(7);
        assert_eq!(readiness.missing(), ["reviews: no review had a turn for 7 s"]);
        *stalled.lock() = Duration::from_secs(4);
        assert!(readiness.missing().is_empty(), "it recovers");
    }

    #[tokio::test]
    async fn ready_when_every_check_has_passed() {
        let readiness = Readiness::default();
        let (first, second) = (readiness.register("event types"), readiness.register("endpoints"));
        let stop = CancellationToken::new();
        let local = SocketAddr::from(([127, 0, 0, 1], 0));
        let (address, _) = serve(local, readiness, Metrics::default(), stop.clone()).await.unwrap();
        let get = async |path: &str| {
            let response = reqwest::get(format!("http://{address}{path}")).await.unwrap();
            (response.status().as_u16(), response.text().await.unwrap())
        };
        assert_eq!(get("/livez").await, (200, "ok\n".to_owned()));
        first.ready();
        assert_eq!(get("/readyz").await, (503, "endpoints: not listed yet\n".to_owned()));
        second.ready();
        assert_eq!(get("/readyz").await.0, 200);
        assert!(get("/metrics").await.1.contains("svix_operator_leader 0"));
        stop.cancel();
    }
}
