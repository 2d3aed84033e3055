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
};
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::support::hostile;

mod bodies;
mod turns;

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
        Self::start_knowing(bundle, limits, turns, Known::default()).await
    }

    async fn start_knowing(
        bundle: &CertificateBundle,
        limits: Limits,
        turns: ReviewTurns,
        known: Known,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (certificate, stop) = (ServingCertificate::default(), CancellationToken::new());
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
