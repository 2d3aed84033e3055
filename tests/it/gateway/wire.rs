//! What is passed on: byte for byte, with the caller's headers, and nothing of the connection's own.

use std::collections::BTreeSet;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::support::svix_server;
use serde_json::{Value, json};
use svix_operator::{
    api::{ChannelEncoding, PayloadPolicy},
    gateway::{Undeclared, operations},
    plan::channels,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::{PATIENCE, Recorder, SEND, World, declared};
use crate::support::raw_server::{Certificate, RawServer, answer};

#[test]
fn what_passes_is_what_the_specification_has() {
    let text = include_str!("../data/svix-operations.txt");
    let specified: BTreeSet<String> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (method, path) = line.split_once(' ').unwrap();
            let path = path.strip_prefix("/api/v1/").unwrap();
            let parts: Vec<_> =
                path.split('/').map(|part| if part.starts_with('{') { "*" } else { part }).collect();
            format!("{method} {}", parts.join("/"))
        })
        .collect();
    let ours: BTreeSet<String> = operations::all().map(|(method, path)| format!("{method} {path}")).collect();
    assert_eq!(ours, specified);
    assert_eq!(ours.len(), operations::all().count(), "none stands twice");
}

#[tokio::test]
async fn a_good_message_goes_on_byte_for_byte() {
    let world = World::new().await;
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
    let answer = world.post(&path, &headers, body).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(answer.body, r#"{"id": "msg_1"}"#);
    assert!(answer.head.contains("x-from: svix") && !answer.head.contains("x-hop"), "{}", answer.head);
    let [seen] = <[_; 1]>::try_from(world.seen.all()).unwrap();
    assert_eq!(seen.line, format!("POST {path}"));
    assert_eq!(seen.body, body.as_bytes());
    let value = |name: &str| {
        seen.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>().join("|")
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
async fn a_message_in_chunks_is_put_together() {
    let world = World::new().await;
    let (a, b) = (r#"{"eventType": "a.enforce", "#, r#""payload": {"n": 1}}"#);
    let bytes = format!(
        "POST {SEND} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n\
         {:x}\r\n{a}\r\n{:x};ext=1\r\n{b}\r\n0\r\nx-trailer: 1\r\n\r\n",
        a.len(),
        b.len()
    );
    let answer = world.raw(bytes.as_bytes()).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(world.seen.all()[0].body, format!("{a}{b}").as_bytes());
}

#[tokio::test]
async fn other_operations_pass_with_their_bodies_and_only_sending_narrows_them() {
    let world = World::new().await;
    let request = |method: &str, path: &str, body: &str| {
        format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    for (method, path, body) in [
        ("GET", "/api/v1/app/?limit=1", ""),
        ("PUT", "/api/v1/event-type/a.b/", r#"{"description": ""}"#),
        ("DELETE", "/api/v1/app/x", ""),
        ("HEAD", "/api/v1/app/x", ""),
        ("GET", "/api/v1/health", ""),
    ] {
        let answer = world.raw(request(method, path, body).as_bytes()).await;
        assert_eq!(answer.status, 202, "{method} {path}: {answer:?}");
        let seen = world.seen.all().pop().unwrap();
        assert_eq!((seen.line, seen.body), (format!("{method} {path}"), body.as_bytes().to_vec()));
    }
    let before = world.seen.all().len();
    let options = world.raw(request("OPTIONS", SEND, "").as_bytes()).await;
    assert!(options.status == 204 && options.head.contains("allow: get, post, head, options"), "{options:?}");
    world.raw(request("TRACE", SEND, "").as_bytes()).await.expect_code(404, "not_found");
    world.raw(request("PATCH", SEND, "").as_bytes()).await.expect_code(404, "not_found");
    world.raw(request("GET", "/", "").as_bytes()).await.expect_code(404, "not_found");
    assert_eq!(world.seen.all().len(), before);

    let narrow = World::with(|options| options.only_sending = true).await;
    narrow.raw(request("GET", "/api/v1/app", "").as_bytes()).await.expect_code(404, "not_found");
    assert_eq!(narrow.send("a.enforce", r#"{"n": 1}"#).await.status, 202);
    assert_eq!(narrow.seen.all().len(), 1);
}

#[tokio::test]
async fn an_answer_is_passed_on_as_it_comes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    let (go, mut told) = watch::channel(false);
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut read = [0; 4096];
        let _ = stream.read(&mut read).await.unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
            .await
            .unwrap();
        told.wait_for(|go| *go).await.unwrap();
        stream.write_all(b"4\r\nlast\r\n0\r\n\r\n").await.unwrap();
    });
    let world = World::in_front_of(&format!("http://{upstream}"), Recorder::default(), |_| {}).await;
    let mut answer = reqwest::get(format!("{}/api/v1/app", world.url())).await.unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "first");
    go.send_replace(true);
    let mut rest = Vec::new();
    while let Some(chunk) = answer.chunk().await.unwrap() {
        rest.extend_from_slice(&chunk);
    }
    assert_eq!(rest, b"last");
}

#[tokio::test]
async fn who_expects_100_continue_gets_it_and_svix_is_not_asked_for_it() {
    let world = World::new().await;
    let body = r#"{"eventType": "a.enforce", "payload": {"n": 1}}"#;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
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
    assert!(!world.seen.all()[0].headers.contains_key("expect"));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = RawServer::start(|_| answer("200 OK", &[], "")).await;
    let location = format!("location: http://{}/", other.address);
    let server = RawServer::start(move |_| answer("307 Temporary Redirect", &[&location], "")).await;
    let world = World::in_front_of(&format!("http://{}", server.address), Recorder::default(), |_| {}).await;
    assert_eq!(world.send("a.enforce", r#"{"n": 1}"#).await.status, 307);
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn a_private_ca_is_trusted_when_it_is_named_and_only_then() {
    let certificate = Certificate::new("127.0.0.1");
    let server = RawServer::start_tls(&certificate, |_| answer("202 Accepted", &[], "{}")).await;
    let url = format!("https://{}", server.address);
    let trusting = World::in_front_of(&url, Recorder::default(), |options| {
        options.ca_bundle = Some(certificate.ca_pem.clone());
    })
    .await;
    assert_eq!(trusting.send("a.enforce", r#"{"n": 1}"#).await.status, 202);
    let other = World::in_front_of(&url, Recorder::default(), |_| {}).await;
    other.send("a.enforce", r#"{"n": 1}"#).await.expect_code(502, "upstream_failed");
    assert_eq!(server.requests().len(), 1, "nothing is said to a server that is not trusted");
}

#[tokio::test]
async fn channels_reach_the_endpoints_that_name_them() {
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
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let origin = "https://example.org/repo";
    for (encoding, name) in [(ChannelEncoding::WhenNeeded, "needed"), (ChannelEncoding::Always, "always")] {
        assert_eq!(post(&svix.url(), "/app", json!({"name": name, "uid": name})).await.0, 201);
        for (endpoint, channel) in [("origin", origin), ("plain", "plain")] {
            let channels = [channels::encode(channel, encoding)];
            let body = json!({"url": format!("{receiver}/{name}/{endpoint}"), "channels": channels});
            assert_eq!(post(&svix.url(), &format!("/app/{name}/endpoint"), body).await.0, 201);
        }
        let world = World::in_front_of(&svix.url(), Recorder::default(), |options| {
            options.channel_encoding = watch::channel(encoding).1;
        })
        .await;
        let mut expected = 0;
        for (said, reach) in [
            (json!([origin]), vec!["origin"]),
            // As swh-webhooks says it.
            (json!([channels::uuid_of(origin)]), vec!["origin"]),
            (json!(["plain"]), vec!["plain"]),
            (json!([origin, "plain"]), vec!["origin", "plain"]),
            (json!(["neither"]), vec![]),
        ] {
            received.lock().unwrap().clear();
            let body = json!({"eventType": "a.enforce", "payload": {"n": 1}, "channels": said});
            let (status, text) = post(&world.url(), &format!("/app/{name}/msg"), body).await;
            assert_eq!(status, 202, "{text}");
            expected = reach.len();
            let wanted: BTreeSet<String> =
                reach.iter().map(|endpoint| format!("/{name}/{endpoint}")).collect();
            crate::support::wait::eventually(&format!("{name} {said}"), PATIENCE, async || {
                let got: BTreeSet<String> = received.lock().unwrap().iter().cloned().collect();
                if got == wanted { Ok(()) } else { Err(format!("{got:?}")) }
            })
            .await;
        }
        assert_eq!(expected, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_schema_changes_each_message_is_judged_by_one_or_the_other_and_none_is_lost() {
    let world = Arc::new(World::with(|options| options.undeclared = Undeclared::Refuse).await);
    let of = |key: &str| {
        declared(
            &json!({"required": [key], "additionalProperties": false, "properties": {key: {}}}),
            PayloadPolicy::Enforce,
        )
    };
    world.catalogue.put("default", "a.swap", of("a")).unwrap();
    let done = Arc::new(AtomicUsize::new(0));
    let http = reqwest::Client::new();
    let clients: Vec<_> = (0..8)
        .map(|client| {
            let (http, done, url) = (http.clone(), done.clone(), format!("{}{SEND}", world.url()));
            tokio::spawn(async move {
                for round in 0..1250 {
                    let key = if (client + round) % 2 == 0 { "a" } else { "b" };
                    let body = json!({"eventType": "a.swap", "payload": {key: 1}});
                    let answer = http.post(&url).json(&body).send().await.unwrap();
                    let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
                    assert!(matches!(status, 202 | 422), "{status} {text}");
                    // The other schema alone complains of both: what is missing and what it does not know.
                    assert!(status == 202 || text.matches("value_error").count() == 2, "{text}");
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let mut swaps = 0_usize;
    while done.load(Ordering::Relaxed) < 10_000 && clients.iter().any(|client| !client.is_finished()) {
        let key = if swaps.is_multiple_of(2) { "b" } else { "a" };
        world.catalogue.put("default", "a.swap", of(key)).unwrap();
        swaps += 1;
        tokio::task::yield_now().await;
    }
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(done.load(Ordering::Relaxed), 10_000);
    assert!(swaps > 10, "{swaps}");
    let passed = world.seen.all().len();
    world.counts(&format!("requests_total{{outcome=\"forwarded\"}} {passed}")).unwrap();
    world.counts(&format!("requests_total{{outcome=\"invalid\"}} {}", 10_000 - passed)).unwrap();
}
