//! What is forwarded: bodies byte for byte, and the caller's headers without those of the connection.

use std::collections::BTreeSet;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::support::svix_server;
use serde_json::{Value, json};
use svix_operator::{
    api::{ChannelEncoding, PayloadPolicy},
    gateway::Undeclared,
    plan::channels,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::{Harness, PATIENCE, Recorder, SEND, declared};
use crate::support::raw_server::{Certificate, RawServer, answer};

#[tokio::test]
async fn a_valid_message_is_forwarded_byte_for_byte() {
    let gateway = Harness::new().await;
    let body = "{ \"payload\" :\t{\"n\": 1.0e0, \"\\u0061\": \"\u{e9}\\/\"},\r\n \"eventType\":\"a.\\u0065nforce\" , \"x\": [1e3] }\n";
    let headers = [
        "Authorization: Bearer testsk_caller",
        "Idempotency-Key: k-1",
        "User-Agent: svix-libs/1.2/python",
        "Content-Type: application/json; charset=utf-8",
        "X-Two: a",
        "X-Two: b",
        "Connection: X-Hop",
        "X-Hop: 1",
        "Keep-Alive: 5",
        "TE: trailers",
        "Upgrade: websocket",
        "Sec-WebSocket-Key: x",
        "Proxy-Authorization: Basic x",
    ];

    let path = format!("{SEND}?with_content=false&a=%2F%20b&&c");
    let response = gateway.post(&path, &headers, body).await;

    assert_eq!(response.status, 202, "{response:?}");
    assert_eq!(response.body, r#"{"id": "msg_1"}"#);
    assert!(response.head.contains("x-from: svix") && !response.head.contains("x-hop"), "{}", response.head);

    let [received] = <[_; 1]>::try_from(gateway.upstream.requests()).unwrap();
    assert_eq!(received.line, format!("POST {path}"));
    assert_eq!(received.body, body.as_bytes());
    let value = |name: &str| {
        received
            .headers
            .get_all(name)
            .iter()
            .map(|value| value.to_str().unwrap())
            .collect::<Vec<_>>()
            .join("|")
    };
    assert_eq!(value("authorization"), "Bearer testsk_caller");
    assert_eq!(value("idempotency-key"), "k-1");
    assert_eq!(value("user-agent"), "svix-libs/1.2/python");
    assert_eq!(value("content-type"), "application/json; charset=utf-8");
    assert_eq!(value("x-two"), "a|b");
    assert_eq!(value("via"), "1.1 svix-operator");
    assert_eq!(value("content-length"), body.len().to_string());
    assert!(value("host").starts_with("127.0.0.1:"), "{}", value("host"));
    for gone in
        ["connection", "x-hop", "keep-alive", "te", "upgrade", "sec-websocket-key", "proxy-authorization"]
    {
        assert_eq!(value(gone), "", "{gone}");
    }
}

#[tokio::test]
async fn a_chunked_message_is_reassembled() {
    let gateway = Harness::new().await;
    let (a, b) = (r#"{"eventType": "a.enforce", "#, r#""payload": {"n": 1}}"#);
    let bytes = format!(
        "POST {SEND} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n\
         {:x}\r\n{a}\r\n{:x};ext=1\r\n{b}\r\n0\r\nx-trailer: 1\r\n\r\n",
        a.len(),
        b.len()
    );

    let response = gateway.raw(bytes.as_bytes()).await;
    assert_eq!(response.status, 202, "{response:?}");

    assert_eq!(gateway.upstream.requests()[0].body, format!("{a}{b}").as_bytes());
}

#[tokio::test]
async fn other_operations_are_forwarded_unless_only_sending() {
    let gateway = Harness::new().await;
    let request = |method: &str, path: &str, body: &str| {
        format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    for (method, path, body) in [
        ("GET", "/api/v1/app/?limit=1", ""),
        ("PUT", "/api/v1/app/x/", r#"{"name": ""}"#),
        ("DELETE", "/api/v1/app/x", ""),
        ("HEAD", "/api/v1/app/x", ""),
        ("GET", "/api/v1/health", ""),
    ] {
        let response = gateway.raw(request(method, path, body).as_bytes()).await;
        assert_eq!(response.status, 202, "{method} {path}: {response:?}");
        let received = gateway.upstream.requests().pop().unwrap();
        assert_eq!((received.line, received.body), (format!("{method} {path}"), body.as_bytes().to_vec()));
    }

    let before = gateway.upstream.requests().len();
    let options = gateway.raw(request("OPTIONS", SEND, "").as_bytes()).await;
    assert!(options.status == 204 && options.head.contains("allow: get, post, head, options"), "{options:?}");
    gateway.raw(request("TRACE", SEND, "").as_bytes()).await.expect_code(404, "not_found");
    gateway.raw(request("PATCH", SEND, "").as_bytes()).await.expect_code(404, "not_found");
    gateway.raw(request("GET", "/", "").as_bytes()).await.expect_code(404, "not_found");
    assert_eq!(gateway.upstream.requests().len(), before);

    let narrow = Harness::with(|options| options.scope.only_sending = true).await;
    narrow.raw(request("GET", "/api/v1/app", "").as_bytes()).await.expect_code(404, "not_found");
    assert_eq!(narrow.send("a.enforce", r#"{"n": 1}"#).await.status, 202);
    assert_eq!(narrow.upstream.requests().len(), 1);
}

#[tokio::test]
async fn a_response_is_streamed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    let (go, mut signal) = watch::channel(false);
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut read = [0; 4096];
        let _ = stream.read(&mut read).await.unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
            .await
            .unwrap();
        signal.wait_for(|go| *go).await.unwrap();
        stream.write_all(b"4\r\nlast\r\n0\r\n\r\n").await.unwrap();
    });
    let gateway = Harness::in_front_of(&format!("http://{upstream}"), Recorder::default(), |_| {}).await;

    let mut response = reqwest::get(format!("{}/api/v1/app", gateway.url())).await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "first");
    go.send_replace(true);
    let mut rest = Vec::new();
    while let Some(chunk) = response.chunk().await.unwrap() {
        rest.extend_from_slice(&chunk);
    }
    assert_eq!(rest, b"last");
}

#[tokio::test]
async fn expect_100_continue_ends_at_the_gateway() {
    let gateway = Harness::new().await;
    let body = r#"{"eventType": "a.enforce", "payload": {"n": 1}}"#;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let head = format!(
        "POST {SEND} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();

    let mut first = [0; 25];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut first)).await.unwrap().unwrap();
    assert_eq!(&first, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();

    assert!(rest.starts_with("HTTP/1.1 202 "), "{rest}");
    assert!(!gateway.upstream.requests()[0].headers.contains_key("expect"));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = RawServer::start(|_| answer("200 OK", &[], "")).await;
    let location = format!("location: http://{}/", other.address);
    let server = RawServer::start(move |_| answer("307 Temporary Redirect", &[&location], "")).await;
    let gateway =
        Harness::in_front_of(&format!("http://{}", server.address), Recorder::default(), |_| {}).await;

    assert_eq!(gateway.send("a.enforce", r#"{"n": 1}"#).await.status, 307);
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn only_a_configured_private_ca_is_trusted() {
    let certificate = Certificate::new("127.0.0.1");
    let server = RawServer::start_tls(&certificate, |_| answer("202 Accepted", &[], "{}")).await;
    let url = format!("https://{}", server.address);

    let trusting = Harness::in_front_of(&url, Recorder::default(), |options| {
        options.ca_bundle = Some(certificate.ca_pem.clone());
    })
    .await;
    assert_eq!(trusting.send("a.enforce", r#"{"n": 1}"#).await.status, 202);

    let other = Harness::in_front_of(&url, Recorder::default(), |_| {}).await;
    other.send("a.enforce", r#"{"n": 1}"#).await.expect_code(502, "upstream_failed");
    assert_eq!(server.requests().len(), 1, "an untrusted server receives no request");
}

#[tokio::test]
async fn channels_reach_the_endpoints_with_these_channels() {
    type Received = Arc<std::sync::Mutex<Vec<String>>>;
    let received: Received = Arc::default();
    let sink = received.clone();
    let app = axum::Router::new().fallback(async move |uri: axum::http::Uri| {
        sink.lock().unwrap().push(uri.path().to_owned());
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let receiver = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let svix = svix_server::start().await;
    let http = reqwest::Client::new();
    let post = async |url: &str, path: &str, body: Value| {
        let request = http.post(format!("{url}/api/v1{path}")).bearer_auth(svix.token()).json(&body);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let origin = "https://example.org/repo";
    for (encoding, name) in [(ChannelEncoding::WhenNeeded, "needed"), (ChannelEncoding::Always, "always")] {
        assert_eq!(post(&svix.url(), "/app", json!({"name": name, "uid": name})).await.0, 201);
        for (endpoint, channel) in [("origin", origin), ("plain", "plain")] {
            let channels = [channels::encode(channel, encoding)];
            let body = json!({"url": format!("{receiver}/{name}/{endpoint}"), "channels": channels});
            assert_eq!(post(&svix.url(), &format!("/app/{name}/endpoint"), body).await.0, 201);
        }
        let gateway = Harness::in_front_of(&svix.url(), Recorder::default(), |options| {
            options.channel_encoding = watch::channel(encoding).1;
        })
        .await;
        let mut expected = 0;
        for (channels, reach) in [
            (json!([origin]), vec!["origin"]),
            // As swh-webhooks sends it.
            (json!([channels::uuid_of(origin)]), vec!["origin"]),
            (json!(["plain"]), vec!["plain"]),
            (json!([origin, "plain"]), vec!["origin", "plain"]),
            (json!(["neither"]), vec![]),
        ] {
            received.lock().unwrap().clear();
            let body = json!({"eventType": "a.enforce", "payload": {"n": 1}, "channels": channels});
            let (status, text) = post(&gateway.url(), &format!("/app/{name}/msg"), body).await;
            assert_eq!(status, 202, "{text}");
            expected = reach.len();
            let wanted: BTreeSet<String> =
                reach.iter().map(|endpoint| format!("/{name}/{endpoint}")).collect();
            crate::support::wait::eventually(&format!("{name} {channels}"), PATIENCE, async || {
                let got: BTreeSet<String> = received.lock().unwrap().iter().cloned().collect();
                if got == wanted { Ok(()) } else { Err(format!("{got:?}")) }
            })
            .await;
        }
        assert_eq!(expected, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn during_schema_changes_each_message_gets_one_judgement() {
    let gateway = Arc::new(Harness::with(|options| options.undeclared = Undeclared::Refuse).await);
    let of = |key: &str| {
        declared(
            &json!({"required": [key], "additionalProperties": false, "properties": {key: {}}}),
            PayloadPolicy::Enforce,
        )
    };
    gateway.catalogue.put("default", "a.swap", of("a")).unwrap();
    let done = Arc::new(AtomicUsize::new(0));
    let http = reqwest::Client::new();
    let clients: Vec<_> = (0..8)
        .map(|client| {
            let (http, done, url) = (http.clone(), done.clone(), format!("{}{SEND}", gateway.url()));
            tokio::spawn(async move {
                for round in 0..1250 {
                    let key = if (client + round) % 2 == 0 { "a" } else { "b" };
                    let body = json!({"eventType": "a.swap", "payload": {key: 1}});
                    let response = http.post(&url).json(&body).send().await.unwrap();
                    let (status, text) = (response.status().as_u16(), response.text().await.unwrap());
                    assert!(matches!(status, 202 | 422), "{status} {text}");
                    // Only the other schema has both violations: a missing field and an unknown one.
                    assert!(status == 202 || text.matches("value_error").count() == 2, "{text}");
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let mut swaps = 0_usize;
    while done.load(Ordering::Relaxed) < 10_000 && clients.iter().any(|client| !client.is_finished()) {
        let key = if swaps.is_multiple_of(2) { "b" } else { "a" };
        gateway.catalogue.put("default", "a.swap", of(key)).unwrap();
        swaps += 1;
        tokio::task::yield_now().await;
    }
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(done.load(Ordering::Relaxed), 10_000);
    assert!(swaps > 10, "{swaps}");
    let forwarded = gateway.upstream.requests().len();
    gateway.check_metric(&format!("requests_total{{outcome=\"forwarded\"}} {forwarded}")).unwrap();
    gateway.check_metric(&format!("requests_total{{outcome=\"invalid\"}} {}", 10_000 - forwarded)).unwrap();
}
