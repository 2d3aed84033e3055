//! `Idempotency-Key`: the successful response to a POST is repeated for twelve hours to requests with the same token,
//! key and URL. The body is not compared. A failure is not kept, and the key is free again.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;

const KEPT_FOR: Duration = Duration::from_secs(12 * 60 * 60);
/// The oldest responses are dropped beyond this many, so that a long-lived server stays small.
const KEPT: usize = 20_000;

type Key = (String, String, String);
type Slot = Arc<tokio::sync::Mutex<Option<CachedResponse>>>;

/// The responses that may be repeated.
#[derive(Default)]
pub(crate) struct ResponseCache {
    slots: Mutex<Slots>,
}

#[derive(Default)]
struct Slots {
    by_key: HashMap<Key, Slot>,
    oldest_first: VecDeque<Key>,
}

#[derive(Clone)]
struct CachedResponse {
    at: Instant,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl ResponseCache {
    /// Returns the slot of a key. The request that locks it first is handled; the others wait for its response.
    fn slot(&self, key: Key) -> Slot {
        let mut slots = self.slots.lock();
        if let Some(slot) = slots.by_key.get(&key) {
            return Arc::clone(slot);
        }
        if slots.oldest_first.len() == KEPT
            && let Some(oldest) = slots.oldest_first.pop_front()
        {
            slots.by_key.remove(&oldest);
        }
        let slot = Slot::default();
        slots.by_key.insert(key.clone(), Arc::clone(&slot));
        slots.oldest_first.push_back(key);
        slot
    }
}

fn key(request: &Request) -> Option<Key> {
    if request.method() != Method::POST {
        return None;
    }
    let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Some((text(AUTHORIZATION.as_str())?, text("idempotency-key")?, request.uri().to_string()))
}

/// Repeats the response of a key that was seen, before the token is checked or the body is read.
pub(super) async fn layer(State(cache): State<Arc<ResponseCache>>, request: Request, next: Next) -> Response {
    let Some(key) = key(&request) else { return next.run(request).await };
    let slot = cache.slot(key);
    let mut kept = slot.lock().await;
    if let Some(cached) = kept.as_ref().filter(|response| response.at.elapsed() < KEPT_FOR) {
        let CachedResponse { status, headers, body, .. } = cached.clone();
        return (status, headers, body).into_response();
    }
    let (parts, body) = next.run(request).await.into_parts();
    if !parts.status.is_success() {
        return Response::from_parts(parts, body);
    }
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let (status, headers) = (parts.status, parts.headers.clone());
    *kept = Some(CachedResponse { at: Instant::now(), status, headers, body: body.clone() });
    Response::from_parts(parts, Body::from(body))
}
