//! Sizes, time-outs, overload, and a Svix that is not there. Waits are bounded; none is a sleep.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use svix_operator::{
    catalogue::Catalogue,
    gateway::{Gateway, Options},
    telemetry::Metrics,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;

use super::{Answer, PATIENCE, Recorder, SEND, World};
use crate::support::{
    ports::free_address,
    raw_server::{Answer as Given, RawServer, answer},
    wait::eventually,
};

const GOOD: &str = r#"{"n": 1}"#;
const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn a_payload_and_a_body_have_their_bounds() {
    let world = World::new().await;
    let padded = |bytes: usize| format!(r#"{{"n": 1, "pad": "{}"}}"#, "x".repeat(bytes - 19));
    assert_eq!(padded(1000).len(), 1000);
    assert_eq!(world.send("a.enforce", &padded(1024 * 1024)).await.status, 202);
    world.send("a.enforce", &padded(1024 * 1024 + 1)).await.expect_code(413, "payload_too_large");
    world.send("a.audit", &padded(1024 * 1024 + 1)).await.expect_code(413, "payload_too_large");
    let body = format!(
        r#"{{"eventType": "a.enforce", "payload": {GOOD}, "pad": "{}"}}"#,
        "x".repeat(2 * 1024 * 1024)
    );
    world.post(SEND, &[], &body).await.expect_code(413, "payload_too_large");
    world.post("/validate/a.enforce", &[], &body).await.expect_code(413, "payload_too_large");
    world.post("/api/v1/event-type", &[], &body).await.expect_code(413, "payload_too_large");
    // In chunks no length is told before.
    let mut chunked =
        format!("POST {SEND} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n")
            .into_bytes();
    chunked.extend_from_slice(format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).as_bytes());
    world.raw(&chunked).await.expect_code(413, "payload_too_large");
    assert_eq!(world.seen.all().len(), 1);
}

#[tokio::test]
async fn headers_have_a_bound() {
    let world = World::new().await;
    let large = format!("x-large: {}", "x".repeat(300_000));
    assert_eq!(world.post(SEND, &[&large], "").await.status, 431);
    let many: Vec<String> = (0..200).map(|i| format!("x-{i}: 1")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(world.post(SEND, &many, "").await.status, 431);
    assert_eq!(world.seen.all().len(), 0);
}

/// Reads until the other side closes; fails when it does not.
async fn until_closed(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    // A reset is an end, too.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("it closes in time");
    Answer::read(&bytes)
}

#[tokio::test]
async fn who_dawdles_is_given_up() {
    let world = World::with(|options| {
        options.limits.head_timeout = SHORT;
        options.limits.body_timeout = SHORT;
        // Longer than this test waits: what ends a connection here is not its idleness.
        options.limits.idle_timeout = PATIENCE * 2;
    })
    .await;
    let begun = Instant::now();
    let mut head = TcpStream::connect(world.address).await.unwrap();
    head.write_all(b"POST /api/v1/app").await.unwrap();
    until_closed(&mut head).await;
    assert!(begun.elapsed() >= SHORT, "{:?}", begun.elapsed());

    let mut body = TcpStream::connect(world.address).await.unwrap();
    let text =
        format!("POST {SEND} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{{");
    body.write_all(text.as_bytes()).await.unwrap();
    until_closed(&mut body).await.expect_code(408, "request_timeout");

    let mut passing = TcpStream::connect(world.address).await.unwrap();
    let text = "PUT /api/v1/app/x HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{";
    passing.write_all(text.as_bytes()).await.unwrap();
    until_closed(&mut passing).await.expect_code(408, "request_timeout");

    assert_eq!(world.seen.all().len(), 0);

    let world = World::with(|options| {
        options.limits.head_timeout = SHORT;
        options.limits.idle_timeout = SHORT * 5;
    })
    .await;
    let begun = Instant::now();
    let mut idle = TcpStream::connect(world.address).await.unwrap();
    let text = format!("OPTIONS {SEND} HTTP/1.1\r\nhost: x\r\n\r\n");
    idle.write_all(text.as_bytes()).await.unwrap();
    assert_eq!(until_closed(&mut idle).await.status, 204);
    assert!(begun.elapsed() >= SHORT * 5, "an idle connection has its own patience: {:?}", begun.elapsed());
    assert_eq!(world.seen.all().len(), 0);
}

#[tokio::test]
async fn one_request_too_many_is_turned_away_at_once() {
    let silent = RawServer::start(|_| Given::Silence).await;
    let world = World::in_front_of(&format!("http://{}", silent.address), Recorder::default(), |options| {
        options.limits.max_in_flight = 2;
    })
    .await;
    let http = reqwest::Client::new();
    let held: Vec<_> =
        (0..2).map(|_| tokio::spawn(http.get(format!("{}/api/v1/app", world.url())).send())).collect();
    eventually("two requests to be under way", PATIENCE, async || {
        let seen = silent.requests().len();
        if seen == 2 { Ok(()) } else { Err(seen.to_string()) }
    })
    .await;
    world.counts("requests_in_flight 2").unwrap();
    let refused = world.send("a.enforce", GOOD).await;
    refused.expect_code(503, "overloaded");
    assert!(refused.head.contains("retry-after: 1"), "{refused:?}");
    world.counts("requests_total{outcome=\"overload\"} 1").unwrap();
    held.iter().for_each(tokio::task::JoinHandle::abort);
    // Who goes away makes room.
    eventually("the room to come free", PATIENCE, async || world.counts("requests_in_flight 0")).await;
    world.post("/validate/a.enforce", &[], GOOD).await.json();
}

#[tokio::test]
async fn one_connection_or_byte_too_many_is_turned_away() {
    let world = World::with(|options| options.limits.max_connections = 1).await;
    let mut first = TcpStream::connect(world.address).await.unwrap();
    first.write_all(b"POST").await.unwrap();
    eventually("the second connection to be refused", PATIENCE, async || {
        let mut second = TcpStream::connect(world.address).await.unwrap();
        let answer = until_closed(&mut second).await;
        (answer.status == 503).then(|| answer.expect_code(503, "overloaded"))
    })
    .await;
    let world = World::with(|options| options.limits.max_buffered = 10).await;
    world.send("a.enforce", GOOD).await.expect_code(503, "overloaded");
    assert_eq!(world.post("/validate/a.enforce", &[], GOOD).await.status, 200, "the room is free again");
}

#[tokio::test]
async fn a_svix_that_fails_is_told_in_its_own_shape() {
    let nobody = free_address();
    let resets = RawServer::start(|_| Given::Reset(Vec::new())).await;
    let silent = RawServer::start(|_| Given::Silence).await;
    let nonsense = RawServer::start(|_| Given::Bytes(b"220 mail.example ESMTP\r\n\r\n".to_vec())).await;
    let switches = RawServer::start(|_| {
        Given::Bytes(
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n".to_vec(),
        )
    })
    .await;
    for (address, status, code) in [
        (nobody, 502, "upstream_failed"),
        (resets.address, 502, "upstream_failed"),
        (nonsense.address, 502, "upstream_failed"),
        (switches.address, 502, "upstream_failed"),
        (silent.address, 504, "upstream_timeout"),
    ] {
        let world = World::in_front_of(&format!("http://{address}"), Recorder::default(), |options| {
            options.limits.upstream_timeout = SHORT;
        })
        .await;
        world.send("a.enforce", GOOD).await.expect_code(status, code);
        world.counts("requests_total{outcome=\"upstream-failed\"} 1").unwrap();
    }
    assert_eq!(resets.requests().len(), 1, "a message is never sent twice");
}

#[tokio::test]
async fn a_gateway_in_front_of_itself_ends() {
    let address = free_address();
    let world = World::in_front_of(&format!("http://{address}"), Recorder::default(), |options| {
        options.listen = address;
    })
    .await;
    world.send("a.enforce", GOOD).await.expect_code(508, "loop_detected");
}

#[tokio::test]
async fn nothing_is_judged_before_the_event_types_are_there() {
    let seen = Recorder::default();
    let upstream = seen.start().await;
    let catalogue = Catalogue::default();
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let options = Options {
        listen,
        undeclared: svix_operator::gateway::Undeclared::Pass,
        ..Options::new(format!("http://{upstream}"))
    };
    let stop = CancellationToken::new();
    let gateway = Gateway::start(options, catalogue.clone(), Metrics::default(), stop.clone()).await.unwrap();
    let message = r#"{"eventType": "a.b", "payload": {}}"#;
    let request = format!(
        "POST {SEND} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{message}",
        message.len()
    );
    super::raw(gateway.address(), request.as_bytes()).await.expect_code(503, "overloaded");
    assert_eq!(seen.all().len(), 0);
    catalogue.loaded();
    assert_eq!(super::raw(gateway.address(), request.as_bytes()).await.status, 202);
    stop.cancel();
    tokio::time::timeout(PATIENCE, gateway.stopped()).await.unwrap();
}

#[tokio::test]
async fn told_to_stop_it_ends_what_is_in_flight_first() {
    let slow = RawServer::start(|_| {
        let Given::Bytes(bytes) = answer("202 Accepted", &[], r#"{"id": "msg_1"}"#) else { unreachable!() };
        Given::Trickle(bytes, Duration::from_millis(5))
    })
    .await;
    let stop = CancellationToken::new();
    let options = Options { listen: free_address(), ..Options::new(format!("http://{}", slow.address)) };
    let gateway =
        Gateway::start(options, super::catalogue(), Metrics::default(), stop.clone()).await.unwrap();
    let address = gateway.address();
    let idle = TcpStream::connect(address).await.unwrap();
    let request = tokio::spawn(reqwest::get(format!("http://{address}/api/v1/app")));
    eventually("the request to be with Svix", PATIENCE, async || (!slow.requests().is_empty()).then_some(()))
        .await;
    stop.cancel();
    let answer = request.await.unwrap().unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.text().await.unwrap().as_str()),
        (202, r#"{"id": "msg_1"}"#)
    );
    tokio::time::timeout(PATIENCE, gateway.stopped()).await.expect("it stops, idle connections or not");
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
    drop(idle);
}
