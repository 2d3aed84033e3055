//! Sizes, timeouts, overload, and a Svix that does not respond.

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

use super::{Harness, HttpResponse, PATIENCE, Recorder, SEND};
use crate::support::{
    ports::free_address,
    raw_server::{Answer as Given, RawServer, answer},
    wait::eventually,
};

const GOOD: &str = r#"{"n": 1}"#;
const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn payloads_and_bodies_have_a_maximum_size() {
    let gateway = Harness::new().await;
    let padded = |bytes: usize| format!(r#"{{"n": 1, "pad": "{}"}}"#, "x".repeat(bytes - 19));
    assert_eq!(padded(1000).len(), 1000);

    assert_eq!(gateway.send("a.enforce", &padded(1024 * 1024)).await.status, 202);
    gateway.send("a.enforce", &padded(1024 * 1024 + 1)).await.expect_code(413, "payload_too_large");
    gateway.send("a.audit", &padded(1024 * 1024 + 1)).await.expect_code(413, "payload_too_large");
    let body = format!(
        r#"{{"eventType": "a.enforce", "payload": {GOOD}, "pad": "{}"}}"#,
        "x".repeat(2 * 1024 * 1024)
    );
    gateway.post(SEND, &[], &body).await.expect_code(413, "payload_too_large");
    gateway.post("/validate/a.enforce", &[], &body).await.expect_code(413, "payload_too_large");
    gateway.post("/api/v1/app", &[], &body).await.expect_code(413, "payload_too_large");

    // The two limits have messages of their own.
    let payload = gateway.send("a.enforce", &padded(1024 * 1024 + 1)).await.body;
    assert!(
        payload.contains("The payload is too large: found 1048577 bytes, expected at most 1048576"),
        "{payload}"
    );
    let whole = gateway.post(SEND, &[], &body).await.body;
    assert!(whole.contains("The body of the request is too large: expected at most 2097152"), "{whole}");

    // A chunked body has no announced length.
    let mut chunked =
        format!("POST {SEND} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n")
            .into_bytes();
    chunked.extend_from_slice(format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).as_bytes());
    gateway.raw(&chunked).await.expect_code(413, "payload_too_large");

    assert_eq!(gateway.upstream.requests().len(), 1);
}

#[tokio::test]
async fn headers_have_a_maximum_size() {
    let gateway = Harness::new().await;
    let large = format!("x-large: {}", "x".repeat(300_000));
    assert_eq!(gateway.post(SEND, &[&large], "").await.status, 431);

    let many: Vec<String> = (0..200).map(|i| format!("x-{i}: 1")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(gateway.post(SEND, &many, "").await.status, 431);
    assert_eq!(gateway.upstream.requests().len(), 0);
}

/// Reads until the gateway closes the connection; fails if it does not.
async fn read_until_closed(stream: &mut TcpStream) -> HttpResponse {
    let mut bytes = Vec::new();
    // A reset closes the connection as well.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .expect("the connection to be closed in time");
    HttpResponse::read(&bytes)
}

/// Sends a request without reading the response before everything has been sent, as many clients do.
async fn response_after_sending(address: SocketAddr, request: &[u8]) -> HttpResponse {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.expect("the gateway reads what is sent to it");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.expect("the connection ends without a reset");
    HttpResponse::read(&bytes)
}

#[tokio::test]
async fn an_early_response_reaches_a_client_that_sends() {
    let gateway = Harness::new().await;
    let rest = vec![b'x'; 8 * 1024 * 1024];
    let request = |head: String| [head.as_bytes(), &rest].concat();
    let length = rest.len();
    let too_large = request(format!("POST {SEND} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n"));
    let endless_head = request(format!("POST {SEND} HTTP/1.1\r\nhost: x\r\nx-large: "));

    let of_body = response_after_sending(gateway.address, &too_large).await;
    let of_head = response_after_sending(gateway.address, &endless_head).await;

    of_body.expect_code(413, "payload_too_large");
    assert_eq!(of_head.status, 431);
}

#[tokio::test]
async fn a_refused_connection_receives_its_response() {
    let silent = RawServer::start(|_| Given::Silence).await;
    let gateway =
        Harness::in_front_of(&format!("http://{}", silent.address), Recorder::default(), |options| {
            options.limits.max_connections = 1;
        })
        .await;
    let in_flight = tokio::spawn(reqwest::get(format!("{}/api/v1/app", gateway.url())));
    eventually("a request to be in flight", PATIENCE, async || {
        (silent.requests().len() == 1).then_some(()).ok_or("none")
    })
    .await;
    let request = format!("POST {SEND} HTTP/1.1\r\nhost: x\r\ncontent-length: 8000000\r\n\r\n");
    let request = [request.as_bytes(), &vec![b'x'; 8_000_000]].concat();

    let response = response_after_sending(gateway.address, &request).await;

    response.expect_code(503, "overloaded");
    in_flight.abort();
}

#[tokio::test]
async fn slow_headers_and_bodies_time_out() {
    let gateway = Harness::with(|options| {
        options.limits.head_timeout = SHORT;
        options.limits.body_timeout = SHORT;
        // Longer than this test waits: idleness does not end a connection here.
        options.limits.idle_timeout = PATIENCE * 2;
    })
    .await;

    let started = Instant::now();
    let mut head = TcpStream::connect(gateway.address).await.unwrap();
    head.write_all(b"POST /api/v1/app").await.unwrap();
    read_until_closed(&mut head).await;
    assert!(started.elapsed() >= SHORT, "{:?}", started.elapsed());

    let mut body = TcpStream::connect(gateway.address).await.unwrap();
    let text =
        format!("POST {SEND} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{{");
    body.write_all(text.as_bytes()).await.unwrap();
    read_until_closed(&mut body).await.expect_code(408, "request_timeout");

    let mut passing = TcpStream::connect(gateway.address).await.unwrap();
    let text = "PUT /api/v1/app/x HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{";
    passing.write_all(text.as_bytes()).await.unwrap();
    read_until_closed(&mut passing).await.expect_code(408, "request_timeout");

    assert_eq!(gateway.upstream.requests().len(), 0);
}

#[tokio::test]
async fn an_idle_connection_has_its_own_timeout() {
    let gateway = Harness::with(|options| {
        options.limits.head_timeout = SHORT;
        options.limits.idle_timeout = SHORT * 5;
    })
    .await;

    let started = Instant::now();
    let mut idle = TcpStream::connect(gateway.address).await.unwrap();
    let text = format!("OPTIONS {SEND} HTTP/1.1\r\nhost: x\r\n\r\n");
    idle.write_all(text.as_bytes()).await.unwrap();

    assert_eq!(read_until_closed(&mut idle).await.status, 204);
    assert!(started.elapsed() >= SHORT * 5, "closed after the timeout of headers: {:?}", started.elapsed());
    assert_eq!(gateway.upstream.requests().len(), 0);
}

#[tokio::test]
async fn a_request_beyond_the_limit_is_rejected() {
    let silent = RawServer::start(|_| Given::Silence).await;
    let gateway =
        Harness::in_front_of(&format!("http://{}", silent.address), Recorder::default(), |options| {
            options.limits.max_in_flight = 2;
        })
        .await;
    let http = reqwest::Client::new();

    let in_flight: Vec<_> =
        (0..2).map(|_| tokio::spawn(http.get(format!("{}/api/v1/app", gateway.url())).send())).collect();
    eventually("two requests to be in flight", PATIENCE, async || {
        let received = silent.requests().len();
        if received == 2 { Ok(()) } else { Err(received.to_string()) }
    })
    .await;
    gateway.check_metric("requests_in_flight 2").unwrap();

    let refused = gateway.send("a.enforce", GOOD).await;
    refused.expect_code(503, "overloaded");
    assert!(refused.head.contains("retry-after: 1"), "{refused:?}");
    gateway.check_metric("requests_total{outcome=\"overload\"} 1").unwrap();

    in_flight.iter().for_each(tokio::task::JoinHandle::abort);
    // A caller that goes away frees its place.
    eventually("the places to become free", PATIENCE, async || gateway.check_metric("requests_in_flight 0"))
        .await;
    gateway.post("/validate/a.enforce", &[], GOOD).await.json();
}

#[tokio::test]
async fn connections_and_buffered_bytes_are_limited() {
    let gateway = Harness::with(|options| options.limits.max_connections = 1).await;
    let mut first = TcpStream::connect(gateway.address).await.unwrap();
    first.write_all(b"POST").await.unwrap();
    eventually("the second connection to be rejected", PATIENCE, async || {
        let mut second = TcpStream::connect(gateway.address).await.unwrap();
        let response = read_until_closed(&mut second).await;
        (response.status == 503).then(|| response.expect_code(503, "overloaded"))
    })
    .await;

    let gateway = Harness::with(|options| options.limits.max_buffered = 10).await;
    gateway.send("a.enforce", GOOD).await.expect_code(503, "overloaded");
    assert_eq!(gateway.post("/validate/a.enforce", &[], GOOD).await.status, 200, "the buffer is free again");
}

#[tokio::test]
async fn failures_of_svix_are_errors_in_its_format() {
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
        let gateway = Harness::in_front_of(&format!("http://{address}"), Recorder::default(), |options| {
            options.limits.upstream_timeout = SHORT;
        })
        .await;
        gateway.send("a.enforce", GOOD).await.expect_code(status, code);
        gateway.check_metric("requests_total{outcome=\"upstream-failed\"} 1").unwrap();
    }
    assert_eq!(resets.requests().len(), 1, "a message is never sent twice");
}

#[tokio::test]
async fn a_forwarding_loop_ends() {
    let address = free_address();
    let gateway = Harness::in_front_of(&format!("http://{address}"), Recorder::default(), |options| {
        options.listen = address;
    })
    .await;

    gateway.send("a.enforce", GOOD).await.expect_code(508, "loop_detected");
}

#[tokio::test]
async fn messages_get_503_until_event_types_are_loaded() {
    let upstream = Recorder::default();
    let address = upstream.start().await;
    let catalogue = Catalogue::default();
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let options = Options {
        listen,
        undeclared: svix_operator::gateway::Undeclared::Pass,
        ..Options::new(format!("http://{address}"))
    };
    let stop = CancellationToken::new();
    let gateway = Gateway::start(options, catalogue.clone(), Metrics::default(), stop.clone()).await.unwrap();
    let message = r#"{"eventType": "a.b", "payload": {}}"#;
    let request = format!(
        "POST {SEND} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{message}",
        message.len()
    );

    super::raw(gateway.address(), request.as_bytes()).await.expect_code(503, "overloaded");
    assert_eq!(upstream.requests().len(), 0);

    catalogue.loaded();
    assert_eq!(super::raw(gateway.address(), request.as_bytes()).await.status, 202);
    stop.cancel();
    tokio::time::timeout(PATIENCE, gateway.stopped()).await.unwrap();
}

#[tokio::test]
async fn a_shutdown_completes_requests_in_flight() {
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
    let response = request.await.unwrap().unwrap();
    assert_eq!(
        (response.status().as_u16(), response.text().await.unwrap().as_str()),
        (202, r#"{"id": "msg_1"}"#)
    );
    tokio::time::timeout(PATIENCE, gateway.stopped())
        .await
        .expect("the gateway to stop despite an idle connection");
    assert!(TcpStream::connect(address).await.is_err(), "the listener is closed");
    drop(idle);
}
