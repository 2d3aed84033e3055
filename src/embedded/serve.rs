//! Connections: accepting them, letting faults have their way, recording calls, handing requests to the routes.
//!
//! hyper serves them rather than `axum::serve`, because closing a connection without an answer is one of the
//! faults: a service that gives back an error does exactly that.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

use super::calls::Call;
use super::faults::{Decision, Fate};
use super::state::Shared;
use super::{operations, routes};

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is dropped, as the faults ask for")]
struct Dropped;

pub(super) async fn accept(listener: TcpListener, svix: Shared) {
    let router = routes::router(&svix);
    let stop = svix.stop.clone();
    stop.run_until_cancelled(async {
        loop {
            match listener.accept().await {
                Ok((stream, _)) if !svix.faults.is_down() => {
                    svix.tasks.spawn(serve(stream, Arc::clone(&svix), router.clone()));
                }
                Ok(_) => {}
                // Out of file descriptors, most likely: the ones in use come free.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::task::yield_now().await;
                }
            }
        }
    })
    .await;
}

async fn serve(stream: TcpStream, svix: Shared, router: Router) {
    let stop = svix.stop.clone();
    // Small answers must not wait for the client's acknowledgements.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| answer(Arc::clone(&svix), router.clone(), request));
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // An error is a client that went away, or a connection that was dropped on purpose.
    let _ = stop.run_until_cancelled(connection).await;
}

async fn answer(svix: Shared, router: Router, mut request: Request<Incoming>) -> Result<Response, Dropped> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let operation = operations::name(&method, &path);
    if let Some(trimmed) = routes::trim(request.uri()) {
        *request.uri_mut() = trimmed;
    }
    let Decision { wait, fate } = svix.faults.decide(operation);
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    let result = match fate {
        Fate::DroppedBefore => Err(Dropped),
        Fate::Throttled { retry_after } => Ok(throttled(retry_after)),
        Fate::Failed => {
            Ok((StatusCode::INTERNAL_SERVER_ERROR, axum::Json(serde_json::json!({}))).into_response())
        }
        Fate::Served => Ok(routed(router, request).await),
        Fate::DroppedAfter => {
            routed(router, request).await;
            Err(Dropped)
        }
    };
    let status = result.as_ref().map_or(0, |response| response.status().as_u16());
    svix.calls.record(|| Call { method, path, operation, status });
    result
}

async fn routed(router: Router, request: Request<Incoming>) -> Response {
    let answered: Result<Response, Infallible> = router.oneshot(request.map(Body::new)).await;
    match answered {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// The open-source server never says this; Cloud and proxies do.
fn throttled(retry_after: u64) -> Response {
    let body = serde_json::json!({"code": "rate_limit_exceeded", "detail": "Rate limit exceeded."});
    let mut response = (StatusCode::TOO_MANY_REQUESTS, axum::Json(body)).into_response();
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after));
    response
}
