//! Handles one request at a time for all connections: asks [`paths`] and [`judge`] what to do, and does it.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use hyper::{
    Request, Response, StatusCode,
    body::{Body as _, Bytes, Incoming},
    header::{AUTHORIZATION, CONNECTION, HeaderValue},
    http::request,
};

use crate::{
    api::PayloadPolicy,
    catalogue::{Catalogue, Judgement},
    connections::BodyTimes,
    judging, local_requests,
    memory::{self, MemoryPermit},
    plan::{self, ids},
    schema::{self, Effort},
    telemetry::{GatewayMetrics, GatewayOutcome},
    turns::{Caller, Permits, Sender},
};

use super::{
    audit::AuditLog,
    body::{Body, BodyError},
    buffer::{self, BufferBudget, BufferPermit},
    example, headers,
    judge::{self, Decision, Mismatch, Rules},
    message,
    operations::Effect,
    options::{MAX_BODY, Options},
    paths::{self, Target},
    rejection::Rejection,
    report::{Handled, MessageDetails, report},
    request_guard::{BodyIsRead, InFlight, RequestGuard, sender_of},
    response,
    upstream::{InvalidUpstream, Upstream},
};

/// Maximum size of an event type that is read from Svix for its examples.
const MAX_DOCUMENT: usize = 4 * 1024 * 1024;

/// Handles the requests of a gateway.
///
/// # Flow
/// `POST /api/v1/app/{app}/msg`, the creation of a message:
/// 1. `connection` accepts the connection, reads the headers within a timeout and calls [`Service::handle`] with a
///    [`RequestGuard`]. A connection or a request beyond the limits, of all or of its sender, gets a 503.
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
/// Other operations that create messages go the same way. For the sending of an example, the event type is read from Svix
/// between steps 3 and 4, and its examples are judged. Changes of event types are rejected in step 2 unless they are
/// allowed. All other operations of Svix go from step 2 to step 5, with their bodies streamed. `POST /validate/{eventType}` ends after
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
/// - Messages that Svix has already can be delivered again, and are not judged again: `DeliversStored` in
///   [`operations`](super::operations).
/// - Messages are judged before Svix checks the token, so callers without a valid token learn from the violations what a
///   schema expects.
pub(super) struct Service {
    options: Options,
    catalogue: Catalogue,
    upstream: Upstream,
    metrics: GatewayMetrics,
    audit: AuditLog,
    in_flight: InFlight,
    budget: BufferBudget,
    /// The key of the digests of credentials.
    credentials: RandomState,
    /// Judgements that take long are made few at once, and callers take turns.
    turns: Permits,
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
            credentials: RandomState::new(),
            in_flight: InFlight::new(options.limits.max_in_flight, metrics.clone()),
            turns: Permits::new(1),
            is_loaded: AtomicBool::new(false),
            audit: AuditLog::default(),
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
        mut request: Request<Incoming>,
    ) -> Response<Body> {
        let started = Instant::now();
        let sender = self.sender(guard.caller(), request.headers());
        let is_read = BodyIsRead::of(&request);
        request.extensions_mut().insert(sender);
        request.extensions_mut().insert(is_read.clone());
        let handled = if guard.enter(&self.in_flight, sender) {
            self.route(request).await
        } else {
            Err(Rejection::overloaded("Too many concurrent requests; try again later."))
        };
        let (outcome, response) = match handled {
            Ok(handled) => handled,
            Err(rejection) => {
                let mut response = response::rejected(&rejection);
                if !is_read.get() {
                    // The rest of the body is not read, so the connection ends. A caller that does not know it would lose its
                    // next request.
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                (rejection.outcome, response)
            }
        };
        self.metrics.handled(outcome, started.elapsed());
        response.map(|body| body.with_guard(guard))
    }

    /// Returns who sends a request: a caller, and one of its tokens.
    fn sender(&self, caller: Caller, headers: &hyper::HeaderMap) -> Sender {
        let token = headers.get(AUTHORIZATION);
        Sender::in_group(caller, token.map_or(0, |token| self.credentials.hash_one(token.as_bytes())))
    }

    async fn route(self: &Arc<Self>, request: Request<Incoming>) -> Handled {
        if self.options.local_only {
            let listen = self.options.listen.ip();
            local_requests::check(request.uri(), request.headers(), listen)
                .map_err(|refusal| refused(refusal.status(), refusal.code(), refusal.to_string()))?;
        }
        if !headers::has_plain_framing(request.headers()) {
            let detail = "Transfer-Encoding: expected only chunked.";
            return Err(refused(StatusCode::BAD_REQUEST, "bad_request", detail));
        }
        match paths::read(request.method().as_str(), request.uri().path(), self.options.scope) {
            Target::Operation(effect) => self.operation(effect, request).await,
            Target::Check(event_type) => {
                let event_type = event_type.to_owned();
                self.check(&event_type, request).await
            }
            Target::Methods(methods) => Ok((GatewayOutcome::Checked, response::allowed_methods(&methods))),
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

    /// Handles an operation of Svix's API, by what it can cause.
    async fn operation(self: &Arc<Self>, effect: Effect, request: Request<Incoming>) -> Handled {
        let mut details = MessageDetails::default();
        let handled = match effect {
            Effect::CreatesMessage => self.judge_and_forward(judge::message, request, &mut details).await,
            Effect::CreatesEvents => self.judge_and_forward(judge::events, request, &mut details).await,
            Effect::SendsExample => self.send_example(request, &mut details).await,
            Effect::ChangesEventTypes if !self.options.allow_event_type_writes => {
                return Err(Rejection::forbidden(
                    "This gateway does not forward changes of event types, since they contain the examples that \
                     send-example delivers, and possibly the schemas that it validates by. Send the request to Svix itself, \
                     or start the gateway with --allow-event-type-writes.",
                ));
            }
            Effect::NoDelivery
            | Effect::ChangesEventTypes
            | Effect::DeliversStored
            | Effect::TransformsPayloads
            | Effect::GrantsAccess => return self.pass(request).await,
        };
        match &self.options.listener {
            Some(listener) => report(listener, details, handled).await,
            None => handled,
        }
    }

    /// Judges the body of a request that creates messages, and forwards it if it passes.
    async fn judge_and_forward(
        self: &Arc<Self>,
        judge: fn(&[u8], &Rules<'_>) -> Decision,
        request: Request<Incoming>,
        details: &mut MessageDetails,
    ) -> Handled {
        let (parts, incoming) = request.into_parts();
        let (body, _permit) = self.read_body(&parts, incoming).await?;
        if self.options.listener.is_some() {
            details.event_type = message::read(&body).ok().map(|message| message.event_type);
        }
        let decision = self.run_judge(sender_of(&parts), &body, {
            let (this, body) = (self.clone(), body.clone());
            move |effort: &Effort| judge(&body, &this.rules(effort))
        });
        self.decided(decision.await?, parts, body, details).await
    }

    /// Handles the sending of an example. What Svix delivers is not in the request: it is read from Svix and judged.
    async fn send_example(
        self: &Arc<Self>,
        request: Request<Incoming>,
        details: &mut MessageDetails,
    ) -> Handled {
        if self.options.allow_event_type_writes {
            return Err(Rejection::forbidden(
                "This gateway does not forward send-example, since it was started with --allow-event-type-writes: an \
                 example could be replaced between its validation and its delivery. Send the request to Svix itself.",
            ));
        }
        let (parts, incoming) = request.into_parts();
        let (body, _permit) = self.read_body(&parts, incoming).await?;
        let event_type = example::event_type(&body).map_err(|error| judge::malformed(&error))?;
        details.event_type = Some(event_type.clone());
        let (document, _document_permit) = match example::known_document(&event_type) {
            Some(document) => (Bytes::from_static(document), None),
            None => {
                let response = self.event_type(&parts.headers, &event_type).await?;
                if response.status() != StatusCode::OK {
                    // Svix has no such event type, or does not accept the token. It would respond so to this request, too.
                    return Ok((GatewayOutcome::Forwarded, self.upstream.forwarded(response)));
                }
                let timeout = self.options.limits.upstream_timeout;
                let times = BodyTimes { total: timeout, progress: timeout };
                let (body, sender) = (response.into_body(), sender_of(&parts));
                let read = buffer::read_to_end(body, MAX_DOCUMENT, times, &self.budget, sender);
                let (document, permit) = read.await.map_err(unreadable_document)?;
                (document, Some(permit))
            }
        };
        let decision = self.run_judge(sender_of(&parts), &document, {
            let (this, document) = (self.clone(), document.clone());
            move |effort: &Effort| {
                judge::example(&event_type, &document, this.options.scope.surface, &this.rules(effort))
            }
        });
        self.decided(decision.await?, parts, body, details).await
    }

    /// Reads an event type from Svix, with the credentials of a request.
    async fn event_type(
        &self,
        headers: &hyper::HeaderMap,
        name: &str,
    ) -> Result<Response<Incoming>, Rejection> {
        if !ids::is_name(name) {
            let detail = format!("Event type {} does not exist.", plan::quoted(name));
            return Err(refused(StatusCode::NOT_FOUND, "not_found", detail));
        }
        Ok(self.upstream.get(&format!("/api/v1/event-type/{name}"), headers).await?)
    }

    /// Forwards or rejects a request as it was decided.
    async fn decided(
        &self,
        decision: Decision,
        parts: request::Parts,
        body: Bytes,
        details: &mut MessageDetails,
    ) -> Handled {
        let (rewrite, mismatch) = match decision {
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
        self.audit.record(&mismatch.event_type, &mismatch.places);
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
        let times = self.options.limits.body_times();
        let body = Body::stream(incoming, MAX_BODY as u64, times.progress.min(times.total));
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
        let (body, _permit) = self.read_body(&parts, incoming).await?;
        if body.len() > self.options.limits.max_payload {
            return Err(Rejection::payload_too_large(body.len(), self.options.limits.max_payload));
        }
        message::check_encoding(&body).map_err(|error| judge::malformed(&error))?;
        let judgement = self.run_judge(sender_of(&parts), &body, {
            let (this, event_type, body) = (self.clone(), event_type.to_owned(), body.clone());
            move |effort: &Effort| {
                this.catalogue.judge_text(&this.options.connection, &event_type, &body, effort)
            }
        });
        match judgement.await? {
            Judgement::Valid | Judgement::NotValidated => Ok((GatewayOutcome::Checked, response::valid())),
            Judgement::Invalid { policy, violations, more, .. } => {
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
        parts: &request::Parts,
        incoming: Incoming,
    ) -> Result<(Bytes, BufferPermit), Rejection> {
        if !self.is_loaded.load(Ordering::Relaxed) {
            // As long as no event types are known, each would be undeclared.
            if !self.catalogue.is_loaded() {
                return Err(Rejection::overloaded("The event types are not loaded yet; try again later."));
            }
            self.is_loaded.store(true, Ordering::Relaxed);
        }
        if !headers::is_identity(&parts.headers) {
            return Err(refused(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "Content-Encoding: expected none or identity; Svix does not decode request bodies.",
            ));
        }
        let times = self.options.limits.body_times();
        let read = buffer::read_to_end(incoming, MAX_BODY, times, &self.budget, sender_of(parts)).await?;
        if let Some(is_read) = parts.extensions.get::<BodyIsRead>() {
            is_read.set();
        }
        Ok(read)
    }

    /// Runs `judge`: at once where that takes little, else on another thread, few of them at once and in turns by caller and
    /// token. A panic, a defect of this program or of a library, rejects this request and no other.
    async fn run_judge<T: Send + 'static>(
        &self,
        sender: Sender,
        body: &Bytes,
        judge: impl Fn(&Effort) -> T + Send + 'static,
    ) -> Result<T, Rejection> {
        let bytes = message::memory(body);
        // A small body can be a large tree, and would wait for the memory of others.
        if body.len() <= judging::LARGE && bytes <= memory::SMALL {
            let _memory = self.reserve(sender, bytes).await?;
            if let Some(judged) = judging::briefly(&judge).map_err(internal_error)? {
                return Ok(judged);
            }
        }
        // A permit comes before memory: a request that has memory waits for nothing else.
        let turn = self.turns.acquire(sender.caller(), &sender.group().to_string()).await;
        let memory = self.reserve(sender, bytes).await?;
        judging::thoroughly((turn, memory), judge).await.map_err(internal_error)
    }

    /// Waits for the memory that judging a body takes. Most bodies do not have to wait.
    async fn reserve(&self, sender: Sender, bytes: usize) -> Result<MemoryPermit, Rejection> {
        let reserve = self.options.memory.reserve(sender, bytes);
        let reserved = tokio::time::timeout(self.options.limits.body_timeout, reserve).await;
        reserved.map_err(|_| Rejection::overloaded("Too many large payloads are judged; try again later."))
    }

    fn rules<'a>(&'a self, effort: &'a Effort) -> Rules<'a> {
        Rules {
            catalogue: &self.catalogue,
            connection: &self.options.connection,
            channel_encoding: *self.options.channel_encoding.borrow(),
            undeclared: self.options.undeclared,
            undeclared_advice: self.options.undeclared_advice,
            max_payload: self.options.limits.max_payload,
            effort,
        }
    }
}

fn internal_error(_: judging::Panicked) -> Rejection {
    tracing::error!("the validation of a payload panicked; the request is rejected");
    let detail = "The payload could not be validated.";
    refused(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", detail)
}

/// Returns the rejection for an event type that Svix returned and that could not be read to its end.
fn unreadable_document(error: BodyError) -> Rejection {
    let reason = match error {
        BodyError::TooLarge => "the event type is larger than the gateway reads",
        BodyError::TooSlow => "the event type did not arrive in time",
        BodyError::Connection(_) => "the connection failed",
        BodyError::BudgetExceeded => return error.into(),
    };
    Rejection::code(
        GatewayOutcome::UpstreamFailed,
        StatusCode::BAD_GATEWAY,
        "upstream_failed",
        format!("The example cannot be read from Svix, so it is not sent: {reason}."),
    )
}

fn refused(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Rejection {
    Rejection::code(GatewayOutcome::Refused, status, code, detail)
}
