//! Who waits for whom: memory, threads and turns of reviews.

use std::{pin::Pin, sync::Arc};

use svix_operator::{
    admission::{EventTypeId, SchemaHistory},
    memory::MemoryPermit,
    plan::compatibility::KeptVersions,
    turns::{Caller, Sender},
};
use tokio::sync::Notify;

use super::*;

#[tokio::test]
async fn bodies_wait_for_memory() {
    let bundle = new_bundle();
    // One caller has three quarters of the memory.
    let limits = Limits { body: 102_400, bodies: 286_720, request: PATIENCE, ..Limits::default() };
    let server = Server::start(&bundle, limits).await;
    let mut padded = review();
    padded["padding"] = "x".repeat(101_000).into();

    let all: Vec<_> = (0..5)
        .map(|_| {
            // One connection per request.
            let (client, url, body) = (client(&bundle), server.url(), padded.clone());
            tokio::spawn(async move { client.post(url).json(&body).send().await.unwrap().status().as_u16() })
        })
        .collect();
    let catalogue = &server.known.catalogue;
    crate::support::wait::eventually("two to be read", PATIENCE, async || {
        (catalogue.waiting() >= 2).then_some(())
    })
    .await;

    // The other requests would have been read by now.
    let more = async {
        while catalogue.waiting() <= 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let more = tokio::time::timeout(Duration::from_millis(500), more).await;
    assert!(more.is_err(), "more than two bodies of 100 KiB are in 210 KiB: {}", catalogue.waiting());

    catalogue.loaded();
    for one in all {
        assert_eq!(one.await.unwrap(), 200);
    }
}

#[tokio::test]
async fn small_bodies_never_wait_for_large_ones() {
    let bundle = new_bundle();
    let limits = Limits { request: PATIENCE, bodies: 28 * 1024 * 1024, ..Limits::default() };
    let server = Server::start(&bundle, limits).await;
    let padded = |bytes: usize| {
        let mut padded = review();
        padded["padding"] = "x".repeat(bytes).into();
        padded
    };
    let send = |body: Value| {
        let (client, url) = (client(&bundle), server.url());
        tokio::spawn(async move { client.post(url).json(&body).send().await.unwrap().status().as_u16() })
    };
    let catalogue = &server.known.catalogue;
    let read = async |at_least: usize| {
        crate::support::wait::eventually("requests to be read", PATIENCE, async || {
            let waiting = catalogue.waiting();
            if waiting >= at_least { Ok(waiting) } else { Err(waiting.to_string()) }
        })
        .await
    };

    let mut all: Vec<_> = (0..30).map(|_| send(padded(1_000_000))).collect();
    let large = read(20).await;
    all.extend([0, 20_000, 60_000].map(|bytes| send(padded(bytes))));

    read(large + 3).await;
    assert!(catalogue.waiting() < 30, "not all large ones fit");
    catalogue.loaded();
    for one in all {
        assert_eq!(one.await.unwrap(), 200);
    }
}

#[tokio::test]
async fn small_reviews_never_wait_behind_large_ones() {
    const LARGE: usize = 256;
    let bundle = new_bundle();
    let limits = Limits { request: PATIENCE, bodies: 256 * 1024 * 1024, ..Limits::default() };
    let server = Server::start(&bundle, limits).await;
    let payload: std::collections::BTreeMap<_, _> = (0..10_000).map(|n| (format!("key{n}"), n)).collect();
    let large = json!({"request": {
        "uid": "u", "namespace": "flood", "operation": "CREATE",
        "kind": {"group": "svix-operator.dev", "kind": "WebhookEvent"},
        "object": {
            "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEvent",
            "metadata": {"name": "e", "namespace": "flood"},
            "spec": {"eventType": "a.b", "payload": payload},
        },
    }});
    let large = hyper::body::Bytes::from(large.to_string());
    let (done, mut finished) = tokio::sync::mpsc::unbounded_channel();
    let send = |body: hyper::body::Bytes, number: usize| {
        let (client, url, done) = (client(&bundle), server.url(), done.clone());
        tokio::spawn(async move {
            let status = client.post(url).body(body).send().await.unwrap().status();
            done.send((number, status.as_u16())).unwrap();
        })
    };
    let catalogue = &server.known.catalogue;
    let all_wait = async |number: usize| {
        crate::support::wait::eventually("all requests to be read", PATIENCE, async || {
            let waiting = catalogue.waiting();
            if waiting == number { Ok(()) } else { Err(waiting.to_string()) }
        })
        .await;
    };
    for number in 0..LARGE {
        send(large.clone(), number);
    }
    all_wait(LARGE).await;
    send(review().to_string().into(), LARGE);
    all_wait(LARGE + 1).await;

    catalogue.loaded();

    let mut before = 0;
    while let Some((number, status)) = finished.recv().await {
        assert_eq!(status, 200);
        if number == LARGE {
            break;
        }
        before += 1;
    }
    assert!(before < LARGE / 2, "{before} of {LARGE} large reviews came before the small one");
}

/// The test runs on one thread, so a review on it would let nothing else happen.
#[tokio::test]
async fn a_small_review_that_is_much_work_delays_no_other() {
    let bundle = new_bundle();
    let server = Server::start(&bundle, Limits { request: PATIENCE, ..Limits::default() }).await;
    let schema = JsonObject::from_value(&hostile::heavy_schema()).unwrap();
    let declared = Declared { schema: Some(schema), format_assertion: true, policy: PayloadPolicy::Enforce };
    server.known.catalogue.put("default", "a.heavy", declared).unwrap();
    server.known.catalogue.loaded();
    let heavy = json!({"request": {
        "uid": "u", "namespace": "flood", "operation": "CREATE",
        "kind": {"group": "svix-operator.dev", "kind": "WebhookEvent"},
        "object": {
            "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEvent",
            "metadata": {"name": "e", "namespace": "flood"},
            "spec": {"eventType": "a.heavy", "payload": hostile::heavy_payload()},
        },
    }});
    let order = std::sync::Mutex::new(Vec::new());
    let send = async |name: &'static str, review: &Value| {
        let response = client(&bundle).post(server.url()).json(review).send().await.unwrap();
        let review: Value = response.json().await.unwrap();
        order.lock().unwrap().push(name);
        review["response"].clone()
    };

    let small = review();
    let (given_up, _) = tokio::join!(send("heavy", &heavy), send("small", &small));

    assert_eq!(*order.lock().unwrap(), ["small", "heavy"]);
    assert_eq!(given_up["allowed"], false);
    let cause = &given_up["status"]["details"]["causes"][0];
    assert!(cause["field"].as_str().unwrap().starts_with("/spec/payload/a/"), "{cause}");
    assert!(cause["message"].as_str().unwrap().contains("more than 40000000 steps"), "{cause}");
}

#[tokio::test]
async fn small_reviews_do_not_wait_for_the_memory_of_large_ones() {
    let bundle = new_bundle();
    let limits = Limits { request: PATIENCE, reviews: 2, ..Limits::default() };
    let memory = MemoryBudget::default();
    let turns = ReviewTurns::new(&limits).sharing(memory.clone());
    let server = Server::start_with(&bundle, limits, turns.clone()).await;
    server.known.catalogue.loaded();
    let _all = memory.reserve(Sender::at(Caller::namespace("other")), usize::MAX).await;
    // Less than 64 KiB of text whose tree takes several MiB.
    let mut heavy = review();
    heavy["padding"] = json!(vec![json!({"": 0}); 7_000]);
    assert!(heavy.to_string().len() < 64 * 1024);
    let send = |body: &Value| {
        let (client, url, body) = (client(&bundle), server.url(), body.clone());
        tokio::spawn(async move { client.post(url).json(&body).send().await.unwrap().status() })
    };

    let mut heavy: Vec<_> = (0..8).map(|_| send(&heavy)).collect();
    tokio::time::timeout(Duration::from_millis(500), futures::future::join_all(&mut heavy))
        .await
        .expect_err("they wait for memory");
    let small = tokio::time::timeout(PATIENCE / 3, send(&review())).await;

    assert_eq!(small.expect("it does not wait").unwrap(), 200);
    assert_eq!(turns.without_turn(), Duration::ZERO, "what is large does not count for /readyz");
    heavy.iter().for_each(JoinHandle::abort);
}

/// A server of which reviews that wait for memory have all permits of large reviews.
struct Busy {
    bundle: CertificateBundle,
    server: Server,
    large: Vec<JoinHandle<reqwest::Response>>,
    _all: MemoryPermit,
}

impl Busy {
    async fn start() -> Self {
        let bundle = new_bundle();
        let limits = Limits { request: PATIENCE, ..Limits::default() };
        let memory = MemoryBudget::default();
        let turns = ReviewTurns::new(&limits).sharing(memory.clone());
        let server = Server::start_with(&bundle, limits, turns).await;
        server.known.catalogue.loaded();
        let _all = memory.reserve(Sender::at(Caller::namespace("other")), usize::MAX).await;
        let mut busy = Self { bundle, server, large: Vec::new(), _all };
        let mut large = review();
        large["padding"] = json!(vec![json!({"": 0}); 40_000]);
        busy.large = (0..8).map(|_| busy.send(&large)).collect();
        tokio::time::timeout(Duration::from_millis(500), futures::future::join_all(&mut busy.large))
            .await
            .expect_err("they wait for memory");
        busy
    }

    fn send(&self, body: &Value) -> JoinHandle<reqwest::Response> {
        let (client, url, body) = (client(&self.bundle), self.server.url(), body.clone());
        tokio::spawn(async move { client.post(url).json(&body).send().await.unwrap() })
    }

    /// Sends a review that does not wait for the large ones.
    async fn reviews(&self, body: &Value) -> reqwest::Response {
        let reviewed = tokio::time::timeout(PATIENCE / 3, self.send(body)).await;
        reviewed.expect("it does not wait").unwrap()
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.large.iter().for_each(JoinHandle::abort);
    }
}

#[tokio::test]
async fn reviews_of_ordinary_size_do_not_wait_for_large_ones() {
    let busy = Busy::start().await;
    let mut ordinary = review();
    // The size of a change of one of GitHub's schemas.
    ordinary["padding"] = "x".repeat(150_000).into();

    assert_eq!(busy.reviews(&ordinary).await.status(), 200);
}

/// A change of a schema from `integer` to `number`, which breaks.
fn change(against: &str) -> Value {
    let object = |kind: &str| {
        json!({
            "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEventType",
            "metadata": {"name": "a.b", "namespace": "tenant", "uid": "u"},
            "spec": {
                "schema": {"type": "object", "properties": {"n": {"type": kind}}},
                "compatibility": {"against": against},
            },
        })
    };
    json!({"request": {
        "uid": "u", "namespace": "tenant", "operation": "UPDATE",
        "kind": {"group": "svix-operator.dev", "kind": "WebhookEventType"},
        "object": object("number"), "oldObject": object("integer"),
    }})
}

fn breaks(response: &Value) -> bool {
    response["response"]["warnings"].to_string().contains("the schema breaks compatibility")
}

#[tokio::test]
async fn small_comparisons_do_not_wait_for_large_reviews() {
    let busy = Busy::start().await;

    let response: Value = busy.reviews(&change("Last")).await.json().await.unwrap();

    assert!(breaks(&response), "{response}");
}

/// A history that is read when somebody says so.
#[derive(Default)]
struct SlowHistory {
    asked: Notify,
    read: Notify,
}

impl SchemaHistory for SlowHistory {
    fn kept_versions<'a>(
        &'a self,
        _: &'a EventTypeId,
    ) -> Pin<Box<dyn Future<Output = KeptVersions> + Send + 'a>> {
        Box::pin(async {
            self.asked.notify_one();
            self.read.notified().await;
            KeptVersions::default()
        })
    }
}

#[tokio::test]
async fn large_reviews_do_not_wait_for_the_api_server() {
    let bundle = new_bundle();
    let limits = Limits { request: PATIENCE, large_reviews: 1, ..Limits::default() };
    let history = Arc::new(SlowHistory::default());
    let known = Known { history: Some(history.clone()), ..Known::default() };
    let server = Server::start_knowing(&bundle, limits, ReviewTurns::new(&limits), known).await;
    server.known.catalogue.loaded();
    let send = |body: Value| {
        let (client, url) = (client(&bundle), server.url());
        tokio::spawn(async move { client.post(url).json(&body).send().await.unwrap() })
    };
    let mut change = change("All");
    // Behind the kind and the operation, as in the reviews of API servers.
    change["request"]["userInfo"] = json!({"username": "x".repeat(300_000)});
    let mut large = review();
    large["padding"] = "x".repeat(300_000).into();

    let compared = send(change);
    history.asked.notified().await;
    let reviewed = tokio::time::timeout(PATIENCE / 3, send(large)).await;

    assert_eq!(reviewed.expect("it does not wait").unwrap().status(), 200);
    history.read.notify_one();
    let response: Value = compared.await.unwrap().json().await.unwrap();
    assert!(breaks(&response), "{response}");
}
