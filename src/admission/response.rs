//! The response to a review, and its labels in metrics.

use crate::api::{GROUP, PayloadPolicy};

use super::{
    judge::Findings,
    messages,
    wire::{Cause, Details, Response, ReviewResponse, Status},
};

/// The outcome of a review, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Outcome {
    /// Admitted without warnings.
    Admitted,
    /// Admitted with warnings.
    Warned,
    /// Refused.
    Refused,
    /// Not one of the kinds and operations that are validated: admitted.
    Ignored,
    /// The request cannot be read: refused.
    Unreadable,
}

impl Outcome {
    /// The label of metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The response to a review, and its labels in metrics.
#[derive(Debug)]
pub struct Reviewed {
    /// The response, an `AdmissionReview` as JSON.
    pub answer: Vec<u8>,
    /// The kind that was validated; `other` where none was.
    pub kind: &'static str,
    /// The outcome.
    pub outcome: Outcome,
    /// The policy of the event type, where the payload does not match its schema.
    pub violated: Option<PayloadPolicy>,
}

/// The response to an object that is refused for its problems.
pub(super) fn refused(uid: String, name: Option<String>, kind: &'static str, findings: Findings) -> Reviewed {
    let Findings { problems, more, warnings, violated, comparison: _ } = findings;
    let all: Vec<_> = problems.into_iter().chain(more).collect();
    let message = all.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    // kubectl prints the causes of an `Invalid`, one a line; other clients print the message.
    let causes = all.into_iter().map(|problem| Cause {
        reason: "FieldValueInvalid",
        field: problem.printable_field(),
        message: problem.message,
    });
    let details = Details { name: name.unwrap_or_default(), group: GROUP, kind, causes: causes.collect() };
    let status = Status { status: "Failure", code: 422, reason: "Invalid", message, details: Some(details) };
    let mut response = refusal(uid, status);
    response.warnings = messages::bounded(&warnings);
    Reviewed { violated, ..answered(kind, Outcome::Refused, response) }
}

/// A review that admits an object.
pub(super) fn admission(uid: String, warnings: Vec<String>) -> Response {
    Response { uid, allowed: true, status: None, warnings }
}

/// A review that refuses one.
pub(super) fn refusal(uid: String, status: Status) -> Response {
    Response { uid, allowed: false, status: Some(status), warnings: Vec::new() }
}

/// A response with its labels.
pub(super) fn answered(kind: &'static str, outcome: Outcome, response: Response) -> Reviewed {
    let answer = ReviewResponse { api_version: "admission.k8s.io/v1", kind: "AdmissionReview", response };
    // Only strings and numbers, so this does not fail. The API server would refuse an empty response.
    let answer = serde_json::to_vec(&answer).unwrap_or_default();
    Reviewed { answer, kind, outcome, violated: None }
}
