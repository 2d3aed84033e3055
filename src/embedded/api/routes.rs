//! The routes and their handlers.
//!
//! The routes are nested as the real server nests its own, and the path is trimmed as it trims it, because that
//! decides which unusual paths reach a handler (`/api/v1//app/x/msg/` does).

use std::sync::Arc;

use axum::http::Uri;
use axum::http::uri::PathAndQuery;
use axum::middleware;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::embedded::api::{
    applications, attempts, endpoint_headers, endpoint_secret, endpoints, event_types, idempotency, messages,
    recovery, send_example,
};
use crate::embedded::server::Shared;

pub(crate) fn router(svix: &Shared) -> Router {
    let one_endpoint =
        get(endpoints::get).put(endpoints::put).patch(endpoints::patch).delete(endpoints::delete);
    let one_type =
        get(event_types::get).put(event_types::put).patch(event_types::patch).delete(event_types::delete);
    let one_app =
        get(applications::get).put(applications::put).patch(applications::patch).delete(applications::delete);
    let v1 = Router::new()
        .route("/health", get(health))
        .route("/health/ping", get(async || axum::http::StatusCode::NO_CONTENT))
        .route("/event-type", post(event_types::create).get(event_types::list))
        .route("/event-type/{name}", one_type)
        .route("/app", post(applications::create).get(applications::list))
        .route("/app/{app}", one_app)
        .route("/app/{app}/endpoint", post(endpoints::create).get(endpoints::list))
        .route("/app/{app}/endpoint/{endpoint}", one_endpoint)
        .route("/app/{app}/endpoint/{endpoint}/secret", get(endpoint_secret::get))
        .route("/app/{app}/endpoint/{endpoint}/secret/rotate", post(endpoint_secret::rotate))
        .route("/app/{app}/endpoint/{endpoint}/stats", get(attempts::stats))
        .route("/app/{app}/endpoint/{endpoint}/recover", post(recovery::recover))
        .route("/app/{app}/endpoint/{endpoint}/send-example", post(send_example::send_example))
        .route("/app/{app}/endpoint/{endpoint}/msg", get(attempts::messages_of_endpoint))
        .route(
            "/app/{app}/endpoint/{endpoint}/headers",
            get(endpoint_headers::get).put(endpoint_headers::put).patch(endpoint_headers::patch),
        )
        .route("/app/{app}/msg", post(messages::create).get(messages::list))
        .route("/app/{app}/msg/{msg}", get(messages::get))
        .route("/app/{app}/msg/{msg}/content", delete(messages::expunge))
        .route("/app/{app}/msg/{msg}/attempt/{attempt}", get(attempts::get))
        .route("/app/{app}/msg/{msg}/endpoint", get(attempts::destinations))
        .route("/app/{app}/msg/{msg}/endpoint/{endpoint}/resend", post(attempts::resend))
        .route("/app/{app}/attempt/endpoint/{endpoint}", get(attempts::by_endpoint))
        .route("/app/{app}/attempt/msg/{msg}", get(attempts::by_message))
        .with_state(Arc::clone(svix));
    Router::new()
        .nest_service("/api/v1", v1)
        .layer(middleware::from_fn_with_state(Arc::clone(&svix.responses), idempotency::layer))
}

async fn health() -> Json<Value> {
    let ok = json!({"status": "ok"});
    Json(json!({"database": ok, "queue": ok, "cache": ok}))
}

/// Removes the slashes at both ends of the path; `None` where there is nothing to remove but the first.
pub(crate) fn trim(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    if !path.ends_with('/') && !path.starts_with("//") {
        return None;
    }
    let trimmed = path.trim_matches('/');
    let path_and_query = match uri.query() {
        Some(query) => format!("/{trimmed}?{query}"),
        None => format!("/{trimmed}"),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path_and_query).ok()?);
    Uri::from_parts(parts).ok()
}
