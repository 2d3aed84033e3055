//! Requests that the gateway rejects itself: the response in one of Svix's two error shapes, and how it is counted.

use hyper::StatusCode;

use crate::telemetry::GatewayOutcome;

/// A request that is not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// How the request is counted.
    pub outcome: GatewayOutcome,
    /// Status of the response.
    pub status: StatusCode,
    /// Body of the response.
    pub body: RejectionBody,
}

/// The body of an error response, in one of Svix's two shapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RejectionBody {
    /// `{"code", "detail"}`.
    Code {
        /// What programs read.
        code: &'static str,
        /// What people read.
        detail: String,
    },
    /// `{"detail": [{"loc", "msg", "type"}]}`.
    Fields(Vec<FieldError>),
}

/// A field of a request body that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The path to the field; the first element is `body`.
    pub location: Vec<String>,
    /// What was found, and what was expected.
    pub message: String,
}

impl FieldError {
    /// An error of the field that these keys of the body lead to.
    pub(super) fn new(keys: impl IntoIterator<Item = String>, message: String) -> Self {
        Self { location: std::iter::once("body".to_owned()).chain(keys).collect(), message }
    }
}

impl Rejection {
    /// A rejection with a code.
    #[must_use]
    pub fn code(
        outcome: GatewayOutcome,
        status: StatusCode,
        code: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self { outcome, status, body: RejectionBody::Code { code, detail: detail.into() } }
    }

    /// A rejection that names fields of the body.
    #[must_use]
    pub fn fields(outcome: GatewayOutcome, errors: Vec<FieldError>) -> Self {
        Self { outcome, status: StatusCode::UNPROCESSABLE_ENTITY, body: RejectionBody::Fields(errors) }
    }

    /// The body of the request is larger than `max` bytes.
    pub(super) fn too_large(max: usize) -> Self {
        let detail = format!("The body of the request is too large: expected at most {max} bytes.");
        Self::code(GatewayOutcome::Refused, StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", detail)
    }

    /// The payload is larger than `max` bytes.
    pub(super) fn payload_too_large(found: usize, max: usize) -> Self {
        let detail = format!("The payload is too large: found {found} bytes, expected at most {max} bytes.");
        Self::code(GatewayOutcome::Refused, StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", detail)
    }

    /// The gateway does not forward this operation.
    pub(super) fn forbidden(detail: &str) -> Self {
        Self::code(GatewayOutcome::Refused, StatusCode::FORBIDDEN, "not_allowed", detail)
    }

    /// The body did not arrive in time.
    pub(super) fn slow_body() -> Self {
        let detail = "The request body did not arrive in time.";
        Self::code(GatewayOutcome::Refused, StatusCode::REQUEST_TIMEOUT, "request_timeout", detail)
    }

    /// The gateway cannot take this request now.
    pub(super) fn overloaded(detail: &str) -> Self {
        Self::code(GatewayOutcome::Overload, StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail)
    }
}
