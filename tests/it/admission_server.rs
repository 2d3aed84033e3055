//! The webhook's HTTPS server without a cluster: its limits, its shutdown, and the replacement of its certificate.

use std::{
    net::{IpAddr, SocketAddr},
    task::Poll,
    time::Duration,
};

use hyper::body::Frame;
use serde_json::{Value, json};
use svix_operator::{
    admission::{
        Known,
        certificates::{CertificateBundle, Policy, ServingCertificate, Step, apply_step},
        server::{self, Limits, ReviewTurns},
    },
    api::{JsonObject, PayloadPolicy},
    catalogue::Declared,
    memory::MemoryBudget,
    telemetry::Metrics,
    turns::{Caller, Sender},
};
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::support::hostile;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Certificates of a new authority, for 127.0.0.1.
fn new_bundle() -> CertificateBundle {
    let hour = Duration::from_secs(3600);
    let policy = Policy { authority: hour, serving: hour, settle: hour };
    let now = jiff::Timestamp::now();
    apply_step(Step::Begin, &CertificateBundle::default(), &["127.0.0.1".to_owned()], &policy, now).unwrap()
}

struct Server {
    address: SocketAddr,
    certificate: ServingCertificate,
    known: Known,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(bundle: &CertificateBundle, limits: Limits) -> Self {
        Self::start_with(bundle, limits, ReviewTurns::new(&limits)).await
    }

    async fn start_with(bundle: &CertificateBundle, limits: Limits, turns: ReviewTurns) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (certificate, known, stop) =
            (ServingCertificate::default(), Known::default(), CancellationToken::new());
        certificate.replace(bundle.pair().unwrap());
        let metrics = Metrics::default().admission();
        let parts = (certificate.clone(), known.clone(), stop.clone());
        let served = server::serve_in_turns(listener, parts.0, parts.1, metrics, limits, turns, parts.2);
        let task = tokio::spawn(async move { served.await.unwrap() });
        Self { address, certificate, known, stop, task }
    }

    fn url(&self) -> String {
        format!("https://{}/validate", self.address)
    }

    async fn wait_for_end(self) {
        tokio::time::timeout(PATIENCE, self.task).await.expect("the server to end").unwrap();
    }
}

/// A client that trusts one authority and no other.
fn client(bundle: &CertificateBundle) -> reqwest::Client {
    let ca = reqwest::Certificate::from_pem(bundle.ca_bundle().as_bytes()).unwrap();
    reqwest::Client::builder().tls_certs_only([ca]).no_proxy().build().unwrap()
}

fn review() -> Value {
    json!({"request": {"uid": "u", "operation": "DELETE", "kind": {"group": "g", "kind": "k"}}})
}

async fn allowed(client: &reqwest::Client, url: &str) -> Result<bool, reqwest::Error> {
    let review: Value = client.post(url).json(&review()).send().await?.json().await?;
    Ok(review["response"]["allowed"] == true && review["response"]["uid"] == "u")
}

#[tokio::test]
async fn a_new_certificate_does_not_affect_open_connections() {
    let (first, second) = (new_bundle(), new_bundle());
    let server = Server::start(&first, Limits::default()).await;
    server.known.catalogue.loaded();
    let old = client(&first);
    assert!(allowed(&old, &server.url()).await.unwrap());

    assert!(server.certificate.replace(second.pair().unwrap()));
    assert!(!server.certificate.replace(second.pair().unwrap()), "the same certificate is not a new one");

    assert!(allowed(&old, &server.url()).await.unwrap(), "its connection is still open");
    assert!(allowed(&client(&second), &server.url()).await.unwrap());
    assert!(
        allowed(&client(&first), &server.url()).await.is_err(),
        "a new connection gets the new certificate"
    );
}

#[tokio::test]
async fn rejects_large_bodies_and_other_paths() {
    let bundle = new_bundle();
    let server = Server::start(&bundle, Limits { body: 4096, ..Limits::default() }).await;
    server.known.catalogue.loaded();

    let client = client(&bundle);
    let status = async |request: reqwest::RequestBuilder| request.send().await.unwrap().status().as_u16();

    assert_eq!(status(client.post(server.url()).body("x".repeat(5000))).await, 413);
    assert_eq!(status(client.post(server.url()).body("no JSON")).await, 200, "a review that denies");
    assert_eq!(status(client.get(server.url())).await, 405);
    assert_eq!(status(client.post(format!("{}/more", server.url()))).await, 404);
}

#[tokio::test]
async fn closes_a_connection_without_a_handshake() {
    let bundle = new_bundle();
    let server =
        Server::start(&bundle, Limits { handshake: Duration::from_millis(100), ..Limits::default() }).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();

    let read =
        tokio::time::timeout(PATIENCE, silent.read(&mut [0; 8])).await.expect("the connection to be closed");
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
}

#[tokio::test]
async fn reviews_wait_for_the_event_types() {
    let bundle = new_bundle();
    let server =
        Server::start(&bundle, Limits { request: Duration::from_millis(200), ..Limits::default() }).await;

    let response = client(&bundle).post(server.url()).json(&review()).send().await.unwrap();
    assert_eq!(response.status(), 503);

    server.known.catalogue.loaded();
    assert!(allowed(&client(&bundle), &server.url()).await.unwrap());
}

#[tokio::test]
async fn a_shutdown_waits_for_requests_in_flight() {
    let bundle = new_bundle();
    let server = Server::start(&bundle, Limits { stop: PATIENCE, ..Limits::default() }).await;

    let (client, url) = (client(&bundle), server.url());
    let in_flight = tokio::spawn(async move { allowed(&client, &url).await });
    // The request waits for the catalogue, which shows that it has arrived.
    crate::support::wait::eventually("the request to arrive", PATIENCE, async || {
        (server.known.catalogue.waiting() > 0).then_some(())
    })
    .await;

    server.stop.cancel();
    crate::support::wait::eventually("the listener to close", PATIENCE, async || {
        TcpStream::connect(server.address).await.is_err().then_some(())
    })
    .await;

    server.known.catalogue.loaded();
    assert!(in_flight.await.unwrap().unwrap());
    server.wait_for_end().await;
}

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
async fn idle_connections_do_not_shut_out_callers() {
    let bundle = new_bundle();
    let server = Server::start(&bundle, Limits::default()).await;
    server.known.catalogue.loaded();
    let mut idle = Vec::new();
    for _ in 0..1100 {
        idle.push(TcpStream::connect(server.address).await.unwrap());
    }

    // A connection that is a moment old is not closed for another one, so the first attempt may fail.
    let client = client(&bundle);
    crate::support::wait::eventually("a review to be answered", PATIENCE, async || {
        allowed(&client, &server.url()).await.ok().filter(|allowed| *allowed)
    })
    .await;

    // The first one made room.
    let read = tokio::time::timeout(PATIENCE, idle[0].read(&mut [0; 8])).await.expect("it to be closed");
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
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

/// A client whose requests come from another address of this machine.
fn client_at(bundle: &CertificateBundle, address: [u8; 4]) -> reqwest::Client {
    let ca = reqwest::Certificate::from_pem(bundle.ca_bundle().as_bytes()).unwrap();
    reqwest::Client::builder()
        .tls_certs_only([ca])
        .no_proxy()
        .local_address(IpAddr::from(address))
        .build()
        .unwrap()
}

/// A body of which only the first bytes are sent, and then possibly a byte now and then.
struct Withheld {
    length: u64,
    first: hyper::body::Bytes,
    trickle: Option<tokio::time::Interval>,
}

impl hyper::body::Body for Withheld {
    type Data = hyper::body::Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if !self.first.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.first)))));
        }
        let Some(trickle) = &mut self.trickle else { return Poll::Pending };
        trickle.poll_tick(cx).map(|_| Some(Ok(Frame::data(" ".into()))))
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.length)
    }
}

/// A body of which only the first bytes are sent.
fn withheld(length: u64, first: String) -> reqwest::Body {
    reqwest::Body::wrap(Withheld { length, first: first.into(), trickle: None })
}

#[tokio::test]
async fn withheld_bodies_leave_memory_to_others() {
    let bundle = new_bundle();
    let limits = Limits { request: PATIENCE, body_progress: PATIENCE, ..Limits::default() };
    let server = Server::start(&bundle, limits).await;
    server.known.catalogue.loaded();
    let stranger = client_at(&bundle, [127, 0, 0, 2]);
    let mut all = Vec::new();
    for (count, length) in [(100, 60_000), (60, 1_000_000), (20, 4_000_000)] {
        for _ in 0..count {
            let request = stranger.post(server.url()).body(withheld(length, " ".repeat(30_000)));
            all.push(tokio::spawn(request.send()));
        }
    }
    // More than three quarters of each size were sent when these have begun.
    tokio::time::timeout(Duration::from_secs(1), futures::future::join_all(&mut all)).await.unwrap_err();

    for bytes in [100, 50_000, 900_000, 1_500_000] {
        let mut padded = review();
        padded["padding"] = "x".repeat(bytes).into();
        let sent = client(&bundle).post(server.url()).json(&padded).send();
        let response = tokio::time::timeout(PATIENCE / 3, sent).await;
        assert_eq!(response.expect("a review that does not wait").unwrap().status(), 200, "{bytes} bytes");
    }
    all.iter().for_each(JoinHandle::abort);
}

/// An API server is one caller for all tenants.
#[tokio::test]
async fn bodies_of_a_namespace_leave_memory_to_others() {
    let bundle = new_bundle();
    let limits = Limits { request: PATIENCE, body_progress: PATIENCE, ..Limits::default() };
    let server = Server::start(&bundle, limits).await;
    server.known.catalogue.loaded();
    let review = |namespace: &str, bytes: usize| {
        let mut review = review();
        review["request"]["namespace"] = namespace.into();
        review["request"]["padding"] = "x".repeat(bytes).into();
        review.to_string()
    };
    let api_server = client(&bundle);
    let flood = |length: u64| {
        tokio::spawn(api_server.post(server.url()).body(withheld(length, review("flood", 30_000))).send())
    };
    let mut all: Vec<_> = (0..180).map(|index| flood([60_000, 900_000, 4_000_000][index % 3])).collect();
    tokio::time::timeout(Duration::from_secs(1), futures::future::join_all(&mut all)).await.unwrap_err();

    for bytes in [30_000, 500_000, 1_500_000] {
        let sent = api_server.post(server.url()).body(review("other", bytes)).send();
        let response = tokio::time::timeout(PATIENCE / 3, sent).await;
        assert_eq!(response.expect("a review that does not wait").unwrap().status(), 200, "{bytes} bytes");
    }
    all.iter().for_each(JoinHandle::abort);
}

#[tokio::test]
async fn a_body_without_progress_is_given_up() {
    let bundle = new_bundle();
    let limits = Limits { request: PATIENCE, body_progress: Duration::from_millis(200), ..Limits::default() };
    let server = Server::start(&bundle, limits).await;
    let trickle = Some(tokio::time::interval(Duration::from_millis(20)));
    let trickled = reqwest::Body::wrap(Withheld { length: 1_000_000, first: " ".into(), trickle });

    for body in [withheld(100, " ".into()), withheld(1_000_000, " ".repeat(900_000)), trickled] {
        let request = client(&bundle).post(server.url()).body(body);
        let response = tokio::time::timeout(PATIENCE / 3, request.send()).await.expect("a response in time");
        assert_eq!(response.unwrap().status(), 408);
    }
}

#[tokio::test]
async fn one_caller_does_not_have_all_requests() {
    let bundle = new_bundle();
    let limits = Limits { request: PATIENCE, connections: 16, ..Limits::default() };
    let server = Server::start(&bundle, limits).await;
    let waiting = |count: usize| {
        let catalogue = &server.known.catalogue;
        crate::support::wait::eventually("requests to wait", PATIENCE, async move || {
            let waiting = catalogue.waiting();
            if waiting >= count { Ok(()) } else { Err(waiting.to_string()) }
        })
    };
    // Each waits for the event types.
    let mut all = Vec::new();
    let mut send = |from: u8, count: usize| {
        for _ in 0..count {
            let (client, url) = (client_at(&bundle, [127, 0, 0, from]), server.url());
            all.push(tokio::spawn(async move { client.post(url).json(&review()).send().await }));
        }
    };

    send(2, 20);
    waiting(12).await;
    send(3, 20);
    waiting(15).await;
    send(1, 1);
    waiting(16).await;

    server.known.catalogue.loaded();
    let last = all.pop().unwrap().await.unwrap().unwrap();
    assert_eq!(last.status(), 200);
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
