//! Responses of the gateway itself, in Svix's format.

use hyper::{
    Response, StatusCode,
    body::Bytes,
    header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
};
use serde::Serialize;

use crate::{api::PayloadPolicy, schema::Violation};

use super::{
    body::Body,
    judge,
    rejection::{FieldError, Rejection, RejectionBody},
};

/// Maximum size of a warning in a header, in bytes.
const MAX_WARNING: usize = 1000;

#[derive(Serialize)]
struct CodeBody<'a> {
    code: &'a str,
    detail: &'a str,
}

#[derive(Serialize)]
struct FieldBody<'a> {
    loc: &'a [String],
    msg: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
}

#[derive(Serialize)]
struct FieldsBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    valid: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'a str>,
    detail: Vec<FieldBody<'a>>,
}

fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::full(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn serialized(value: &impl Serialize) -> Vec<u8> {
    // Keys and values are strings only: this cannot fail.
    serde_json::to_vec(value).unwrap_or_default()
}

fn field_bodies(errors: &[FieldError]) -> Vec<FieldBody<'_>> {
    errors
        .iter()
        .map(|error| FieldBody { loc: &error.location, msg: &error.message, kind: "value_error" })
        .collect()
}

/// Returns the response to a request that is rejected.
pub(super) fn rejected(rejection: &Rejection) -> Response<Body> {
    let body = match &rejection.body {
        RejectionBody::Code { code, detail } => serialized(&CodeBody { code, detail }),
        RejectionBody::Fields(errors) => {
            serialized(&FieldsBody { valid: None, policy: None, detail: field_bodies(errors) })
        }
    };
    let mut response = json(rejection.status, body);
    if rejection.status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// Returns the response to `/validate` for a payload that matches.
pub(super) fn valid() -> Response<Body> {
    json(StatusCode::OK, Bytes::from_static(br#"{"valid":true}"#))
}

/// Returns the response to `/validate` for a payload that does not match.
pub(super) fn invalid(policy: PayloadPolicy, violations: &[Violation], more: usize) -> Response<Body> {
    let rejection = judge::invalid_payload(&[], violations, more);
    let detail = match &rejection.body {
        RejectionBody::Fields(errors) => field_bodies(errors),
        RejectionBody::Code { .. } => Vec::new(),
    };
    let body = FieldsBody { valid: Some(false), policy: Some(policy.as_str()), detail };
    json(rejection.status, serialized(&body))
}

/// Returns the response to `OPTIONS`: the methods of a path.
pub(super) fn allowed_methods(methods: &[&str]) -> Response<Body> {
    let mut response = Response::new(Body::full(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let head = if methods.contains(&"GET") && !methods.contains(&"HEAD") { ", HEAD" } else { "" };
    if let Ok(value) = HeaderValue::from_str(&format!("{}{head}, OPTIONS", methods.join(", "))) {
        response.headers_mut().insert(ALLOW, value);
    }
    response
}

/// Returns a text as the value of a header: one line of visible ASCII of limited size.
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
    fn a_warning_is_one_short_line_of_ascii() {
        let value = header_value("a\r\nSet-Cookie: x\u{e9}\0");
        assert_eq!(value.to_str().unwrap(), r"a\u{d}\u{a}Set-Cookie: x\u{e9}\u{0}");
        assert!(header_value(&"\u{1f600}".repeat(10_000)).len() <= MAX_WARNING + 3);
    }

    #[test]
    fn the_methods_of_a_path_are_in_allow() {
        let response = allowed_methods(&["GET", "POST"]);
        assert_eq!(response.headers()[ALLOW], "GET, POST, HEAD, OPTIONS");
    }
}
