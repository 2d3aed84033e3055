//! The part of `admission.k8s.io/v1` that is used here. Objects stay text, in the body of the request, until their kind and
//! their weight are known.

use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::value::RawValue;

/// An AdmissionReview as the API server sends it.
#[derive(Deserialize)]
pub(super) struct Review<'a> {
    #[serde(borrow)]
    pub request: Request<'a>,
}

/// The request to review.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request<'a> {
    pub uid: String,
    pub kind: Kind,
    #[serde(default)]
    pub sub_resource: Option<String>,
    #[serde(default)]
    pub name: Option<String>,
    pub operation: String,
    #[serde(borrow, default)]
    pub object: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub old_object: Option<&'a RawValue>,
}

/// The parts of an object that say whether it is validated at all.
#[derive(Deserialize)]
pub(super) struct Outline<'a> {
    #[serde(default)]
    metadata: OutlineMetadata,
    #[serde(borrow, default)]
    spec: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OutlineMetadata {
    #[serde(default)]
    deletion_timestamp: Option<IgnoredAny>,
}

impl Outline<'_> {
    /// Whether the object is being deleted, or has the same spec as before, byte for byte. Reads no tree.
    pub fn is_exempt(object: &str, old: Option<&RawValue>) -> bool {
        let Ok(outline) = serde_json::from_str::<Outline<'_>>(object) else { return false };
        let old = old.and_then(|old| serde_json::from_str::<Outline<'_>>(old.get()).ok()?.spec);
        let is_unchanged = old.is_some_and(|old| outline.spec.is_some_and(|new| new.get() == old.get()));
        outline.metadata.deletion_timestamp.is_some() || is_unchanged
    }
}

/// The kind of the object.
#[derive(Deserialize)]
pub(super) struct Kind {
    #[serde(default)]
    pub group: String,
    #[serde(default)]
    pub kind: String,
}

/// An AdmissionReview as it is returned.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReviewResponse {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub response: Response,
}

/// The response to a request.
#[derive(Serialize)]
pub(super) struct Response {
    pub uid: String,
    pub allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Why a request is denied; a `meta/v1` Status.
#[derive(Serialize)]
pub(super) struct Status {
    pub status: &'static str,
    pub code: u16,
    pub reason: &'static str,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Details>,
}

/// The denied object, and what is wrong with it.
#[derive(Serialize)]
pub(super) struct Details {
    pub name: String,
    pub group: &'static str,
    pub kind: &'static str,
    pub causes: Vec<Cause>,
}

/// A field that is wrong.
#[derive(Serialize)]
pub(super) struct Cause {
    pub reason: &'static str,
    pub message: String,
    pub field: String,
}

/// Returns the uid of a request that cannot be parsed otherwise; empty if there is none.
pub(super) fn uid_of(text: &[u8]) -> String {
    #[derive(Deserialize)]
    struct OnlyRequest {
        request: OnlyUid,
    }
    #[derive(Deserialize)]
    struct OnlyUid {
        uid: String,
    }
    serde_json::from_slice::<OnlyRequest>(text).map(|review| review.request.uid).unwrap_or_default()
}
