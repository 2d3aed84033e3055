//! The outcome of each message, for a listener such as the terminal of `svix-operator dev`.

use std::sync::Arc;

use crate::telemetry::GatewayOutcome;

use super::rejection::{Rejection, RejectionBody};

/// A message and its outcome. Contains no payload values other than those that violations quote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageReport {
    /// The message's event type, if it could be read.
    pub event_type: Option<String>,
    /// What happened to the message.
    pub outcome: MessageOutcome,
}

/// What happened to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageOutcome {
    /// Svix accepted it.
    Accepted {
        /// The id that Svix assigned, if its response contains one.
        id: Option<String>,
        /// The first violation of the schema, if the event type's policy is to warn.
        mismatch: Option<String>,
    },
    /// Svix responded with another status.
    RejectedBySvix {
        /// The status.
        status: u16,
    },
    /// The gateway rejected it.
    Rejected {
        /// The first violation, or what else is wrong with the message.
        reason: String,
    },
    /// Svix did not respond.
    Failed {
        /// Why not.
        reason: String,
    },
}

/// A function that receives the outcome of each message. It is called while a request is handled, so it must not
/// block.
#[derive(Clone)]
pub struct Listener(Arc<dyn Fn(MessageReport) + Send + Sync>);

impl Listener {
    /// Wraps a function.
    pub fn new(listen: impl Fn(MessageReport) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listen))
    }

    pub(super) fn notify(&self, report: MessageReport) {
        (self.0)(report);
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listener")
    }
}

impl From<&Rejection> for MessageOutcome {
    fn from(rejection: &Rejection) -> Self {
        let reason = match &rejection.body {
            RejectionBody::Code { detail, .. } => detail.trim_end_matches('.').to_owned(),
            RejectionBody::Fields(errors) => {
                // Locations begin with "body"; people read the rest as a JSON Pointer into the body.
                let first = errors.first().map(|error| {
                    let pointer: String =
                        error.location.iter().skip(1).map(|part| format!("/{part}")).collect();
                    format!("{}: {}", if pointer.is_empty() { "/" } else { &pointer }, error.message)
                });
                let more = errors.len().saturating_sub(1);
                let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
                first.unwrap_or_default() + &more
            }
        };
        match rejection.outcome {
            GatewayOutcome::UpstreamFailed => Self::Failed { reason },
            _ => Self::Rejected { reason },
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;

    use super::*;
    use crate::gateway::rejection::FieldError;

    #[test]
    fn a_rejection_is_reported_by_its_first_field() {
        let error = |keys: &[&str], message: &str| {
            FieldError::new(keys.iter().map(|key| (*key).to_owned()), message.to_owned())
        };
        let errors = vec![error(&["payload", "n"], "found 1"), error(&[], "found 2")];

        let outcome = MessageOutcome::from(&Rejection::fields(GatewayOutcome::Invalid, errors));

        let reason = "/payload/n: found 1 (and 1 more)".to_owned();
        assert_eq!(outcome, MessageOutcome::Rejected { reason });
    }

    #[test]
    fn a_failure_of_svix_is_no_rejection() {
        let outcome = GatewayOutcome::UpstreamFailed;
        let rejection = Rejection::code(outcome, StatusCode::BAD_GATEWAY, "upstream_failed", "No response.");

        let outcome = MessageOutcome::from(&rejection);

        assert_eq!(outcome, MessageOutcome::Failed { reason: "No response".to_owned() });
    }
}
