//! Peak memory of the program under hostile input, as the kernel counts it, within the limits of the chart.

use std::{
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};
use svix_operator::{admission, catalogue, gateway, memory};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpSocket, TcpStream},
};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// What a connection to the gateway takes at most while no request is in progress, with headers that are withheld.
const GATEWAY_CONNECTION: usize = 28 * KIB;
/// What a request through the gateway takes at most besides its body, with the largest headers, its connection and that to Svix.
const GATEWAY_REQUEST: usize = 84 * KIB;
/// What a connection to the webhook takes at most besides a body, with its TLS session, the largest headers and the beginning of a body.
const WEBHOOK_CONNECTION: usize = 50 * KIB;
/// The heap of a process that has nothing to do.
const AT_REST: usize = 8 * MIB;
/// What the tables of all patterns may grow by.
const TABLES: usize = 4 * MIB;
/// What a large schema takes while it is compiled, or many violations while they are collected: one at a time.
const LARGE_WORK: usize = 40 * MIB;
/// What a long comparison takes, with both compiled versions, and beside it one that takes some milliseconds.
const COMPARISONS: usize = (42 + 8) * MIB;
/// What must remain of the limit. The pages of the program itself, which the kernel can drop, take up to 20 MiB.
const HEAD_ROOM: usize = 20 * MIB;

use crate::support::{
    harness::PATIENCE,
    objects::event_type,
    ports::free_address,
    process::{LIMIT_OF_SIDECARS, heap_kib, image_environment, peak_mib},
    raw_server::{Answer, RawServer},
    wait::eventually,
};

/// A payload of about a megabyte whose tree takes a hundred.
fn heavy_payload() -> String {
    format!(r#"{{"a":[{}]}}"#, vec![r#"{"":0}"#; 148_000].join(","))
}

/// A payload that takes nearly as much memory as one may.
fn largest_payload() -> String {
    format!(r#"{{"a":[{}]}}"#, vec![r#"{"":0}"#; 45_000].join(","))
}

/// The gateway as a process, with one event type and a Svix that never answers.
struct Gateway {
    process: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
    svix: RawServer,
}

impl Gateway {
    async fn start() -> Self {
        Self::with_schema(json!({"type": "object"})).await
    }

    async fn with_schema(schema: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let manifest = event_type("a.one").with("schema", schema).0;
        std::fs::write(folder.path().join("types.yaml"), manifest.to_string()).unwrap();
        let svix = RawServer::start(|_| Answer::Silence).await;
        let address = free_address();
        let process = Command::new(env!("CARGO_BIN_EXE_svix-operator"))
            .args(["webhook", "--from"])
            .arg(folder.path())
            .args(["--health-addr", &free_address().to_string()])
            .args(["--listen", &address.to_string(), "--svix-url", &format!("http://{}", svix.address)])
            .envs(image_environment())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let gateway = Self { process, address, _folder: folder, svix };
        eventually("the gateway to judge", PATIENCE, async || {
            (gateway.check("{}".to_owned()).await == Some(200)).then_some(())
        })
        .await;
        gateway
    }

    /// Returns the status of the response to `/validate`.
    async fn check(&self, payload: String) -> Option<u16> {
        let url = format!("http://{}/validate/a.one", self.address);
        let response = reqwest::Client::new().post(url).body(payload).send().await.ok()?;
        Some(response.status().as_u16())
    }

    /// Sends part of a body of 2 MiB, and leaves the rest for later.
    async fn withhold(&self, bytes: usize) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = "POST /validate/a.one HTTP/1.1\r\nhost: a\r\ncontent-length: 2097152\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        // The gateway may refuse the rest.
        let _ = stream.write_all(&vec![b' '; bytes]).await;
        stream
    }

    /// Sends the beginning of a request's headers.
    async fn withhold_head(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // The gateway may refuse it.
        let _ = stream.write_all(format!("POST / HTTP/1.1\r\na: {}", "x".repeat(15_000)).as_bytes()).await;
        stream
    }

    fn peak_mib(&self) -> u64 {
        peak_mib(self.process.id())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn payloads_beyond_the_weight_cost_the_gateway_little() {
    let gateway = Gateway::start().await;

    let heavy = heavy_payload();
    let all = futures::future::join_all((0..100).map(|_| gateway.check(heavy.clone()))).await;

    let peak = gateway.peak_mib();
    println!("gateway, 100 bodies of 1 MiB beyond the weight: {peak} MiB");
    assert!(peak < LIMIT_OF_SIDECARS, "{peak} MiB");
    assert!(all.iter().all(|status| matches!(status, Some(422 | 503))), "{all:?}");
}

#[tokio::test]
async fn all_that_is_large_at_once_fits_into_the_gateways_limit() {
    let gateway = Gateway::start().await;

    let heads = futures::future::join_all((0..900).map(|_| gateway.withhold_head())).await;
    let withheld = futures::future::join_all((0..64).map(|_| gateway.withhold(2_000_000))).await;
    let largest = largest_payload();
    let judged = futures::future::join_all((0..50).map(|_| gateway.check(largest.clone()))).await;
    let small = gateway.check("{}".to_owned()).await;

    let peak = gateway.peak_mib();
    println!("gateway, 900 withheld heads, 64 withheld bodies of 2 MB and 50 heavy ones: {peak} MiB");
    assert!(peak < LIMIT_OF_SIDECARS, "{peak} MiB");
    assert_eq!(small, Some(200), "a small body is judged all the same");
    assert!(judged.iter().all(|status| matches!(status, Some(200 | 503))), "{judged:?}");
    drop((heads, withheld));
}

#[tokio::test]
async fn payloads_cannot_fill_the_tables_of_patterns() {
    const PATTERNS: usize = 300;
    // Each text of `a` and `b` leads a DFA of one of these patterns to states of its own.
    let pattern = |i: usize| (format!("p{i}"), json!({"pattern": format!("a[ab]{{30}}c|{i}q|^[ab]+$")}));
    let properties: serde_json::Map<_, _> = (0..PATTERNS).map(pattern).collect();
    let gateway = Gateway::with_schema(json!({"type": "object", "properties": properties})).await;

    let mut random = StdRng::seed_from_u64(7);
    for _ in 0..25 {
        let text = |_| if random.random_bool(0.5) { 'a' } else { 'b' };
        let texts: String = (0..PATTERNS * 300).map(text).collect();
        let texts = texts.as_bytes().chunks(300).map(String::from_utf8_lossy).enumerate();
        let payload: serde_json::Map<_, _> = texts.map(|(i, text)| (format!("p{i}"), json!(text))).collect();
        assert_eq!(gateway.check(Value::Object(payload).to_string()).await, Some(200));
    }

    let peak = gateway.peak_mib();
    println!("gateway, 300 patterns that 25 payloads lead to other states: {peak} MiB");
    assert!(peak < LIMIT_OF_SIDECARS, "{peak} MiB");
}

/// What the webhook and the gateway can be made to use, by all callers together, fits into the limit of each; and
/// docs/security.md says so.
#[test]
fn all_that_a_process_may_use_fits_into_its_limit() {
    let [chart, example] = [
        include_str!("../../charts/svix-operator/values.yaml"),
        include_str!("../../examples/gateway/component/gateway.yaml"),
    ];
    let chart: Value = serde_yaml::from_str(chart).unwrap();
    let limit_of = |resources: &Value| {
        let limit = resources["limits"]["memory"].as_str().unwrap();
        limit.strip_suffix("Mi").unwrap().parse::<usize>().unwrap() * MIB
    };
    let limit = limit_of(&chart["webhook"]["resources"]);
    assert!(example.contains(&format!("memory: {}Mi\n", limit / MIB)), "the gateway has the same");
    let (gateway, webhook) = (gateway::Limits::default(), admission::server::Limits::default());

    let of_both = [
        ("the process at rest", AT_REST),
        ("values as trees", memory::LARGE_TOTAL + memory::SMALL_TOTAL_OF_SIDECAR),
        ("compiled schemas", catalogue::DEFAULT_COMPILED_BYTES),
        ("tables of patterns", TABLES),
        ("one compilation of a large schema, or one collection of many violations", LARGE_WORK),
    ];
    let of_webhook = [
        ("bodies, webhook", webhook.small_bodies + webhook.bodies + webhook.large_bodies),
        ("connections, webhook", webhook.connections * WEBHOOK_CONNECTION),
        ("one long comparison and a short one", COMPARISONS),
    ];
    let of_gateway = [
        ("bodies, gateway", gateway.max_buffered),
        ("requests, gateway", gateway.max_in_flight * GATEWAY_REQUEST),
        (
            "other connections, gateway",
            (gateway.max_connections - gateway.max_in_flight) * GATEWAY_CONNECTION,
        ),
    ];

    let sum = |rows: &[(&str, usize)]| rows.iter().map(|(_, bytes)| bytes).sum::<usize>();
    let (both, alone) = (sum(&of_both), [sum(&of_webhook), sum(&of_gateway)]);
    let sums = [
        ("sum, webhook alone", both + alone[0]),
        ("sum, gateway alone", both + alone[1]),
        ("sum, both in one process", both + alone[0] + alone[1]),
    ];
    for (name, sum) in &sums[..2] {
        assert!(sum + HEAD_ROOM <= limit, "{name}: {} MiB of {} MiB", sum.div_ceil(MIB), limit / MIB);
    }
    let page = include_str!("../../docs/security.md");
    let rows = of_both.into_iter().chain(of_webhook).chain(of_gateway).chain(sums);
    for (name, bytes) in rows.chain([("limit of the chart", limit)]) {
        let row = format!("| {name} | {} MiB |", bytes.div_ceil(MIB));
        assert!(
            page.lines().any(|line| line.starts_with(&row)),
            "docs/security.md has no line that begins with {row}"
        );
    }
}

/// Connects as another caller of this machine.
async fn connect_from(last: u8, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, last], 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

#[tokio::test]
async fn connections_and_requests_cost_the_gateway_what_is_counted() {
    const COUNT: usize = 400;
    let gateway = Gateway::start().await;
    let heap = || heap_kib(gateway.process.id()) * KIB;
    let before = heap();

    let mut open = Vec::new();
    for index in 0..COUNT {
        let mut stream = connect_from(2 + (index % 4) as u8, gateway.address).await;
        let head = format!("GET /api/v1/app HTTP/1.1\r\nhost: a\r\na: {}", "x".repeat(15_000));
        stream.write_all(head.as_bytes()).await.unwrap();
        open.push(stream);
    }
    // The gateway has read them all when it has read the next one.
    gateway.check("{}".to_owned()).await.unwrap();
    let connection = heap().saturating_sub(before) / COUNT;
    for stream in &mut open {
        stream.write_all(b"\r\n\r\n").await.unwrap();
    }
    eventually("the requests to be with Svix", PATIENCE, async || {
        let count = gateway.svix.requests().len();
        if count >= COUNT { Ok(()) } else { Err(count.to_string()) }
    })
    .await;
    let request = heap().saturating_sub(before) / COUNT;

    println!("gateway: {connection} bytes for each connection, {request} for each request");
    assert!(connection <= GATEWAY_CONNECTION && request <= GATEWAY_REQUEST, "{connection}, {request}");
}
