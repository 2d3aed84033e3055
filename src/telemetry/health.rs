//! `/livez`, `/readyz` and `/metrics`.
//!
//! Live: the process answers. Ready: its caches of Kubernetes are in, and what else was registered, whether it leads or
//! not and whatever Svix does, since a Svix that is down must not take the operator's other duties out of service.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Metrics;

/// What has to be in before the process is ready.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<&'static str, Part>>>);

struct Part {
    ready: bool,
    /// What is said of it while it is not.
    missing: &'static str,
}

/// One thing that has to be in.
pub struct Gate {
    name: &'static str,
    readiness: Readiness,
}

impl Readiness {
    /// Adds something that has to be in.
    #[must_use]
    pub fn register(&self, name: &'static str) -> Gate {
        self.register_told(name, "not listed yet")
    }

    /// Adds something that is no list; `missing` is what is said of it while it is not in.
    #[must_use]
    pub fn register_told(&self, name: &'static str, missing: &'static str) -> Gate {
        let part = Part { ready: false, missing };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, part);
        Gate { name, readiness: self.clone() }
    }

    /// What is not in yet.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = gates.iter().filter(|(_, state)| !state.ready);
        missing.map(|(name, state)| format!("{name}: {}", state.missing)).collect()
    }

    fn set(&self, name: &'static str, ready: bool) {
        if let Some(state) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(name) {
            state.ready = ready;
        }
    }
}

impl Gate {
    /// It is in.
    pub fn ready(&self) {
        self.set(true);
    }

    /// Whether it is in.
    pub fn set(&self, ready: bool) {
        self.readiness.set(self.name, ready);
    }
}

/// Listens at an address and answers until `stop`. Answers the address that was taken, and the task.
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
    async fn it_is_ready_when_everything_that_was_registered_is_in() {
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
