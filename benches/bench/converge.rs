//! From nothing to all in step, beside bare POSTs of the same bodies.

use std::{sync::Arc, time::Instant};

use crate::support::svix_server;
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use svix_operator::{
    embedded::{self, EmbeddedSvix, FaultPlan},
    engine::{Object, Options},
    manifests::{ManifestRunner, References},
    telemetry::Metrics,
};

use crate::{
    CONCURRENCY, LATENCY,
    support::objects::{Manifest, connection, endpoint, event_type},
    table::{Table, median},
};

const EVENT_TYPES: usize = 1_000;
const ENDPOINTS: usize = 1_000;
const ROUNDS: usize = 3;

/// A server of one's own for each round, or the one that the environment names.
struct Target {
    url: String,
    token: String,
    _embedded: Option<EmbeddedSvix>,
}

impl Target {
    async fn new() -> Self {
        if let (Ok(url), Ok(token)) = (std::env::var("SVIX_SERVER_URL"), std::env::var("SVIX_TOKEN")) {
            return Self { url, token, _embedded: None };
        }
        let options = embedded::Options { record_calls: false, ..embedded::Options::default() };
        let svix = svix_server::start_with(options).await;
        svix.faults().set(FaultPlan { latency: LATENCY, ..FaultPlan::default() });
        Self { url: svix.url(), token: svix.token().to_owned(), _embedded: Some(svix) }
    }
}

pub async fn run(table: &mut Table) {
    let mut ratios = Vec::new();
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // Names of its own, for a server that keeps what it was given.
        let name = format!("bench{}r{round}", std::process::id());
        let target = Target::new().await;
        let alone = bare_posts(&target, &format!("{name}b")).await;
        clean(&target, &format!("{name}b")).await;
        let target = Target::new().await;
        let engine = converge(&target, &name).await;
        clean(&target, &name).await;
        println!("round {round}: engine {engine:.0}/s, bare {alone:.0}/s");
        ratios.push(engine / alone);
        ours.push(engine);
        bare.push(alone);
    }
    table.add(
        "converge 1,000 event types + 1,000 endpoints",
        format!("{:.0} writes/s, {:.2} of the baseline", median(ours), median(ratios)),
        format!("bare POSTs, {:.0}/s", median(bare)),
        "0.9".to_owned(),
    );
}

fn event_type_names(name: &str) -> Vec<String> {
    (0..EVENT_TYPES).map(|i| format!("{name}.event{i:04}")).collect()
}

fn schema(name: &str) -> Value {
    json!({
        "type": "object", "title": name, "required": ["id"],
        "properties": {"id": {"type": "string"}, "at": {"type": "string", "format": "date-time"}},
    })
}

async fn converge(target: &Target, name: &str) -> f64 {
    let names = event_type_names(name);
    let mut manifests: Vec<Manifest> =
        vec![connection(&target.url).with("ownerId", name).with("defaultApplication", name)];
    manifests.extend(names.iter().map(|name| event_type(name).with("schema", schema(name))));
    manifests.extend((0..ENDPOINTS).map(|i| endpoint(&format!("hook{i:04}"), &[&names[i % EVENT_TYPES]])));
    let objects: Vec<Object> = manifests.iter().map(Manifest::object).collect();
    let references = References { token: target.token.clone(), ..References::default() };
    let session = ManifestRunner::start(
        references.clone(),
        Options { concurrency: CONCURRENCY, ..Options::default() },
        Metrics::default(),
        |_, _| {},
    );
    let begun = Instant::now();
    session.declare(objects, references);
    loop {
        if session.is_idle() && session.objects().iter().all(|object| object.ready() == Some(true)) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    let took = begun.elapsed();
    session.stop().await;
    (EVENT_TYPES + ENDPOINTS) as f64 / took.as_secs_f64()
}

async fn bare_posts(target: &Target, name: &str) -> f64 {
    let http = client(target);
    let names = event_type_names(name);
    let base = format!("{}/api/v1", target.url);
    let post = |path: String, body: Value| {
        let (http, base) = (http.clone(), base.clone());
        async move {
            let answer = http.post(format!("{base}{path}")).json(&body).send().await.unwrap();
            assert!(answer.status().is_success(), "{}", answer.status());
            answer.bytes().await.unwrap();
        }
    };
    let types: Vec<_> = names
        .iter()
        .map(|name| {
            (
                "/event-type".to_owned(),
                json!({"name": name, "description": "", "schemas": {"1": schema(name)}}),
            )
        })
        .collect();
    let endpoints: Vec<_> = (0..ENDPOINTS)
        .map(|i| {
            let hook = format!("hook{i:04}");
            let body = json!({
                "url": format!("https://hooks.example.org/{hook}"), "uid": format!("{name}.default.{hook}"),
                "eventTypes": [names[i % EVENT_TYPES]],
                "metadata": {"svix-operator.dev/owner": format!("{name}/default/{hook}")},
            });
            (format!("/app/{name}/endpoint"), body)
        })
        .collect();
    let begun = Instant::now();
    post("/app".to_owned(), json!({"uid": name, "name": name})).await;
    for bodies in [types, endpoints] {
        stream::iter(bodies).for_each_concurrent(CONCURRENCY, |(path, body)| post(path, body)).await;
    }
    (EVENT_TYPES + ENDPOINTS) as f64 / begun.elapsed().as_secs_f64()
}

fn client(target: &Target) -> reqwest::Client {
    let mut headers = reqwest::header::HeaderMap::new();
    headers.insert("authorization", format!("Bearer {}", target.token).parse().unwrap());
    reqwest::Client::builder().default_headers(headers).tcp_nodelay(true).build().unwrap()
}

/// Leaves nothing behind on a server that stays.
async fn clean(target: &Target, name: &str) {
    if target._embedded.is_some() {
        return;
    }
    let http = Arc::new(client(target));
    let base = format!("{}/api/v1", target.url);
    let _ = http.delete(format!("{base}/app/{name}")).send().await;
    stream::iter(event_type_names(name))
        .for_each_concurrent(CONCURRENCY, |name| {
            let request = http.delete(format!("{base}/event-type/{name}?expunge=true"));
            async move {
                let _ = request.send().await;
            }
        })
        .await;
}
