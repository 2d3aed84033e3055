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
    /// The body is UTF-16 or UTF-32.
    #[error("found {0} text, expected JSON in UTF-8; Svix reads nothing else")]
    Encoding(&'static str),
    /// The body is empty.
    #[error("found nothing, expected a JSON object")]
    Empty,
    /// The text begins like no JSON value; the byte is the first one that is not white space.
    #[error("found {} at byte {at}, expected a JSON object, which begins with {{", shown(*.byte))]
    NotJson {
        /// The byte.
        byte: u8,
        /// Its offset.
        at: usize,
    },
    /// The body is another JSON value.
    #[error("found {0}, expected a JSON object")]
    NotAnObject(&'static str),
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
    #[error("found {0}, expected a string, the name of an event type")]
    EventTypeNotAString(&'static str),
    /// The payload of a stream's event is not a string.
    #[error("found {0}, expected the payload as a string")]
    PayloadNotAString(&'static str),
    /// There is no payload.
    #[error("found none, expected the payload, a JSON object")]
    NoPayload,
    /// The payload is given under both of its names.
    #[error("found both `payload` and `data`, which are two names of the same field; remove one of them")]
    TwoPayloads,
    /// `transformationsParams` is not an object.
    #[error("found {0}, expected an object or null")]
    ParamsNotAnObject(&'static str),
    /// `rawPayload` is not a string.
    #[error("found {0}, expected the payload as a string, or null")]
    RawPayloadNotAString(&'static str),
}

/// Returns a byte for a message.
fn shown(byte: u8) -> String {
    // The first byte of gzip; no text begins with it.
    if byte == 0x1f {
        "compressed data (the byte 0x1f)".to_owned()
    } else if byte.is_ascii_graphic() {
        format!("the character {:?}", char::from(byte))
    } else {
        format!("the byte 0x{byte:02x}")
    }
}

/// Returns the type of a JSON text that begins with this byte, for a message; `None`: no JSON value begins so.
fn type_of(first: u8) -> Option<&'static str> {
    Some(match first {
        b'{' => "an object",
        b'[' => "an array",
        b'"' => "a string",
        b't' | b'f' => "a boolean",
        b'n' => "null",
        b'-' | b'0'..=b'9' => "a number",
        _ => return None,
    })
}

/// Returns the type of a JSON value for a message.
pub(super) fn type_name(value: &RawValue) -> &'static str {
    // serde_json has read the value, so it begins as one.
    value.get().bytes().next().and_then(type_of).unwrap_or("another type")
}

const PARAMS: &[&str] = &["transformationsParams"];
const RAW_PAYLOAD: &[&str] = &["transformationsParams", "rawPayload"];

impl MessageError {
    /// Returns the keys of the body that lead to the field that is wrong; empty for the body itself.
    #[must_use]
    pub fn field(&self) -> &'static [&'static str] {
        match self {
            Self::ByteOrderMark
            | Self::Encoding(_)
            | Self::Empty
            | Self::NotJson { .. }
            | Self::NotAnObject(_) => &[],
            Self::Json { field, .. } => field,
            Self::NoEventType | Self::EventTypeNotAString(_) => &["eventType"],
            Self::NoPayload | Self::TwoPayloads | Self::PayloadNotAString(_) => &["payload"],
            Self::ParamsNotAnObject(_) => PARAMS,
            Self::RawPayloadNotAString(_) => RAW_PAYLOAD,
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

/// Checks that a text can be JSON in UTF-8, which is all that Svix reads: neither UTF-16 nor UTF-32, and without a byte order
/// mark. That the rest is UTF-8 is checked where it is read.
pub fn check_encoding(text: &[u8]) -> Result<(), MessageError> {
    match text {
        [0xef, 0xbb, 0xbf, ..] => Err(MessageError::ByteOrderMark),
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] | [_, 0, 0, 0, ..] | [0, 0, 0, _, ..] => {
            Err(MessageError::Encoding("UTF-32"))
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..] => {
            Err(MessageError::Encoding("UTF-16"))
        }
        _ => Ok(()),
    }
}

/// Returns the keys of a body that is one JSON object, each with its value as it stands in the text.
pub(super) fn object(body: &[u8]) -> Result<Vec<(String, &RawValue)>, MessageError> {
    check_encoding(body)?;
    // The white space of JSON, which is less than that of ASCII.
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    let at = body.iter().position(|byte| !is_space(byte)).ok_or(MessageError::Empty)?;
    match body[at] {
        b'{' => schema::parts(body).map_err(|violation| MessageError::Json { field: &[], violation }),
        byte => Err(type_of(byte).map_or(MessageError::NotJson { byte, at }, MessageError::NotAnObject)),
    }
}

/// Returns the event type that a body names, given the value of its key.
pub(super) fn event_type(value: Option<&RawValue>) -> Result<String, MessageError> {
    let value = value.ok_or(MessageError::NoEventType)?;
    serde_json::from_str(value.get()).map_err(|_| MessageError::EventTypeNotAString(type_name(value)))
}

/// Reads the body of a request that creates a message.
pub fn read(body: &[u8]) -> Result<Message<'_>, MessageError> {
    let parts = object(body)?;
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
    let event_type = self::event_type(event_type)?;
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
        _ => return Err(MessageError::ParamsNotAnObject(type_name(params))),
    }
    let parts = schema::parts(params.get().as_bytes())
        .map_err(|violation| MessageError::Json { field: PARAMS, violation })?;
    let Some((_, raw)) = parts.into_iter().find(|(key, _)| key == "rawPayload") else { return Ok(None) };
    serde_json::from_str(raw.get()).map_err(|_| MessageError::RawPayloadNotAString(type_name(raw)))
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
            (r#"{"eventType":["a.b"],"payload":{}}"#, "/eventType: found an array, expected a string"),
            (r#"{"payload":{}}"#, "/eventType: found none"),
            (r#"{"eventType":"a.b"}"#, "/payload: found none"),
            (
                r#"{"eventType":"a.b","payload":{},"transformationsParams":["{}"]}"#,
                "/transformationsParams: found an array, expected an object",
            ),
            (
                r#"{"eventType":"a.b","payload":{},"transformationsParams":{"rawPayload":1}}"#,
                "/transformationsParams/rawPayload: found a number",
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
    fn a_body_in_another_encoding_is_named() {
        let text = r#"{"eventType":"a.b","payload":{}}"#;
        let with_mark = || std::iter::once('\u{feff}').chain(text.chars());
        let utf_16 = || text.encode_utf16();
        let marked = || "\u{feff}".encode_utf16().chain(text.encode_utf16());
        for (body, encoding) in [
            (utf_16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>(), "UTF-16"),
            (utf_16().flat_map(u16::to_be_bytes).collect(), "UTF-16"),
            (marked().flat_map(u16::to_le_bytes).collect(), "UTF-16"),
            (marked().flat_map(u16::to_be_bytes).collect(), "UTF-16"),
            (text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect(), "UTF-32"),
            (text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect(), "UTF-32"),
            (with_mark().flat_map(|c| u32::from(c).to_le_bytes()).collect(), "UTF-32"),
            (with_mark().flat_map(|c| u32::from(c).to_be_bytes()).collect(), "UTF-32"),
        ] {
            assert_eq!(read(&body).unwrap_err(), MessageError::Encoding(encoding), "{body:?}");
        }
    }

    #[test]
    fn a_body_that_is_no_object_is_named() {
        for (body, found) in [
            ("[]", "found an array, expected a JSON object"),
            (" \"x\"", "found a string, expected a JSON object"),
            ("null", "found null, expected a JSON object"),
            ("-1", "found a number, expected a JSON object"),
            ("true", "found a boolean, expected a JSON object"),
            (" \n ", "found nothing, expected a JSON object"),
            ("payload=x", "found the character 'p' at byte 0, expected a JSON object"),
            ("  <n/>", "found the character '<' at byte 2, expected a JSON object"),
            ("\u{1f}\u{8b}", "found compressed data (the byte 0x1f) at byte 0, expected a JSON object"),
        ] {
            let message = error_of(body);
            assert!(message.starts_with(&format!("/: {found}")), "{message}");
        }
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
