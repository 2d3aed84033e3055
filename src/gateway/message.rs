//! Reads a message as Svix reads it: its event type, and the text that will be delivered.
//!
//! Pure. A body that Svix and this reader could read differently is rejected: a duplicate key, a list in place of an
//! object (serde accepts one for the other), `payload` together with its other name `data`.

use std::{borrow::Cow, ops::Range};

use serde_json::value::RawValue;

use crate::{
    api::ChannelEncoding,
    plan::channels,
    schema::{self, Violation},
};

/// The parts of a message that the gateway reads.
#[derive(Debug)]
pub struct Message<'a> {
    /// Its event type.
    pub event_type: String,
    /// The text that receivers get.
    pub delivered: Cow<'a, str>,
    /// The keys of the body that lead to that text.
    pub delivered_from: &'static [&'static str],
    /// Its channels, as they are in the body.
    channels: Option<&'a RawValue>,
}

/// Why a body is not a message that can be judged. The text says what was found and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// A byte order mark precedes the JSON text.
    #[error("found a byte order mark, expected JSON from the first byte on")]
    ByteOrderMark,
    /// The body is empty.
    #[error("found nothing, expected a JSON object")]
    Empty,
    /// The body is not a JSON object.
    #[error("found another type, expected a JSON object")]
    NotAnObject,
    /// The body, or an object in it, is not JSON or has a duplicate key.
    #[error("{}", violation.message)]
    Json {
        /// The keys that lead to the object.
        field: &'static [&'static str],
        /// What is wrong with it.
        violation: Violation,
    },
    /// There is no event type.
    #[error("found none, expected the name of the event type of this message")]
    NoEventType,
    /// The event type is not a string.
    #[error("found another type, expected a string, the name of an event type")]
    EventTypeNotAString,
    /// There is no payload.
    #[error("found none, expected the payload, a JSON object")]
    NoPayload,
    /// The payload is given under both of its names.
    #[error("found both `payload` and `data`, which are two names of the same field; remove one of them")]
    TwoPayloads,
    /// `transformationsParams` is not an object.
    #[error("found another type, expected an object or null")]
    ParamsNotAnObject,
    /// `rawPayload` is not a string.
    #[error("found another type, expected the payload as a string, or null")]
    RawPayloadNotAString,
}

const PARAMS: &[&str] = &["transformationsParams"];
const RAW_PAYLOAD: &[&str] = &["transformationsParams", "rawPayload"];

impl MessageError {
    /// Returns the keys of the body that lead to the field that is wrong; empty for the body itself.
    #[must_use]
    pub fn field(&self) -> &'static [&'static str] {
        match self {
            Self::ByteOrderMark | Self::Empty | Self::NotAnObject => &[],
            Self::Json { field, .. } => field,
            Self::NoEventType | Self::EventTypeNotAString => &["eventType"],
            Self::NoPayload | Self::TwoPayloads => &["payload"],
            Self::ParamsNotAnObject => PARAMS,
            Self::RawPayloadNotAString => RAW_PAYLOAD,
        }
    }
}

/// Returns the memory that judging a body takes at most, in bytes, besides the body.
#[must_use]
pub fn memory(body: &[u8]) -> usize {
    /// A text in the body is copied, and so is a body whose channels are changed.
    const COPIES: usize = 3;
    let raw = b"rawPayload";
    let tree = match std::str::from_utf8(body) {
        // A payload within a text weighs more than the text, up to the maximum.
        Ok(text) if body.windows(raw.len()).any(|part| part == raw) => {
            schema::weigh(text, schema::MAX_WEIGHT).map_or(0, |_| (text.len() * 160).min(schema::MAX_WEIGHT))
        }
        Ok(text) => schema::weigh(text, schema::MAX_WEIGHT).unwrap_or(0),
        Err(_) => 0,
    };
    tree + COPIES * body.len()
}

/// Reads the body of a request that creates a message.
pub fn read(body: &[u8]) -> Result<Message<'_>, MessageError> {
    if body.starts_with(b"\xef\xbb\xbf") {
        return Err(MessageError::ByteOrderMark);
    }
    if body.is_empty() {
        return Err(MessageError::Empty);
    }
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(MessageError::NotAnObject);
    }
    let parts = schema::parts(body).map_err(|violation| MessageError::Json { field: &[], violation })?;
    let (mut event_type, mut payload, mut data, mut params, mut channels) = (None, None, None, None, None);
    for (key, value) in parts {
        match key.as_str() {
            "eventType" => event_type = Some(value),
            "payload" => payload = Some(value),
            "data" => data = Some(value),
            "transformationsParams" => params = Some(value),
            "channels" => channels = Some(value),
            _ => {}
        }
    }
    let event_type = event_type.ok_or(MessageError::NoEventType)?;
    let event_type: String =
        serde_json::from_str(event_type.get()).map_err(|_| MessageError::EventTypeNotAString)?;
    let (payload, delivered_from): (_, &[&str]) = match (payload, data) {
        (Some(_), Some(_)) => return Err(MessageError::TwoPayloads),
        (Some(payload), None) => (payload, &["payload"]),
        (None, Some(data)) => (data, &["data"]),
        (None, None) => return Err(MessageError::NoPayload),
    };
    let raw = params.map(raw_payload).transpose()?.flatten();
    Ok(match raw {
        Some(raw) => {
            Message { event_type, delivered: Cow::Owned(raw), delivered_from: RAW_PAYLOAD, channels }
        }
        None => Message { event_type, delivered: Cow::Borrowed(payload.get()), delivered_from, channels },
    })
}

/// Returns `rawPayload`, if there is one; Svix delivers it in place of the payload.
fn raw_payload(params: &RawValue) -> Result<Option<String>, MessageError> {
    match params.get().as_bytes().first() {
        // Svix takes null for an absent one.
        Some(b'n') => return Ok(None),
        Some(b'{') => {}
        // Svix's reader would take the first item of a list for `rawPayload`.
        _ => return Err(MessageError::ParamsNotAnObject),
    }
    let parts = schema::parts(params.get().as_bytes())
        .map_err(|violation| MessageError::Json { field: PARAMS, violation })?;
    let Some((_, raw)) = parts.into_iter().find(|(key, _)| key == "rawPayload") else { return Ok(None) };
    serde_json::from_str(raw.get()).map_err(|_| MessageError::RawPayloadNotAString)
}

/// A range of a body and its replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// The range, in bytes.
    pub range: Range<usize>,
    /// The replacement.
    pub text: String,
}

impl Rewrite {
    /// Returns the body with the range replaced.
    #[must_use]
    pub fn apply(&self, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(body.len() + self.text.len());
        out.extend_from_slice(&body[..self.range.start]);
        out.extend_from_slice(self.text.as_bytes());
        out.extend_from_slice(&body[self.range.end..]);
        out
    }
}

impl Message<'_> {
    /// Returns the change of the body that gives it the channels that endpoints have in Svix, if a change is needed. A
    /// value that is not a list of strings stays as it is; Svix rejects it.
    #[must_use]
    pub fn rewrite_channels(&self, body: &[u8], encoding: ChannelEncoding) -> Option<Rewrite> {
        let value = self.channels?;
        let names: Vec<String> = serde_json::from_str(value.get()).ok()?;
        let mut mapped: Vec<String> = Vec::with_capacity(names.len());
        for name in &names {
            let name = channels::encode(name, encoding);
            if !mapped.contains(&name) {
                mapped.push(name);
            }
        }
        if names.iter().eq(&mapped) || names.len() > MAX_CHANNELS {
            return None;
        }
        // The value is a slice of the body, so its distance from the beginning is its offset.
        let start = (value.get().as_ptr() as usize).checked_sub(body.as_ptr() as usize)?;
        let range = start..start.checked_add(value.get().len())?;
        (body.get(range.clone())? == value.get().as_bytes())
            .then(|| Rewrite { range, text: serde_json::Value::from(mapped).to_string() })
    }
}

/// Svix accepts 5 channels, its cloud service 10. It rejects lists that are far longer; they are not mapped.
const MAX_CHANNELS: usize = 64;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn error_of(body: &str) -> String {
        let error = read(body.as_bytes()).unwrap_err();
        format!("/{}: {error}", error.field().join("/"))
    }

    #[test]
    fn the_judged_text_is_the_delivered_text() {
        let delivered = |body: &str| read(body.as_bytes()).unwrap().delivered.into_owned();
        assert_eq!(delivered(r#"{"eventType":"a.b","payload": {"x" : 1} }"#), r#"{"x" : 1}"#);
        assert_eq!(delivered(r#"{"eventType":"a.b","data":{}}"#), "{}");
        // A key may be written with escapes; it is the same key.
        assert_eq!(delivered(r#"{"eventType":"a.b","p\u0061yload":[]}"#), "[]");
        let raw = r#"{"eventType":"a.b","payload":{},"transformationsParams":{"rawPayload":"<x\u0020/>"}}"#;
        assert_eq!(delivered(raw), "<x />");
        for nothing in ["null", "{}", r#"{"rawPayload":null}"#] {
            let body = format!(r#"{{"eventType":"a.b","payload":{{}},"transformationsParams":{nothing}}}"#);
            assert_eq!(delivered(&body), "{}");
        }
    }

    #[test]
    fn an_ambiguous_body_is_rejected() {
        let both = error_of(r#"{"eventType":"a.b","payload":{},"data":{}}"#);
        assert!(both.starts_with("/payload: found both"), "{both}");
        for (body, expected) in [
            (r#"{"eventType":"a.b","payload":{},"p\u0061yload":{}}"#, "twice"),
            (r#"{"eventType":"a.b","eventType":"a.c","payload":{}}"#, "twice"),
            (r#"{"eventType":"a.b","payload":{}} {}"#, "not JSON"),
            (r#"["id","a.b",{}]"#, "expected a JSON object"),
            ("", "found nothing"),
            ("\u{feff}{}", "byte order mark"),
            (r#"{"eventType":["a.b"],"payload":{}}"#, "/eventType: found another type, expected a string"),
            (r#"{"payload":{}}"#, "/eventType: found none"),
            (r#"{"eventType":"a.b"}"#, "/payload: found none"),
            (
                r#"{"eventType":"a.b","payload":{},"transformationsParams":["{}"]}"#,
                "/transformationsParams: found another type, expected an object",
            ),
            (
                r#"{"eventType":"a.b","payload":{},"transformationsParams":{"rawPayload":1}}"#,
                "/transformationsParams/rawPayload: found another type",
            ),
            (
                r#"{"eventType":"a.b","payload":{},"transformationsParams":{"rawPayload":"{}","rawPayload":null}}"#,
                "twice",
            ),
        ] {
            assert!(error_of(body).contains(expected), "{body}: {}", error_of(body));
        }
        assert!(read(b"{\"eventType\":\"\xff\"}").unwrap_err().to_string().contains("UTF-8"));
    }

    #[test]
    fn only_the_channels_are_rewritten() {
        let rewritten = |body: &str, encoding| {
            let message = read(body.as_bytes()).unwrap();
            message
                .rewrite_channels(body.as_bytes(), encoding)
                .map(|rewrite| String::from_utf8(rewrite.apply(body.as_bytes())).unwrap())
        };
        let body = |channels: &str| {
            format!(r#"{{ "channels" : {channels} , "eventType":"a.b", "payload": {{"channels":["a b"]}}}}"#)
        };
        let uuid = channels::uuid_of("a b");
        let spaced = rewritten(&body(r#"[ "a b", "plain" ]"#), ChannelEncoding::WhenNeeded);
        assert_eq!(spaced.unwrap(), body(&format!(r#"["{uuid}","plain"]"#)));
        for same in [r#"["plain"]"#, "null", "[]", r#"[1]"#, r#""a b""#] {
            assert_eq!(rewritten(&body(same), ChannelEncoding::WhenNeeded), None, "{same}");
        }
        let always = rewritten(&body(r#"["plain"]"#), ChannelEncoding::Always).unwrap();
        assert_eq!(rewritten(&always, ChannelEncoding::Always), None, "mapped twice is mapped once");
    }
}
