//! Maps the method and the path of a request to the operation that it asks for.
//!
//! Pure. Paths are not decoded: a path that this reader and Svix's router could read differently is rejected, and the
//! path is forwarded as it was received.

use crate::plan::ids;

use super::operations::{self, Effect, Surface};

/// The operation that a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// An operation of Svix's API, by what it can cause.
    Operation(Effect),
    /// The validation of a payload of this event type.
    Check(&'a str),
    /// The methods of a path.
    Methods(Vec<&'static str>),
    /// No operation of this gateway.
    Unknown,
    /// A path that readers may read differently, and why.
    Ambiguous(&'static str),
}

/// Which operations of Svix's API are forwarded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Whose operations.
    pub surface: Surface,
    /// Whether only the creation of messages is forwarded.
    pub only_sending: bool,
}

/// Reads the method and the path of a request.
#[must_use]
pub fn read<'a>(method: &str, path: &'a str, scope: Scope) -> Target<'a> {
    if let Some(event_type) = path.strip_prefix("/validate/") {
        let event_type = event_type.strip_suffix('/').unwrap_or(event_type);
        return match method {
            _ if !ids::is_name(event_type) => Target::Unknown,
            "POST" => Target::Check(event_type),
            "OPTIONS" => Target::Methods(vec!["POST"]),
            _ => Target::Unknown,
        };
    }
    if let Some(reason) = ambiguity(path) {
        return Target::Ambiguous(reason);
    }
    let path = path.strip_suffix('/').unwrap_or(path);
    // The most frequent request; the rest of this function gives the same result.
    if method == "POST" && is_message_creation(path) {
        return Target::Operation(Effect::CreatesMessage);
    }
    let mut forwarded = operations::at_path(scope.surface, path)
        .filter(|operation| !scope.only_sending || operation.effect.creates_messages());
    if method == "OPTIONS" {
        let mut methods: Vec<_> = forwarded.map(|operation| operation.method).collect();
        methods.sort_unstable();
        methods.dedup();
        return if methods.is_empty() { Target::Unknown } else { Target::Methods(methods) };
    }
    // HEAD is available for every path that has GET.
    let is_asked = |operation: &&operations::Operation| {
        operation.method == method || (method == "HEAD" && operation.method == "GET")
    };
    forwarded.find(is_asked).map_or(Target::Unknown, |operation| Target::Operation(operation.effect))
}

/// Returns whether a path is `/api/v1/app/{app}/msg`.
fn is_message_creation(path: &str) -> bool {
    path.strip_prefix("/api/v1/app/")
        .and_then(|rest| rest.strip_suffix("/msg"))
        .is_some_and(|app| !app.is_empty() && !app.contains('/'))
}

/// Returns why readers may read a path differently. Svix's ids, uids and names need no other characters than those
/// accepted here.
fn ambiguity(path: &str) -> Option<&'static str> {
    let unexpected = path.bytes().find(|byte| !byte.is_ascii_alphanumeric() && !b"-_./".contains(byte));
    match unexpected {
        Some(b'%') => {
            return Some("found a percent-encoded character; ids, uids and names in Svix have none");
        }
        Some(_) => {
            return Some(
                "found a character that no id, uid or name has; expected letters, digits, `-`, `_` and `.`",
            );
        }
        None => {}
    }
    if !path.starts_with('/') {
        return Some("expected a path that begins with `/`");
    }
    if path.contains("//") {
        return Some("found an empty segment (`//`)");
    }
    if path.split('/').any(|segment| segment == "." || segment == "..") {
        return Some("found a segment of dots (`.` or `..`)");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Scope = Scope { surface: Surface::OpenSource, only_sending: false };
    const ONLY_SENDING: Scope = Scope { only_sending: true, ..ALL };
    const CLOUD: Scope = Scope { surface: Surface::Cloud, ..ALL };
    const SEND: Target<'static> = Target::Operation(Effect::CreatesMessage);
    const PASS: Target<'static> = Target::Operation(Effect::NoDelivery);

    #[test]
    fn a_message_is_created_at_two_spellings_of_the_path() {
        for path in ["/api/v1/app/a/msg", "/api/v1/app/app_1.x-y/msg/"] {
            assert_eq!(read("POST", path, ONLY_SENDING), SEND, "{path}");
            assert_eq!(read("POST", path, ALL), SEND, "{path}");
        }
        for path in [
            "/api/v1//app/a/msg",
            "//api/v1/app/a/msg",
            "/api/v1/app/a/msg//",
            "/api/v1/app//msg",
            "/api/v1/app/a/./msg",
            "/api/v1/app/../app/a/msg",
            "/api/v1/app/a%2Fmsg",
            "/api/v1/app/a/ms%67",
            "/api/v1/app/a/msg%2f",
            "/%61pi/v1/app/a/msg",
            "/api/v1/app/a/msg;x=1",
            "/api/v1/app/a\\msg",
            "/api/v1/app/a/msg/.",
            "/api/v1/app/\u{e9}/msg",
            "/api/v1/app/a b/msg",
            "/api/v1/app/a+b/msg",
        ] {
            assert!(matches!(read("POST", path, ALL), Target::Ambiguous(_)), "{path}");
        }
        for path in
            ["/API/v1/app/a/msg", "/api/v1/app/a/msg/x/y", "/api/v1/app/a/MSG", "/api/v2/app/a/msg", "/"]
        {
            assert_eq!(read("POST", path, ALL), Target::Unknown, "{path}");
        }
    }

    #[test]
    fn only_listed_operations_pass() {
        assert_eq!(read("GET", "/api/v1/app/a/msg", ALL), PASS);
        assert_eq!(read("HEAD", "/api/v1/app/a/msg/", ALL), PASS);
        assert_eq!(read("DELETE", "/api/v1/app/a/msg", ALL), Target::Unknown);
        assert_eq!(read("POST", "/api/v1/app/a/msg/batch", ALL), Target::Unknown);
        assert_eq!(read("GET", "/api/v1/app/a/msg", ONLY_SENDING), Target::Unknown);
        assert_eq!(read("GET", "/api/v1/health", ONLY_SENDING), Target::Unknown);
        assert_eq!(read("CONNECT", "", ALL), Target::Ambiguous("expected a path that begins with `/`"));
        assert_eq!(read("OPTIONS", "/api/v1/app/a/msg", ONLY_SENDING), Target::Methods(vec!["POST"]));
        assert_eq!(read("OPTIONS", "/api/v1/app/a/msg", ALL), Target::Methods(vec!["GET", "POST"]));
    }

    #[test]
    fn operations_of_the_cloud_are_forwarded_when_asked() {
        for (method, path, target) in [
            ("POST", "/api/v1/app/a/msg/bulk-expunge", PASS),
            ("POST", "/api/v1/msg/broadcast", SEND),
            ("POST", "/api/v1/app/a/endpoint/e/msg/test-attempt/", SEND),
            ("POST", "/api/v1/stream/s/events", Target::Operation(Effect::CreatesEvents)),
            ("POST", "/api/v1/environment/import", Target::Operation(Effect::ChangesEventTypes)),
            ("GET", "/ingest/api/v1/source", PASS),
        ] {
            assert_eq!(read(method, path, CLOUD), target, "{method} {path}");
            assert_eq!(read(method, path, ALL), Target::Unknown, "{method} {path}");
        }
        let only_sending = Scope { only_sending: true, ..CLOUD };
        assert_eq!(read("POST", "/api/v1/msg/broadcast", only_sending), SEND);
        assert_eq!(read("POST", "/api/v1/app/a/msg/bulk-expunge", only_sending), Target::Unknown);
        assert_eq!(read("POST", "/api/v1/app/a/endpoint/e/send-example", only_sending), Target::Unknown);
    }

    #[test]
    fn a_validation_names_its_event_type() {
        assert_eq!(read("POST", "/validate/a.b", ONLY_SENDING), Target::Check("a.b"));
        assert_eq!(read("GET", "/validate/a.b", ONLY_SENDING), Target::Unknown);
        for path in ["/validate/", "/validate/a/b", "/validate/a%2eb", "/validate/.."] {
            assert_eq!(read("POST", path, ONLY_SENDING), Target::Unknown, "{path}");
        }
    }
}
