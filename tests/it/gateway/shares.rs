//! What one caller leaves to others, whatever it sends.

use std::{net::IpAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

use super::{Harness, HttpResponse, PATIENCE, Recorder, SEND};
use crate::support::{
    raw_server::{Answer as Given, RawServer},
    wait::eventually,
};

const GOOD: &str = r#"{"n": 1}"#;

/// A caller, by the last part of its address on this machine, and its token.
#[derive(Clone, Copy)]
struct Caller(u8, &'static str);

const ATTACKER: Caller = Caller(2, "one");

/// Sends the beginning of a request, and returns its connection.
async fn begin(gateway: &Harness, caller: Caller, head: &str, body: &[u8]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((IpAddr::from([127, 0, 0, caller.0]), 0).into()).unwrap();
    let mut stream = socket.connect(gateway.address).await.unwrap();
    let head = format!("{head} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n", caller.1);
    // The gateway may refuse the rest.
    let _ = stream.write_all(&[head.as_bytes(), body].concat()).await;
    stream
}

/// Sends a part of a body of so many bytes.
async fn withhold(gateway: &Harness, caller: Caller, length: usize, sent: usize) -> TcpStream {
    let body = format!("content-length: {length}\r\n\r\n{}", " ".repeat(sent));
    begin(gateway, caller, "POST /validate/a.enforce", body.as_bytes()).await
}

/// Validates a payload of so many bytes.
async fn validate(gateway: &Harness, caller: Caller, length: usize) -> HttpResponse {
    let payload = format!("{GOOD}{}", " ".repeat(length - GOOD.len()));
    let body = format!("connection: close\r\ncontent-length: {length}\r\n\r\n{payload}");
    let mut stream = begin(gateway, caller, "POST /validate/a.enforce", body.as_bytes()).await;
    response(&mut stream).await
}

async fn response(stream: &mut TcpStream) -> HttpResponse {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes));
    // A reset ends a response, too.
    let _ = read.await.expect("a response in time");
    HttpResponse::read(&bytes)
}

/// Waits until so many requests are in progress.
async fn in_flight(gateway: &Harness, count: usize) {
    let line = format!("requests_in_flight {count}");
    eventually("requests to be in flight", PATIENCE, async || gateway.check_metric(&line)).await;
}

#[tokio::test]
async fn slow_requests_of_a_caller_leave_places_to_others() {
    let silent = RawServer::start(|_| Given::Silence).await;
    let url = format!("http://{}", silent.address);
    let gateway =
        Harness::in_front_of(&url, Recorder::default(), |options| options.limits.max_in_flight = 64).await;
    let mut open = Vec::new();

    // One token of the attacker has 36 places, all of its tokens 48.
    for (token, places) in [("one", 36), ("two", 45), ("three", 48)] {
        for _ in 0..64 {
            let attacker = Caller(2, token);
            open.push(begin(&gateway, attacker, "GET /api/v1/app", b"connection: close\r\n\r\n").await);
        }
        in_flight(&gateway, places).await;
    }
    let mut refused = begin(&gateway, ATTACKER, "GET /api/v1/app", b"connection: close\r\n\r\n").await;

    response(&mut refused).await.expect_code(503, "overloaded");
    assert_eq!(validate(&gateway, Caller(1, "one"), 100).await.status, 200, "another address");
}

#[tokio::test]
async fn another_token_of_the_same_address_has_places() {
    let silent = RawServer::start(|_| Given::Silence).await;
    let url = format!("http://{}", silent.address);
    let gateway =
        Harness::in_front_of(&url, Recorder::default(), |options| options.limits.max_in_flight = 64).await;
    let mut open = Vec::new();

    for _ in 0..100 {
        open.push(begin(&gateway, ATTACKER, "GET /api/v1/app", b"connection: close\r\n\r\n").await);
    }
    in_flight(&gateway, 36).await;

    assert_eq!(validate(&gateway, Caller(2, "two"), 100).await.status, 200);
    validate(&gateway, ATTACKER, 100).await.expect_code(503, "overloaded");
}

#[tokio::test]
async fn withheld_bodies_of_a_caller_leave_memory_to_others() {
    let gateway = Harness::with(|options| options.limits.body_progress = PATIENCE).await;
    let mut open = Vec::new();

    // More than all memory, of each size.
    for (count, length, sent) in [(200, 2_000_000, 1_000_000), (600, 65_000, 64_000)] {
        for _ in 0..count {
            open.push(withhold(&gateway, ATTACKER, length, sent).await);
        }
    }
    eventually("the attacker to have what it may have", PATIENCE, async || {
        let overloaded = gateway.metrics.encode().lines().find_map(|line| {
            line.strip_prefix("svix_operator_gateway_requests_total{outcome=\"overload\"} ")?
                .parse::<u32>()
                .ok()
        });
        overloaded.filter(|count| *count > 100)
    })
    .await;

    for length in [100, 60_000, 1_000_000] {
        let other = validate(&gateway, Caller(1, "one"), length).await;
        assert_eq!(other.status, 200, "{length} bytes of another address: {other:?}");
        let other = validate(&gateway, Caller(2, "two"), length).await;
        assert_eq!(other.status, 200, "{length} bytes with another token: {other:?}");
    }
}

#[tokio::test]
async fn a_body_without_progress_is_given_up() {
    let gateway = Harness::with(|options| {
        options.limits.body_progress = Duration::from_millis(200);
        options.limits.body_timeout = PATIENCE * 2;
    })
    .await;

    let mut withheld = withhold(&gateway, ATTACKER, 1_000_000, 900_000).await;
    response(&mut withheld).await.expect_code(408, "request_timeout");

    let trickle = withhold(&gateway, ATTACKER, 1_000_000, 10).await;
    let (mut from, mut to) = trickle.into_split();
    let mut bytes = Vec::new();
    // Each byte follows a response to another caller, so bytes arrive until the gateway gives the body up, far less than 4 KiB.
    let send = async {
        while to.write_all(b" ").await.is_ok() {
            assert_eq!(validate(&gateway, Caller(1, "one"), 100).await.status, 200);
        }
        std::future::pending::<()>().await;
    };
    let receive = tokio::time::timeout(PATIENCE, from.read_to_end(&mut bytes));
    tokio::select! {
        () = send => {}
        received = receive => drop(received.expect("a response in time")),
    }
    HttpResponse::read(&bytes).expect_code(408, "request_timeout");

    let mut passing = begin(&gateway, ATTACKER, "PUT /api/v1/app/x", b"content-length: 100\r\n\r\n{").await;
    response(&mut passing).await.expect_code(408, "request_timeout");
}

/// Otherwise the next request on the connection is lost, and a client reports an error that it did not cause.
#[tokio::test]
async fn a_connection_ends_with_a_body_that_is_not_read() {
    let gateway = Harness::with(|options| options.limits.max_buffered = 100_000).await;

    let body = format!("content-length: 200000\r\n\r\n{}", " ".repeat(200_000));
    let mut refused = begin(&gateway, ATTACKER, &format!("POST {SEND}"), body.as_bytes()).await;
    let refused = response(&mut refused).await;

    refused.expect_code(503, "overloaded");
    assert!(refused.head.contains("connection: close"), "{refused:?}");

    // What was read to its end keeps its connection.
    let body = b"content-length: 2\r\n\r\n{}";
    let mut invalid = begin(&gateway, ATTACKER, "POST /validate/a.enforce", body).await;
    let mut head = vec![0; 1024];
    let read = tokio::time::timeout(PATIENCE, invalid.read(&mut head)).await.unwrap().unwrap();
    assert!(!String::from_utf8_lossy(&head[..read]).to_lowercase().contains("connection: close"));
}
