//! Which requests the admission webhook's server takes, and how it reads their bodies. Callers are not authenticated: one that
//! withholds bodies, or sends many, never has all places or all memory; neither has a namespace of an API server.

use std::{
    hash::{BuildHasher as _, RandomState},
    pin::Pin,
};

use axum::{
    body::{Body, Bytes, HttpBody as _},
    extract::State,
    http::{Request, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::time::timeout_at;

use crate::{
    connections::{BodyTimes, Pace},
    judging, memory,
    turns::{Caller, Sender, Share, Shares},
};

use super::{limits::Limits, wire::namespace_of};

/// How much of a body is read without a reservation, in bytes: a connection may have as much in its buffer anyway. Callers that
/// withhold the end of larger bodies do not delay smaller ones. It contains the namespace, which an API server writes before the
/// object.
const UNRESERVED: usize = 8 * 1024;

/// What requests share before they are reviewed.
#[derive(Clone)]
pub(super) struct Intake {
    requests: Shares,
    bodies: Bodies,
    /// The key of the digests of namespaces.
    namespaces: RandomState,
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
        let (requests, bodies) = (Shares::new(limits.connections), Bodies::new(&limits));
        Self { requests, bodies, namespaces: RandomState::new(), limits }
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
    let Some(_place) = intake.requests.try_take(Sender::at(caller), 1) else {
        return closing(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many requests of this caller are in progress\n",
        );
    };
    let max = intake.limits.body;
    let length = request.headers().get(header::CONTENT_LENGTH);
    // A body of unknown length may be as large as the limit.
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(max);
    if length > max {
        return Refusal::TooLarge.into_response();
    }
    let (mut parts, body) = request.into_parts();
    let times = BodyTimes { total: intake.limits.request, progress: intake.limits.body_progress };
    match intake.read(caller, body, length, times).await {
        Ok((body, sender, _memory)) => {
            parts.extensions.insert(sender);
            next.run(Request::from_parts(parts, body.into())).await
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// Why a body is not read to its end.
enum Refusal {
    TooLarge,
    TooSlow,
    EndedEarly,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::TooLarge => closing(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large\n"),
            Self::TooSlow => closing(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time\n"),
            Self::EndedEarly => closing(StatusCode::BAD_REQUEST, "the body ended early\n"),
        }
    }
}

impl Intake {
    /// Reads a body of at most `length` bytes, with the memory for it if it needs any, and says whose it is. The namespaces of a
    /// caller share what the caller may have, because an API server is one caller for all tenants.
    async fn read(
        &self,
        caller: Caller,
        mut body: Body,
        length: usize,
        times: BodyTimes,
    ) -> Result<(Bytes, Sender, Option<Share>), Refusal> {
        let mut read = Vec::with_capacity(length.min(UNRESERVED));
        let has_ended = read_until(&mut body, &mut read, UNRESERVED.min(length), length, times).await?;
        let sender = match namespace_of(&read) {
            namespace if namespace.is_empty() => Sender::at(caller),
            namespace => Sender::in_group(caller, self.namespaces.hash_one(namespace)),
        };
        if has_ended {
            return Ok((read.into(), sender, None));
        }
        let memory = match length > UNRESERVED {
            true => Some(self.bodies.of(length).take(sender, length).await),
            false => None,
        };
        read.reserve_exact(length.saturating_sub(read.len()));
        while !read_until(&mut body, &mut read, usize::MAX, length, times).await? {}
        Ok((read.into(), sender, memory))
    }
}

/// Reads a body until there are so many bytes, or to its end; returns whether that was reached. More than `max` are refused.
async fn read_until(
    body: &mut Body,
    read: &mut Vec<u8>,
    bytes: usize,
    max: usize,
    times: BodyTimes,
) -> Result<bool, Refusal> {
    let mut pace = Pace::start(times);
    while read.len() < bytes {
        let frame = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx));
        let frame = match timeout_at(pace.deadline(), frame).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(_))) => return Err(Refusal::EndedEarly),
            Ok(None) => return Ok(true),
            Err(_) => return Err(Refusal::TooSlow),
        };
        // Trailers have no meaning.
        let Ok(data) = frame.into_data() else { continue };
        if read.len() + data.len() > max {
            return Err(Refusal::TooLarge);
        }
        pace.received(data.len());
        read.extend_from_slice(&data);
    }
    Ok(false)
}

/// Returns a response to a request whose body is not read, which ends its connection.
fn closing(status: StatusCode, text: &'static str) -> Response {
    (status, [(header::CONNECTION, "close")], text).into_response()
}
