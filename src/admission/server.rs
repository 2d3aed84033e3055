//! The HTTPS server of the admission webhook: `POST /validate`, called by the API server.
//!
//! Everything is limited: the time of the handshake, of the headers and of the whole request, the size of bodies, and the
//! number of connections and of concurrent reviews. Reviews of large bodies run few at once and have permits of their own;
//! callers take turns, and the namespaces of a caller do. A new certificate is used for new connections and does not affect open
//! ones.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Extension, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, State},
    http::{Request, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::post,
};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, rustls};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::{
    connections::{self, Connection, HeadLimits, serve_http1},
    judging::{self, Panicked},
    memory::{self, MemoryBudget},
    plan::{compatibility::KeptVersions, revision::MAX_COMPARED},
    telemetry::AdmissionMetrics,
    turns::{self, Caller, Permit, Permits},
};

use super::{
    Known, Outcome,
    certificates::ServingCertificate,
    history,
    review::{Reviewed, may_compare, review_within},
    wire::namespace_of,
};

/// Time after which an idle connection is closed. Go's clients close theirs after 90 seconds; a server that waits for longer
/// never closes a connection on which a request is on its way.
const IDLE: Duration = Duration::from_secs(150);

/// Bodies of up to this size are read without a reservation, in bytes: a connection may have as much in its buffer anyway, and
/// callers that withhold the end of larger bodies delay none of them.
const UNRESERVED: usize = 16 * 1024;

/// Limits and timeouts.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Maximum size of a body in bytes. etcd stores objects of up to 1.5 MiB, and a request contains the old object as
    /// well; the rest is for clusters that raise etcd's limit.
    pub body: usize,
    /// Maximum size of all bodies in memory together, in bytes, of those of up to 1 MiB and again of larger ones; further
    /// requests wait. Callers are not authenticated.
    pub bodies: usize,
    /// The same of bodies of up to 64 KiB, which never wait for larger ones.
    pub small_bodies: usize,
    /// Memory for all reviews together, in bytes, besides the bodies; further ones wait. Small reviews have memory for
    /// themselves.
    pub memory: usize,
    /// Time for a request, including its body and its review.
    pub request: Duration,
    /// Time for the TLS handshake.
    pub handshake: Duration,
    /// Maximum number of open connections.
    pub connections: usize,
    /// Maximum number of concurrent reviews of bodies of up to 64 KiB that take about a millisecond; further ones wait.
    pub reviews: usize,
    /// The same of larger bodies, and of reviews that take longer.
    pub large_reviews: usize,
    /// Time for requests in flight to end when the server stops.
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 8 * 1024 * 1024,
            bodies: 20 * 1024 * 1024,
            small_bodies: 4 * 1024 * 1024,
            memory: memory::LARGE_TOTAL,
            // The API server gives up after timeoutSeconds, ten by default.
            request: Duration::from_secs(10),
            handshake: Duration::from_secs(5),
            connections: 1024,
            reviews: 64,
            large_reviews: turns::heavy_tasks(),
            stop: Duration::from_secs(4),
        }
    }
}

/// The permits of reviews. Those of small and of large ones are apart, so that small ones never wait for large ones; in
/// both, callers and namespaces take turns. A review that begins as a small one and takes long is begun again as a large one.
/// Cheap to clone.
#[derive(Clone)]
pub struct ReviewTurns {
    small: Permits,
    large: Permits,
}

impl ReviewTurns {
    /// Returns as many permits as the limits say.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self { small: Permits::new(limits.reviews), large: Permits::new(limits.large_reviews) }
    }

    /// Returns how long requests have waited without any of them being reviewed.
    #[must_use]
    pub fn without_turn(&self) -> Duration {
        self.small.without_turn().max(self.large.without_turn())
    }

    async fn acquire_small(&self, caller: Caller, body: &[u8]) -> Permit {
        self.small.acquire(caller, &namespace_of(body)).await
    }

    async fn acquire_large(&self, caller: Caller, body: &[u8]) -> Permit {
        self.large.acquire(caller, &namespace_of(body)).await
    }
}

#[derive(Clone)]
struct Shared {
    known: Known,
    metrics: AdmissionMetrics,
    turns: ReviewTurns,
    bodies: MemoryBudget,
    small_bodies: MemoryBudget,
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
    serve_in_turns(listener, certificate, known, metrics, limits, ReviewTurns::new(&limits), stop).await
}

/// The same with permits that somebody else observes.
///
/// # Errors
/// When TLS cannot be set up. No input causes this.
pub async fn serve_in_turns(
    listener: TcpListener,
    certificate: ServingCertificate,
    known: Known,
    metrics: AdmissionMetrics,
    limits: Limits,
    turns: ReviewTurns,
    stop: CancellationToken,
) -> Result<(), rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(certificate));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let bodies = MemoryBudget::new(limits.bodies, limits.bodies);
    let small_bodies = MemoryBudget::new(limits.small_bodies, limits.small_bodies);
    let memory = MemoryBudget::new(memory::SMALL_TOTAL, limits.memory);
    let router = router(Shared { known, metrics, turns, bodies, small_bodies, memory, limits });
    let bounds = connections::Limits::new(limits.connections, IDLE);
    connections::serve(listener, bounds, limits.stop, stop, Handler { acceptor, router, limits }).await;
    Ok(())
}

/// Serves the connections of API servers.
#[derive(Clone)]
struct Handler {
    acceptor: TlsAcceptor,
    router: Router,
    limits: Limits,
}

impl connections::Handler for Handler {
    async fn serve(&self, stream: TcpStream, connection: Arc<Connection>, stop: CancellationToken) {
        let accepted = tokio::select! {
            accepted = timeout(self.limits.handshake, self.acceptor.accept(stream)) => accepted,
            () = connection.expired() => return,
            () = stop.cancelled() => return,
        };
        let stream = match accepted {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => return tracing::debug!("TLS handshake timed out"),
        };
        let caller = connection.caller();
        let service = service_fn(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(caller);
            let (router, max_duration) = (self.router.clone(), self.limits.request);
            async move { Ok::<_, Infallible>(respond(router, request, max_duration).await) }
        });
        serve_http1(TokioIo::new(stream), service, connection, HeadLimits::default(), stop).await;
    }
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
    let bodies = if length <= judging::LARGE { &shared.small_bodies } else { &shared.bodies };
    let _permit = match length <= UNRESERVED {
        true => None,
        false => Some(bodies.reserve(length).await),
    };
    next.run(request).await
}

async fn validate(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Response {
    let started = Instant::now();
    // An event must not be admitted without validation because this process has just started.
    shared.known.catalogue.wait_loaded().await;
    // A panic, a defect of this program or of a library, fails this request and no other.
    let Ok(reviewed) = reviewed(&shared, caller, body).await else {
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

/// Reviews a request: at once where that takes little, else on another thread.
async fn reviewed(shared: &Shared, caller: Caller, body: Bytes) -> Result<Reviewed, Panicked> {
    if body.len() <= judging::LARGE && !may_compare(&body) {
        let _permit = shared.turns.acquire_small(caller, &body).await;
        let _memory = shared.memory.reserve(super::memory(&body)).await;
        let kept = KeptVersions::default();
        let reviewed = judging::briefly(|effort| review_within(&body, &shared.known, &kept, effort))?;
        if let Some(reviewed) = reviewed {
            return Ok(reviewed);
        }
    }
    let permit = shared.turns.acquire_large(caller, &body).await;
    let history = shared.known.history.as_ref();
    let needed =
        history.and_then(|history| Some((history, history::needed(&body, &shared.known.directory)?)));
    // A page of a list is in memory beside what was read of it.
    let of_history = if needed.is_some() { 2 * MAX_COMPARED } else { 0 };
    let memory = shared.memory.reserve(super::memory(&body) + of_history).await;
    let kept = match needed {
        Some((history, event_type)) => history.kept_versions(&event_type).await,
        None => KeptVersions::default(),
    };
    let known = shared.known.clone();
    judging::thoroughly((permit, memory), move |effort| review_within(&body, &known, &kept, effort)).await
}
