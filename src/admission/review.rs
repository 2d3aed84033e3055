//! Reviews an AdmissionReview and builds the response. Pure: nothing is read, written or remembered, so a dry run is
//! treated like any other request.
//!
//! No tree is built of an object before its weight is known, and none of what is not judged.

use serde::de::DeserializeOwned;

use crate::{
    api::{
        GROUP, JsonPointer, PayloadPolicy, WebhookEndpoint, WebhookEvent, WebhookEventType,
        without_managed_fields,
    },
    plan::compatibility::KeptVersions,
    schema::{self, Effort},
};

use super::{
    Known,
    judge::{self, Findings},
    messages::{self, Problem},
    unreadable::UnreadableReview,
    wire::{Cause, Details, Outline, Request, Response, Review, ReviewResponse, Status, uid_of},
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

/// Returns the memory that the review of a body takes at most, in bytes, besides the body.
#[must_use]
pub fn memory(body: &[u8]) -> usize {
    /// Copies of the text: the object without managed fields, its strings, and the payload or schema in it.
    const COPIES: usize = 3;
    /// The object as it is typed, and the tree of what is judged.
    const MAX: usize = schema::MAX_WEIGHT + schema::MAX_WEIGHT / 4;
    let tree = match std::str::from_utf8(body) {
        // The object, and a tree of its payload or schema; each is refused beyond the maximum.
        Ok(text) => schema::weigh(text, MAX).unwrap_or(MAX),
        Err(_) => 0,
    };
    tree + COPIES * body.len()
}

/// Whether the review of a body may compare two schemas, which takes longer than the body's size lets expect.
#[must_use]
pub fn may_compare(body: &[u8]) -> bool {
    let contains = |text: &[u8]| body.windows(text.len()).any(|window| window == text);
    contains(b"\"WebhookEventType\"") && contains(b"\"oldObject\":{")
}

/// Reviews a request of the API server. There is a response to any text, with the request's uid if it has one.
#[must_use]
pub fn review(body: &[u8], known: &Known) -> Reviewed {
    review_within(body, known, &KeptVersions::default(), &Effort::full())
}

/// As [`review()`], within an effort. Where it is exceeded, the response says nothing. `kept` are the versions of the schema
/// that a new one is compared with, besides the one before.
#[must_use]
pub fn review_within(body: &[u8], known: &Known, kept: &KeptVersions, effort: &Effort) -> Reviewed {
    let request = match serde_json::from_slice::<Review<'_>>(body) {
        Ok(review) => review.request,
        Err(_) => {
            let message = UnreadableReview::of(body).to_string();
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
    let is_ours =
        request.kind.group == GROUP && request.sub_resource.as_deref().unwrap_or_default().is_empty();
    let create = request.operation == "CREATE";
    let write = create || request.operation == "UPDATE";
    match request.kind.kind.as_str() {
        // The CRD refuses every change of an event's spec.
        "WebhookEvent" if is_ours && create => {
            review_object(request, known, "WebhookEvent", |object, _, known| {
                judge::event(object, known, effort)
            })
        }
        "WebhookEventType" if is_ours && write => {
            review_object(request, known, "WebhookEventType", |object, before, known| {
                judge::event_type(object, before, known, kept, effort)
            })
        }
        "WebhookEventType" if is_ours && request.operation == "DELETE" => review_deletion(request, known),
        "WebhookEndpoint" if is_ours && write => {
            review_object(request, known, "WebhookEndpoint", |endpoint, _, known| {
                judge::endpoint(endpoint, known)
            })
        }
        _ => answered("other", Outcome::Ignored, admission(request.uid, Vec::new())),
    }
}

/// An object that can be reviewed.
trait Reviewable: DeserializeOwned {
    /// Whether the specs are equal.
    fn has_same_spec(&self, other: &Self) -> bool;
    fn is_deleting(&self) -> bool;
    fn namespace(&self) -> Option<&str>;
    /// The connection that it names, or the default.
    fn connection(&self) -> &str;
}

macro_rules! reviewable {
    ($($kind:ty),*) => {$(
        impl Reviewable for $kind {
            fn has_same_spec(&self, other: &Self) -> bool {
                self.spec == other.spec
            }

            fn is_deleting(&self) -> bool {
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
reviewable!(WebhookEvent, WebhookEventType, WebhookEndpoint);

fn review_object<K: Reviewable>(
    request: Request<'_>,
    known: &Known,
    kind: &'static str,
    judge: impl FnOnce(&K, Option<&K>, &Known) -> Findings,
) -> Reviewed {
    let text = request.object.map(|object| without_managed_fields(object.get()));
    // Before anything is built of it.
    if let Some(Err(violation)) = text.as_deref().map(schema::check_weight) {
        if text.as_deref().is_some_and(|text| Outline::is_exempt(text, request.old_object)) {
            return answered(kind, Outcome::Ignored, admission(request.uid, Vec::new()));
        }
        let findings = Findings {
            problems: vec![Problem::of_payload(&JsonPointer::ROOT, &violation)],
            ..Findings::default()
        };
        return refused(request, kind, findings);
    }
    let read = |text: &str| serde_json::from_str::<K>(text);
    let object = match text.as_deref().map(read) {
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
    // A deletion is never refused, nor a change of anything but the spec.
    let is_unchanged = |old: &K| old.has_same_spec(&object);
    let before = request.old_object.map(|old| without_managed_fields(old.get()));
    let before = before.filter(|old| schema::check_weight(old).is_ok());
    let before = before.and_then(|old| read(&old).ok());
    if object.is_deleting() || before.as_ref().is_some_and(is_unchanged) {
        return answered(kind, Outcome::Ignored, admission(request.uid, Vec::new()));
    }
    let mut findings = judge(&object, before.as_ref(), known);
    if let Some(unwatched) = judge::unwatched(known, object.namespace()) {
        // Then no other warning matters.
        findings.warnings = vec![unwatched];
    } else {
        let is_new = request.operation == "CREATE";
        let warning = judge::connection_warning(known, object.connection(), is_new);
        findings.warnings.splice(0..0, warning);
    }
    if !findings.problems.is_empty() {
        return refused(request, kind, findings);
    }
    let warnings = messages::bounded(&findings.warnings);
    let outcome = if warnings.is_empty() { Outcome::Admitted } else { Outcome::Warned };
    let violated = findings.violated;
    Reviewed { violated, ..answered(kind, outcome, admission(request.uid, warnings)) }
}

/// Reviews the deletion of an event type, which is never refused.
fn review_deletion(request: Request<'_>, known: &Known) -> Reviewed {
    let kind = "WebhookEventType";
    let text = request.old_object.map(|object| without_managed_fields(object.get()));
    let text = text.filter(|text| schema::check_weight(text).is_ok());
    let object = text.and_then(|text| serde_json::from_str::<WebhookEventType>(&text).ok());
    let object = object.filter(|object| !object.is_deleting());
    let warnings = object.map(|object| judge::deletion(&object, known).warnings).unwrap_or_default();
    let warnings = messages::bounded(&warnings);
    let outcome = if warnings.is_empty() { Outcome::Admitted } else { Outcome::Warned };
    answered(kind, outcome, admission(request.uid, warnings))
}

fn refused(request: Request<'_>, kind: &'static str, findings: Findings) -> Reviewed {
    let Findings { problems, more, warnings, violated } = findings;
    let all: Vec<_> = problems.into_iter().chain(more).collect();
    let message = all.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    // kubectl prints the causes of an `Invalid`, one a line; other clients print the message.
    let causes = all.into_iter().map(|problem| Cause {
        reason: "FieldValueInvalid",
        field: problem.printable_field(),
        message: problem.message,
    });
    let details =
        Details { name: request.name.unwrap_or_default(), group: GROUP, kind, causes: causes.collect() };
    let status = Status { status: "Failure", code: 422, reason: "Invalid", message, details: Some(details) };
    let mut response = refusal(request.uid, status);
    response.warnings = messages::bounded(&warnings);
    Reviewed { violated, ..answered(kind, Outcome::Refused, response) }
}

fn admission(uid: String, warnings: Vec<String>) -> Response {
    Response { uid, allowed: true, status: None, warnings }
}

fn refusal(uid: String, status: Status) -> Response {
    Response { uid, allowed: false, status: Some(status), warnings: Vec::new() }
}

fn answered(kind: &'static str, outcome: Outcome, response: Response) -> Reviewed {
    let answer = ReviewResponse { api_version: "admission.k8s.io/v1", kind: "AdmissionReview", response };
    // Only strings and numbers, so this does not fail. The API server would refuse an empty response.
    let answer = serde_json::to_vec(&answer).unwrap_or_default();
    Reviewed { answer, kind, outcome, violated: None }
}

#[cfg(test)]
mod tests;
