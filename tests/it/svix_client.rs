//! The client on a network that misbehaves: certificates, proxies, redirects, time-outs, answers that are none.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use svix_operator::{
    svix::{Budget, Class, Client, ClientOptions, Error, ErrorKind},
    telemetry::Metrics,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    process::Command,
};

use crate::support::{
    ports::free_address,
    raw_server::{Answer, Certificate, RawServer, answer},
    svix_server,
};

/// In no error text may this appear.
const TOKEN: &str = "testsk_canary-5f2c";
/// Longer than anything here takes on a busy machine, and what a server that is silent is given.
const PATIENCE: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_millis(500);
const EMPTY_LIST: &str = r#"{"data": [], "iterator": null, "done": true}"#;

fn client(url: &str, ca_bundle: Option<&str>) -> Client {
    client_with(url, ca_bundle, PATIENCE)
}

fn client_with(url: &str, ca_bundle: Option<&str>, timeout: Duration) -> Client {
    let options = ClientOptions { server_url: Some(url), token: TOKEN, ca_bundle, timeout };
    Client::new(&options, Arc::new(Budget::new(None)), Metrics::default()).unwrap()
}

fn empty_list(_: &str) -> Answer {
    answer("200 OK", &["content-type: application/json"], EMPTY_LIST)
}

/// Lists event types from a server that answers so; the error tells no token and is short.
async fn error_of(given: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Error {
    let server = RawServer::start(given).await;
    error_at(&format!("http://{}", server.address), None).await
}

async fn error_at(url: &str, ca_bundle: Option<&str>) -> Error {
    error_with(client(url, ca_bundle)).await
}

async fn error_with(client: Client) -> Error {
    let error = client.list_event_types(None).await.unwrap_err();
    for text in [error.to_string(), format!("{error:?}")] {
        assert!(!text.contains(TOKEN), "{text}");
        assert!(text.len() < 1000, "{text}");
    }
    error
}

#[tokio::test]
async fn a_private_ca_is_trusted_only_when_named() {
    let certificate = Certificate::new("127.0.0.1");
    let server = RawServer::start_tls(&certificate, empty_list).await;
    let url = format!("https://{}", server.address);
    client(&url, Some(&certificate.ca_pem)).list_event_types(None).await.unwrap();

    let stranger = Certificate::new("127.0.0.1");
    for ca_bundle in [None, Some(stranger.ca_pem.as_str())] {
        let error = error_at(&url, ca_bundle).await;
        assert_eq!(error.class(), Class::Transient);
        let text = error.to_string().to_lowercase();
        assert!(text.contains("certificate") || text.contains("issuer"), "{text}");
    }
    assert_eq!(server.requests().len(), 1, "nothing is asked of a server that is not trusted");
}

#[tokio::test]
async fn a_certificate_of_another_name_is_refused() {
    let certificate = Certificate::new("other.example");
    let server = RawServer::start_tls(&certificate, empty_list).await;
    let error = error_at(&format!("https://{}", server.address), Some(&certificate.ca_pem)).await;
    assert!(error.to_string().contains("certificate"), "{error}");
    assert!(server.requests().is_empty());
}

#[test]
fn a_bundle_without_a_certificate_is_a_clear_error() {
    for (bundle, expected) in [
        ("", "found no text, expected certificates in PEM"),
        ("no PEM at all", "found text without a block, expected a line -----BEGIN CERTIFICATE-----"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "line 1: found a block CERTIFICATE that is no X.509 certificate",
        ),
    ] {
        let options = ClientOptions {
            server_url: Some("https://a.example"),
            token: TOKEN,
            ca_bundle: Some(bundle),
            timeout: TIMEOUT,
        };
        let error = Client::new(&options, Arc::new(Budget::new(None)), Metrics::default()).err().unwrap();
        assert!(error.to_string().starts_with(&format!("/spec/caBundle: {expected}")), "{error}");
    }
}

/// A proxy that tunnels every CONNECT to one address, and notes what it was asked for.
pub(crate) async fn tunnel(to: std::net::SocketAddr) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let noted = noted.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(client.read_u8().await.unwrap());
                }
                let line = String::from_utf8(head).unwrap().lines().next().unwrap().to_owned();
                noted.lock().unwrap().push(line);
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                let mut server = TcpStream::connect(to).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (url, asked)
}

/// `dev --once` of a folder that holds a connection with this CA, in an environment of its own.
async fn dev(url: &str, ca_pem: &str, environment: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let connection = serde_json::json!({
        "apiVersion": "svix-operator.dev/v1alpha1", "kind": "SvixConnection", "metadata": {"name": "default"},
        "spec": {
            "serverUrl": url, "ownerId": "test", "caBundle": ca_pem,
            "tokenSecretRef": {"name": "svix-token", "key": "token"},
        },
    });
    std::fs::write(folder.path().join("connection.json"), connection.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_svix-operator"));
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"] {
        command.env_remove(name);
    }
    let output = command
        .args(["dev", "--once", "--timeout", "60", "--svix-url", url])
        .arg(folder.path())
        .env("SVIX_TOKEN", TOKEN)
        .envs(environment.iter().copied())
        .output()
        .await
        .unwrap();
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn calls_go_through_the_proxy_that_the_environment_names() {
    // A name that only the proxy can find.
    let certificate = Certificate::new("svix.invalid");
    let server = RawServer::start_tls(&certificate, empty_list).await;
    let (proxy, asked) = tunnel(server.address).await;
    let stated = dev("https://svix.invalid:8443", &certificate.ca_pem, &[("HTTPS_PROXY", &proxy)]).await;
    assert!(stated.contains("1 in sync"), "{stated}");
    assert!(asked.lock().unwrap().iter().all(|line| line.starts_with("CONNECT svix.invalid:8443 ")));
    assert!(!asked.lock().unwrap().is_empty() && !server.requests().is_empty());
    assert!(!stated.contains(TOKEN));
}

#[tokio::test]
async fn no_proxy_is_honoured() {
    let certificate = Certificate::new("127.0.0.1");
    let server = RawServer::start_tls(&certificate, empty_list).await;
    let (proxy, asked) = tunnel(server.address).await;
    let url = format!("https://{}", server.address);
    let environment = [("HTTPS_PROXY", proxy.as_str()), ("NO_PROXY", "127.0.0.1")];
    let stated = dev(&url, &certificate.ca_pem, &environment).await;
    assert!(stated.contains("1 in sync"), "{stated}");
    assert!(asked.lock().unwrap().is_empty() && !server.requests().is_empty());
}

#[tokio::test]
async fn retry_after_is_read_in_both_forms_and_nonsense_is_none() {
    let date = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(3600);
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date).unwrap();
    for (value, least, most) in
        [("7", 7, 7), ("0", 0, 0), (date.as_str(), 3590, 3600), ("31536000", 31_536_000, 31_536_000)]
    {
        let header = format!("retry-after: {value}");
        let error = error_of(move |_| answer("429 Too Many Requests", &[&header], "{}")).await;
        let ErrorKind::Throttled { retry_after: Some(wait) } = error.kind else { panic!("{error}") };
        assert!((least..=most).contains(&wait.as_secs()), "{value}: {wait:?}");
    }
    for value in ["-1", "soon", "1.5", "99999999999999999999999"] {
        let header = format!("retry-after: {value}");
        let error = error_of(move |_| answer("429 Too Many Requests", &[&header], "{}")).await;
        assert_eq!(error.kind, ErrorKind::Throttled { retry_after: None }, "{value}");
    }
    // A date that has passed is no wait.
    let error =
        error_of(|_| answer("429 Too Many Requests", &["retry-after: Sun, 06 Nov 1994 08:49:37 GMT"], "{}"))
            .await;
    assert_eq!(error.kind, ErrorKind::Throttled { retry_after: Some(Duration::ZERO) });
}

#[tokio::test]
async fn a_429_holds_back_the_next_call_of_anyone() {
    let calls = Arc::new(Mutex::new(0));
    let counted = calls.clone();
    let server = RawServer::start(move |_| {
        let mut calls = counted.lock().unwrap();
        *calls += 1;
        match *calls {
            1 => answer("429 Too Many Requests", &["retry-after: 1"], "{}"),
            _ => answer("200 OK", &[], EMPTY_LIST),
        }
    })
    .await;
    let client = client(&format!("http://{}", server.address), None);
    let begun = Instant::now();
    client.list_event_types(None).await.unwrap_err();
    client.clone().list_event_types(None).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn answers_that_are_none_are_clear_and_short() {
    let page = "<html>".to_owned() + &"x".repeat(100_000);
    for (status, class) in [
        ("502 Bad Gateway", Class::Transient),
        ("500 Oops", Class::Transient),
        ("418 Teapot", Class::Terminal),
    ] {
        let page = page.clone();
        let error = error_of(move |_| answer(status, &["content-type: text/html"], &page)).await;
        assert_eq!(error.class(), class, "{error}");
    }
    for body in ["<html>", "", "[]", r#"{"data": 5}"#, r#"{"data": [{"name": 7}], "done": true}"#, "{"] {
        let error = error_of(move |_| answer("200 OK", &[], body)).await;
        assert!(matches!(error.kind, ErrorKind::Answer { status: 200, .. }), "{body}: {error}");
        assert_eq!(error.class(), Class::Transient);
    }
}

#[tokio::test]
async fn an_error_without_an_end_is_read_only_to_a_bound() {
    // More comes than any buffer holds; the answer is there none the less.
    let head = "HTTP/1.1 400 Bad Request\r\ntransfer-encoding: identity\r\n\r\n";
    let error = error_of(move |_| Answer::Endless(head.as_bytes().to_vec())).await;
    assert!(matches!(error.kind, ErrorKind::Refused { status: 400, .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_in_time_is_given_up() {
    let slow = answer("200 OK", &[], &EMPTY_LIST.repeat(100));
    let Answer::Bytes(bytes) = slow else { unreachable!() };
    for given in [Answer::Silence, Answer::Trickle(bytes, Duration::from_millis(20))] {
        let server = RawServer::start(move |_| given.clone()).await;
        let begun = Instant::now();
        let error = error_with(client_with(&format!("http://{}", server.address), None, TIMEOUT)).await;
        assert!(matches!(error.kind, ErrorKind::Transport(_)) && error.effect_unknown(), "{error}");
        assert!(begun.elapsed() >= TIMEOUT && begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_connection_that_ends_too_early_is_an_error() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"data\": [".to_vec();
    let error = error_of(move |_| Answer::Reset(half.clone())).await;
    assert!(matches!(error.kind, ErrorKind::Transport(_)) && error.effect_unknown(), "{error}");
    let error = error_of(|_| Answer::Reset(Vec::new())).await;
    assert!(matches!(error.kind, ErrorKind::Transport(_)), "{error}");
    let nobody = free_address();
    let error = error_at(&format!("http://{nobody}"), None).await;
    assert!(matches!(error.kind, ErrorKind::Transport(_)), "{error}");
}

#[tokio::test]
async fn a_server_without_tls_is_named_as_the_cause() {
    let svix = svix_server::start().await;
    let error = error_at(&svix.url().replace("http://", "https://"), None).await;
    assert!(error.to_string().contains("no TLS is spoken at this address"), "{error}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = RawServer::start(empty_list).await;
    let location = format!("location: http://{}/api/v1/event-type", other.address);
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let location = location.clone();
        let error = error_of(move |_| answer(status, &[&location], "")).await;
        assert!(matches!(error.kind, ErrorKind::Answer { .. }), "{error}");
    }
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn the_current_token_is_sent() {
    let server = RawServer::start(|head| {
        let good = head.to_lowercase().contains("authorization: bearer second");
        match good {
            true => empty_list(head),
            false => answer(
                "401 Unauthorized",
                &[],
                r#"{"code": "authentication_failed", "detail": "Invalid token"}"#,
            ),
        }
    })
    .await;
    let client = client(&format!("http://{}", server.address), None);
    let error = client.list_event_types(None).await.unwrap_err();
    assert_eq!(error.class(), Class::Unauthorized);
    assert!(error.to_string().contains("Invalid token"), "{error}");
    client.set_token("second\n").unwrap();
    client.list_event_types(None).await.unwrap();
    assert!(client.set_token("two\nlines").is_err());
}

#[tokio::test]
async fn a_full_page_of_deliveries_is_not_the_last() {
    // As the open-source server does: `done` is true on each page.
    let page = |first: usize, count: usize| {
        let one = |id: usize| format!(r#"{{"id": "ep_{id}", "status": 0, "nextAttempt": null}}"#);
        let data: Vec<_> = (first..first + count).map(one).collect();
        let last = if count == 0 { "null".to_owned() } else { format!("\"ep_{}\"", first + count - 1) };
        format!(r#"{{"data": [{}], "iterator": {last}, "done": true}}"#, data.join(","))
    };
    for (total, requests) in [(249, 1), (250, 2), (600, 3)] {
        let server = RawServer::start(move |request| {
            let after = request
                .split("iterator=ep_")
                .nth(1)
                .map_or(0, |rest| rest.split([' ', '&']).next().unwrap().parse::<usize>().unwrap() + 1);
            answer("200 OK", &["content-type: application/json"], &page(after, (total - after).min(250)))
        })
        .await;

        let found = client(&format!("http://{}", server.address), None).deliveries("app", "msg_1").await;

        assert_eq!(found.unwrap().unwrap().len(), total);
        assert_eq!(server.requests().len(), requests, "{total}");
    }
}

/// The number of items that a request for a page asks for.
fn limit(request: &str) -> usize {
    let limit = request.split("limit=").nth(1).unwrap();
    limit.split([' ', '&']).next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_page_with_too_many_bytes_is_read_in_smaller_ones() {
    const TOTAL: usize = 20;
    let schema = format!(r#"{{"description": "{}"}}"#, "x".repeat(1024 * 1024));
    let page = move |request: &str| {
        let iterator = request.split("iterator=").nth(1).map(|rest| rest.split([' ', '&']).next().unwrap());
        let first = iterator.map_or(0, |last| last.parse::<usize>().unwrap() + 1);
        let end = TOTAL.min(first + limit(request));
        let one = |id: usize| format!(r#"{{"name": "{id}", "schemas": {{"1": {schema}}}}}"#);
        let data: Vec<_> = (first..end).map(one).collect();
        format!(r#"{{"data": [{}], "iterator": "{}", "done": {}}}"#, data.join(","), end - 1, end == TOTAL)
    };
    // With the length of the page in its head, and without.
    let (with_length, without) = (page.clone(), page);
    let servers = [
        RawServer::start(move |request| answer("200 OK", &[], &with_length(request))).await,
        RawServer::start(move |request| {
            Answer::Bytes(
                format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}", without(request)).into_bytes(),
            )
        })
        .await,
    ];
    for server in servers {
        let client = client(&format!("http://{}", server.address), None);
        let (mut names, mut from) = (Vec::new(), None::<String>);
        loop {
            let page = client.list_event_types(from.as_deref()).await.unwrap();
            names.extend(page.items.into_iter().map(|item| item.name.parse::<usize>().unwrap()));
            from = page.next;
            if from.is_none() {
                break;
            }
        }

        assert_eq!(names, (0..TOTAL).collect::<Vec<_>>());
        let limits: Vec<_> = server.requests().iter().map(|request| limit(request)).collect();
        assert_eq!(limits[..4], [250, 62, 15, 3], "{limits:?}");
        assert!(limits[4..].iter().all(|limit| *limit == 3), "{limits:?}");
    }
}

#[tokio::test]
async fn a_page_without_an_end_is_given_up() {
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
    let error = error_of(move |_| Answer::Endless(head.as_bytes().to_vec())).await;
    assert!(matches!(error.kind, ErrorKind::Answer { status: 200, .. }), "{error}");
    assert!(error.to_string().contains("more than 16777216 bytes"), "{error}");
}
