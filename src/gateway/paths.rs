//! Maps the method and the path of a request to the operation that it asks for.
//!
//! Pure. Paths are not decoded: a path that this reader and Svix's router could read differently is rejected, and the
//! path is forwarded as it was received.

use crate::plan::ids;

use super::operations;

/// The operation that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// The creation of a message: judged, then forwarded.
    Send,
    /// Another operation of Svix's API: forwarded.
    Pass,
    /// The validation of a payload of this event type.
    Check(&'a str),
    /// The methods of a path.
    Methods(&'static [&'static str]),
    /// No operation of this gateway.
    Unknown,
    /// A path that readers may read differently, and why.
    Ambiguous(&'static str),
}

/// Reads the method and the path of a request.
#[must_use]
pub fn read<'a>(method: &str, path: &'a str, only_sending: bool) -> Target<'a> {
    if let Some(event_type) = path.strip_prefix("/validate/") {
        let event_type = event_type.strip_suffix('/').unwrap_or(event_type);
        return match method {
            _ if !ids::is_name(event_type) => Target::Unknown,
            "POST" => Target::Check(event_type),
            "OPTIONS" => Target::Methods(&["POST"]),
            _ => Target::Unknown,
        };
    }
    if let Some(reason) = ambiguity(path) {
        return Target::Ambiguous(reason);
    }
    let Some(below) = path.strip_prefix("/api/v1/") else { return Target::Unknown };
    let below = below.strip_suffix('/').unwrap_or(below);
    let sends = is_message_creation(below);
    if method == "POST" && sends {
        return Target::Send;
    }
    let methods = match operations::methods(below) {
        Some(_) if only_sending && sends => &["POST"],
        Some(_) if only_sending => return Target::Unknown,
        Some(methods) => methods,
        None => return Target::Unknown,
    };
    // HEAD is available for every path that has GET.
    let asked = if method == "HEAD" { "GET" } else { method };
    match asked {
        "OPTIONS" => Target::Methods(methods),
        asked if methods.contains(&asked) => Target::Pass,
        _ => Target::Unknown,
    }
}

/// Returns whether a path below `/api/v1/` is `app/{app}/msg`.
fn is_message_creation(below: &str) -> bool {
    below
        .strip_prefix("app/")
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

    #[test]
    fn a_message_is_created_at_two_spellings_of_the_path() {
        for path in ["/api/v1/app/a/msg", "/api/v1/app/app_1.x-y/msg/"] {
            assert_eq!(read("POST", path, true), Target::Send, "{path}");
            assert_eq!(read("POST", path, false), Target::Send, "{path}");
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
            assert!(matches!(read("POST", path, false), Target::Ambiguous(_)), "{path}");
        }
        for path in
            ["/API/v1/app/a/msg", "/api/v1/app/a/msg/x/y", "/api/v1/app/a/MSG", "/api/v2/app/a/msg", "/"]
        {
            assert_eq!(read("POST", path, false), Target::Unknown, "{path}");
        }
    }

    #[test]
    fn only_listed_operations_pass() {
        assert_eq!(read("GET", "/api/v1/app/a/msg", false), Target::Pass);
        assert_eq!(read("HEAD", "/api/v1/app/a/msg/", false), Target::Pass);
        assert_eq!(read("DELETE", "/api/v1/app/a/msg", false), Target::Unknown);
        assert_eq!(read("POST", "/api/v1/app/a/msg/batch", false), Target::Unknown);
        assert_eq!(read("GET", "/api/v1/app/a/msg", true), Target::Unknown);
        assert_eq!(read("GET", "/api/v1/health", true), Target::Unknown);
        assert_eq!(read("CONNECT", "", false), Target::Ambiguous("expected a path that begins with `/`"));
        assert_eq!(read("OPTIONS", "/api/v1/app/a/msg", true), Target::Methods(&["POST"]));
        assert_eq!(read("OPTIONS", "/api/v1/app/a/msg", false), Target::Methods(&["GET", "POST"]));
    }

    #[test]
    fn a_validation_names_its_event_type() {
        assert_eq!(read("POST", "/validate/a.b", true), Target::Check("a.b"));
        assert_eq!(read("GET", "/validate/a.b", true), Target::Unknown);
        for path in ["/validate/", "/validate/a/b", "/validate/a%2eb", "/validate/.."] {
            assert_eq!(read("POST", path, true), Target::Unknown, "{path}");
        }
    }
}
