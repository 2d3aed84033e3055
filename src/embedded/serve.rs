//! Connections: accepts them, refuses requests of web pages, injects faults, records calls, and passes requests to the routes.
//!
//! hyper serves them rather than `axum::serve`, because closing a connection without a response is one of the
//! faults: hyper does so when a service returns an error.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::connections::{self, Connection, HeadLimits, Limits, serve_http1};
use crate::embedded::api::{operations, routes};
use crate::embedded::calls::Call;
use crate::embedded::faults::injector::{Decision, Fault};
use crate::embedded::server::Shared;
use crate::local_requests;

/// Maximum number of connections.
const CONNECTIONS: usize = 4096;
/// Time after which an idle connection is closed. Clients that keep connections close them after 90 seconds.
const IDLE: Duration = Duration::from_secs(150);

/// The connection is to be closed without a response.
#[derive(Debug, thiserror::Error)]
#[error("the connection is dropped, as the faults ask for")]
struct Dropped;

/// Accepts connections. `listen` is the address that the listener has.
pub(super) async fn accept(listener: TcpListener, listen: IpAddr, svix: Shared) {
    let router = routes::router(&svix);
    let stop = svix.shutdown.clone();
    // Requests in progress are aborted at the end.
    connections::serve(
        listener,
        Limits::new(CONNECTIONS, IDLE),
        Duration::ZERO,
        stop,
        Handler { router, listen, svix },
    )
    .await;
}

/// Serves the connections of Svix's clients.
#[derive(Clone)]
struct Handler {
    router: Router,
    listen: IpAddr,
    svix: Shared,
}

impl connections::Handler for Handler {
    async fn serve(&self, stream: TcpStream, connection: Arc<Connection>, stop: CancellationToken) {
        if self.svix.faults.is_down() {
            return;
        }
        let service =
            service_fn(|request| respond(Arc::clone(&self.svix), self.listen, self.router.clone(), request));
        let served =
            serve_http1(TokioIo::new(stream), service, connection, HeadLimits::default(), stop.clone());
        stop.run_until_cancelled(served).await;
    }
}

async fn respond(
    svix: Shared,
    listen: IpAddr,
    router: Router,
    mut request: Request<Incoming>,
) -> Result<Response, Dropped> {
    if let Err(refusal) = local_requests::check(request.uri(), request.headers(), listen) {
        let body = serde_json::json!({"code": refusal.code(), "detail": refusal.to_string()});
        return Ok((refusal.status(), axum::Json(body)).into_response());
    }
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let operation = operations::name(&method, &path);
    if let Some(trimmed) = routes::trim(request.uri()) {
        *request.uri_mut() = trimmed;
    }
    let Decision { delay, fault } = svix.faults.decide(operation);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let result = match fault {
        Fault::DropBefore => Err(Dropped),
        Fault::Throttle { retry_after } => Ok(throttled(retry_after)),
        Fault::Fail => {
            Ok((StatusCode::INTERNAL_SERVER_ERROR, axum::Json(serde_json::json!({}))).into_response())
        }
        Fault::Refuse => Ok(refused()),
        Fault::None => Ok(route(router, request).await),
        Fault::DropAfter => {
            route(router, request).await;
            Err(Dropped)
        }
    };
    let status = result.as_ref().map_or(0, |response| response.status().as_u16());
    svix.calls.record(|| Call { method, path, operation, status });
    result
}

async fn route(router: Router, request: Request<Incoming>) -> Response {
    let result: Result<Response, Infallible> = router.oneshot(request.map(Body::new)).await;
    match result {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// The response for a rule that nobody knows.
fn refused() -> Response {
    let problem =
        serde_json::json!({"loc": ["body", "description"], "msg": "refused", "type": "value_error"});
    let body = axum::Json(serde_json::json!({ "detail": [problem] }));
    (StatusCode::UNPROCESSABLE_ENTITY, body).into_response()
}

/// Returns a 429. The open-source server never responds so; Cloud and proxies do.
fn throttled(retry_after: u64) -> Response {
    let body = serde_json::json!({"code": "rate_limit_exceeded", "detail": "Rate limit exceeded."});
    let mut response = (StatusCode::TOO_MANY_REQUESTS, axum::Json(body)).into_response();
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after));
    response
}
