//! `/livez`, `/readyz` and `/metrics`.
//!
//! Live: the process responds. Ready: every registered check has passed, such as the initial listing of a kind. Readiness
//! depends neither on leadership nor on Svix: a Svix outage must not take the rest of the operator out of service.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::metrics::Metrics;

/// The checks that have to pass before the process is ready.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<&'static str, Check>>>);

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
        self.0.lock().insert(name, Check { is_ready: false, message });
        Gate { name, readiness: self.clone() }
    }

    /// Returns the checks that have not passed, each with its message.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let checks = self.0.lock();
        let missing = checks.iter().filter(|(_, check)| !check.is_ready);
        missing.map(|(name, check)| format!("{name}: {}", check.message)).collect()
    }

    fn set(&self, name: &'static str, is_ready: bool) {
        if let Some(check) = self.0.lock().get_mut(name) {
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
) -> std::io::Result<(SocketAddr, tokio::task::JoinHandle<std::io::Result<()>>)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let app = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(scrape))
        .with_state((readiness, metrics));
    let server = axum::serve(listener, app).with_graceful_shutdown(async move { stop.cancelled().await });
    Ok((address, tokio::spawn(async move { server.await })))
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
