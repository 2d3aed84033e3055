//! The errors of calls to Svix, and how to proceed after them.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::plan::Field;

/// A failed call.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{operation}: {kind}")]
pub struct Error {
    /// The operation, such as `endpoint.create`.
    pub operation: &'static str,
    /// The cause.
    pub kind: ErrorKind,
}

/// The cause of a failed call. Messages contain no token, and of a URL no more than its host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ErrorKind {
    /// There was no response: the connection was refused or reset, or timed out. The call may have taken effect.
    #[error("no answer from Svix: {0}")]
    Transport(String),
    /// The response cannot be understood. The call may have taken effect.
    #[error("cannot understand Svix's answer ({status}): {message}")]
    Answer {
        /// HTTP status.
        status: u16,
        /// What is wrong with it.
        message: String,
    },
    /// Status 5xx. The call may have taken effect.
    #[error("Svix failed with status {status}")]
    Server {
        /// HTTP status.
        status: u16,
    },
    /// Status 429.
    #[error("Svix asks to slow down (429)")]
    Throttled {
        /// How long to wait, if Svix says it.
        retry_after: Option<Duration>,
    },
    /// Status 401 or 403.
    #[error("Svix does not accept the token (status {status}: {detail})")]
    Unauthorized {
        /// HTTP status.
        status: u16,
        /// Svix's message.
        detail: String,
    },
    /// Status 404.
    #[error("not found in Svix")]
    NotFound,
    /// Status 409.
    #[error("exists in Svix already: {detail}")]
    Conflict {
        /// Svix's message.
        detail: String,
    },
    /// Any other status 4xx: the content is refused.
    #[error("Svix refuses it (status {status}): {detail}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Svix's message.
        detail: String,
        /// The members of the body that it refuses, in the order of the response; empty where it names none.
        members: Vec<String>,
    },
}

/// How to proceed after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Another attempt may succeed, after a back-off.
    Transient,
    /// Another attempt may succeed when the whole connection has slowed down.
    Throttled,
    /// The token is invalid: no call succeeds until it changes.
    Unauthorized,
    /// No attempt succeeds until the content changes.
    Terminal,
}

impl Error {
    /// Returns how to proceed.
    #[must_use]
    pub fn class(&self) -> Class {
        match self.kind {
            // With 408 and 425 the server says that the same request may succeed later.
            ErrorKind::Transport(_)
            | ErrorKind::Answer { .. }
            | ErrorKind::Server { .. }
            | ErrorKind::NotFound
            | ErrorKind::Conflict { .. }
            | ErrorKind::Refused { status: 408 | 425, .. } => Class::Transient,
            ErrorKind::Throttled { .. } => Class::Throttled,
            ErrorKind::Unauthorized { .. } => Class::Unauthorized,
            ErrorKind::Refused { .. } => Class::Terminal,
        }
    }

    /// Whether the call may have taken effect although it failed.
    #[must_use]
    pub fn effect_unknown(&self) -> bool {
        matches!(self.kind, ErrorKind::Transport(_) | ErrorKind::Answer { .. } | ErrorKind::Server { .. })
    }

    /// Whether Svix refuses the value of a field. In a spec and in the bodies of Svix's API, fields have the same names.
    #[must_use]
    pub fn is_about(&self, field: Field) -> bool {
        match &self.kind {
            ErrorKind::Refused { members, .. } => {
                self.class() == Class::Terminal && members.iter().any(|member| member == field.as_str())
            }
            _ => false,
        }
    }

    /// Returns the cause as a label of metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self.kind {
            ErrorKind::Transport(_) => "transport",
            ErrorKind::Answer { .. } => "answer",
            ErrorKind::Server { .. } => "server",
            ErrorKind::Throttled { .. } => "throttled",
            ErrorKind::Unauthorized { .. } => "unauthorized",
            ErrorKind::NotFound => "not_found",
            ErrorKind::Conflict { .. } => "conflict",
            ErrorKind::Refused { .. } => "refused",
        }
    }
}

impl ErrorKind {
    /// Returns the cause that a response other than a success stands for.
    #[must_use]
    pub fn from_answer(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Self {
        match status {
            429 => Self::Throttled { retry_after },
            401 | 403 => Self::Unauthorized { status, detail: detail(body) },
            404 => Self::NotFound,
            409 => Self::Conflict { detail: detail(body) },
            400..=499 => Self::Refused { status, detail: detail(body), members: refused_members(body) },
            500..=599 => Self::Server { status },
            _ => Self::Answer { status, message: "unexpected status".into() },
        }
    }
}

/// Returns the members of the request's body that a validation error names: the second part of each `loc` that begins with
/// `body`.
fn refused_members(body: &[u8]) -> Vec<String> {
    #[derive(Deserialize)]
    struct Refusal {
        detail: Vec<Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        loc: Vec<Value>,
    }
    let items = serde_json::from_slice::<Refusal>(body).map(|refusal| refusal.detail).unwrap_or_default();
    items
        .into_iter()
        .filter_map(|item| match item.loc.as_slice() {
            [Value::String(part), Value::String(member), ..] if part == "body" => Some(member.clone()),
            _ => None,
        })
        .collect()
}

/// Returns Svix's message in one line. `detail` is a text, or a list of `{loc, msg}`.
fn detail(body: &[u8]) -> String {
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(value) => match &value["detail"] {
            Value::String(detail) => detail.clone(),
            Value::Array(items) => items
                .iter()
                .map(|item| {
                    let place = item["loc"].as_array().into_iter().flatten().filter_map(|part| part.as_str());
                    format!(
                        "/{}: {}",
                        place.collect::<Vec<_>>().join("/"),
                        item["msg"].as_str().unwrap_or("refused")
                    )
                })
                .collect::<Vec<_>>()
                .join("; "),
            _ => "no detail given".to_owned(),
        },
        Err(_) => "the answer is not JSON; is this address a Svix server?".to_owned(),
    };
    redact_urls(&text).chars().take(600).collect()
}

/// Reduces every URL in a text to its host: Svix's messages may quote the URL of an endpoint.
pub(super) fn redact_urls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let after = start + 3;
        let end = rest[after..]
            .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`' | ',' | ')'))
            .map_or(rest.len(), |end| after + end);
        let address = &rest[after..end];
        let authority = address.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        out.push_str(&rest[..after]);
        out.push_str(host);
        if address.len() > authority.len() {
            out.push_str("/…");
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_class() {
        let class =
            |status| Error { operation: "x", kind: ErrorKind::from_answer(status, None, b"{}") }.class();
        for transient in [500, 502, 503, 504, 404, 409, 408, 302] {
            assert_eq!(class(transient), Class::Transient, "{transient}");
        }
        assert_eq!(class(429), Class::Throttled);
        for terminal in [400, 413, 422] {
            assert_eq!(class(terminal), Class::Terminal, "{terminal}");
        }
        for token in [401, 403] {
            assert_eq!(class(token), Class::Unauthorized, "{token}");
        }
    }

    #[test]
    fn both_forms_of_detail_become_one_line() {
        let list = br#"{"detail":[{"loc":["body","url"],"msg":"bad","type":"value_error"},{"loc":["body"],"msg":"x"}]}"#;
        assert_eq!(detail(list), "/body/url: bad; /body: x");
        assert_eq!(
            detail(br#"{"code":"conflict","detail":"A conflict has occurred"}"#),
            "A conflict has occurred"
        );
        assert!(detail(b"<html>").contains("is this address a Svix server?"));
    }

    #[test]
    fn the_refused_member_of_the_body_is_read_from_its_place() {
        let error = |status, body: &[u8]| Error {
            operation: "endpoint.create",
            kind: ErrorKind::from_answer(status, None, body),
        };
        let refused = br#"{"detail":[{"loc":["body","eventTypes"],"msg":"m","type":"value_error"}]}"#;
        assert!(error(422, refused).is_about(Field::EventTypes));
        assert!(!error(422, refused).is_about(Field::Url));
        for other in [
            &br#"{"detail":[{"loc":["body","eventTypes",0],"msg":"m"},{"loc":["body"]}]}"#[..],
            br#"{"detail":[{"loc":["query","url"],"msg":"m"},{"loc":["body",0]}]}"#,
            br#"{"code":"validation_error","detail":"eventTypes: url"}"#,
            b"<html>url</html>",
        ] {
            assert!(!error(422, other).is_about(Field::Url));
        }
        assert!(!error(408, refused).is_about(Field::EventTypes), "another try may succeed");
        assert!(!error(500, refused).is_about(Field::EventTypes));
    }

    #[test]
    fn urls_in_messages_are_reduced_to_their_host() {
        assert_eq!(
            redact_urls(
                r#"invalid value: string "https://u:p@h.example/secret?k=v", expected https://ok.example"#
            ),
            r#"invalid value: string "https://h.example/…", expected https://ok.example"#
        );
    }
}
