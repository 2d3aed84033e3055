//! The operations of Svix's API that pass through: those of the open-source server's own specification.
//!
//! A list of what may pass, not of what may not: an operation that a later server adds, and that could carry a
//! payload past the judgement, does not pass until somebody has thought about it.

/// Paths below `/api/v1/`, `*` standing for an id, uid or name; and the methods that each takes.
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

/// Every operation as method and path, `*` standing for an id, uid or name.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    OPERATIONS.iter().flat_map(|(path, methods)| methods.iter().map(move |method| (*method, *path)))
}

/// The methods that a path below `/api/v1/` takes; `None`: it is none of them.
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
