//! The HTTPS server of the admission webhook: `POST /validate`, called by the API server.
//!
//! Everything is limited: the time of the handshake, of the headers and of the whole request, the size of bodies, and the
//! number of connections and of concurrent reviews. A new certificate is used for new connections and does not affect open
//! ones.

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, State},
    http::{Request, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::post,
};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, rustls};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::{
    memory::{self, MemoryBudget},
    telemetry::AdmissionMetrics,
};

use super::{Known, Outcome, certificates::ServingCertificate, review};

/// Time after which an idle connection is closed. Go's clients close theirs after 90 seconds; a server that waits for longer
/// never closes a connection on which a request is on its way.
const IDLE: Duration = Duration::from_secs(150);

/// Bodies from this size on are reviewed on a thread of their own, so that other requests do not wait for them. For smaller
/// ones, the hand-over takes longer than the review.
const LARGE_BODY: usize = 64 * 1024;

/// Limits and timeouts.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Maximum size of a body in bytes. etcd stores objects of up to 1.5 MiB, and a request contains the old object as
    /// well; the rest is for clusters that raise etcd's limit.
    pub body: usize,
    /// Maximum size of all bodies in memory together, in bytes, of those of up to 1 MiB and again of larger ones; further
    /// requests wait. Callers are not authenticated.
    pub bodies: usize,
    /// Memory for all reviews together, in bytes, besides the bodies; further ones wait. Small reviews have memory for
    /// themselves.
    pub memory: usize,
    /// Time for a request, including its body and its review.
    pub request: Duration,
    /// Time for the TLS handshake.
    pub handshake: Duration,
    /// Maximum number of open connections.
    pub connections: usize,
    /// Maximum number of concurrent reviews; further ones wait.
    pub reviews: usize,
    /// Time for requests in flight to end when the server stops.
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 8 * 1024 * 1024,
            bodies: 20 * 1024 * 1024,
            memory: memory::LARGE_TOTAL,
            // The API server gives up after timeoutSeconds, ten by default.
            request: Duration::from_secs(10),
            handshake: Duration::from_secs(5),
            connections: 1024,
            reviews: 64,
            stop: Duration::from_secs(4),
        }
    }
}

#[derive(Clone)]
struct Shared {
    known: Known,
    metrics: AdmissionMetrics,
    reviews: Arc<Semaphore>,
    bodies: MemoryBudget,
    memory: MemoryBudget,
    limits: Limits,
}

/// Serves on a listener until `stop`, then waits for the requests in flight.
///
/// # Errors
/// When TLS cannot be set up. No input causes this.
pub async fn serve(
    listener: TcpListener,
    certificate: ServingCertificate,
    known: Known,
    metrics: AdmissionMetrics,
    limits: Limits,
    stop: CancellationToken,
) -> Result<(), rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(certificate));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let reviews = Arc::new(Semaphore::new(limits.reviews));
    let bodies = MemoryBudget::new(limits.bodies, limits.bodies);
    let memory = MemoryBudget::new(memory::SMALL_TOTAL, limits.memory);
    let router = router(Shared { known, metrics, reviews, bodies, memory, limits });
    let connections = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = async {
            // Beyond the limit, connections wait in the queue of the operating system.
            let permit = connections.clone().acquire_owned().await.ok()?;
            match listener.accept().await {
                Ok((stream, _)) => Some((stream, permit)),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    None
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => break,
            accepted = accepted => if let Some((stream, permit)) = accepted {
                let watcher = graceful.watcher();
                tokio::spawn(connection(stream, permit, acceptor.clone(), router.clone(), limits, watcher));
            },
        }
    }
    drop(listener);
    if timeout(limits.stop, graceful.shutdown()).await.is_err() {
        tracing::warn!("the grace period is over; requests in flight are aborted");
    }
    Ok(())
}

async fn connection(
    stream: TcpStream,
    _permit: OwnedSemaphorePermit,
    acceptor: TlsAcceptor,
    router: Router,
    limits: Limits,
    watcher: hyper_util::server::graceful::Watcher,
) {
    // Small responses must not wait for the client's acknowledgements.
    let _ = stream.set_nodelay(true);
    let stream = match timeout(limits.handshake, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "TLS handshake failed"),
        Err(_) => return tracing::debug!("TLS handshake timed out"),
    };
    let service = service_fn(move |request: Request<Incoming>| {
        let router = router.clone();
        async move { Ok::<_, Infallible>(respond(router, request, limits.request).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        // Also the timeout of an idle connection.
        .header_read_timeout(IDLE)
        .serve_connection(TokioIo::new(stream), service);
    // An error means that the client went away.
    let _ = watcher.watch(connection).await;
}

async fn respond(router: Router, request: Request<Incoming>, max_duration: Duration) -> Response {
    match timeout(max_duration, router.oneshot(request.map(Body::new))).await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the request timed out\n").into_response(),
    }
}

fn router(shared: Shared) -> Router {
    let limit = DefaultBodyLimit::max(shared.limits.body);
    let budget = middleware::from_fn_with_state(shared.clone(), reserve_body);
    Router::new().route("/validate", post(validate)).layer(limit).layer(budget).with_state(shared)
}

/// Waits until there is memory for the body, before it is read.
async fn reserve_body(State(shared): State<Shared>, request: Request<Body>, next: Next) -> Response {
    let max = shared.limits.body;
    let length = request.headers().get(header::CONTENT_LENGTH);
    // A body of unknown length may be as large as the limit.
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(max).min(max);
    let _permit = shared.bodies.reserve(length).await;
    next.run(request).await
}

async fn validate(State(shared): State<Shared>, body: Bytes) -> Response {
    let started = Instant::now();
    // An event must not be admitted without validation because this process has just started.
    shared.known.catalogue.wait_loaded().await;
    let memory = shared.memory.reserve(super::memory(&body)).await;
    let Ok(permit) = shared.reviews.clone().acquire_owned().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let known = shared.known.clone();
    let size = body.len();
    // A panic, a defect of this program or of a library, fails this request and no other.
    let run = move || {
        let _permits = (permit, memory);
        catch_unwind(AssertUnwindSafe(|| review(&body, &known))).ok()
    };
    let reviewed =
        if size > LARGE_BODY { tokio::task::spawn_blocking(run).await.ok().flatten() } else { run() };
    let Some(reviewed) = reviewed else {
        shared.metrics.reviewed("other", "panicked", started.elapsed());
        return (StatusCode::INTERNAL_SERVER_ERROR, "internal error in svix-operator; see its log\n")
            .into_response();
    };
    shared.metrics.reviewed(reviewed.kind, reviewed.outcome.as_str(), started.elapsed());
    if let Some(policy) = reviewed.violated {
        shared.metrics.payload_violated(policy.as_str());
    }
    if matches!(reviewed.outcome, Outcome::Unreadable) {
        tracing::warn!("a request is not a valid AdmissionReview; it was denied");
    }
    ([(header::CONTENT_TYPE, "application/json")], reviewed.answer).into_response()
}
