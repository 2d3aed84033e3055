//! Peak memory of the program under hostile input, as the kernel counts it, within the limits of the chart.

use std::{
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::support::{
    harness::PATIENCE,
    objects::event_type,
    ports::free_address,
    process::{LIMIT_OF_SIDECARS, peak_mib},
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
    _svix: RawServer,
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
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let gateway = Self { process, address, _folder: folder, _svix: svix };
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
