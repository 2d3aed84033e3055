//! Which requests the admission webhook's server takes, and how it reads their bodies. Callers are not authenticated: one that
//! withholds bodies, or sends many, never has all places or all memory.

use std::pin::Pin;

use axum::{
    body::{Body, Bytes, HttpBody as _},
    extract::State,
    http::{Request, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use tokio::time::timeout_at;

use crate::{
    connections::{BodyTimes, Pace},
    judging, memory,
    turns::{Caller, Sender, Shares},
};

use super::limits::Limits;

/// Bodies of up to this size are read without a reservation, in bytes: a connection may have as much in its buffer anyway, and
/// callers that withhold the end of larger bodies delay none of them.
const UNRESERVED: usize = 16 * 1024;

/// What requests share before they are reviewed.
#[derive(Clone)]
pub(super) struct Intake {
    requests: Shares,
    bodies: Bodies,
    limits: Limits,
}

/// The memory of bodies, by their size.
#[derive(Clone)]
struct Bodies {
    small: Shares,
    medium: Shares,
    large: Shares,
}

impl Intake {
    pub(super) fn new(limits: Limits) -> Self {
        Self { requests: Shares::new(limits.connections), bodies: Bodies::new(&limits), limits }
    }
}

impl Bodies {
    fn new(limits: &Limits) -> Self {
        Self {
            small: Shares::new(limits.small_bodies),
            medium: Shares::new(limits.bodies),
            large: Shares::new(limits.large_bodies),
        }
    }

    /// Returns the memory of bodies of this size.
    fn of(&self, bytes: usize) -> &Shares {
        match bytes {
            _ if bytes <= judging::LARGE => &self.small,
            _ if bytes <= memory::SMALL => &self.medium,
            _ => &self.large,
        }
    }
}

/// Takes a place among the requests in progress and the memory for the body, and reads the body.
pub(super) async fn admit(State(intake): State<Intake>, request: Request<Body>, next: Next) -> Response {
    let caller = request.extensions().get::<Caller>().copied().unwrap_or(Caller::INTERNAL);
    let sender = Sender::at(caller);
    let Some(_place) = intake.requests.try_take(sender, 1) else {
        return closing(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many requests of this caller are in progress\n",
        );
    };
    let max = intake.limits.body;
    let length = request.headers().get(header::CONTENT_LENGTH);
    // A body of unknown length may be as large as the limit.
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(max).min(max);
    let _memory = match length <= UNRESERVED {
        true => None,
        false => Some(intake.bodies.of(length).take(sender, length).await),
    };
    let (parts, body) = request.into_parts();
    let times = BodyTimes { total: intake.limits.request, progress: intake.limits.body_progress };
    match read(body, max, times).await {
        Ok(body) => next.run(Request::from_parts(parts, body.into())).await,
        Err(refusal) => refusal,
    }
}

/// Reads a body of at most `max` bytes to its end; an error is the response to one that is too large or too slow.
async fn read(mut body: Body, max: usize, times: BodyTimes) -> Result<Bytes, Response> {
    let expected = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let too_large = || closing(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large\n");
    if expected > max {
        return Err(too_large());
    }
    let (mut all, mut pace) = (Vec::with_capacity(expected), Pace::start(times));
    loop {
        let frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx));
        let frame = match timeout_at(pace.deadline(), frame).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(_))) => return Err(closing(StatusCode::BAD_REQUEST, "the body ended early\n")),
            Ok(None) => return Ok(all.into()),
            Err(_) => return Err(closing(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time\n")),
        };
        // Trailers have no meaning.
        let Ok(data) = frame.into_data() else { continue };
        if all.len() + data.len() > max {
            return Err(too_large());
        }
        pace.received(data.len());
        all.extend_from_slice(&data);
    }
}

/// Returns a response to a request whose body is not read, which ends its connection.
fn closing(status: StatusCode, text: &'static str) -> Response {
    (status, [(header::CONNECTION, "close")], text).into_response()
}
