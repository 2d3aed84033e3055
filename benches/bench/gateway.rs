//! What the gateway costs, beside the same calls without it.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::support::svix_server;
use hyper::{
    Request, Response,
    body::{Body as _, Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use svix_operator::{
    api::{JsonObject, PayloadPolicy},
    catalogue::{Catalogue, Declared},
    embedded::{self, FaultPlan},
    gateway::{Gateway, Options},
    schema,
    telemetry::Metrics,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

use crate::table::{Table, median};

const CONNECTIONS: usize = 32;
const ROUND: Duration = Duration::from_secs(3);
const ROUNDS: usize = 3;

pub async fn run(table: &mut Table) {
    let stop = CancellationToken::new();
    check(table, &stop).await;
    slow(table, &stop).await;
    fast(table, &stop).await;
    stop.cancel();
}

fn catalogue() -> Catalogue {
    let schema = json!({
        "type": "object", "required": ["id", "items"], "additionalProperties": false,
        "properties": {"id": {"type": "string"}, "items": {"type": "array", "items": {
            "type": "object", "required": ["sku", "count", "at"],
            "properties": {
                "sku": {"type": "string", "pattern": "^[A-Z]{3}-[0-9]+$"}, "count": {"type": "integer", "minimum": 1},
                "at": {"type": "string", "format": "date-time"}, "note": {"type": "string", "maxLength": 100},
            },
        }}},
    });
    let catalogue = Catalogue::default();
    let schema = JsonObject::from_value(&schema).unwrap();
    let declared = Declared { schema: Some(schema), format_assertion: true, policy: PayloadPolicy::Enforce };
    catalogue.put("default", "bench.event", declared).unwrap();
    // What parses and validates nothing.
    let any = Declared {
        schema: Some(JsonObject::parse("{}").unwrap()),
        format_assertion: true,
        policy: PayloadPolicy::Enforce,
    };
    catalogue.put("default", "bench.any", any).unwrap();
    catalogue.loaded();
    catalogue
}

/// A payload of about so many bytes.
fn payload(bytes: usize) -> Value {
    let item = |i: usize| json!({"sku": format!("ABC-{i}"), "count": 3, "at": "2026-01-31T09:30:00Z", "note": "x".repeat(30)});
    let each = item(100).to_string().len() + 1;
    json!({"id": "o-1", "items": (0..bytes / each).map(item).collect::<Vec<_>>()})
}

async fn gateway(url: &str, stop: &CancellationToken) -> SocketAddr {
    let options = Options { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..Options::new(url) };
    let gateway = Gateway::start(options, catalogue(), Metrics::default(), stop.clone()).await.unwrap();
    gateway.address()
}

/// (a) The rate of /validate, by a schema and by one that asks for nothing; and a server that only parses.
async fn check(table: &mut Table, stop: &CancellationToken) {
    let address = gateway("http://127.0.0.1:9", stop).await;
    let parsing = parse_only().await;
    for size in [2 * 1024, 10 * 1024] {
        let body = payload(size).to_string();
        let judged = request("/validate/bench.event", "", &body);
        let (mut ours, mut any, mut bare, mut ratios) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(rate(address, &judged).await);
            any.push(rate(address, &request("/validate/bench.any", "", &body)).await);
            bare.push(rate(parsing, &judged).await);
            ratios.push(ours[ours.len() - 1] / any[any.len() - 1]);
        }
        table.add(
            &format!("/validate of {} KB", size / 1024),
            format!("{:.0}/s, {:.2} of the baseline", median(ours), median(ratios)),
            format!(
                "the same without validating, {:.0}/s; bare hyper that parses, {:.0}/s",
                median(any),
                median(bare)
            ),
            "0.75".to_owned(),
        );
    }
}

/// (b) Gateway against direct, an embedded Svix that takes 5 ms.
async fn slow(table: &mut Table, stop: &CancellationToken) {
    let options = embedded::Options { record_calls: false, ..embedded::Options::default() };
    let svix = svix_server::start_with(options).await;
    let http = reqwest::Client::new();
    let app = json!({"name": "default", "uid": "default"});
    http.post(format!("{}/api/v1/app", svix.url()))
        .bearer_auth(svix.token())
        .json(&app)
        .send()
        .await
        .unwrap();
    svix.faults().set(FaultPlan { latency: Duration::from_millis(5), ..FaultPlan::default() });
    let direct: SocketAddr = svix.url().trim_start_matches("http://").parse().unwrap();
    let through = gateway(&svix.url(), stop).await;
    let token = format!("authorization: Bearer {}\r\n", svix.token());
    compare(table, "gateway, embedded Svix with 5 ms", through, direct, &token, "0.95, 200 µs").await;
    svix.shutdown().await;
}

/// (c) Gateway against direct, a server that answers at once.
async fn fast(table: &mut Table, stop: &CancellationToken) {
    let direct = at_once().await;
    let through = gateway(&format!("http://{direct}"), stop).await;
    compare(table, "gateway, a Svix that answers at once", through, direct, "", "25,000/s").await;
    // Alone, so that nothing waits for anything else: what the way through the gateway takes. (The embedded Svix's
    // latency ends on whole milliseconds, so beside it a tenth of one may show as a half.)
    let body = json!({"eventType": "bench.event", "payload": payload(400)}).to_string();
    let request = request("/api/v1/app/default/msg", "", &body);
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(load(through, &request, 1).await.median);
        bare.push(load(direct, &request, 1).await.median);
    }
    let (ours, bare) = (median(ours), median(bare));
    table.add(
        "gateway, the same, one message at a time",
        format!("median {} µs, {} µs later", ours.as_micros(), (ours - bare).as_micros()),
        format!("direct, {} µs", bare.as_micros()),
        "200 µs".to_owned(),
    );
}

async fn compare(
    table: &mut Table,
    what: &str,
    through: SocketAddr,
    direct: SocketAddr,
    header: &str,
    target: &str,
) {
    let body = json!({"eventType": "bench.event", "payload": payload(400)}).to_string();
    let request = request("/api/v1/app/default/msg", header, &body);
    let (mut ours, mut bare, mut ratios, mut later) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (through, direct) =
            (load(through, &request, CONNECTIONS).await, load(direct, &request, CONNECTIONS).await);
        ours.push(through.rate);
        bare.push(direct.rate);
        ratios.push(through.rate / direct.rate);
        later.push((through.median.as_secs_f64() - direct.median.as_secs_f64()) * 1e6);
    }
    table.add(
        what,
        format!(
            "{:.0} messages/s, {:.2} of the baseline; median {:.0} µs later",
            median(ours),
            median(ratios),
            median(later)
        ),
        format!("direct, {:.0}/s", median(bare)),
        target.to_owned(),
    );
}

fn request(path: &str, header: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{header}content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

async fn rate(address: SocketAddr, request: &[u8]) -> f64 {
    load(address, request, CONNECTIONS).await.rate
}

/// What came of a round of requests.
struct Load {
    /// How many were answered in a second.
    rate: f64,
    /// How long the middle one took.
    median: Duration,
}

/// How many of these requests a second a server answers, and how long one takes. The generator is as cheap as can be, since it shares
/// the processors: bytes out, bytes in, and a look at the status and the length.
async fn load(address: SocketAddr, request: &[u8], connections: usize) -> Load {
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let request: Arc<[u8]> = request.into();
    let begun = Instant::now();
    let clients: Vec<_> = (0..connections)
        .map(|_| {
            let (stop, done, request) = (stop.clone(), done.clone(), request.clone());
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let mut buffer = vec![0; 64 * 1024];
                let mut took = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let asked = Instant::now();
                    stream.write_all(&request).await.unwrap();
                    let mut filled = 0;
                    loop {
                        let read = stream.read(&mut buffer[filled..]).await.unwrap();
                        assert!(read > 0, "the connection ended");
                        filled += read;
                        if let Some(whole) = whole(&buffer[..filled]) {
                            assert!(whole, "{}", String::from_utf8_lossy(&buffer[..filled]));
                            break;
                        }
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                    took.push(asked.elapsed());
                }
                took
            })
        })
        .collect();
    tokio::time::sleep(ROUND).await;
    let (count, took) = (done.load(Ordering::Relaxed), begun.elapsed());
    stop.store(true, Ordering::Relaxed);
    let mut each = Vec::new();
    for client in clients {
        each.extend(client.await.unwrap());
    }
    Load { rate: count as f64 / took.as_secs_f64(), median: median(each) }
}

/// Whether an answer is there as a whole, and then whether it is a success.
fn whole(bytes: &[u8]) -> Option<bool> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
    })?;
    (bytes.len() >= end + length).then(|| head.starts_with("HTTP/1.1 2"))
}

/// A hyper server that parses each body as strictly, and judges nothing.
async fn parse_only() -> SocketAddr {
    serve(|request| async move {
        let body = axum::body::to_bytes(axum::body::Body::new(request.into_body()), 2 << 20).await.unwrap();
        schema::parse(&body).unwrap();
        r#"{"valid":true}"#
    })
    .await
}

/// A hyper server that reads each body and answers at once.
async fn at_once() -> SocketAddr {
    serve(|request| async move {
        let mut body = request.into_body();
        while let Some(frame) = std::future::poll_fn(|cx| std::pin::Pin::new(&mut body).poll_frame(cx)).await
        {
            frame.unwrap();
        }
        r#"{"id":"msg_1","eventType":"bench.event","payload":{}}"#
    })
    .await
}

async fn serve<F: Future<Output = &'static str> + Send + 'static>(
    answer: impl Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            let answer = answer.clone();
            let service = service_fn(move |request| {
                let answering = answer(request);
                async move {
                    let body = axum::body::Body::from(Bytes::from_static(answering.await.as_bytes()));
                    Ok::<_, Infallible>(Response::new(body))
                }
            });
            tokio::spawn(async move {
                http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
            });
        }
    });
    address
}
