//! The operations of Svix's API that are forwarded: those in the specification of the open-source server.
//!
//! This is an allow list. An operation that a later server adds could carry a payload that is not validated; it is not
//! forwarded until it is added here.

/// Paths below `/api/v1/`, with `*` for an id, uid or name, and the methods of each.
const OPERATIONS: [(&str, &[&str]); 26] = [
    ("app", &["GET", "POST"]),
    ("app/*", &["GET", "PUT", "PATCH", "DELETE"]),
    ("app/*/attempt/endpoint/*", &["GET"]),
    ("app/*/attempt/msg/*", &["GET"]),
    ("app/*/endpoint", &["GET", "POST"]),
    ("app/*/endpoint/*", &["GET", "PUT", "PATCH", "DELETE"]),
    ("app/*/endpoint/*/headers", &["GET", "PUT", "PATCH"]),
    ("app/*/endpoint/*/msg", &["GET"]),
    ("app/*/endpoint/*/recover", &["POST"]),
    ("app/*/endpoint/*/secret", &["GET"]),
    ("app/*/endpoint/*/secret/rotate", &["POST"]),
    ("app/*/endpoint/*/send-example", &["POST"]),
    ("app/*/endpoint/*/stats", &["GET"]),
    ("app/*/msg", &["GET", "POST"]),
    ("app/*/msg/*", &["GET"]),
    ("app/*/msg/*/attempt/*", &["GET"]),
    ("app/*/msg/*/attempt/*/content", &["DELETE"]),
    ("app/*/msg/*/content", &["DELETE"]),
    ("app/*/msg/*/endpoint", &["GET"]),
    ("app/*/msg/*/endpoint/*/resend", &["POST"]),
    ("auth/app-portal-access/*", &["POST"]),
    ("auth/logout", &["POST"]),
    ("event-type", &["GET", "POST"]),
    ("event-type/*", &["GET", "PUT", "PATCH", "DELETE"]),
    ("health", &["GET", "HEAD"]),
    ("health/ping", &["GET", "HEAD"]),
];

/// Returns every operation as method and path, with `*` for an id, uid or name.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    OPERATIONS.iter().flat_map(|(path, methods)| methods.iter().map(move |method| (*method, *path)))
}

/// Returns the methods of a path below `/api/v1/`; `None` if there is no such path.
pub(super) fn methods(path: &str) -> Option<&'static [&'static str]> {
    OPERATIONS.iter().find(|(known, _)| matches(known, path)).map(|(_, methods)| *methods)
}

fn matches(known: &str, path: &str) -> bool {
    let (mut known, mut path) = (known.split('/'), path.split('/'));
    loop {
        match (known.next(), path.next()) {
            (None, None) => return true,
            (Some("*"), Some(part)) if !part.is_empty() => {}
            (Some(known), Some(part)) if known == part => {}
            _ => return false,
        }
    }
}
