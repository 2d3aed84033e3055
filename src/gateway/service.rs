//! Handles one request at a time for all connections: asks [`paths`] and [`judge`] what to do, and does it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use hyper::{
    Request, Response, StatusCode,
    body::{Body as _, Bytes, Incoming},
    header::HeaderValue,
    http::request,
};

use crate::{
    api::PayloadPolicy,
    catalogue::{Catalogue, Judgement},
    memory::MemoryBudget,
    schema,
    telemetry::{GatewayMetrics, GatewayOutcome},
};

use super::{
    body::Body,
    buffer::{self, BufferBudget, BufferPermit},
    headers,
    judge::{self, Decision, Mismatch, Rules},
    message,
    options::{MAX_BODY, Options},
    paths::{self, Target},
    rejection::Rejection,
    report::{Handled, MessageDetails, report},
    request_guard::{InFlight, RequestGuard},
    response,
    upstream::{InvalidUpstream, Upstream},
};

/// Bodies from this size on are judged on a thread of their own, so that other requests do not wait for them.
const LARGE_BODY: usize = 64 * 1024;

/// Handles the requests of a gateway.
///
/// # Flow
/// `POST /api/v1/app/{app}/msg`, the creation of a message:
/// 1. `connection` accepts the connection, reads the headers within a timeout and calls [`Service::handle`] with a
///    [`RequestGuard`]. A connection or a request beyond the limits gets a 503.
/// 2. [`paths::read`] maps method and path to a [`Target`]. Anything but an operation of Svix's specification gets a 404,
///    an ambiguous path a 400.
/// 3. [`buffer::read_to_end`] reads the body, within a size (413), a timeout (408) and the memory budget of all requests
///    (503). Until the catalogue is loaded, the response is a 503.
/// 4. [`judge::message`] decides: reject (422 in Svix's format), or forward, possibly with other channels and with a
///    warning.
/// 5. [`Upstream::forward`] sends the request. Svix's response is streamed to the caller without changes to status or body.
/// 6. The request is counted, and the listener, if there is one, receives a
///    [`MessageReport`](super::MessageReport). The guard is dropped when
///    the last byte of the response has been sent.
///
/// Other operations of Svix go from step 2 to step 5, with their bodies streamed. `POST /validate/{eventType}` ends after
/// step 4, without step 5.
///
/// # Guarantees
/// - A message whose payload violates an event type with `payloadPolicy: Enforce` is never forwarded, neither is one that
///   Svix could read differently, whatever the policy; if judging panics, the response is a 500 and nothing is forwarded.
/// - A message is forwarded byte for byte. The one exception are its `channels`, when the connection's encoding maps them.
/// - A request is sent to Svix at most once: no retries, no redirects.
/// - Every request is counted once in `svix_operator_gateway_requests_total`.
/// - Connections, requests, body bytes and times have upper bounds; see [`Limits`](super::Limits).
///
/// # Assumptions
/// - Others fill the catalogue and call [`Catalogue::loaded`]; this service only reads it, without a lock.
/// - Svix authenticates the caller: tokens are forwarded without a check.
/// - hyper rejects conflicting framing, such as two different lengths; each forwarded request is framed again.
///
/// # Caveats
/// - After a 504 Svix may have accepted the message. Callers that retry should send an `eventId` or an idempotency key.
/// - Messages are judged before Svix checks the token, so callers without a valid token learn from the violations what a
///   schema expects.
pub(super) struct Service {
    options: Options,
    catalogue: Catalogue,
    upstream: Upstream,
    metrics: GatewayMetrics,
    in_flight: Arc<InFlight>,
    budget: BufferBudget,
    memory: MemoryBudget,
    is_loaded: AtomicBool,
}

impl Service {
    pub(super) fn new(
        options: Options,
        catalogue: Catalogue,
        metrics: GatewayMetrics,
    ) -> Result<Self, InvalidUpstream> {
        let upstream =
            Upstream::new(&options.svix_url, options.ca_bundle.as_deref(), options.limits.upstream_timeout)?;
        Ok(Self {
            budget: BufferBudget::new(options.limits.max_buffered),
            memory: MemoryBudget::default(),
            in_flight: Arc::new(InFlight::new(metrics.clone())),
            is_loaded: AtomicBool::new(false),
            options,
            catalogue,
            upstream,
            metrics,
        })
    }

    /// Handles a request, and returns the response.
    pub(super) async fn handle(
        self: Arc<Self>,
        mut guard: RequestGuard,
        request: Request<Incoming>,
    ) -> Response<Body> {
        let started = Instant::now();
        let handled = if guard.enter(&self.in_flight, self.options.limits.max_in_flight) {
            self.route(request).await
        } else {
            Err(Rejection::overloaded("Too many concurrent requests; try again later."))
        };
        let (outcome, response) = match handled {
            Ok(handled) => handled,
            Err(rejection) => (rejection.outcome, response::rejected(&rejection)),
        };
        self.metrics.handled(outcome, started.elapsed());
        response.map(|body| body.with_guard(guard))
    }

    async fn route(self: &Arc<Self>, request: Request<Incoming>) -> Handled {
        if !headers::has_plain_framing(request.headers()) {
            let detail = "Transfer-Encoding: expected only chunked.";
            return Err(refused(StatusCode::BAD_REQUEST, "bad_request", detail));
        }
        match paths::read(request.method().as_str(), request.uri().path(), self.options.only_sending) {
            Target::Send => self.send(request).await,
            Target::Pass => self.pass(request).await,
            Target::Check(event_type) => {
                let event_type = event_type.to_owned();
                self.check(&event_type, request).await
            }
            Target::Methods(methods) => Ok((GatewayOutcome::Checked, response::allowed_methods(methods))),
            Target::Unknown => Err(refused(
                StatusCode::NOT_FOUND,
                "not_found",
                "No such operation: this gateway forwards the operations in Svix's API specification.",
            )),
            Target::Ambiguous(reason) => {
                Err(refused(StatusCode::BAD_REQUEST, "invalid_path", format!("The path: {reason}.")))
            }
        }
    }

    /// Handles the creation of a message, and reports its outcome to the listener.
    async fn send(self: &Arc<Self>, request: Request<Incoming>) -> Handled {
        let mut details = MessageDetails::default();
        let handled = self.judge_and_forward(request, &mut details).await;
        match &self.options.listener {
            Some(listener) => report(listener, details, handled).await,
            None => handled,
        }
    }

    async fn judge_and_forward(
        self: &Arc<Self>,
        request: Request<Incoming>,
        details: &mut MessageDetails,
    ) -> Handled {
        let (parts, incoming) = request.into_parts();
        let (body, _permit) = self.read_body(&parts.headers, incoming).await?;
        if self.options.listener.is_some() {
            details.event_type = message::read(&body).ok().map(|message| message.event_type);
        }
        let decision = self.run_judge(&body, {
            let (this, body) = (self.clone(), body.clone());
            move || judge::message(&body, &this.rules())
        });
        let (rewrite, mismatch) = match decision.await? {
            Decision::Forward { rewrite, mismatch } => (rewrite, mismatch),
            Decision::Reject(rejection) => {
                if rejection.outcome == GatewayOutcome::Invalid {
                    self.metrics.violated(PayloadPolicy::Enforce.as_str());
                    tracing::debug!("a message is rejected: its payload does not match its schema");
                }
                return Err(rejection);
            }
        };
        let body = match rewrite {
            Some(rewrite) => Bytes::from(rewrite.apply(&body)),
            None => body,
        };
        details.mismatch = mismatch
            .as_ref()
            .filter(|mismatch| mismatch.policy == PayloadPolicy::Warn)
            .map(|mismatch| schema::describe(&mismatch.violations[..mismatch.violations.len().min(1)], 0));
        let mut response = self.forward(parts, Body::full(body)).await?;
        if let Some(warning) = mismatch.and_then(|mismatch| self.record_mismatch(&mismatch)) {
            response.headers_mut().insert(headers::WARNING, warning);
        }
        Ok((GatewayOutcome::Forwarded, response))
    }

    /// Counts and logs a payload that is forwarded although it does not match. Returns the warning for the caller, if the
    /// policy is to warn.
    fn record_mismatch(&self, mismatch: &Mismatch) -> Option<HeaderValue> {
        self.metrics.violated(mismatch.policy.as_str());
        if mismatch.policy != PayloadPolicy::Warn {
            return None;
        }
        tracing::warn!(
            event_type = mismatch.event_type,
            pointers = mismatch.pointers(),
            more = mismatch.more,
            "a message is forwarded although its payload does not match its schema (payloadPolicy: Warn)"
        );
        let text = schema::describe(&mismatch.violations, mismatch.more);
        Some(response::header_value(&format!("{}: {text}", mismatch.event_type)))
    }

    /// Handles any other operation of Svix's API.
    async fn pass(&self, request: Request<Incoming>) -> Handled {
        let (parts, incoming) = request.into_parts();
        if incoming.size_hint().lower() > MAX_BODY as u64 {
            return Err(Rejection::too_large(MAX_BODY));
        }
        let body = Body::stream(incoming, MAX_BODY as u64, self.options.limits.body_timeout);
        Ok((GatewayOutcome::Forwarded, self.forward(parts, body).await?))
    }

    async fn forward(&self, parts: request::Parts, body: Body) -> Result<Response<Body>, Rejection> {
        let forwarded = self.upstream.forward(parts, body).await;
        forwarded.map_err(|error| {
            tracing::debug!(error = &error as &dyn std::error::Error, "a request cannot be forwarded");
            error.into()
        })
    }

    /// Validates a payload, without sending it.
    async fn check(self: &Arc<Self>, event_type: &str, request: Request<Incoming>) -> Handled {
        let (parts, incoming) = request.into_parts();
        let (body, _permit) = self.read_body(&parts.headers, incoming).await?;
        if body.len() > self.options.limits.max_payload {
            return Err(Rejection::too_large(self.options.limits.max_payload));
        }
        let judgement = self.run_judge(&body, {
            let (this, event_type, body) = (self.clone(), event_type.to_owned(), body.clone());
            move || this.catalogue.judge_text(&this.options.connection, &event_type, &body)
        });
        match judgement.await? {
            Judgement::Valid => Ok((GatewayOutcome::Checked, response::valid())),
            Judgement::Invalid { policy, violations, more } => {
                self.metrics.violated(policy.as_str());
                Ok((GatewayOutcome::Invalid, response::invalid(policy, &violations, more)))
            }
            Judgement::Undeclared => Err(Rejection::code(
                GatewayOutcome::Undeclared,
                StatusCode::NOT_FOUND,
                "not_found",
                format!("Event type {event_type:?} is not declared."),
            )),
        }
    }

    /// Reads the whole body of a request that is to be judged.
    async fn read_body(
        &self,
        headers: &hyper::HeaderMap,
        incoming: Incoming,
    ) -> Result<(Bytes, BufferPermit), Rejection> {
        if !self.is_loaded.load(Ordering::Relaxed) {
            // As long as no event types are known, each would be undeclared.
            if !self.catalogue.is_loaded() {
                return Err(Rejection::overloaded("The event types are not loaded yet; try again later."));
            }
            self.is_loaded.store(true, Ordering::Relaxed);
        }
        if !headers::is_identity(headers) {
            return Err(refused(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "Content-Encoding: expected none or identity; Svix does not decode request bodies.",
            ));
        }
        let timeout = self.options.limits.body_timeout;
        Ok(buffer::read_to_end(incoming, MAX_BODY, timeout, &self.budget).await?)
    }

    /// Runs `judge`, for a large body on a thread of its own. A panic, a defect of this program or of a library, rejects
    /// this request and no other.
    async fn run_judge<T: Send + 'static>(
        &self,
        body: &Bytes,
        judge: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Rejection> {
        // Most bodies are judged without having to wait.
        let reserve = self.memory.reserve(message::memory(body));
        let Ok(permit) = tokio::time::timeout(self.options.limits.body_timeout, reserve).await else {
            return Err(Rejection::overloaded("Too many large payloads are judged; try again later."));
        };
        let judge = move || {
            let _permit = permit;
            catch_unwind(AssertUnwindSafe(judge)).ok()
        };
        let judged = if body.len() > LARGE_BODY {
            tokio::task::spawn_blocking(judge).await.ok().flatten()
        } else {
            judge()
        };
        judged.ok_or_else(|| {
            tracing::error!("the validation of a payload panicked; the request is rejected");
            let detail = "The payload could not be validated.";
            refused(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", detail)
        })
    }

    fn rules(&self) -> Rules<'_> {
        Rules {
            catalogue: &self.catalogue,
            connection: &self.options.connection,
            channel_encoding: *self.options.channel_encoding.borrow(),
            undeclared: self.options.undeclared,
            undeclared_advice: self.options.undeclared_advice,
            max_payload: self.options.limits.max_payload,
        }
    }
}

fn refused(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Rejection {
    Rejection::code(GatewayOutcome::Refused, status, code, detail)
}
