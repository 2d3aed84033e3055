//! Why a body is no AdmissionReview: the place, what was found and what was expected. Nothing of its values is shown: the object
//! may have credentials in a place where none belongs.

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::json_syntax::{self, JsonMistake};

/// What is wrong with a body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{mistake}; expected an AdmissionReview of admission.k8s.io/v1, which only the API server sends: check \
     admissionReviewVersions and the path in the webhook configuration"
)]
pub(super) struct UnreadableReview {
    mistake: Mistake,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Mistake {
    #[error("the body: found bytes that are not UTF-8, expected JSON")]
    Encoding,
    #[error("the body: {0}")]
    Json(JsonMistake),
    #[error("{place}: found {found}, expected {expected}")]
    Value { place: &'static str, found: &'static str, expected: &'static str },
    #[error("{0}: found it more than once, expected it once")]
    Repeated(&'static str),
    #[error("the body: found JSON in another form")]
    Other,
}

/// A member that is read: its place, and what it may be.
struct Member(&'static str, Expected);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    Object,
    Text,
    /// Text, or nothing.
    TextIfPresent,
    /// Text, null or nothing.
    OptionalText,
    Anything,
}

const OBJECT: &str = "an object";
const TEXT: &str = "text";

const REQUEST: Member = Member("/request", Expected::Object);
const KIND: Member = Member("/request/kind", Expected::Object);

/// The other members of a request.
const OF_REQUEST: [Member; 6] = [
    Member("/request/uid", Expected::Text),
    Member("/request/operation", Expected::Text),
    Member("/request/subResource", Expected::OptionalText),
    Member("/request/name", Expected::OptionalText),
    Member("/request/object", Expected::Anything),
    Member("/request/oldObject", Expected::Anything),
];

const OF_KIND: [Member; 2] = [
    Member("/request/kind/group", Expected::TextIfPresent),
    Member("/request/kind/kind", Expected::TextIfPresent),
];

impl UnreadableReview {
    /// Finds out what is wrong with a body that cannot be read.
    pub(super) fn of(body: &[u8]) -> Self {
        Self { mistake: find(body).unwrap_or(Mistake::Other) }
    }
}

fn find(body: &[u8]) -> Option<Mistake> {
    let Ok(text) = std::str::from_utf8(body) else { return Some(Mistake::Encoding) };
    if let Some(mistake) = json_syntax::find(text, None) {
        return Some(Mistake::Json(mistake));
    }
    let Ok(Members(review)) = serde_json::from_str(text) else {
        return Some(Mistake::Value { place: "the body", found: kind_of(text), expected: OBJECT });
    };
    let request = match read(&review, &REQUEST) {
        Ok(request) => request?,
        Err(mistake) => return Some(mistake),
    };
    let Members(request) = serde_json::from_str(request.get()).ok()?;
    let kind = match read(&request, &KIND) {
        Ok(kind) => kind?,
        Err(mistake) => return Some(mistake),
    };
    let Members(kind) = serde_json::from_str(kind.get()).ok()?;
    let of_request = OF_REQUEST.iter().map(|member| read(&request, member));
    of_request.chain(OF_KIND.iter().map(|member| read(&kind, member))).find_map(Result::err)
}

/// Returns the value of a member, if it is there and has its type.
fn read<'a>(members: &[(&str, &'a RawValue)], member: &Member) -> Result<Option<&'a RawValue>, Mistake> {
    let Member(place, expected) = *member;
    let name = place.rsplit('/').next();
    let mut found = members.iter().filter(|(key, _)| Some(*key) == name).map(|(_, value)| *value);
    let value = found.next();
    if found.next().is_some() {
        return Err(Mistake::Repeated(place));
    }
    let found = value.map_or("nothing", |value| kind_of(value.get()));
    let is_expected = match expected {
        Expected::Object => found == OBJECT,
        Expected::Text => found == TEXT,
        Expected::TextIfPresent => value.is_none() || found == TEXT,
        Expected::OptionalText => value.is_none() || [TEXT, "null"].contains(&found),
        Expected::Anything => true,
    };
    match is_expected {
        true => Ok(value),
        false => {
            let expected = if expected == Expected::Object { OBJECT } else { TEXT };
            Err(Mistake::Value { place, found, expected })
        }
    }
}

/// Returns the type of a JSON value.
fn kind_of(text: &str) -> &'static str {
    match text.trim_start().as_bytes().first() {
        Some(b'{') => OBJECT,
        Some(b'[') => "a list",
        Some(b'"') => TEXT,
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// The names of all members that are read.
const NAMES: [&str; 9] =
    ["request", "kind", "uid", "operation", "subResource", "name", "object", "oldObject", "group"];

/// The members of an object that are read, in their order; of each at most two, the second of which is one too many. Values stay
/// text. A body that is no review can have a million other members, for which no memory is reserved.
struct Members<'a>(Vec<(&'static str, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Vec<(&'static str, &'de RawValue)>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
                let mut members: Self::Value = Vec::new();
                while let Some(key) = entries.next_key::<String>()? {
                    let name = NAMES.into_iter().find(|name| *name == key);
                    let is_kept = |name: &&str| members.iter().filter(|(other, _)| other == name).count() < 2;
                    match name.filter(is_kept) {
                        Some(name) => members.push((name, entries.next_value()?)),
                        None => {
                            let _: IgnoredAny = entries.next_value()?;
                        }
                    }
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Collect).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(body: &str) -> String {
        UnreadableReview::of(body.as_bytes()).mistake.to_string()
    }

    #[test]
    fn a_mistake_has_its_place() {
        let request = |rest: &str| {
            format!(r#"{{"request": {{"uid": "u", "kind": {{"kind": "k"}}, "operation": "CREATE"{rest}}}}}"#)
        };
        for (body, expected) in [
            ("", "the body: 1:1: not valid JSON: found no value, expected one"),
            ("[]", "the body: found a list, expected an object"),
            ("null", "the body: found null, expected an object"),
            ("{}", "/request: found nothing, expected an object"),
            (r#"{"request": "x"}"#, "/request: found text, expected an object"),
            (r#"{"request": {}, "request": {}}"#, "/request: found it more than once, expected it once"),
            (r#"{"request": {"uid": "u"}}"#, "/request/kind: found nothing, expected an object"),
            (r#"{"request": {"kind": []}}"#, "/request/kind: found a list, expected an object"),
            (r#"{"request": {"kind": {}}}"#, "/request/uid: found nothing, expected text"),
            (r#"{"request": {"kind": {}, "uid": 5}}"#, "/request/uid: found a number, expected text"),
            (
                r#"{"request": {"kind": {}, "uid": "u", "operation": null}}"#,
                "/request/operation: found null, expected text",
            ),
            (&request(r#", "name": true"#), "/request/name: found true or false, expected text"),
            (&request(r#", "uid": "u""#), "/request/uid: found it more than once, expected it once"),
            (
                r#"{"request": {"uid": "u", "operation": "o", "kind": {"group": 5}}}"#,
                "/request/kind/group: found a number, expected text",
            ),
        ] {
            assert_eq!(said(body), expected, "{body}");
        }
        assert!(said(r#"{"request": {"uid": "u",}}"#).starts_with("the body: 1:24: not valid JSON: "));
        assert_eq!(UnreadableReview::of(b"{\xff").mistake, Mistake::Encoding);
    }

    #[test]
    fn the_names_of_all_members_are_known() {
        let read = [REQUEST, KIND].into_iter().chain(OF_REQUEST).chain(OF_KIND);

        for Member(place, _) in read {
            assert!(place.rsplit('/').next().is_some_and(|name| NAMES.contains(&name)), "{place}");
        }
    }

    #[test]
    fn values_are_not_shown() {
        for body in
            [r#"{"request": "hunter2"}"#, r#"{"request": {"uid": "hunter2", "kind": "hunter2"}}"#, "hunter2"]
        {
            let said = UnreadableReview::of(body.as_bytes()).to_string();
            assert!(!said.contains("hunter2") && said.contains("admissionReviewVersions"), "{said}");
        }
    }
}
