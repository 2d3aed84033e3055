//! The webhook's HTTPS server without a cluster: its bounds, its end, and another certificate while it works.

use std::{net::SocketAddr, time::Duration};

use serde_json::{Value, json};
use svix_operator::{
    admission::{
        Known,
        certificates::{Held, Policy, ServingCertificate, Step, carried_out},
        server::{self, Limits},
    },
    telemetry::Metrics,
};
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

const SOON: Duration = Duration::from_secs(30);

/// Certificates of a new authority, for 127.0.0.1.
fn made() -> Held {
    let hour = Duration::from_secs(3600);
    let policy = Policy { authority: hour, serving: hour, settle: hour };
    let now = jiff::Timestamp::now();
    carried_out(Step::Begin, &Held::default(), &["127.0.0.1".to_owned()], &policy, now).unwrap()
}

struct Server {
    address: SocketAddr,
    certificate: ServingCertificate,
    known: Known,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(held: &Held, limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (certificate, known, stop) =
            (ServingCertificate::default(), Known::default(), CancellationToken::new());
        certificate.replace(held.pair().unwrap());
        let metrics = Metrics::default().admission();
        let served =
            server::serve(listener, certificate.clone(), known.clone(), metrics, limits, stop.clone());
        let task = tokio::spawn(async move { served.await.unwrap() });
        Self { address, certificate, known, stop, task }
    }

    fn url(&self) -> String {
        format!("https://{}/validate", self.address)
    }

    async fn ended(self) {
        tokio::time::timeout(SOON, self.task).await.expect("the server to end").unwrap();
    }
}

/// A client that trusts one authority and no other.
fn client(held: &Held) -> reqwest::Client {
    let ca = reqwest::Certificate::from_pem(held.bundle().as_bytes()).unwrap();
    reqwest::Client::builder().tls_certs_only([ca]).no_proxy().build().unwrap()
}

fn review() -> Value {
    json!({"request": {"uid": "u", "operation": "DELETE", "kind": {"group": "g", "kind": "k"}}})
}

async fn allowed(client: &reqwest::Client, url: &str) -> Result<bool, reqwest::Error> {
    let answer: Value = client.post(url).json(&review()).send().await?.json().await?;
    Ok(answer["response"]["allowed"] == true && answer["response"]["uid"] == "u")
}

#[tokio::test]
async fn another_certificate_is_for_new_connections_and_those_that_are_there_go_on() {
    let (first, second) = (made(), made());
    let server = Server::start(&first, Limits::default()).await;
    server.known.catalogue.loaded();
    let old = client(&first);
    assert!(allowed(&old, &server.url()).await.unwrap());

    assert!(server.certificate.replace(second.pair().unwrap()));
    assert!(!server.certificate.replace(second.pair().unwrap()), "the same is no other");

    assert!(allowed(&old, &server.url()).await.unwrap(), "its connection is still there");
    assert!(allowed(&client(&second), &server.url()).await.unwrap());
    assert!(
        allowed(&client(&first), &server.url()).await.is_err(),
        "a new connection gets the new certificate"
    );
}

#[tokio::test]
async fn what_is_too_much_or_elsewhere_is_refused() {
    let held = made();
    let server = Server::start(&held, Limits { body: 4096, ..Limits::default() }).await;
    server.known.catalogue.loaded();
    let client = client(&held);
    let status = async |request: reqwest::RequestBuilder| request.send().await.unwrap().status().as_u16();
    assert_eq!(status(client.post(server.url()).body("x".repeat(5000))).await, 413);
    assert_eq!(status(client.post(server.url()).body("no JSON")).await, 200, "an answer that refuses");
    assert_eq!(status(client.get(server.url())).await, 405);
    assert_eq!(status(client.post(format!("{}/more", server.url()))).await, 404);
}

#[tokio::test]
async fn who_says_nothing_is_let_go() {
    let held = made();
    let server =
        Server::start(&held, Limits { handshake: Duration::from_millis(100), ..Limits::default() }).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let read =
        tokio::time::timeout(SOON, silent.read(&mut [0; 8])).await.expect("the connection to be closed");
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
}

#[tokio::test]
async fn nothing_is_judged_before_the_event_types_are_known() {
    let held = made();
    let server =
        Server::start(&held, Limits { request: Duration::from_millis(200), ..Limits::default() }).await;
    let answer = client(&held).post(server.url()).json(&review()).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    server.known.catalogue.loaded();
    assert!(allowed(&client(&held), &server.url()).await.unwrap());
}

#[tokio::test]
async fn a_request_under_way_is_answered_when_the_server_stops() {
    let held = made();
    let server = Server::start(&held, Limits { stop: SOON, ..Limits::default() }).await;
    let (client, url) = (client(&held), server.url());
    let under_way = tokio::spawn(async move { allowed(&client, &url).await });
    // It waits for the catalogue; the connection shows that it has arrived.
    crate::support::wait::eventually("the request to arrive", SOON, async || {
        (server.known.catalogue.waiting() > 0).then_some(())
    })
    .await;
    server.stop.cancel();
    crate::support::wait::eventually("the listener to close", SOON, async || {
        TcpStream::connect(server.address).await.is_err().then_some(())
    })
    .await;
    server.known.catalogue.loaded();
    assert!(under_way.await.unwrap().unwrap());
    server.ended().await;
}

#[tokio::test]
async fn bodies_wait_until_there_is_room_for_them() {
    let held = made();
    let limits = Limits { body: 4096, bodies: 8192, request: SOON, ..Limits::default() };
    let server = Server::start(&held, limits).await;
    let mut padded = review();
    padded["padding"] = "x".repeat(3900).into();
    let all: Vec<_> = (0..5)
        .map(|_| {
            // A connection of its own.
            let (client, url, body) = (client(&held), server.url(), padded.clone());
            tokio::spawn(async move { client.post(url).json(&body).send().await.unwrap().status().as_u16() })
        })
        .collect();
    let catalogue = &server.known.catalogue;
    crate::support::wait::eventually("two to be read", SOON, async || {
        (catalogue.waiting() >= 2).then_some(())
    })
    .await;
    // The others would have come by now.
    let more = async {
        while catalogue.waiting() <= 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let more = tokio::time::timeout(Duration::from_millis(500), more).await;
    assert!(more.is_err(), "so many bodies of 4 KiB do not fit into 8 KiB: {}", catalogue.waiting());
    catalogue.loaded();
    for one in all {
        assert_eq!(one.await.unwrap(), 200);
    }
}
