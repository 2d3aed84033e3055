//! `admission.k8s.io/v1` as far as it is used here. Objects stay text until it is known what they are.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What the API server sends.
#[derive(Deserialize)]
pub(super) struct Review {
    pub request: Request,
}

/// What is about to be done.
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

/// What it is done to.
#[derive(Deserialize)]
pub(super) struct Kind {
    #[serde(default)]
    pub group: String,
    #[serde(default)]
    pub kind: String,
}

/// What is answered.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub response: Response,
}

/// The answer to one request.
#[derive(Serialize)]
pub(super) struct Response {
    pub uid: String,
    pub allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Why something is refused; `meta/v1` Status.
#[derive(Serialize)]
pub(super) struct Status {
    pub status: &'static str,
    pub code: u16,
    pub reason: &'static str,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Details>,
}

/// What is refused, and each thing that is wrong with it.
#[derive(Serialize)]
pub(super) struct Details {
    pub name: String,
    pub group: &'static str,
    pub kind: &'static str,
    pub causes: Vec<Cause>,
}

/// One thing that is wrong.
#[derive(Serialize)]
pub(super) struct Cause {
    pub reason: &'static str,
    pub message: String,
    pub field: String,
}

/// The request's uid, from text that may be anything.
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
