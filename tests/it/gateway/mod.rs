//! The gateway on the wire: what it forwards and what it rejects. Its pure parts have unit tests of their own.

mod bypasses;
mod commands;
mod limits;
mod operations;
mod policies;
mod sdks;
mod shares;
mod suite;
mod wire;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use svix_operator::{
    api::{JsonObject, PayloadPolicy},
    catalogue::{Catalogue, Declared},
    gateway::{Gateway, Options},
    telemetry::Metrics,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const SEND: &str = "/api/v1/app/default/msg";

/// A request as the server behind the gateway received it.
#[derive(Clone, Debug)]
struct ReceivedRequest {
    line: String,
    headers: hyper::HeaderMap,
    body: Vec<u8>,
}

/// A server that responds alike to every request and records it.
#[derive(Clone)]
struct Recorder {
    requests: Arc<Mutex<Vec<ReceivedRequest>>>,
    status: hyper::StatusCode,
    body: &'static str,
}

impl Default for Recorder {
    fn default() -> Self {
        Self { requests: Arc::default(), status: hyper::StatusCode::ACCEPTED, body: r#"{"id": "msg_1"}"# }
    }
}

impl Recorder {
    /// A server that responds with 200 and this body.
    fn responding(body: &'static str) -> Self {
        Self { status: hyper::StatusCode::OK, body, ..Self::default() }
    }

    async fn start(&self) -> SocketAddr {
        let (requests, status, response) = (self.requests.clone(), self.status, self.body);
        let app = axum::Router::new().fallback(async move |request: axum::extract::Request| {
            let (parts, body) = request.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
            let line = format!("{} {}", parts.method, parts.uri);
            requests.lock().unwrap().push(ReceivedRequest { line, headers: parts.headers, body });
            let headers = [
                ("content-type", "application/json"),
                ("x-from", "svix"),
                ("connection", "x-hop"),
                ("x-hop", "1"),
            ];
            (status, headers, response)
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        address
    }

    fn requests(&self) -> Vec<ReceivedRequest> {
        self.requests.lock().unwrap().clone()
    }
}

/// A gateway in front of a recorder. The event types `a.enforce`, `a.warn` and `a.audit` are declared; their payloads
/// require an integer `n`.
struct Harness {
    upstream: Recorder,
    address: SocketAddr,
    catalogue: Catalogue,
    metrics: Metrics,
    _stop: DropGuard,
}

fn schema() -> Value {
    json!({"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}})
}

fn declared(schema: &Value, policy: PayloadPolicy) -> Declared {
    Declared { schema: Some(JsonObject::from_value(schema).unwrap()), format_assertion: true, policy }
}

fn catalogue() -> Catalogue {
    let catalogue = Catalogue::default();
    for (name, policy) in [
        ("a.enforce", PayloadPolicy::Enforce),
        ("a.warn", PayloadPolicy::Warn),
        ("a.audit", PayloadPolicy::Audit),
    ] {
        catalogue.put("default", name, declared(&schema(), policy)).unwrap();
    }
    catalogue.loaded();
    catalogue
}

impl Harness {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let upstream = Recorder::default();
        let address = upstream.start().await;
        Self::in_front_of(&format!("http://{address}"), upstream, change).await
    }

    async fn in_front_of(url: &str, upstream: Recorder, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..Options::new(url) };
        change(&mut options);
        let (catalogue, metrics, stop) = (catalogue(), Metrics::default(), CancellationToken::new());
        let gateway =
            Gateway::start(options, catalogue.clone(), metrics.clone(), stop.clone()).await.unwrap();
        Self { upstream, address: gateway.address(), catalogue, metrics, _stop: stop.drop_guard() }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sends bytes, and reads the response until the gateway closes the connection.
    async fn raw(&self, bytes: &[u8]) -> HttpResponse {
        raw(self.address, bytes).await
    }

    /// Sends a POST with this body, and with headers in the form `name: value`.
    async fn post(&self, path: &str, headers: &[&str], body: impl AsRef<[u8]>) -> HttpResponse {
        let body = body.as_ref();
        let mut head = format!("POST {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n");
        headers.iter().for_each(|header| head.push_str(&format!("{header}\r\n")));
        let mut bytes = format!("{head}content-length: {}\r\n\r\n", body.len()).into_bytes();
        bytes.extend_from_slice(body);
        self.raw(&bytes).await
    }

    async fn send(&self, event_type: &str, payload: &str) -> HttpResponse {
        let body = format!(r#"{{"eventType": "{event_type}", "payload": {payload}}}"#);
        self.post(SEND, &["content-type: application/json"], body).await
    }

    /// Checks that a line is among the gateway's metrics; the error is all metrics.
    fn check_metric(&self, line: &str) -> Result<(), String> {
        let text = self.metrics.encode();
        if text.lines().any(|it| it == format!("svix_operator_gateway_{line}")) { Ok(()) } else { Err(text) }
    }
}

async fn raw(address: SocketAddr, bytes: &[u8]) -> HttpResponse {
    let read = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let (mut from, mut to) = stream.split();
        let mut text = Vec::new();
        // The gateway may respond before everything is written; the rest is then not read.
        let _ = tokio::join!(to.write_all(bytes), from.read_to_end(&mut text));
        HttpResponse::read(&text)
    };
    tokio::time::timeout(PATIENCE, read).await.expect("a response in time")
}

#[derive(Debug)]
struct HttpResponse {
    status: u16,
    head: String,
    body: String,
}

impl HttpResponse {
    fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        Self { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Checks that this is an error with a code, in Svix's format.
    #[track_caller]
    fn expect_code(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{self:?}");
        let body = self.json();
        assert_eq!(body["code"], code, "{self:?}");
        assert!(body["detail"].is_string() && body.as_object().unwrap().len() == 2, "{self:?}");
    }

    /// Checks that this is a 422 that names a field, given as `body.payload.n`. Returns the message about the field.
    #[track_caller]
    fn expect_invalid(&self, place: &str) -> String {
        assert_eq!(self.status, 422, "{self:?}");
        let body = self.json();
        let place: Vec<&str> = place.split('.').collect();
        let found = body["detail"].as_array().unwrap().iter().find(|it| it["loc"] == json!(place));
        let found = found.unwrap_or_else(|| panic!("no error of {place:?}: {self:?}"));
        assert_eq!(found["type"], "value_error");
        found["msg"].as_str().unwrap().to_owned()
    }
}
