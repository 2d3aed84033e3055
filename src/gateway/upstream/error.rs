//! Why the Svix server cannot be used, and why there is no response from it.

use std::{error::Error as _, time::Duration};

use hyper::StatusCode;
use hyper_util::client::legacy::Error as ClientError;

use crate::{
    gateway::{body::BodyError, options::MAX_BODY, rejection::Rejection},
    pem::PemMistake,
    telemetry::GatewayOutcome,
};

/// Why a Svix server cannot be forwarded to as configured.
#[derive(Debug, thiserror::Error)]
pub enum InvalidUpstream {
    /// The address is not an http or https URL, or has a query or credentials.
    #[error(
        "the Svix server's address: found {0:?}, expected an http or https URL such as https://api.eu.svix.com"
    )]
    Url(String),
    /// The CA bundle has no certificates that can be used.
    #[error("the CA bundle of the Svix server: {0}")]
    CaBundle(#[from] PemMistake),
    /// TLS cannot be set up.
    #[error("cannot set up TLS: {0}")]
    Tls(#[source] rustls::Error),
}

/// Why there is no response from Svix.
#[derive(Debug, thiserror::Error)]
pub(in crate::gateway) enum UpstreamError {
    #[error("the address of the Svix server leads back to this gateway")]
    Loop,
    #[error("the path of the request is not valid behind the address of the Svix server")]
    Path,
    #[error("the body of the request cannot be forwarded: {0}")]
    Body(RequestBodyError),
    #[error("cannot connect to Svix")]
    Connect(#[source] ClientError),
    #[error("the connection to Svix failed")]
    Connection(#[source] ClientError),
    #[error("Svix requested another protocol")]
    SwitchingProtocols,
    #[error("no response from Svix within {} s", .0.as_secs_f32())]
    Timeout(Duration),
}

/// Why the caller's body could not be forwarded.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(in crate::gateway) enum RequestBodyError {
    #[error("it is larger than the limit")]
    TooLarge,
    #[error("it did not arrive in time")]
    TooSlow,
}

impl From<ClientError> for UpstreamError {
    fn from(error: ClientError) -> Self {
        let mut source = error.source();
        while let Some(cause) = source {
            match cause.downcast_ref() {
                Some(BodyError::TooLarge) => return Self::Body(RequestBodyError::TooLarge),
                Some(BodyError::TooSlow) => return Self::Body(RequestBodyError::TooSlow),
                _ => source = cause.source(),
            }
        }
        if error.is_connect() { Self::Connect(error) } else { Self::Connection(error) }
    }
}

impl From<UpstreamError> for Rejection {
    fn from(error: UpstreamError) -> Self {
        let refused = |status, code, detail: &str| Self::code(GatewayOutcome::Refused, status, code, detail);
        let failed = |reason: &str| {
            let detail = format!("No response from Svix: {reason}.");
            Self::code(GatewayOutcome::UpstreamFailed, StatusCode::BAD_GATEWAY, "upstream_failed", detail)
        };
        match error {
            UpstreamError::Loop => refused(
                StatusCode::LOOP_DETECTED,
                "loop_detected",
                "Forwarding loop: the address of the Svix server leads back to this gateway.",
            ),
            UpstreamError::Path => {
                refused(StatusCode::BAD_REQUEST, "invalid_path", "The path cannot be forwarded.")
            }
            UpstreamError::Body(RequestBodyError::TooLarge) => Self::too_large(MAX_BODY),
            UpstreamError::Body(RequestBodyError::TooSlow) => Self::slow_body(),
            UpstreamError::Connect(_) => failed("the connection cannot be opened"),
            UpstreamError::Connection(_) => failed("the connection failed"),
            UpstreamError::SwitchingProtocols => failed("the server requested another protocol"),
            UpstreamError::Timeout(timeout) => Self::code(
                GatewayOutcome::UpstreamFailed,
                StatusCode::GATEWAY_TIMEOUT,
                "upstream_timeout",
                format!(
                    "No response from Svix within {} s; it may have processed the request nevertheless.",
                    timeout.as_secs_f32()
                ),
            ),
        }
    }
}
