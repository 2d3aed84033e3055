//! Reading a message as Svix reads it: which event type it is of, and which text will be delivered.
//!
//! Pure. Whatever Svix and this reader could see differently is refused: a key that stands twice, a list where
//! an object is meant (serde takes one for the other), `payload` beside its other name `data`.

use std::{borrow::Cow, ops::Range};

use serde_json::value::RawValue;

use crate::{
    api::ChannelEncoding,
    plan::channels,
    schema::{self, Violation},
};

/// A message, as far as it is looked into.
#[derive(Debug)]
pub struct Message<'a> {
    /// Its event type.
    pub event_type: String,
    /// The text that receivers get.
    pub delivered: Cow<'a, str>,
    /// Where in the body that text is said.
    pub said_in: &'static [&'static str],
    /// Its channels, as they stand in the body.
    channels: Option<&'a RawValue>,
}

/// What is wrong with a body, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The keys that lead there.
    pub place: Vec<&'static str>,
    /// What was found, what was expected, what to do.
    pub message: String,
}

impl Problem {
    fn new(place: &[&'static str], message: impl Into<String>) -> Self {
        Self { place: place.to_vec(), message: message.into() }
    }
}

/// Reads the body of a message's creation.
pub fn read(body: &[u8]) -> Result<Message<'_>, Problem> {
    if body.starts_with(b"\xef\xbb\xbf") {
        return Err(Problem::new(&[], "found a byte order mark, expected JSON from the first byte on"));
    }
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        let found = if body.is_empty() { "nothing" } else { "something else" };
        return Err(Problem::new(&[], format!("found {found}, expected a JSON object")));
    }
    let parts = schema::parts(body).map_err(|violation| problem(&[], violation))?;
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
    let event_type = event_type.ok_or_else(|| {
        Problem::new(&["eventType"], "found none, expected the name of the event type of this message")
    })?;
    let event_type: String = serde_json::from_str(event_type.get()).map_err(|_| {
        Problem::new(&["eventType"], "found something else than a text, expected the name of an event type")
    })?;
    let (payload, said_in): (_, &[&str]) = match (payload, data) {
        (Some(_), Some(_)) => {
            return Err(Problem::new(
                &["payload"],
                "found both `payload` and `data`, which are two names of the same thing; leave one out",
            ));
        }
        (Some(payload), None) => (payload, &["payload"]),
        (None, Some(data)) => (data, &["data"]),
        (None, None) => {
            return Err(Problem::new(&["payload"], "found none, expected the payload, a JSON object"));
        }
    };
    let raw = params.map(raw_payload).transpose()?.flatten();
    Ok(match raw {
        Some(raw) => Message {
            event_type,
            delivered: Cow::Owned(raw),
            said_in: &["transformationsParams", "rawPayload"],
            channels,
        },
        None => Message { event_type, delivered: Cow::Borrowed(payload.get()), said_in, channels },
    })
}

/// `rawPayload`, where there is one: it is delivered in place of the payload.
fn raw_payload(params: &RawValue) -> Result<Option<String>, Problem> {
    const PLACE: &[&str] = &["transformationsParams"];
    match params.get().as_bytes().first() {
        // An absent one, to Svix.
        Some(b'n') => return Ok(None),
        Some(b'{') => {}
        // Svix's own reader would take the first item of a list for `rawPayload`.
        _ => {
            return Err(Problem::new(
                PLACE,
                "found something else than an object, expected an object or null",
            ));
        }
    }
    let parts = schema::parts(params.get().as_bytes()).map_err(|violation| problem(PLACE, violation))?;
    let Some((_, raw)) = parts.into_iter().find(|(key, _)| key == "rawPayload") else { return Ok(None) };
    serde_json::from_str(raw.get()).map_err(|_| {
        Problem::new(
            &["transformationsParams", "rawPayload"],
            "found something else than a text, expected the payload as text, or null",
        )
    })
}

fn problem(place: &[&'static str], violation: Violation) -> Problem {
    Problem::new(place, violation.message)
}

/// A piece of a body and what takes its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// Where the piece stands, in bytes.
    pub range: Range<usize>,
    /// What takes its place.
    pub text: String,
}

impl Rewrite {
    /// The body with the piece replaced.
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
    /// What has to change in the body so that its channels are those that endpoints have in Svix; `None`:
    /// nothing. A value that is no list of texts stays as it is, for Svix to refuse.
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
        // The value is a piece of the body, so its distance from the beginning is its place.
        let start = (value.get().as_ptr() as usize).checked_sub(body.as_ptr() as usize)?;
        let range = start..start.checked_add(value.get().len())?;
        (body.get(range.clone())? == value.get().as_bytes())
            .then(|| Rewrite { range, text: serde_json::Value::from(mapped).to_string() })
    }
}

/// Svix takes 5 channels, Cloud 10; what is far beyond is left for it to refuse.
const MAX_CHANNELS: usize = 64;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn trouble(body: &str) -> String {
        let Problem { place, message } = read(body.as_bytes()).unwrap_err();
        format!("/{}: {message}", place.join("/"))
    }

    #[test]
    fn what_is_judged_is_what_will_be_delivered() {
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
    fn what_could_be_read_in_two_ways_is_refused() {
        let both = trouble(r#"{"eventType":"a.b","payload":{},"data":{}}"#);
        assert!(both.starts_with("/payload: found both"), "{both}");
        for (body, said) in [
            (r#"{"eventType":"a.b","payload":{},"p\u0061yload":{}}"#, "twice"),
            (r#"{"eventType":"a.b","eventType":"a.c","payload":{}}"#, "twice"),
            (r#"{"eventType":"a.b","payload":{}} {}"#, "not JSON"),
            (r#"["id","a.b",{}]"#, "expected a JSON object"),
            ("", "found nothing"),
            ("\u{feff}{}", "byte order mark"),
            (r#"{"eventType":["a.b"],"payload":{}}"#, "/eventType: found something else than a text"),
            (r#"{"payload":{}}"#, "/eventType: found none"),
            (r#"{"eventType":"a.b"}"#, "/payload: found none"),
            (
                r#"{"eventType":"a.b","payload":{},"transformationsParams":["{}"]}"#,
                "/transformationsParams: found something else than an object",
            ),
            (
                r#"{"eventType":"a.b","payload":{},"transformationsParams":{"rawPayload":1}}"#,
                "/transformationsParams/rawPayload: ",
            ),
            (
                r#"{"eventType":"a.b","payload":{},"transformationsParams":{"rawPayload":"{}","rawPayload":null}}"#,
                "twice",
            ),
        ] {
            assert!(trouble(body).contains(said), "{body}: {}", trouble(body));
        }
        assert!(read(b"{\"eventType\":\"\xff\"}").unwrap_err().message.contains("UTF-8"));
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
        assert_eq!(rewritten(&always, ChannelEncoding::Always), None, "once is enough");
    }
}
