//! The HTTPS server of the admission webhook: `POST /validate`, called by the API server.
//!
//! Everything is limited: the time of the handshake, of the headers and of the whole request, the size of bodies, and the
//! number of connections, of requests and of concurrent reviews. Reviews of large bodies run few at once and have permits of their
//! own; callers take turns, and the namespaces of a caller do. No caller has all requests or all memory of bodies. A new
//! certificate is used for new connections and does not affect open ones.

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
    middleware,
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
    comparing::{Comparisons, Interrupted, Requester},
    connections::{self, Connection, HeadLimits, serve_http1},
    judging,
    memory::{self, MemoryBudget, MemoryPermit},
    plan::revision::MAX_COMPARED,
    schema::{Effort, SMALL_BYTES},
    telemetry::AdmissionMetrics,
    turns::{Caller, Permit, Permits, Sender},
};

use super::{
    Known,
    certificates::ServingCertificate,
    draft::{Begun, Draft},
    history,
    intake::{self, Intake},
    response::{Outcome, Reviewed},
    review::begin,
    wire::namespace_of,
};

pub use super::limits::Limits;

/// Maximum size of a request line and its headers, in bytes. An API server sends less than a kilobyte.
const HEAD: usize = 8 * 1024;

/// Time after which an idle connection is closed. Go's clients close theirs after 90 seconds; a server that waits for longer
/// never closes a connection on which a request is on its way.
const IDLE: Duration = Duration::from_secs(150);

/// Largest body of a review that may take some milliseconds only, in bytes: it has two versions of an object.
const MAX_SHORT: usize = 2 * SMALL_BYTES;

/// The permits of reviews, and their memory. Those of small and of large ones are apart, so that small ones never wait for large
/// ones; for the permits of both, callers and namespaces take turns. A review that begins as a small one and takes long is begun
/// again as a large one. Cheap to clone.
#[derive(Clone)]
pub struct ReviewTurns {
    small: Permits,
    /// What takes some milliseconds, one at a time: also brief comparisons.
    short: Permits,
    large: Permits,
    comparisons: Comparisons,
    memory: MemoryBudget,
}

impl ReviewTurns {
    /// Returns as many permits as the limits say.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let memory = MemoryBudget::new(memory::SMALL_TOTAL, limits.memory);
        let short = Permits::new(1);
        Self {
            small: Permits::new(limits.reviews),
            large: Permits::new(limits.large_reviews),
            // Not those of large reviews: who has one of them may wait for memory, which a review has while it compares. Two
            // comparisons at once could take more memory than there is.
            comparisons: Comparisons::new(short.clone(), Permits::new(1)),
            short,
            memory,
        }
    }

    /// Takes the memory of another server of this process in place of `limits.memory`.
    #[must_use]
    pub fn sharing(self, memory: MemoryBudget) -> Self {
        Self { memory, ..self }
    }

    /// Returns how long small requests have waited without any of them being reviewed. Large ones do not count: a tenant
    /// whose reviews are much work delays only large ones, and would do so in every replica.
    #[must_use]
    pub fn without_turn(&self) -> Duration {
        self.small.without_turn()
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
    let router = router(Shared { known, metrics, turns }, limits);
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
        let head = HeadLimits { size: HEAD, ..HeadLimits::default() };
        serve_http1(TokioIo::new(stream), service, connection, head, stop).await;
    }
}

async fn respond(router: Router, request: Request<Incoming>, max_duration: Duration) -> Response {
    match timeout(max_duration, router.oneshot(request.map(Body::new))).await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the request timed out\n").into_response(),
    }
}

fn router(shared: Shared, limits: Limits) -> Router {
    let limit = DefaultBodyLimit::max(limits.body);
    let admit = middleware::from_fn_with_state(Intake::new(limits), intake::admit);
    Router::new().route("/validate", post(validate)).layer(limit).layer(admit).with_state(shared)
}

async fn validate(
    State(shared): State<Shared>,
    Extension(sender): Extension<Sender>,
    body: Bytes,
) -> Response {
    let started = Instant::now();
    // An event must not be admitted without validation because this process has just started.
    shared.known.catalogue.wait_loaded().await;
    // A panic, a defect of this program or of a library, fails this request and no other.
    let Ok(reviewed) = reviewed(&shared, sender, body).await else {
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

/// Reviews a request: at once where that takes little, else on another thread. Schemas are compared at the end, in turns of their
/// own and without a permit for reviews.
async fn reviewed(shared: &Shared, sender: Sender, body: Bytes) -> Result<Reviewed, Interrupted> {
    let bytes = super::memory(&body);
    let mut begun = None;
    // A small body can be a large tree, and would wait for the memory of others.
    if body.len() <= judging::LARGE && bytes <= memory::SMALL {
        let _permit = shared.turns.acquire_small(sender.caller(), &body).await;
        let _memory = shared.turns.memory.reserve(sender, bytes).await;
        begun = judging::briefly(|effort| begin(&body, &shared.known, effort))?;
    }
    let (begun, memory) = match begun {
        // What is compared is a copy of a part of the body.
        Some(begun) => (begun, None),
        None => {
            let (begun, memory) = match begun_shortly(shared, sender, &body, bytes).await? {
                Some(begun) => begun,
                None => {
                    let permit = shared.turns.acquire_large(sender.caller(), &body).await;
                    let memory = shared.turns.memory.reserve(sender, bytes).await;
                    let (known, body) = (shared.known.clone(), body.clone());
                    let review = move |effort: &Effort| (begin(&body, &known, effort), memory);
                    judging::thoroughly(permit, review).await?
                }
            };
            // Small reviews do not wait for memory until somebody's turn to compare.
            (begun, Some(memory).filter(|_| bytes > memory::SMALL))
        }
    };
    match begun {
        Begun::Done(reviewed) => Ok(reviewed),
        Begun::Comparing(draft) => {
            compared(shared, sender, &body, *draft, memory.map(|it| (it, bytes))).await
        }
    }
}

/// Begins a review that takes some milliseconds. `None`: it takes longer.
async fn begun_shortly(
    shared: &Shared,
    sender: Sender,
    body: &Bytes,
    bytes: usize,
) -> Result<Option<(Begun, MemoryPermit)>, Interrupted> {
    if body.len() > MAX_SHORT {
        return Ok(None);
    }
    // Memory first: a review that has memory may wait for a permit, to compare.
    let memory = shared.turns.memory.reserve(sender, bytes).await;
    let permit = shared.turns.short.acquire(sender.caller(), &namespace_of(body)).await;
    let (known, body) = (shared.known.clone(), body.clone());
    Ok(judging::shortly(permit, move |effort| (begin(&body, &known, effort), memory)).await?)
}

/// Makes the comparisons of a review. `memory`: what is reserved for it, and how much that is.
async fn compared(
    shared: &Shared,
    sender: Sender,
    body: &[u8],
    mut draft: Draft,
    mut memory: Option<(MemoryPermit, usize)>,
) -> Result<Reviewed, Interrupted> {
    let (namespace, comparisons) = (namespace_of(body), &shared.turns.comparisons);
    // A review that waits has neither a task nor a permit that another one needs.
    let requester = Requester { caller: sender.caller(), namespace: &namespace, may_take_long: &|| true };
    if let Some(last) = draft.change().last() {
        comparisons.step(requester, draft.change(), &last).await?;
    }
    let history = shared.known.history.as_ref().filter(|_| draft.change().needs_kept());
    let needed = history.and_then(|history| Some((history, history::needed(body, &shared.known.directory)?)));
    let Some((history, event_type)) = needed else { return Ok(draft.end()) };
    // Reviews that wait for more than they have would wait for each other.
    let of_review = memory.take().map_or(0, |(_, bytes)| bytes);
    // A page of a list is in memory beside what was read of it.
    let mut memory = shared.turns.memory.reserve(sender, of_review + 2 * MAX_COMPARED).await;
    let kept = history.kept_versions(&event_type).await;
    let of_kept: usize = kept.versions.iter().map(|(_, version)| version.schema.len()).sum();
    memory.shrink(of_review + of_kept);
    for (revision, version) in kept.versions {
        if !draft.change().needs_kept() {
            break;
        }
        let step = draft.change().kept(revision, version);
        comparisons.step(requester, draft.change(), &step).await?;
    }
    if draft.change().needs_kept() {
        draft.change().missing(&kept.missing);
    }
    Ok(draft.end())
}
