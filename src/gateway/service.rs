//! One request: what it asks for, whether it may, and the answer. The shell around [`super::judge`].

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use hyper::{
    Request, Response, StatusCode, Version,
    body::{Body as _, Bytes, Incoming},
    header::HeaderValue,
};

use crate::{
    api::PayloadPolicy,
    catalogue::{Catalogue, Judgement},
    schema::{self, Violation},
    telemetry::{GatewayMetrics, Metrics, Outcome},
};

use super::{
    InvalidUpstream, MAX_BODY, Options, answer,
    body::{self, Body, BodyError, Held, Part},
    connection::{InFlight, Turn},
    headers,
    judge::{self, Broken, Refusal, Rules, Verdict},
    message,
    outcome::{self, Fate, Listener, Told},
    paths::{self, Target},
    upstream::{self, Upstream},
};

/// From here on a judgement takes so long that others should not wait behind it.
const LARGE: usize = 64 * 1024;
/// A request that has come through so many gateways goes in circles.
const MAX_TIMES_THROUGH: usize = 8;

/// What answers requests.
pub(super) struct Service {
    options: Options,
    catalogue: Catalogue,
    upstream: Upstream,
    metrics: GatewayMetrics,
    in_flight: Arc<InFlight>,
    held: Held,
    loaded: AtomicBool,
}

/// Longest answer of Svix that a message's id is looked for in: it may repeat the payload.
const MAX_ANSWER: u64 = 4 * 1024 * 1024;

/// What is seen of a message, for who listens.
#[derive(Default)]
struct Seen {
    event_type: Option<String>,
    mismatch: Option<String>,
}

/// What a judgement in the service can end with.
type Answered = Result<(Outcome, Response<Body>), Refusal>;

impl Service {
    pub(super) fn new(
        options: Options,
        catalogue: Catalogue,
        metrics: Metrics,
    ) -> Result<Self, InvalidUpstream> {
        let upstream =
            Upstream::new(&options.svix_url, options.ca_bundle.as_deref(), options.limits.upstream_timeout)?;
        Ok(Self {
            options,
            catalogue,
            upstream,
            in_flight: Arc::new(InFlight::new(metrics.gateway().clone())),
            metrics: metrics.gateway().clone(),
            held: Held::default(),
            loaded: AtomicBool::new(false),
        })
    }

    /// A connection was turned away.
    pub(super) fn refused_connection(&self) {
        self.metrics.answered(Outcome::Overload, std::time::Duration::ZERO);
    }

    /// Answers a request.
    pub(super) async fn answer(
        self: Arc<Self>,
        mut turn: Turn,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Infallible> {
        let begun = Instant::now();
        let answered = if turn.count(&self.in_flight, self.options.limits.max_in_flight) {
            self.work(request).await
        } else {
            Err(overload("Too many requests at once; try again later."))
        };
        let (outcome, response) = match answered {
            Ok(answered) => answered,
            Err(refusal) => (refusal.outcome, answer::refusal(&refusal)),
        };
        self.metrics.answered(outcome, begun.elapsed());
        Ok(response.map(|body| body.until_done(turn)))
    }

    async fn work(self: &Arc<Self>, request: Request<Incoming>) -> Answered {
        if !headers::is_plainly_framed(request.headers()) {
            let detail = "Transfer-Encoding: expected chunked and nothing else.";
            return Err(refused(StatusCode::BAD_REQUEST, "bad_request", detail));
        }
        match paths::read(request.method().as_str(), request.uri().path(), self.options.only_sending) {
            Target::Send => self.send(request).await,
            Target::Pass => self.pass(request).await,
            Target::Check(event_type) => {
                let event_type = event_type.to_owned();
                self.check(&event_type, request).await
            }
            Target::Methods(methods) => Ok((Outcome::Checked, answer::methods(methods))),
            Target::Unknown => Err(refused(
                StatusCode::NOT_FOUND,
                "not_found",
                "No such operation here: this gateway passes on the operations of Svix's specification.",
            )),
            Target::Odd(oddity) => {
                Err(refused(StatusCode::BAD_REQUEST, "invalid_path", format!("The path: {oddity}.")))
            }
        }
    }

    /// A message's creation, and who listens is told what became of it.
    async fn send(self: &Arc<Self>, request: Request<Incoming>) -> Answered {
        let Some(listener) = &self.options.listener else {
            return self.judge_and_send(request, &mut Seen::default()).await;
        };
        let mut seen = Seen::default();
        let answered = self.judge_and_send(request, &mut seen).await;
        self.tell(listener, seen, answered).await
    }

    async fn tell(&self, listener: &Listener, seen: Seen, answered: Answered) -> Answered {
        let Seen { event_type, mismatch } = seen;
        let (fate, answered) = match answered {
            Err(refusal) => (outcome::fate(&refusal), Err(refusal)),
            Ok((outcome, response)) if response.status().is_success() => {
                let (head, body) = response.into_parts();
                let (id, body) = body.with_id(MAX_ANSWER).await;
                (Fate::Accepted { id, mismatch }, Ok((outcome, Response::from_parts(head, body))))
            }
            Ok((outcome, response)) => {
                (Fate::Answered { status: response.status().as_u16() }, Ok((outcome, response)))
            }
        };
        listener.tell(Told { event_type, fate });
        answered
    }

    /// A message's creation. What is seen of it is written down where somebody listens.
    async fn judge_and_send(self: &Arc<Self>, request: Request<Incoming>, seen: &mut Seen) -> Answered {
        let (parts, incoming) = request.into_parts();
        let (body, _held) = self.body(&parts.headers, incoming).await?;
        if self.options.listener.is_some() {
            seen.event_type = message::read(&body).ok().map(|message| message.event_type);
        }
        let verdict = self.judged(body.len(), {
            let (this, body) = (self.clone(), body.clone());
            move || judge::message(&body, &this.rules())
        });
        let (rewrite, broken) = match verdict.await? {
            Verdict::Refuse(refusal) => {
                if refusal.outcome == Outcome::Invalid {
                    self.metrics.violated(PayloadPolicy::Enforce.as_str());
                    tracing::debug!(
                        "a payload is refused, which does not match the schema of its event type"
                    );
                }
                return Err(refusal);
            }
            Verdict::Forward { rewrite, broken } => (rewrite, broken),
        };
        let body = match rewrite {
            Some(rewrite) => Bytes::from(rewrite.apply(&body)),
            None => body,
        };
        seen.mismatch = broken
            .as_ref()
            .filter(|broken| broken.policy == PayloadPolicy::Warn)
            .map(|broken| schema::describe(&broken.violations[..broken.violations.len().min(1)], 0));
        let mut response = self.forward(parts, Body::of(body)).await?;
        if let Some(warning) = broken.and_then(|broken| self.told(&broken)) {
            response.headers_mut().insert(headers::WARNING, warning);
        }
        Ok((Outcome::Forwarded, response))
    }

    /// Tells of a payload that passes although it does not match: what the caller is told, if anything.
    fn told(&self, broken: &Broken) -> Option<HeaderValue> {
        self.metrics.violated(broken.policy.as_str());
        if broken.policy != PayloadPolicy::Warn {
            return None;
        }
        tracing::warn!(
            event_type = broken.event_type,
            pointers = pointers(&broken.violations),
            more = broken.more,
            "a payload passes that does not match the schema of its event type (payloadPolicy: Warn)"
        );
        let text = schema::describe(&broken.violations, broken.more);
        Some(answer::header_value(&format!("{}: {text}", broken.event_type)))
    }

    /// Any other operation of Svix.
    async fn pass(&self, request: Request<Incoming>) -> Answered {
        let (parts, incoming) = request.into_parts();
        if incoming.size_hint().lower() > MAX_BODY as u64 {
            return Err(Refusal::too_large(MAX_BODY));
        }
        let body = Body::passing(incoming, MAX_BODY as u64, self.options.limits.body_timeout);
        Ok((Outcome::Forwarded, self.forward(parts, body).await?))
    }

    async fn forward(
        &self,
        parts: hyper::http::request::Parts,
        body: Body,
    ) -> Result<Response<Body>, Refusal> {
        let mut parts = parts;
        if headers::times_through(&parts.headers) >= MAX_TIMES_THROUGH {
            let detail =
                "This request goes in circles: the Svix server's address leads back to this gateway.";
            return Err(refused(StatusCode::LOOP_DETECTED, "loop_detected", detail));
        }
        let uri = parts.uri.path_and_query().and_then(|path| self.upstream.uri(path));
        parts.uri =
            uri.ok_or_else(|| refused(StatusCode::BAD_REQUEST, "invalid_path", "The path is no path."))?;
        parts.version = Version::HTTP_11;
        headers::to_upstream(&mut parts.headers, &self.upstream.host);
        let response = self.upstream.send(Request::from_parts(parts, body)).await?;
        let (mut parts, incoming) = response.into_parts();
        headers::remove_hop_by_hop(&mut parts.headers);
        parts.headers.remove(headers::WARNING);
        parts.version = Version::HTTP_11;
        let body = Body::passing(incoming, u64::MAX, self.options.limits.upstream_timeout);
        Ok(Response::from_parts(parts, body))
    }

    /// A judgement without sending.
    async fn check(self: &Arc<Self>, event_type: &str, request: Request<Incoming>) -> Answered {
        let (parts, incoming) = request.into_parts();
        let (body, _held) = self.body(&parts.headers, incoming).await?;
        if body.len() > self.options.limits.max_payload {
            return Err(Refusal::too_large(self.options.limits.max_payload));
        }
        let judgement = self.judged(body.len(), {
            let (this, event_type) = (self.clone(), event_type.to_owned());
            move || this.catalogue.judge_text(&this.options.connection, &event_type, &body)
        });
        match judgement.await? {
            Judgement::Valid => Ok((Outcome::Checked, answer::valid())),
            Judgement::Invalid { policy, violations, more } => {
                self.metrics.violated(policy.as_str());
                Ok((Outcome::Invalid, answer::invalid(policy, &violations, more)))
            }
            Judgement::Undeclared => Err(Refusal::code(
                Outcome::Undeclared,
                StatusCode::NOT_FOUND,
                "not_found",
                format!("Nobody declares the event type {event_type:?}."),
            )),
        }
    }

    /// The whole body of a request that is judged.
    async fn body(&self, headers: &hyper::HeaderMap, incoming: Incoming) -> Result<(Bytes, Part), Refusal> {
        if !self.loaded.load(Ordering::Relaxed) {
            // A gateway that knows no event types yet would call each one undeclared.
            if !self.catalogue.is_loaded() {
                return Err(overload("The event types are not loaded yet; try again later."));
            }
            self.loaded.store(true, Ordering::Relaxed);
        }
        if !headers::is_identity(headers) {
            return Err(refused(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "Content-Encoding: expected none (or identity); Svix reads bodies as they are.",
            ));
        }
        let limits = &self.options.limits;
        body::whole(incoming, MAX_BODY, limits.body_timeout, &self.held, limits.max_buffered).await.map_err(
            |error| match error {
                BodyError::TooLarge => Refusal::too_large(MAX_BODY),
                BodyError::TooSlow => upstream::slow_body(),
                BodyError::NoRoom => overload("Too many bytes at once; try again later."),
                BodyError::Broken(_) => {
                    refused(StatusCode::BAD_REQUEST, "bad_request", "The body of the request broke off.")
                }
            },
        )
    }

    /// Judges; a large body in a place where others do not wait behind it. A panic is a defect of ours or of a
    /// library: it costs this request its answer, and nothing passes.
    async fn judged<T: Send + 'static>(
        &self,
        size: usize,
        judge: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let judge = move || catch_unwind(AssertUnwindSafe(judge)).ok();
        let judged =
            if size > LARGE { tokio::task::spawn_blocking(judge).await.ok().flatten() } else { judge() };
        judged.ok_or_else(|| {
            tracing::error!("a judgement panicked; the request is refused");
            refused(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "The payload could not be judged.")
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

fn refused(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Refusal {
    Refusal::code(Outcome::Refused, status, code, detail)
}

fn overload(detail: &str) -> Refusal {
    Refusal::code(Outcome::Overload, StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail)
}

/// Where violations are, without what was found there.
fn pointers(violations: &[Violation]) -> String {
    let mut text = String::new();
    for violation in violations {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(if violation.pointer.is_empty() { "/" } else { &violation.pointer });
        if text.len() > 1000 {
            break;
        }
    }
    text
}
