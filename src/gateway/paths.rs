//! What a request asks for, by its method and its path as they came over the wire.
//!
//! Nothing is decoded: a path that could mean one thing to this reader and another to Svix's router is refused,
//! and what is forwarded is the very path that was read.

use crate::plan::ids;

use super::operations;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// A message's creation: judged, then forwarded.
    Send,
    /// Another operation of Svix: forwarded.
    Pass,
    /// A judgement of a payload of this event type.
    Check(&'a str),
    /// Which methods a path takes.
    Methods(&'static [&'static str]),
    /// Nothing that is here.
    Unknown,
    /// A path that is written in a way that readers differ on.
    Odd(&'static str),
}

/// Reads a method and a path.
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
    if let Some(oddity) = oddity(path) {
        return Target::Odd(oddity);
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
    // HEAD is GET without the body, wherever there is a GET.
    let asked = if method == "HEAD" { "GET" } else { method };
    match asked {
        "OPTIONS" => Target::Methods(methods),
        asked if methods.contains(&asked) => Target::Pass,
        _ => Target::Unknown,
    }
}

/// `app/{app}/msg`.
fn is_message_creation(below: &str) -> bool {
    below
        .strip_prefix("app/")
        .and_then(|rest| rest.strip_suffix("/msg"))
        .is_some_and(|app| !app.is_empty() && !app.contains('/'))
}

/// What is odd about a path: Svix's ids, uids and names need no more than these characters, so nothing else
/// has to be understood.
fn oddity(path: &str) -> Option<&'static str> {
    let odd = path.bytes().find(|byte| !byte.is_ascii_alphanumeric() && !b"-_./".contains(byte));
    match odd {
        Some(b'%') => {
            return Some("found a percent-encoded character; ids, uids and names of Svix need none");
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
    fn the_creation_of_a_message_has_two_spellings_and_no_third() {
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
            assert!(matches!(read("POST", path, false), Target::Odd(_)), "{path}");
        }
        for path in
            ["/API/v1/app/a/msg", "/api/v1/app/a/msg/x/y", "/api/v1/app/a/MSG", "/api/v2/app/a/msg", "/"]
        {
            assert_eq!(read("POST", path, false), Target::Unknown, "{path}");
        }
    }

    #[test]
    fn what_passes_is_in_the_list() {
        assert_eq!(read("GET", "/api/v1/app/a/msg", false), Target::Pass);
        assert_eq!(read("HEAD", "/api/v1/app/a/msg/", false), Target::Pass);
        assert_eq!(read("DELETE", "/api/v1/app/a/msg", false), Target::Unknown);
        assert_eq!(read("POST", "/api/v1/app/a/msg/batch", false), Target::Unknown);
        assert_eq!(read("GET", "/api/v1/app/a/msg", true), Target::Unknown);
        assert_eq!(read("GET", "/api/v1/health", true), Target::Unknown);
        assert_eq!(read("CONNECT", "", false), Target::Odd("expected a path that begins with `/`"));
        assert_eq!(read("OPTIONS", "/api/v1/app/a/msg", true), Target::Methods(&["POST"]));
        assert_eq!(read("OPTIONS", "/api/v1/app/a/msg", false), Target::Methods(&["GET", "POST"]));
    }

    #[test]
    fn a_check_names_its_event_type() {
        assert_eq!(read("POST", "/validate/a.b", true), Target::Check("a.b"));
        assert_eq!(read("GET", "/validate/a.b", true), Target::Unknown);
        for path in ["/validate/", "/validate/a/b", "/validate/a%2eb", "/validate/.."] {
            assert_eq!(read("POST", path, true), Target::Unknown, "{path}");
        }
    }
}
