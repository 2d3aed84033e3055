//! Reviews an AdmissionReview and builds the response. Pure: nothing is read, written or remembered, so a dry run is
//! treated like any other request.
//!
//! No tree is built of an object before its weight is known, and none of what is not judged.

use serde::de::DeserializeOwned;

use crate::{
    api::{GROUP, JsonPointer, WebhookEndpoint, WebhookEvent, WebhookEventType, without_managed_fields},
    plan::compatibility::KeptVersions,
    schema::{self, Effort},
};

use super::{
    Known,
    draft::{Begun, Draft, Judged},
    judge::{self, Findings},
    messages::{self, Problem},
    response::{Outcome, Reviewed, admission, answered, refusal, refused},
    unreadable::UnreadableReview,
    wire::{Outline, Request, Response, Review, Status, uid_of},
};

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

/// Reviews a request of the API server. There is a response to any text, with the request's uid if it has one.
#[must_use]
pub fn review(body: &[u8], known: &Known) -> Reviewed {
    match begin(body, known, &Effort::full()) {
        Begun::Done(reviewed) => reviewed,
        Begun::Comparing(draft) => draft.assess(&KeptVersions::default()),
    }
}

/// Begins a review as [`review()`], within an effort. Where it is exceeded, what is returned says nothing. Comparisons of
/// schemas are left to the caller.
#[must_use]
pub fn begin(body: &[u8], known: &Known, effort: &Effort) -> Begun {
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
            return done("other", Outcome::Unreadable, refusal(uid_of(body), status));
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
                judge::event_type(object, before, known, effort)
            })
        }
        "WebhookEventType" if is_ours && request.operation == "DELETE" => {
            Begun::Done(review_deletion(request, known))
        }
        "WebhookEndpoint" if is_ours && write => {
            review_object(request, known, "WebhookEndpoint", |endpoint, _, known| {
                judge::endpoint(endpoint, known)
            })
        }
        _ => done("other", Outcome::Ignored, admission(request.uid, Vec::new())),
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
) -> Begun {
    let text = request.object.map(|object| without_managed_fields(object.get()));
    // Before anything is built of it.
    if let Some(Err(violation)) = text.as_deref().map(schema::check_weight) {
        if text.as_deref().is_some_and(|text| Outline::is_exempt(text, request.old_object)) {
            return done(kind, Outcome::Ignored, admission(request.uid, Vec::new()));
        }
        let findings = Findings {
            problems: vec![Problem::of_payload(&JsonPointer::ROOT, &violation)],
            ..Findings::default()
        };
        return Begun::Done(refused(request.uid, request.name, kind, findings));
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
            return Begun::Done(refused(request.uid, request.name, kind, findings));
        }
    };
    // A deletion is never refused, nor a change of anything but the spec.
    let is_unchanged = |old: &K| old.has_same_spec(&object);
    let before = request.old_object.map(|old| without_managed_fields(old.get()));
    let before = before.filter(|old| schema::check_weight(old).is_ok());
    let before = before.and_then(|old| read(&old).ok());
    if object.is_deleting() || before.as_ref().is_some_and(is_unchanged) {
        return done(kind, Outcome::Ignored, admission(request.uid, Vec::new()));
    }
    let mut findings = judge(&object, before.as_ref(), known);
    let comparison = findings.comparison.take();
    let is_new = request.operation == "CREATE";
    let judged = Judged {
        uid: request.uid,
        name: request.name,
        kind,
        findings,
        unwatched: judge::unwatched(known, object.namespace()),
        connection: judge::connection_warning(known, object.connection(), is_new),
    };
    match comparison {
        None => Begun::Done(judged.end()),
        Some(comparison) => Begun::Comparing(Box::new(Draft { judged, comparison: *comparison })),
    }
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

fn done(kind: &'static str, outcome: Outcome, response: Response) -> Begun {
    Begun::Done(answered(kind, outcome, response))
}

#[cfg(test)]
mod tests;
