//! `apply` and `diff` as processes, beside bare calls of the same requests.

use std::{
    fmt::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use svix_operator::embedded::{self, EmbeddedSvix, FaultPlan};

use crate::{
    CONCURRENCY,
    support::svix_server,
    table::{Table, median},
};

const EVENT_TYPES: usize = 1_000;
const ENDPOINTS: usize = 10_000;
const ROUNDS: usize = 3;
/// As of a server in another region. With less, the start of a process is most of what is measured.
const LATENCIES: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(3)];

const CONNECTION: &str = "\
apiVersion: svix-operator.dev/v1alpha1
kind: SvixConnection
metadata: {name: default}
spec: {ownerId: prod, tokenSecretRef: {name: svix-token, key: token}}
";

pub async fn run(table: &mut Table) {
    for latency in LATENCIES {
        apply(table, latency).await;
        diff(table, latency).await;
    }
}

async fn apply(table: &mut Table, latency: Duration) {
    let folder = tempfile::tempdir().unwrap();
    let event_types = folder.path().join("event-types");
    write(&event_types, &event_type_manifests());
    let (mut ours, mut bare, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let svix = start(latency).await;
        let took = bare_posts(&svix).await;
        let alone = EVENT_TYPES as f64 / took.as_secs_f64();
        let svix = start(latency).await;
        let took = command(&svix, &["apply", "--yes", "--requests-per-second", "0"], &event_types).await;
        assert_eq!(svix.snapshot().event_types.len(), EVENT_TYPES);
        let rate = EVENT_TYPES as f64 / took.as_secs_f64();
        println!("apply at {latency:?}: {rate:.0}/s, bare {alone:.0}/s");
        ours.push(rate);
        bare.push(alone);
        ratios.push(rate / alone);
    }
    table.add(
        &format!("apply of 1,000 event types as a process, Svix responds after {} ms", latency.as_millis()),
        format!("{:.0} writes/s, {:.2} of the baseline", median(ours), median(ratios)),
        format!("bare POSTs, {:.0}/s", median(bare)),
        "0.9".to_owned(),
    );
}

async fn diff(table: &mut Table, latency: Duration) {
    let folder = tempfile::tempdir().unwrap();
    let all = folder.path().join("all");
    write(&all, &(event_type_manifests() + &endpoint_manifests()));
    let svix = start(Duration::ZERO).await;
    command(&svix, &["apply", "--yes", "--requests-per-second", "0"], &all).await;
    assert_eq!(svix.snapshot().applications["default"].endpoints.len(), ENDPOINTS);
    svix.faults().set(FaultPlan { latency, ..FaultPlan::default() });
    let (mut ours, mut bare, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let alone = listing(&svix).await;
        let took = command(&svix, &["diff", "--requests-per-second", "0"], &all).await;
        println!("diff at {latency:?}: {took:?}, the listing alone {alone:?}");
        ours.push(took.as_secs_f64());
        bare.push(alone.as_secs_f64());
        ratios.push(took.as_secs_f64() / alone.as_secs_f64());
    }
    table.add(
        &format!(
            "diff of 1,000 event types + 10,000 endpoints without a change, Svix responds after {} ms",
            latency.as_millis()
        ),
        format!("{:.2} s, {:.2} × the baseline", median(ours), median(ratios)),
        format!("the listing alone, {:.2} s", median(bare)),
        "1.3 ×".to_owned(),
    );
}

async fn start(latency: Duration) -> EmbeddedSvix {
    let options = embedded::Options { record_calls: false, ..embedded::Options::default() };
    let svix = svix_server::start_with(options).await;
    svix.faults().set(FaultPlan { latency, ..FaultPlan::default() });
    svix
}

/// Runs a command, which must end with 0. Returns how long it took.
async fn command(svix: &EmbeddedSvix, arguments: &[&str], folder: &Path) -> Duration {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_svix-operator"));
    command.args(arguments).arg(folder).env("SVIX_URL", svix.url()).env("SVIX_TOKEN", svix.token());
    let begun = Instant::now();
    let output = command.output().await.unwrap();
    let took = begun.elapsed();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    took
}

fn write(folder: &Path, text: &str) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("manifests.yaml"), format!("{CONNECTION}{text}")).unwrap();
}

fn name(index: usize) -> String {
    format!("bench.event{index:04}")
}

fn schema(name: &str) -> Value {
    json!({
        "type": "object", "title": name, "required": ["id"],
        "properties": {"id": {"type": "string"}, "at": {"type": "string", "format": "date-time"}},
    })
}

fn event_type_manifests() -> String {
    (0..EVENT_TYPES).fold(String::new(), |mut text, index| {
        let name = name(index);
        let schema = schema(&name);
        let _ = write!(
            text,
            "---\napiVersion: svix-operator.dev/v1alpha1\nkind: WebhookEventType\nmetadata: {{name: {name}, namespace: shop}}\n\
             spec:\n  schema: {schema}\n"
        );
        text
    })
}

fn endpoint_manifests() -> String {
    (0..ENDPOINTS).fold(String::new(), |mut text, index| {
        let event_type = name(index % EVENT_TYPES);
        let _ = write!(
            text,
            "---\napiVersion: svix-operator.dev/v1alpha1\nkind: WebhookEndpoint\nmetadata: {{name: hook{index:05}, namespace: shop}}\n\
             spec:\n  url: https://hooks.example.org/{index}\n  eventTypes: [{event_type}]\n"
        );
        text
    })
}

fn client(svix: &EmbeddedSvix) -> reqwest::Client {
    let mut headers = reqwest::header::HeaderMap::new();
    headers.insert("authorization", format!("Bearer {}", svix.token()).parse().unwrap());
    reqwest::Client::builder().default_headers(headers).tcp_nodelay(true).build().unwrap()
}

async fn bare_posts(svix: &EmbeddedSvix) -> Duration {
    let (http, url) = (client(svix), format!("{}/api/v1/event-type", svix.url()));
    let bodies: Vec<_> = (0..EVENT_TYPES)
        .map(|index| {
            let name = name(index);
            json!({"name": name, "description": "", "schemas": {"1": schema(&name)}})
        })
        .collect();
    let begun = Instant::now();
    stream::iter(bodies)
        .for_each_concurrent(CONCURRENCY, |body| {
            let request = http.post(&url).json(&body);
            async move {
                let response = request.send().await.unwrap();
                assert!(response.status().is_success(), "{}", response.status());
                response.bytes().await.unwrap();
            }
        })
        .await;
    begun.elapsed()
}

/// The calls that a listing of everything takes.
async fn listing(svix: &EmbeddedSvix) -> Duration {
    let http = client(svix);
    let begun = Instant::now();
    for path in
        ["event-type?limit=250&include_archived=true&with_content=true", "app/default/endpoint?limit=250"]
    {
        let mut iterator = String::new();
        loop {
            let url = format!("{}/api/v1/{path}{iterator}", svix.url());
            let page: Value = http.get(url).send().await.unwrap().json().await.unwrap();
            if page["done"] == true {
                break;
            }
            iterator = format!("&iterator={}", page["iterator"].as_str().unwrap());
        }
    }
    begun.elapsed()
}
