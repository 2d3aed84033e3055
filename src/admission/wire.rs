//! The part of `admission.k8s.io/v1` that is used here. Objects stay text until their kind is known.

use std::borrow::Cow;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor},
};
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

/// How much of a request is searched for its namespace. The API server writes it before the object.
const BEGINNING: usize = 16 * 1024;

/// Returns the namespace of a request; empty if it is not in the beginning. For turns alone: nothing else trusts it.
pub(super) fn namespace_of(text: &[u8]) -> String {
    let mut found = None;
    let mut reader = serde_json::Deserializer::from_slice(&text[..text.len().min(BEGINNING)]);
    // The text ends early, so there is an error whether the namespace was found or not.
    let _ = reader.deserialize_map(Find { path: &["request", "namespace"], found: &mut found });
    found.unwrap_or_default()
}

/// Finds a text at a path of keys, and stops there.
struct Find<'a> {
    path: &'static [&'static str],
    found: &'a mut Option<String>,
}

impl<'de> Visitor<'de> for Find<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(key) = entries.next_key::<Cow<'_, str>>()? {
            match self.path {
                [first] if key == *first => {
                    *self.found = Some(entries.next_value()?);
                    return Err(A::Error::custom("found"));
                }
                [first, rest @ ..] if key == *first => {
                    entries.next_value_seed(Find { path: rest, found: &mut *self.found })?;
                }
                _ => {
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Find<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_namespace_is_found_before_the_object() {
        let object = "x".repeat(BEGINNING);
        let review = |first: &str| {
            format!(r#"{{"kind":"AdmissionReview","request":{{"uid":"u",{first}"object":"{object}"#)
        };

        assert_eq!(namespace_of(review(r#""kind":{"namespace":"b"},"namespace":"a","#).as_bytes()), "a");
        assert_eq!(namespace_of(review("").as_bytes()), "");
        assert_eq!(namespace_of(b"no JSON"), "");
    }
}
