//! From an AdmissionReview to its answer. Pure: nothing is read, written or remembered, so a dry run is no
//! different.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::api::{GROUP, PayloadPolicy, WebhookEndpoint, WebhookEvent, WebhookEventType};

use super::{
    Known,
    judge::{self, Findings},
    messages::{self, Problem},
    wire::{Answer, Cause, Details, Request, Response, Review, Status, uid_of},
};

/// What a review came to, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing to say against it.
    Admitted,
    /// Admitted with warnings.
    Warned,
    /// Refused.
    Refused,
    /// Not one of the kinds and operations that are judged: admitted.
    Ignored,
    /// No request that can be read: refused.
    Unreadable,
}

impl Outcome {
    /// The outcome as metrics say it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Warned => "warned",
            Self::Refused => "refused",
            Self::Ignored => "ignored",
            Self::Unreadable => "unreadable",
        }
    }
}

/// The answer to a review, and what there is to count.
#[derive(Debug)]
pub struct Reviewed {
    /// The answer, an `AdmissionReview` as JSON.
    pub answer: Vec<u8>,
    /// The kind that was judged; `other` where none was.
    pub kind: &'static str,
    /// What it came to.
    pub outcome: Outcome,
    /// The policy of the event type whose schema the payload does not match.
    pub violated: Option<PayloadPolicy>,
}

/// Judges a request of the API server. Whatever the text is, there is an answer, with the request's uid if it
/// has one.
#[must_use]
pub fn review(body: &[u8], known: &Known) -> Reviewed {
    let request = match serde_json::from_slice::<Review>(body) {
        Ok(review) => review.request,
        Err(error) => {
            let message =
                format!("expected an AdmissionReview of admission.k8s.io/v1 with a request: {error}");
            let status = Status {
                status: "Failure",
                code: 400,
                reason: "BadRequest",
                message: messages::plain(&message, 500),
                details: None,
            };
            return answered("other", Outcome::Unreadable, refusal(uid_of(body), status));
        }
    };
    let judged =
        request.kind.group == GROUP && request.sub_resource.as_deref().unwrap_or_default().is_empty();
    let create = request.operation == "CREATE";
    let write = create || request.operation == "UPDATE";
    match request.kind.kind.as_str() {
        // The CRD refuses every change of an event's spec.
        "WebhookEvent" if judged && create => look(request, known, "WebhookEvent", judge::event),
        "WebhookEventType" if judged && write => look(request, known, "WebhookEventType", judge::event_type),
        "WebhookEndpoint" if judged && write => look(request, known, "WebhookEndpoint", judge::endpoint),
        _ => answered("other", Outcome::Ignored, admission(request.uid, Vec::new())),
    }
}

/// An object that can be judged.
trait Judged: DeserializeOwned {
    /// Whether the spec is the same.
    fn same_spec(&self, other: &Self) -> bool;
    fn deleting(&self) -> bool;
    fn namespace(&self) -> Option<&str>;
    /// The connection that it names, or the default.
    fn connection(&self) -> &str;
}

macro_rules! judged {
    ($($kind:ty),*) => {$(
        impl Judged for $kind {
            fn same_spec(&self, other: &Self) -> bool {
                self.spec == other.spec
            }

            fn deleting(&self) -> bool {
                self.metadata.deletion_timestamp.is_some()
            }

            fn namespace(&self) -> Option<&str> {
                self.metadata.namespace.as_deref()
            }

            fn connection(&self) -> &str {
                self.connection_name()
            }
        }
    )*};
}
judged!(WebhookEvent, WebhookEventType, WebhookEndpoint);

fn look<K: Judged>(
    request: Request,
    known: &Known,
    kind: &'static str,
    judge: fn(&K, &Known) -> Findings,
) -> Reviewed {
    let read = |text: &RawValue| serde_json::from_str::<K>(text.get());
    let object = match request.object.as_deref().map(read) {
        Some(Ok(object)) => object,
        problem => {
            let why = match problem {
                Some(Err(error)) => format!("the object cannot be read: {error}"),
                _ => "the request has no object".to_owned(),
            };
            let findings = Findings { problems: vec![Problem::new("", why)], ..Findings::default() };
            return refused(request, kind, findings);
        }
    };
    // Nothing may stand in the way of a deletion, nor of a change of anything but the spec.
    let unchanged = |old: K| old.same_spec(&object);
    let before = request.old_object.as_deref().and_then(|old| read(old).ok());
    if object.deleting() || before.is_some_and(unchanged) {
        return answered(kind, Outcome::Ignored, admission(request.uid, Vec::new()));
    }
    let mut findings = judge(&object, known);
    if let Some(unwatched) = judge::unwatched(known, object.namespace()) {
        // What else would become of it does not matter then.
        findings.warnings = vec![unwatched];
    } else {
        let trouble = judge::connection_trouble(known, object.connection(), request.operation == "CREATE");
        findings.warnings.splice(0..0, trouble);
    }
    if !findings.problems.is_empty() {
        return refused(request, kind, findings);
    }
    let warnings = messages::bounded(std::mem::take(&mut findings.warnings));
    let outcome = if warnings.is_empty() { Outcome::Admitted } else { Outcome::Warned };
    let violated = findings.violated;
    Reviewed { violated, ..answered(kind, outcome, admission(request.uid, warnings)) }
}

fn refused(request: Request, kind: &'static str, findings: Findings) -> Reviewed {
    let Findings { problems, more, warnings, violated } = findings;
    let all: Vec<_> = problems.into_iter().chain(more).collect();
    let message = all.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    // kubectl prints the causes of an `Invalid`, one a line; other clients print the message.
    let causes = all.into_iter().map(|Problem { field, message }| Cause {
        reason: "FieldValueInvalid",
        message,
        field: if field.is_empty() { "/".to_owned() } else { field },
    });
    let details =
        Details { name: request.name.unwrap_or_default(), group: GROUP, kind, causes: causes.collect() };
    let status = Status { status: "Failure", code: 422, reason: "Invalid", message, details: Some(details) };
    let mut response = refusal(request.uid, status);
    response.warnings = messages::bounded(warnings);
    Reviewed { violated, ..answered(kind, Outcome::Refused, response) }
}

fn admission(uid: String, warnings: Vec<String>) -> Response {
    Response { uid, allowed: true, status: None, warnings }
}

fn refusal(uid: String, status: Status) -> Response {
    Response { uid, allowed: false, status: Some(status), warnings: Vec::new() }
}

fn answered(kind: &'static str, outcome: Outcome, response: Response) -> Reviewed {
    let answer = Answer { api_version: "admission.k8s.io/v1", kind: "AdmissionReview", response };
    // Strings and numbers only: that does not fail. An empty answer would be refused by the API server.
    let answer = serde_json::to_vec(&answer).unwrap_or_default();
    Reviewed { answer, kind, outcome, violated: None }
}

#[cfg(test)]
mod tests;
