//! Serves `/livez`, `/readyz` and `/metrics`.
//!
//! The process is live while it answers. It is ready when everything that was registered is ready: its caches of
//! Kubernetes are filled, for example. Leadership and the state of Svix do not count, since the process has other duties
//! that it performs while Svix is down.

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

/// The gates that have to be open before the process is ready. Cheap to clone.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<&'static str, GateState>>>);

struct GateState {
    is_ready: bool,
    /// What `/readyz` says of the gate while it is not ready.
    message: &'static str,
}

/// Something that has to be ready before the process is.
pub struct Gate {
    name: &'static str,
    readiness: Readiness,
}

impl Readiness {
    /// Registers a list that has to be complete. The gate is not ready yet.
    #[must_use]
    pub fn register(&self, name: &'static str) -> Gate {
        self.register_with_message(name, "not listed yet")
    }

    /// Registers something that has to be ready; `/readyz` gives the message until it is.
    #[must_use]
    pub fn register_with_message(&self, name: &'static str, message: &'static str) -> Gate {
        self.0.lock().insert(name, GateState { is_ready: false, message });
        Gate { name, readiness: self.clone() }
    }

    /// Returns a line for each gate that is not ready.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let gates = self.0.lock();
        let missing = gates.iter().filter(|(_, gate)| !gate.is_ready);
        missing.map(|(name, gate)| format!("{name}: {}", gate.message)).collect()
    }

    fn set(&self, name: &'static str, is_ready: bool) {
        if let Some(gate) = self.0.lock().get_mut(name) {
            gate.is_ready = is_ready;
        }
    }
}

impl Gate {
    /// Marks the gate as ready.
    pub fn ready(&self) {
        self.set(true);
    }

    /// Sets whether the gate is ready.
    pub fn set(&self, is_ready: bool) {
        self.readiness.set(self.name, is_ready);
    }
}

/// Starts a server at this address, which runs until `stop` is cancelled. Returns the address with the port that was
/// bound, and the task of the server.
///
/// # Errors
/// The address cannot be bound.
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
    async fn it_is_ready_when_every_gate_is() {
        let readiness = Readiness::default();
        let (kinds, others) = (readiness.register("event types"), readiness.register("endpoints"));
        let stop = CancellationToken::new();
        let local = SocketAddr::from(([127, 0, 0, 1], 0));
        let (address, _) = serve(local, readiness, Metrics::default(), stop.clone()).await.unwrap();
        let get = async |path: &str| {
            let response = reqwest::get(format!("http://{address}{path}")).await.unwrap();
            (response.status().as_u16(), response.text().await.unwrap())
        };
        assert_eq!(get("/livez").await, (200, "ok\n".to_owned()));
        kinds.ready();
        assert_eq!(get("/readyz").await, (503, "endpoints: not listed yet\n".to_owned()));
        others.ready();
        assert_eq!(get("/readyz").await.0, 200);
        assert!(get("/metrics").await.1.contains("svix_operator_leader 0"));
        stop.cancel();
    }
}
