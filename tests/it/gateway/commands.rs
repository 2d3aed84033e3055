//! `svix-operator webhook` and `svix-operator send` as users run them.

use std::{
    io::Write as _,
    net::SocketAddr,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};
use svix_operator::embedded::EmbeddedSvix;

use super::PATIENCE;
use crate::support::raw_server::{Certificate, RawServer, answer};
use crate::support::{
    objects::{Manifest, connection, event_type},
    ports::free_address,
    svix_server,
    wait::eventually,
};
use crate::svix_client::tunnel;

const PROGRAM: &str = env!("CARGO_BIN_EXE_svix-operator");

fn write(dir: &std::path::Path, file: &str, manifests: &[Manifest]) {
    let text: String = manifests.iter().map(|manifest| format!("---\n{}\n", manifest.0)).collect();
    std::fs::write(dir.join(file), text).unwrap();
}

fn requiring(key: &str) -> Manifest {
    event_type("a.one").with("schema", json!({"type": "object", "required": [key]}))
}

async fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let answer = reqwest::get(format!("http://{address}{path}")).await.ok()?;
    Some((answer.status().as_u16(), answer.text().await.ok()?))
}

async fn check(address: SocketAddr, payload: Value) -> u16 {
    let url = format!("http://{address}/validate/a.one");
    reqwest::Client::new().post(url).json(&payload).send().await.unwrap().status().as_u16()
}

fn webhook(
    arguments: &[&str],
    listen: SocketAddr,
    health: SocketAddr,
    svix: &EmbeddedSvix,
) -> tokio::process::Child {
    webhook_command(arguments, listen, health, svix).spawn().unwrap()
}

fn webhook_command(
    arguments: &[&str],
    listen: SocketAddr,
    health: SocketAddr,
    svix: &EmbeddedSvix,
) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(PROGRAM);
    command
        .args(["webhook", "--listen", &listen.to_string(), "--health-addr", &health.to_string()])
        .args(["--svix-url", &svix.url()])
        .args(arguments)
        .env("SVIX_TOKEN", svix.token())
        .kill_on_drop(true);
    command
}

async fn ready(health: SocketAddr) {
    eventually("readiness", PATIENCE, async || match get(health, "/readyz").await {
        Some((200, _)) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

#[tokio::test]
async fn event_types_come_from_a_folder_until_sigterm() {
    let svix = svix_server::start().await;
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.yaml", &[connection(&svix.url()), requiring("old")]);
    let (listen, health) = (free_address(), free_address());
    let mut child = webhook(&["--from", dir.path().to_str().unwrap()], listen, health, &svix);
    ready(health).await;
    assert_eq!(get(health, "/livez").await.unwrap().0, 200);
    assert_eq!((check(listen, json!({"old": 1})).await, check(listen, json!({"new": 1})).await), (200, 422));
    write(dir.path(), "a.yaml", &[connection(&svix.url()), requiring("new")]);
    eventually("the new schema to be in use", PATIENCE, async || {
        (check(listen, json!({"new": 1})).await == 200).then_some(())
    })
    .await;
    // An invalid schema does not replace a valid one.
    write(dir.path(), "a.yaml", &[event_type("a.one").with("schema", json!({"type": "strin"}))]);
    write(dir.path(), "b.yaml", &[event_type("a.two")]);
    eventually("the rest of the folder to be loaded", PATIENCE, async || {
        let answer = reqwest::Client::new()
            .post(format!("http://{listen}/validate/a.two"))
            .json(&json!({}))
            .send()
            .await;
        (answer.unwrap().status() == 200).then_some(())
    })
    .await;
    assert_eq!((check(listen, json!({"old": 1})).await, check(listen, json!({"new": 1})).await), (422, 200));
    let metrics = get(health, "/metrics").await.unwrap().1;
    assert!(metrics.contains("svix_operator_gateway_requests_total{outcome=\"checked\"}"), "{metrics}");
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let ended = tokio::time::timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    assert_eq!(ended.code(), Some(0));
}

#[tokio::test]
async fn what_audit_lets_pass_is_logged_by_place() {
    // Given a gateway with an event type whose schema is only audited
    let svix = svix_server::start().await;
    let dir = tempfile::tempdir().unwrap();
    let schema = json!({"properties": {"items": {"items": {"additionalProperties": {"type": "integer"}}}}});
    let audited = event_type("a.one").with("schema", schema).with("payloadPolicy", "Audit");
    write(dir.path(), "a.yaml", &[connection(&svix.url()), audited]);
    let (listen, health) = (free_address(), free_address());
    let mut command = webhook_command(&["--from", dir.path().to_str().unwrap()], listen, health, &svix);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    ready(health).await;
    let post = async |path: &str, body: Value| {
        let url = format!("http://{listen}/api/v1{path}");
        let request = reqwest::Client::new().post(url).bearer_auth(svix.token()).json(&body);
        request.send().await.unwrap().error_for_status().unwrap();
    };
    post("/app", json!({"name": "default", "uid": "default"})).await;

    // When messages pass that do not match it
    for _ in 0..3 {
        let payload = json!({"items": [{"s3cret": "s3cret"}]});
        post("/app/default/msg", json!({"eventType": "a.one", "payload": payload})).await;
    }

    // Then the log has one line, with the place and nothing of the messages.
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let ended = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap();
    let log = String::from_utf8([ended.stdout, ended.stderr].concat()).unwrap();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("Enforce would have rejected")).collect();
    assert!(lines.len() == 1 && lines[0].contains("/items/*/* (type): 1"), "{log}");
    assert!(!log.contains("s3cret"), "{log}");
}

#[tokio::test]
async fn event_types_come_from_svix_and_are_refreshed() {
    let svix = svix_server::start().await;
    svix.faults().down(true);
    let (listen, health) = (free_address(), free_address());
    let _child = webhook(&["--from-svix", "--refresh", "1"], listen, health, &svix);
    eventually("the process to be up and not ready", PATIENCE, async || match get(health, "/readyz").await {
        Some((503, text)) if text.contains("event types") => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    svix.faults().down(false);
    let http = reqwest::Client::new();
    let put = async |key: &str| {
        let body = json!({"description": "", "schemas": {"1": {"required": [key]}, "2": false}});
        let url = format!("{}/api/v1/event-type/a.one", svix.url());
        let answer = http.put(url).bearer_auth(svix.token()).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    };
    put("old").await;
    ready(health).await;
    for key in ["old", "new"] {
        put(key).await;
        eventually("the new schema to be in use", PATIENCE, async || {
            (check(listen, json!({key: 1})).await == 200).then_some(())
        })
        .await;
    }
    assert_eq!(check(listen, json!({"old": 1})).await, 422);
    let url = format!("{}/api/v1/event-type/a.one", svix.url());
    http.delete(url).bearer_auth(svix.token()).send().await.unwrap();
    eventually("the archived event type to be undeclared", PATIENCE, async || {
        (check(listen, json!({})).await == 404).then_some(())
    })
    .await;
}

fn send(svix: &EmbeddedSvix, arguments: &[&str], payload: &str) -> Output {
    let mut child = Command::new(PROGRAM)
        .args(["send", "a.one", "-f", "-", "--svix-url", &svix.url()])
        .args(arguments)
        .env("SVIX_TOKEN", svix.token())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A process that ends before it reads stdin is noticed by its exit code.
    let _ = child.stdin.take().unwrap().write_all(payload.as_bytes());
    child.wait_with_output().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn send_judges_and_then_sends() {
    let svix = svix_server::start().await;
    let dir = tempfile::tempdir().unwrap();
    let connection =
        connection(&svix.url()).with("channelEncoding", "Always").with("defaultApplication", "app");
    write(dir.path(), "a.yaml", &[connection, requiring("n")]);
    let from = dir.path().to_str().unwrap();
    let app = json!({"name": "app", "uid": "app"});
    let url = format!("{}/api/v1/app", svix.url());
    reqwest::Client::new().post(url).bearer_auth(svix.token()).json(&app).send().await.unwrap();

    let text = |output: &Output| {
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    let payload = r#"{"n": 1.50,  "b": 12345678901234567890123}"#;
    let sent = send(&svix, &["--from", from, "--channel", "a b", "--event-id", "e-1"], payload);
    assert_eq!(sent.status.code(), Some(0), "{}", text(&sent));
    assert!(text(&sent).starts_with("msg_"), "{}", text(&sent));
    let snapshot = svix.snapshot();
    let message = snapshot.applications["app"].messages.values().next().unwrap();
    assert_eq!(message.payload.as_deref(), Some(payload), "as it stands");
    assert!(message.channels.as_ref().unwrap().contains(&svix_operator::plan::channels::uuid_of("a b")));

    let again = send(&svix, &["--from", from, "--channel", "a b", "--event-id", "e-1"], payload);
    assert_eq!(again.status.code(), Some(0), "{}", text(&again));
    assert_eq!(again.stdout, sent.stdout, "the same message");
    assert!(text(&again).contains("already sent: an event with id e-1 is in Svix"), "{}", text(&again));
    svix.faults().accept_used_event_ids(true);
    let days_later = send(&svix, &["--from", from, "--channel", "a b", "--event-id", "e-1"], payload);
    assert_eq!(days_later.stdout, sent.stdout, "the same message, although Svix would accept another");
    assert_eq!(svix.snapshot().applications["app"].messages.len(), 1);
    svix.faults().accept_used_event_ids(false);
    let other = send(&svix, &["--from", from, "--channel", "a b", "--event-id", "e-1"], r#"{"n": 2}"#);
    assert_eq!(other.status.code(), Some(1), "{}", text(&other));
    assert!(text(&other).contains("payload differs"), "{}", text(&other));
    let nowhere = send(&svix, &["--from", from, "--app", "nope"], payload);
    assert_eq!(nowhere.status.code(), Some(3));
    assert!(text(&nowhere).contains("application \"nope\" is not in Svix"), "{}", text(&nowhere));
    let bad = send(&svix, &["--from", from], "{}");
    assert_eq!((bad.status.code(), text(&bad).as_str()), (Some(1), "/: found no \"n\", which is required\n"));
    let broken = send(&svix, &["--from", from], "{");
    assert!(broken.status.code() == Some(1) && text(&broken).contains("not JSON"), "{}", text(&broken));
    let marked = send(&svix, &["--from", from], &format!("\u{feff}{payload}"));
    assert!(
        marked.status.code() == Some(1) && text(&marked).contains("byte order mark"),
        "{}",
        text(&marked)
    );
    let dry = send(&svix, &["--from", from, "--dry-run"], payload);
    assert!(dry.status.code() == Some(0) && text(&dry).contains("nothing is sent"), "{}", text(&dry));
    let undeclared = send(&svix, &["--from-svix"], payload);
    assert!(
        undeclared.status.code() == Some(1) && text(&undeclared).contains("nobody declares"),
        "{}",
        text(&undeclared)
    );
    assert_eq!(send(&svix, &[], payload).status.code(), Some(2), "one of --from and --from-svix");
    let nowhere = send(&svix, &["--from", "/nowhere"], payload);
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(text(&nowhere).contains("/nowhere is not there"), "{}", text(&nowhere));
    svix.faults().down(true);
    assert_eq!(send(&svix, &["--from", from], payload).status.code(), Some(3));
    let url = svix.url();
    svix.shutdown().await;
    let mut gone = Command::new(PROGRAM);
    gone.args(["send", "a.one", "-f", "/dev/stdin", "--from-svix", "--svix-url", &url])
        .env("SVIX_TOKEN", "x");
    let gone = gone.stdin(Stdio::null()).output().unwrap();
    assert_eq!(gone.status.code(), Some(3));
    let stated = format!("no answer from Svix at {url}: ");
    assert!(text(&gone).contains(&stated) && text(&gone).contains("--svix-url"), "{}", text(&gone));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn send_compares_decimals_digit_by_digit() {
    let svix = svix_server::start().await;
    let dir = tempfile::tempdir().unwrap();
    let schema = json!({"properties": {
        "most": {"maximum": 100}, "least": {"exclusiveMinimum": 99.5}, "step": {"multipleOf": 0.01}, "one": {"const": 1},
    }});
    write(
        dir.path(),
        "a.yaml",
        &[connection(&svix.url()), event_type("a.one").with("schema", schema.clone())],
    );
    let url = format!("{}/api/v1/event-type", svix.url());
    let body = json!({"name": "a.one", "description": "", "schemas": {"1": schema}});
    reqwest::Client::new().post(url).bearer_auth(svix.token()).json(&body).send().await.unwrap();

    for source in [&["--from", dir.path().to_str().unwrap()][..], &["--from-svix"]] {
        for (payload, is_valid) in [
            (r#"{"most": 100.0000000000000000000001}"#, false),
            (r#"{"most": 100.0000000000000000000000}"#, true),
            (r#"{"least": 99.50000000000000000000001}"#, true),
            (r#"{"least": 99.5}"#, false),
            (r#"{"step": 0.0100000000000000000000001}"#, false),
            (r#"{"step": 0.07}"#, true),
            (r#"{"one": 1.0000000000000000000001}"#, false),
        ] {
            let output = send(&svix, &[source, &["--dry-run"]].concat(), payload);

            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(i32::from(!is_valid)), "{payload}: {error}");
            let number = payload.trim_end_matches('}').split(": ").nth(1).unwrap();
            assert!(is_valid || error.contains(&format!(": found {number}, ")), "{payload}: {error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variables_of_the_command_line_of_svix_are_accepted() {
    let svix = svix_server::start().await;
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.yaml", &[requiring("n")]);
    let payload = dir.path().join("payload.txt");
    std::fs::write(&payload, "{\"n\": 1}").unwrap();
    let app = json!({"name": "default", "uid": "default"});
    let url = format!("{}/api/v1/app", svix.url());
    reqwest::Client::new().post(url).bearer_auth(svix.token()).json(&app).send().await.unwrap();
    let (url, token) = (svix.url(), svix.token().to_owned());
    let send = |variables: &[(&str, &str)]| {
        let mut command = Command::new(PROGRAM);
        for name in ["SVIX_TOKEN", "SVIX_AUTH_TOKEN", "SVIX_URL", "SVIX_SERVER_URL"] {
            command.env_remove(name);
        }
        command.args(["send", "a.one", "--from"]).arg(dir.path()).arg("-f").arg(&payload);
        let output = command.envs(variables.iter().copied()).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };

    let theirs = send(&[("SVIX_AUTH_TOKEN", &token), ("SVIX_SERVER_URL", &url)]);
    let ours = [("SVIX_TOKEN", token.as_str()), ("SVIX_URL", &url)];
    let both = send(
        &[&ours[..], &[("SVIX_AUTH_TOKEN", "other-secret"), ("SVIX_SERVER_URL", "http://other")]].concat(),
    );
    let equal = send(&[&ours[..], &[("SVIX_AUTH_TOKEN", &token), ("SVIX_SERVER_URL", &url)]].concat());
    let neither = send(&[("SVIX_SERVER_URL", &url)]);

    assert_eq!(theirs, (Some(0), String::new()));
    assert_eq!(equal, (Some(0), String::new()));
    assert_eq!(both.0, Some(0), "{}", both.1);
    assert!(both.1.contains("SVIX_TOKEN is used") && both.1.contains("SVIX_URL is used"), "{}", both.1);
    assert!(!both.1.contains("other-secret"), "{}", both.1);
    assert!(neither.0 == Some(2) && neither.1.contains("SVIX_TOKEN and SVIX_AUTH_TOKEN"), "{neither:?}");
}

#[test]
fn with_event_types_from_svix_they_cannot_be_written() {
    let output = Command::new(PROGRAM)
        .args(["webhook", "--from-svix", "--svix-url", "http://127.0.0.1:9", "--allow-event-type-writes"])
        .env("SVIX_TOKEN", "t")
        .output()
        .unwrap();

    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("--allow-event-type-writes") && text.contains("--from-svix"), "{text}");
}

#[tokio::test]
async fn an_address_in_use_is_reported_with_its_flag() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.yaml", &[requiring("n")]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    for (flag, other) in [("--listen", "--health-addr"), ("--health-addr", "--listen")] {
        let output = Command::new(PROGRAM)
            .args(["webhook", "--from", dir.path().to_str().unwrap(), "--svix-url", "http://127.0.0.1:9"])
            .args([flag, &taken, other, "127.0.0.1:0"])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(&format!("; {flag} sets another address")), "{text}");
    }
}

#[tokio::test]
async fn the_gateway_uses_the_proxy_of_the_environment() {
    let certificate = Certificate::new("svix.invalid");
    let server =
        RawServer::start_tls(&certificate, |_| answer("202 Accepted", &[], r#"{"id": "msg_1"}"#)).await;
    let (proxy, asked) = tunnel(server.address).await;
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.yaml", &[requiring("n")]);
    let ca = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca.path(), &certificate.ca_pem).unwrap();
    let (listen, health) = (free_address(), free_address());
    let mut command = tokio::process::Command::new(PROGRAM);
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"] {
        command.env_remove(name);
    }
    let _child = command
        .args(["webhook", "--listen", &listen.to_string(), "--health-addr", &health.to_string()])
        .args(["--svix-url", "https://svix.invalid:8443", "--from", dir.path().to_str().unwrap()])
        .args(["--svix-ca", ca.path().to_str().unwrap()])
        .env("HTTPS_PROXY", proxy)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    ready(health).await;
    let body = json!({"eventType": "a.one", "payload": {"n": 1}});
    let url = format!("http://{listen}{}", super::SEND);
    let sent = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
    assert_eq!(sent.status(), 202, "{}", sent.text().await.unwrap());
    assert!(asked.lock().unwrap()[0].starts_with("CONNECT svix.invalid:8443 "), "{asked:?}");
    assert!(server.requests()[0].contains("host: svix.invalid:8443"), "{:?}", server.requests());
}

#[tokio::test]
async fn idle_connections_do_not_shut_out_callers() {
    let svix = svix_server::start().await;
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.yaml", &[requiring("n")]);
    let (listen, health) = (free_address(), free_address());
    let _child = webhook(&["--from", dir.path().to_str().unwrap()], listen, health, &svix);
    ready(health).await;
    // Kept open; the gateway closes the oldest ones to make room.
    let mut idle = Vec::new();
    for _ in 0..8_300 {
        idle.push(tokio::net::TcpStream::connect(listen).await.unwrap());
    }

    assert_eq!(check(listen, json!({"n": 1})).await, 200);
    assert_eq!(get(health, "/livez").await.map(|(status, _)| status), Some(200));
}
