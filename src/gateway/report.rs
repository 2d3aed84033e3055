//! Reports the outcome of a message to the listener.

use hyper::Response;

use crate::telemetry::GatewayOutcome;

use super::{
    body::Body,
    outcome::{Listener, MessageOutcome, MessageReport},
    rejection::Rejection,
};

/// Maximum size of a response of Svix in which the message's id is searched; it may repeat the payload.
const MAX_RESPONSE_WITH_ID: u64 = 4 * 1024 * 1024;

/// How a request is counted and its response, or why it is rejected.
pub(super) type Handled = Result<(GatewayOutcome, Response<Body>), Rejection>;

/// What is known of a message besides the response, for the report to the listener.
#[derive(Default)]
pub(super) struct MessageDetails {
    pub(super) event_type: Option<String>,
    pub(super) mismatch: Option<String>,
}

/// Reports the outcome of a message, and returns the response unchanged.
pub(super) async fn report(listener: &Listener, details: MessageDetails, handled: Handled) -> Handled {
    let MessageDetails { event_type, mismatch } = details;
    let (outcome, handled) = match handled {
        Err(rejection) => (MessageOutcome::from(&rejection), Err(rejection)),
        Ok((outcome, response)) if response.status().is_success() => {
            let (head, body) = response.into_parts();
            let (id, body) = body.with_id(MAX_RESPONSE_WITH_ID).await;
            (MessageOutcome::Accepted { id, mismatch }, Ok((outcome, Response::from_parts(head, body))))
        }
        Ok((outcome, response)) => {
            let status = response.status().as_u16();
            (MessageOutcome::RejectedBySvix { status }, Ok((outcome, response)))
        }
    };
    listener.notify(MessageReport { event_type, outcome });
    handled
}
