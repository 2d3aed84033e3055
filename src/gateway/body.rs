//! Bodies on their way out, of requests to Svix and of responses to callers: in memory, or streamed within a size and a
//! timeout.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use hyper::{
    StatusCode,
    body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint},
};
use tokio::time::Sleep;

use crate::telemetry::GatewayOutcome;

use super::{options::MAX_BODY, rejection::Rejection, request_guard::RequestGuard};

/// Why a body cannot be read to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the body is larger than the limit")]
    TooLarge,
    #[error("the body did not arrive in time")]
    TooSlow,
    #[error("the bodies of all requests together exceed the memory limit")]
    BudgetExceeded,
    #[error("the body ended early")]
    Connection(#[from] hyper::Error),
}

impl From<BodyError> for Rejection {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::too_large(MAX_BODY),
            BodyError::TooSlow => Self::slow_body(),
            BodyError::BudgetExceeded => {
                Self::overloaded("Too many request bytes are buffered; try again later.")
            }
            BodyError::Connection(_) => Self::code(
                GatewayOutcome::Refused,
                StatusCode::BAD_REQUEST,
                "bad_request",
                "The request body ended early.",
            ),
        }
    }
}

/// A body on its way out.
pub(super) struct Body {
    kind: Kind,
    /// Ends the request when the response has been sent.
    guard: Option<RequestGuard>,
}

enum Kind {
    Full(Bytes),
    Stream(Box<Stream>),
}

/// A body that is passed on as it arrives.
struct Stream {
    source: Incoming,
    /// How many bytes may still arrive.
    remaining: u64,
    /// How long the next part may take.
    timeout: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Body {
    /// A body in memory.
    pub(super) fn full(bytes: impl Into<Bytes>) -> Self {
        Self { kind: Kind::Full(bytes.into()), guard: None }
    }

    /// A body that is passed on as it arrives, of at most `max` bytes and with `timeout` for each part.
    pub(super) fn stream(source: Incoming, max: u64, timeout: Duration) -> Self {
        let stream = Stream { source, remaining: max, timeout, timer: None };
        Self { kind: Kind::Stream(Box::new(stream)), guard: None }
    }

    /// Reads the `id` of a JSON body, and returns it with an equal body. A body of unknown size, or of more than `max`
    /// bytes, is not read.
    pub(super) async fn with_id(self, max: u64) -> (Option<String>, Self) {
        #[derive(serde::Deserialize)]
        struct OnlyId {
            id: String,
        }
        let Kind::Stream(mut stream) = self.kind else { return (None, self) };
        if stream.source.size_hint().exact().is_none_or(|size| size > max) {
            return (None, Self { kind: Kind::Stream(stream), guard: self.guard });
        }
        let mut bytes = Vec::new();
        while let Some(frame) = std::future::poll_fn(|cx| stream.poll(cx)).await {
            match frame.map(Frame::into_data) {
                Ok(Ok(data)) => bytes.extend_from_slice(&data),
                // Trailers end a body.
                Ok(Err(_)) => break,
                // The caller sees the response break off, as without this reader.
                Err(_) => return (None, Self { kind: Kind::Stream(stream), guard: self.guard }),
            }
        }
        let id = serde_json::from_slice::<OnlyId>(&bytes).ok().map(|body| body.id);
        (id, Self { kind: Kind::Full(bytes.into()), guard: self.guard })
    }

    /// Keeps the request in progress until this body has been sent.
    pub(super) fn with_guard(mut self, guard: RequestGuard) -> Self {
        self.guard = Some(guard);
        self
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.kind {
            Kind::Full(bytes) if bytes.is_empty() => Poll::Ready(None),
            Kind::Full(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Kind::Stream(stream) => stream.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Full(bytes) => bytes.is_empty(),
            Kind::Stream(stream) => stream.source.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Stream(stream) => stream.source.size_hint(),
        }
    }
}

impl Stream {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(next) = Pin::new(&mut self.source).poll_frame(cx) else {
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.timeout)));
            return timer.as_mut().poll(cx).map(|()| Some(Err(BodyError::TooSlow)));
        };
        self.timer = None;
        Poll::Ready(next.map(|frame| {
            let frame = frame?;
            if let Some(data) = frame.data_ref() {
                self.remaining = self.remaining.checked_sub(data.len() as u64).ok_or(BodyError::TooLarge)?;
            }
            Ok(frame)
        }))
    }
}
