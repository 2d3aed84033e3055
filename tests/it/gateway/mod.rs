//! The gateway: what it lets through and what not, on the wire. Pure judgements have their tests beside them.

mod commands;
mod limits;
mod policies;
mod sdks;
mod slips;
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

/// A request as the server behind the gateway has got it.
#[derive(Clone, Debug)]
struct Seen {
    line: String,
    headers: hyper::HeaderMap,
    body: Vec<u8>,
}

/// A server that takes everything, and notes it.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<Seen>>>);

impl Recorder {
    async fn start(&self) -> SocketAddr {
        let seen = self.0.clone();
        let app = axum::Router::new().fallback(async move |request: axum::extract::Request| {
            let (parts, body) = request.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
            let line = format!("{} {}", parts.method, parts.uri);
            seen.lock().unwrap().push(Seen { line, headers: parts.headers, body });
            let headers = [
                ("content-type", "application/json"),
                ("x-from", "svix"),
                ("connection", "x-hop"),
                ("x-hop", "1"),
            ];
            (hyper::StatusCode::ACCEPTED, headers, r#"{"id": "msg_1"}"#)
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        address
    }

    fn all(&self) -> Vec<Seen> {
        self.0.lock().unwrap().clone()
    }
}

/// A gateway in front of a recorder. Declared are `a.enforce`, `a.warn` and `a.audit`, whose payloads have an
/// integer `n`.
struct World {
    seen: Recorder,
    address: SocketAddr,
    catalogue: Catalogue,
    metrics: Metrics,
    _stop: DropGuard,
}

fn schema() -> Value {
    json!({"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}})
}

fn declared(schema: &Value, policy: PayloadPolicy) -> Declared {
    Declared { schema: JsonObject::from_value(schema).unwrap(), format_assertion: true, policy }
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

impl World {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let seen = Recorder::default();
        let upstream = seen.start().await;
        Self::in_front_of(&format!("http://{upstream}"), seen, change).await
    }

    async fn in_front_of(url: &str, seen: Recorder, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..Options::new(url) };
        change(&mut options);
        let (catalogue, metrics, stop) = (catalogue(), Metrics::default(), CancellationToken::new());
        let gateway =
            Gateway::start(options, catalogue.clone(), metrics.clone(), stop.clone()).await.unwrap();
        Self { seen, address: gateway.address(), catalogue, metrics, _stop: stop.drop_guard() }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sends bytes, and reads until the other side closes: the status, the headers' text, the body.
    async fn raw(&self, bytes: &[u8]) -> Answer {
        raw(self.address, bytes).await
    }

    /// A POST with this body, and headers in the form `name: value`.
    async fn post(&self, path: &str, headers: &[&str], body: impl AsRef<[u8]>) -> Answer {
        let body = body.as_ref();
        let mut head = format!("POST {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n");
        headers.iter().for_each(|header| head.push_str(&format!("{header}\r\n")));
        let mut bytes = format!("{head}content-length: {}\r\n\r\n", body.len()).into_bytes();
        bytes.extend_from_slice(body);
        self.raw(&bytes).await
    }

    async fn send(&self, event_type: &str, payload: &str) -> Answer {
        let body = format!(r#"{{"eventType": "{event_type}", "payload": {payload}}}"#);
        self.post(SEND, &["content-type: application/json"], body).await
    }

    /// Whether a line is among the metrics.
    fn counts(&self, line: &str) -> Result<(), String> {
        let text = self.metrics.encode();
        if text.lines().any(|it| it == format!("svix_operator_gateway_{line}")) { Ok(()) } else { Err(text) }
    }
}

async fn raw(address: SocketAddr, bytes: &[u8]) -> Answer {
    let read = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let (mut from, mut to) = stream.split();
        let mut text = Vec::new();
        // The answer may come before all is written, and the rest is then nobody's business.
        let _ = tokio::join!(to.write_all(bytes), from.read_to_end(&mut text));
        Answer::read(&text)
    };
    tokio::time::timeout(PATIENCE, read).await.expect("an answer in time")
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
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

    /// It is this error in Svix's shape.
    #[track_caller]
    fn expect_code(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{self:?}");
        let body = self.json();
        assert_eq!(body["code"], code, "{self:?}");
        assert!(body["detail"].is_string() && body.as_object().unwrap().len() == 2, "{self:?}");
    }

    /// It is a 422 that blames this place, given as `body.payload.n`; what it says of it.
    #[track_caller]
    fn expect_invalid(&self, place: &str) -> String {
        assert_eq!(self.status, 422, "{self:?}");
        let body = self.json();
        let place: Vec<&str> = place.split('.').collect();
        let found = body["detail"].as_array().unwrap().iter().find(|it| it["loc"] == json!(place));
        let found = found.unwrap_or_else(|| panic!("nothing blames {place:?}: {self:?}"));
        assert_eq!(found["type"], "value_error");
        found["msg"].as_str().unwrap().to_owned()
    }
}
