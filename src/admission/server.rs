//! The HTTPS server: `POST /validate`, as the API server asks it.
//!
//! Everything has a bound: the handshake, the header and the whole request in time, the body in size, connections and
//! judgements in number. A new certificate is for new connections; those that are there go on.

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

use crate::telemetry::AdmissionMetrics;

use super::{Known, Outcome, certificates::ServingCertificate, review};

/// Longest time between two requests of a connection. Go's clients give theirs up after 90 seconds; who is the second
/// to do so never drops a request on its way.
const IDLE: Duration = Duration::from_secs(150);

/// From here on a judgement takes so long that others should not wait behind it; below, handing it to another thread
/// takes longer than the judgement.
const LARGE: usize = 64 * 1024;

/// The bounds.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest body, in bytes. An object has up to 1.5 MiB (etcd's bound), the old one comes along, and Go writes each
    /// `<`, `>` and `&` in six characters.
    pub body: usize,
    /// Most bytes of all bodies together; others wait. Nobody has to show who they are to ask.
    pub bodies: usize,
    /// Longest time for a request, its body and its judgement included.
    pub request: Duration,
    /// Longest time for the TLS handshake.
    pub handshake: Duration,
    /// Most connections at once.
    pub connections: usize,
    /// Most judgements at once; others wait.
    pub judgements: usize,
    /// How long requests under way may take to end when the server stops.
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 20 * 1024 * 1024,
            bodies: 64 * 1024 * 1024,
            // The API server gives up after timeoutSeconds, ten by default.
            request: Duration::from_secs(10),
            handshake: Duration::from_secs(5),
            connections: 1024,
            judgements: 64,
            stop: Duration::from_secs(4),
        }
    }
}

#[derive(Clone)]
struct Shared {
    known: Known,
    metrics: AdmissionMetrics,
    judgements: Arc<Semaphore>,
    /// One permit for each KiB of body.
    bodies: Arc<Semaphore>,
    limits: Limits,
}

/// Serves at a listener until `stop`, then lets requests under way end.
///
/// # Errors
/// When TLS cannot be set up, which no input can bring about.
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
    let judgements = Arc::new(Semaphore::new(limits.judgements));
    let bodies = Arc::new(Semaphore::new(limits.bodies.max(limits.body) / 1024));
    let router = router(Shared { known, metrics, judgements, bodies, limits });
    let connections = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = async {
            // Beyond the bound, connections wait in the system's queue.
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
        tracing::warn!("requests are still under way; they are dropped");
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
    // Small answers must not wait for the client's acknowledgements.
    let _ = stream.set_nodelay(true);
    let stream = match timeout(limits.handshake, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "TLS handshake failed"),
        Err(_) => return tracing::debug!("TLS handshake took too long"),
    };
    let service = service_fn(move |request: Request<Incoming>| {
        let router = router.clone();
        async move { Ok::<_, Infallible>(answer(router, request, limits.request).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        // Also bounds how long a connection may idle.
        .header_read_timeout(IDLE)
        .serve_connection(TokioIo::new(stream), service);
    // An error is a client that went away.
    let _ = watcher.watch(connection).await;
}

async fn answer(router: Router, request: Request<Incoming>, most: Duration) -> Response {
    let answered = timeout(most, router.oneshot(request.map(Body::new))).await;
    match answered {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the request took too long\n").into_response(),
    }
}

fn router(shared: Shared) -> Router {
    let limit = DefaultBodyLimit::max(shared.limits.body);
    let room = middleware::from_fn_with_state(shared.clone(), room);
    Router::new().route("/validate", post(validate)).layer(limit).layer(room).with_state(shared)
}

/// Waits until there is room for the body, before any of it is read.
async fn room(State(shared): State<Shared>, request: Request<Body>, next: Next) -> Response {
    let most = shared.limits.body;
    let told = request.headers().get(header::CONTENT_LENGTH);
    // Who does not say how long it is, may use all of it.
    let length = told.and_then(|told| told.to_str().ok()?.parse().ok()).unwrap_or(most).min(most);
    let permits = u32::try_from(length.div_ceil(1024)).unwrap_or(u32::MAX);
    match shared.bodies.acquire_many(permits).await {
        Ok(_permits) => next.run(request).await,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn validate(State(shared): State<Shared>, body: Bytes) -> Response {
    let begun = Instant::now();
    // An event must not pass unjudged because this process has just started.
    shared.known.catalogue.wait_loaded().await;
    let Ok(permit) = shared.judgements.clone().acquire_owned().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let known = shared.known.clone();
    let size = body.len();
    // A panic, a defect of ours or of a library, costs this request its answer and no more.
    let judge = move || {
        let _permit = permit;
        catch_unwind(AssertUnwindSafe(|| review(&body, &known))).ok()
    };
    let judged = if size > LARGE { tokio::task::spawn_blocking(judge).await.ok().flatten() } else { judge() };
    let Some(reviewed) = judged else {
        shared.metrics.reviewed("other", "panicked", begun.elapsed());
        return (StatusCode::INTERNAL_SERVER_ERROR, "a defect in svix-operator; see its log\n")
            .into_response();
    };
    shared.metrics.reviewed(reviewed.kind, reviewed.outcome.as_str(), begun.elapsed());
    if let Some(policy) = reviewed.violated {
        shared.metrics.payload_violated(policy.as_str());
    }
    if matches!(reviewed.outcome, Outcome::Unreadable) {
        tracing::warn!("a request is no AdmissionReview that can be read; it was refused");
    }
    ([(header::CONTENT_TYPE, "application/json")], reviewed.answer).into_response()
}
