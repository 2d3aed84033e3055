//! Answers of the gateway itself, in Svix's shapes.

use hyper::{
    Response, StatusCode,
    body::Bytes,
    header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
};
use serde::Serialize;

use crate::{api::PayloadPolicy, schema::Violation};

use super::{
    body::Body,
    judge::{self, Detail, Refusal},
};

/// Longest warning in a header, in bytes.
const MAX_WARNING: usize = 1000;

#[derive(Serialize)]
struct Code<'a> {
    code: &'a str,
    detail: &'a str,
}

#[derive(Serialize)]
struct Place<'a> {
    loc: &'a [String],
    msg: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
}

#[derive(Serialize)]
struct Places<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    valid: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'a str>,
    detail: Vec<Place<'a>>,
}

fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::of(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn text(value: &impl Serialize) -> Vec<u8> {
    // Text keys and values only: it cannot fail.
    serde_json::to_vec(value).unwrap_or_default()
}

fn places<'a>(places: &'a [(Vec<String>, String)]) -> Vec<Place<'a>> {
    places.iter().map(|(loc, msg)| Place { loc, msg, kind: "value_error" }).collect()
}

/// A refusal.
pub(super) fn refusal(refusal: &Refusal) -> Response<Body> {
    let body = match &refusal.detail {
        Detail::Code(code, detail) => text(&Code { code, detail }),
        Detail::Places(list) => text(&Places { valid: None, policy: None, detail: places(list) }),
    };
    let mut response = json(refusal.status, body);
    if refusal.status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// A payload that matches.
pub(super) fn valid() -> Response<Body> {
    json(StatusCode::OK, Bytes::from_static(br#"{"valid":true}"#))
}

/// A payload that does not, where nothing is sent.
pub(super) fn invalid(policy: PayloadPolicy, violations: &[Violation], more: usize) -> Response<Body> {
    let refusal = judge::broken(&[], violations, more);
    let list = match &refusal.detail {
        Detail::Places(list) => places(list),
        Detail::Code(..) => Vec::new(),
    };
    let body = Places { valid: Some(false), policy: Some(policy.as_str()), detail: list };
    json(refusal.status, text(&body))
}

/// Which methods there are.
pub(super) fn methods(methods: &[&str]) -> Response<Body> {
    let mut response = Response::new(Body::of(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let head = if methods.contains(&"GET") && !methods.contains(&"HEAD") { ", HEAD" } else { "" };
    if let Ok(value) = HeaderValue::from_str(&format!("{}{head}, OPTIONS", methods.join(", "))) {
        response.headers_mut().insert(ALLOW, value);
    }
    response
}

/// A text as the value of a header: one bounded line of visible ASCII.
pub(super) fn header_value(text: &str) -> HeaderValue {
    let mut safe = String::with_capacity(text.len().min(MAX_WARNING));
    for c in text.chars() {
        let before = safe.len();
        match c {
            ' '..='~' => safe.push(c),
            _ => safe.extend(c.escape_unicode()),
        }
        if safe.len() > MAX_WARNING {
            safe.truncate(before);
            safe.push_str("...");
            break;
        }
    }
    HeaderValue::from_str(&safe).unwrap_or_else(|_| HeaderValue::from_static("invalid payload"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_warning_is_one_bounded_line_of_ascii() {
        let value = header_value("a\r\nSet-Cookie: x\u{e9}\0");
        assert_eq!(value.to_str().unwrap(), r"a\u{d}\u{a}Set-Cookie: x\u{e9}\u{0}");
        assert!(header_value(&"\u{1f600}".repeat(10_000)).len() <= MAX_WARNING + 3);
    }

    #[test]
    fn the_methods_of_a_path_are_told() {
        let response = methods(&["GET", "POST"]);
        assert_eq!(response.headers()[ALLOW], "GET, POST, HEAD, OPTIONS");
    }
}
