//! The stable short name of the operation that a request asks for, derived before the request is routed.

use axum::http::Method;

/// The name of a request that is no operation.
pub(crate) const UNKNOWN: &str = "unknown";

/// Returns the name of `method` on `path`, or `unknown`.
pub(crate) fn name(method: &Method, path: &str) -> &'static str {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let ["api", "v1", rest @ ..] = segments.as_slice() else { return UNKNOWN };
    match (method.as_str(), rest) {
        ("GET" | "HEAD", ["health"]) => "health.get",
        ("GET" | "HEAD", ["health", "ping"]) => "health.ping",
        ("GET", ["event-type"]) => "event-type.list",
        ("POST", ["event-type"]) => "event-type.create",
        ("GET", ["event-type", _]) => "event-type.get",
        ("PUT", ["event-type", _]) => "event-type.update",
        ("PATCH", ["event-type", _]) => "event-type.patch",
        ("DELETE", ["event-type", _]) => "event-type.delete",
        ("GET", ["app"]) => "application.list",
        ("POST", ["app"]) => "application.create",
        ("GET", ["app", _]) => "application.get",
        ("PUT", ["app", _]) => "application.update",
        ("PATCH", ["app", _]) => "application.patch",
        ("DELETE", ["app", _]) => "application.delete",
        ("GET", ["app", _, "endpoint"]) => "endpoint.list",
        ("POST", ["app", _, "endpoint"]) => "endpoint.create",
        ("GET", ["app", _, "endpoint", _]) => "endpoint.get",
        ("PUT", ["app", _, "endpoint", _]) => "endpoint.update",
        ("PATCH", ["app", _, "endpoint", _]) => "endpoint.patch",
        ("DELETE", ["app", _, "endpoint", _]) => "endpoint.delete",
        ("GET", ["app", _, "endpoint", _, "headers"]) => "endpoint.get-headers",
        ("PUT", ["app", _, "endpoint", _, "headers"]) => "endpoint.update-headers",
        ("PATCH", ["app", _, "endpoint", _, "headers"]) => "endpoint.patch-headers",
        ("GET", ["app", _, "endpoint", _, "secret"]) => "endpoint.get-secret",
        ("POST", ["app", _, "endpoint", _, "secret", "rotate"]) => "endpoint.rotate-secret",
        ("GET", ["app", _, "endpoint", _, "stats"]) => "endpoint.get-stats",
        ("POST", ["app", _, "endpoint", _, "recover"]) => "endpoint.recover",
        ("POST", ["app", _, "endpoint", _, "send-example"]) => "endpoint.send-example",
        ("GET", ["app", _, "endpoint", _, "msg"]) => "message-attempt.list-attempted-messages",
        ("GET", ["app", _, "msg"]) => "message.list",
        ("POST", ["app", _, "msg"]) => "message.create",
        ("GET", ["app", _, "msg", _]) => "message.get",
        ("DELETE", ["app", _, "msg", _, "content"]) => "message.expunge-content",
        ("GET", ["app", _, "msg", _, "attempt", _]) => "message-attempt.get",
        ("GET", ["app", _, "msg", _, "endpoint"]) => "message-attempt.list-attempted-destinations",
        ("POST", ["app", _, "msg", _, "endpoint", _, "resend"]) => "message-attempt.resend",
        ("GET", ["app", _, "attempt", "endpoint", _]) => "message-attempt.list-by-endpoint",
        ("GET", ["app", _, "attempt", "msg", _]) => "message-attempt.list-by-msg",
        _ => UNKNOWN,
    }
}

/// Whether an operation of this method changes what the server stores.
pub(crate) fn is_write(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}
