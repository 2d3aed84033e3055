//! The part of `admission.k8s.io/v1` that is used here. Objects stay text until their kind is known.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// An AdmissionReview as the API server sends it.
#[derive(Deserialize)]
pub(super) struct Review {
    pub request: Request,
}

/// The request to review.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    pub uid: String,
    pub kind: Kind,
    #[serde(default)]
    pub sub_resource: Option<String>,
    #[serde(default)]
    pub name: Option<String>,
    pub operation: String,
    #[serde(default)]
    pub object: Option<Box<RawValue>>,
    #[serde(default)]
    pub old_object: Option<Box<RawValue>>,
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
