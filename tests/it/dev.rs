//! `svix-operator dev` as a user runs it.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use svix_operator::embedded::EmbeddedSvix;

use crate::support::{
    control_plane::no_build_under_way,
    inbox::Inbox,
    objects::{Manifest, connection, endpoint, event, event_type},
    ports::free_address,
    svix_server,
    wait::eventually,
};

mod connections;
mod signals;

const PROGRAM: &str = env!("CARGO_BIN_EXE_svix-operator");

fn once(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).arg("dev").args(arguments).arg("--once").output().unwrap()
}

fn write(dir: &Path, file: &str, manifests: &[Manifest]) {
    let text: String = manifests.iter().map(|manifest| format!("---\n{}\n", manifest.0)).collect();
    std::fs::write(dir.join(file), text).unwrap();
}

/// A Svix that `dev` uses in place of its own.
struct OtherSvix {
    url: String,
    token: String,
}

impl OtherSvix {
    fn of(svix: &EmbeddedSvix) -> Self {
        Self { url: svix.url(), token: svix.token().to_owned() }
    }

    /// A server that does not exist.
    fn nowhere() -> Self {
        Self { url: format!("http://{}", free_address()), token: "x".to_owned() }
    }
}

/// Returns `dev` with these arguments on a folder, with its own Svix or another one.
fn dev(dir: &Path, arguments: &[&str], other: Option<&OtherSvix>) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg("dev").args(arguments).arg(dir);
    if let Some(OtherSvix { url, token }) = other {
        command.args(["--svix-url", url]).env("SVIX_TOKEN", token);
    }
    command
}

/// Starts `dev` on a folder, and collects what it prints.
fn start(dir: &Path, other: Option<&OtherSvix>) -> (tokio::process::Child, Arc<Mutex<String>>) {
    start_with(dir, &[], other)
}

fn start_with(
    dir: &Path,
    arguments: &[&str],
    other: Option<&OtherSvix>,
) -> (tokio::process::Child, Arc<Mutex<String>>) {
    let mut child = tokio::process::Command::from(dev(dir, arguments, other))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let printed: Arc<Mutex<String>> = Arc::default();
    let out = child.stdout.take().unwrap().into_owned_fd().unwrap();
    let sink = printed.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(std::fs::File::from(out)).lines().map_while(Result::ok) {
            sink.lock().unwrap().push_str(&format!("{line}\n"));
        }
    });
    (child, printed)
}

async fn wait_for_output(printed: &Mutex<String>, text: &str) {
    eventually(text, Duration::from_secs(30), async || {
        let printed = printed.lock().unwrap();
        if printed.contains(text) { Ok(()) } else { Err(printed.clone()) }
    })
    .await;
}

#[test]
fn examples_are_in_sync() {
    for (example, objects) in [("quickstart", 6), ("software-heritage", 6), ("any-payload", 3)] {
        let dir = format!("{}/examples/{example}", env!("CARGO_MANIFEST_DIR"));
        let output = once(&[&dir]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&output.stderr));
        assert!(text.ends_with(&format!("{objects} objects: {objects} in sync\n")), "{text}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
}

/// The addresses and the token that `dev` prints.
struct Printed {
    svix: String,
    gateway: String,
    token: String,
}

/// Starts `dev` on a folder with an event type, and waits until it has printed its addresses.
async fn start_printed(arguments: &[&str]) -> (tokio::process::Child, tempfile::TempDir, Printed) {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.yaml", &[event_type("a.one")]);
    let (child, printed) = start_with(dir.path(), arguments, None);
    wait_for_output(&printed, "Ctrl-C ends.").await;
    let text = printed.lock().unwrap().clone();
    let between = |start: &str, end: &str| {
        let rest = text.split(start).nth(1).unwrap_or_else(|| panic!("{text}"));
        rest.split(end).next().unwrap().to_owned()
    };
    let printed = Printed {
        svix: between("Svix is at ", ","),
        token: between(", token ", ".\n"),
        gateway: between("The gateway is at ", ": "),
    };
    (child, dir, printed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_run_has_a_token_of_its_own_or_the_given_one() {
    let (_first, _dir, first) = start_printed(&[]).await;
    let (_second, _dir, second) = start_printed(&[]).await;
    let (_given, _dir, given) = start_printed(&["--token", "chosen-1"]).await;
    let list = async |url: &str, token: &str| {
        let get = reqwest::Client::new().get(format!("{url}/api/v1/event-type")).bearer_auth(token);
        get.send().await.unwrap().status().as_u16()
    };

    assert!(first.token.starts_with("testsk_") && first.token.len() > 30, "{}", first.token);
    assert_ne!(first.token, second.token);
    assert_eq!(given.token, "chosen-1");
    for url in [&first.svix, &first.gateway] {
        assert_eq!((list(url, &first.token).await, list(url, &second.token).await), (200, 401), "{url}");
        assert_eq!(list(url, "testsk_embedded").await, 401, "{url}");
    }
    assert_eq!(list(&given.gateway, "chosen-1").await, 200);

    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.yaml", &[event_type("a.one")]);
    let from_environment = dev(dir.path(), &["--once"], None).env("SVIX_OPERATOR_DEV_TOKEN", "a b").output();
    let refused = from_environment.unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("expected one or more letters"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateway_has_the_surface_of_svix_cloud_where_asked() {
    // Given a server, and `dev` in front of it with each surface
    let svix = svix_server::start().await;
    let other = OtherSvix::of(&svix);
    let path = "/api/v1/app/stats/count-active";
    for (surface, is_forwarded) in [("open-source", false), ("cloud", true)] {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "a.yaml", &[event_type("a.one")]);
        let (_child, printed) = start_with(dir.path(), &["--surface", surface], Some(&other));
        wait_for_output(&printed, "Ctrl-C ends.").await;
        let text = printed.lock().unwrap().clone();
        let gateway = text.split("The gateway is at ").nth(1).unwrap().split(": ").next().unwrap();

        // When an operation is called that only Svix Cloud has
        let get = reqwest::Client::new().get(format!("{gateway}{path}")).bearer_auth(&other.token);
        let body = get.send().await.unwrap().text().await.unwrap();

        // Then it is the server's own 404, or the gateway's.
        assert_eq!(!body.contains("this gateway forwards"), is_forwarded, "{surface}: {body}");
    }
}

#[test]
fn a_surface_needs_a_server_outside() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.yaml", &[event_type("a.one")]);

    let output = dev(dir.path(), &["--surface", "cloud"], None).output().unwrap();

    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--svix-url"), "{output:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_web_pages_are_refused() {
    let (_child, _dir, printed) = start_printed(&[]).await;
    let request = async |url: &str, path: &str, header: Option<(&str, &str)>| {
        let body = json!({"eventType": "a.one", "payload": {}});
        let mut post =
            reqwest::Client::new().post(format!("{url}{path}")).bearer_auth(&printed.token).json(&body);
        if let Some((name, value)) = header {
            post = post.header(name, value);
        }
        let response = post.send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };

    for (url, path, good) in [
        // There is no application, so that nothing is created.
        (&printed.svix, "/api/v1/app/none/msg", 404),
        (&printed.gateway, "/api/v1/app/none/msg", 404),
        (&printed.gateway, "/validate/a.one", 200),
    ] {
        let port = url.rsplit(':').next().unwrap();
        for host in [format!("localhost:{port}"), format!("127.0.0.1:{port}"), "[::1]".to_owned()] {
            assert_eq!(request(url, path, Some(("host", &host))).await.0, good, "{url}{path} {host}");
        }
        for host in [&format!("rebound.example:{port}"), "rebound.example", "127.0.0.1.rebound.example"] {
            let (status, body) = request(url, path, Some(("host", host))).await;
            assert_eq!((status, &body["code"]), (421, &json!("misdirected_request")), "{url}{path} {host}");
            assert!(body["detail"].as_str().unwrap().contains(host), "{body}");
        }
        for (name, value) in [
            ("origin", "https://page.example"),
            ("origin", "null"),
            ("origin", url.as_str()),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-origin"),
        ] {
            let (status, body) = request(url, path, Some((name, value))).await;
            assert_eq!((status, &body["code"]), (403, &json!("page_request")), "{url}{path} {name}: {value}");
        }
        assert_eq!(request(url, path, Some(("sec-fetch-site", "none"))).await.0, good);
        assert_eq!(request(url, path, None).await.0, good);
    }
}

#[test]
fn objects_not_in_sync_have_a_reason_and_an_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.json", &[event_type("a.good"), endpoint("waits", &["a.none"])]);
    write(dir.path(), "b.yaml", &[event_type("a.bad").with("schema", json!({"type": "strin"}))]);
    std::fs::write(dir.path().join("c.yaml"), "kind: [").unwrap();
    let output = once(&[dir.path().to_str().unwrap(), "--output", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let reason = |name: &str| {
        let all = ["objects", "files"].map(|list| report[list].as_array().unwrap().clone()).concat();
        let object = all.iter().find(|object| object["name"].as_str().unwrap().ends_with(name));
        object.unwrap_or_else(|| panic!("{name} is not in {report}"))["reason"].as_str().unwrap().to_owned()
    };
    assert_eq!(reason("a.good"), "InSync");
    assert_eq!(reason("waits"), "WaitingForEventType");
    assert_eq!(reason("a.bad"), "InvalidSchema");
    assert_eq!(reason("c.yaml"), "InvalidManifest");
    assert_eq!(once(&["/nowhere/at/all"]).status.code(), Some(2));
    write(dir.path(), "a.json", &[event_type("a.good"), endpoint("waits", &["a.goood"])]);
    let text = String::from_utf8(once(&[dir.path().to_str().unwrap()]).stdout).unwrap();
    assert!(text.contains("not in Svix yet: a.goood; did you mean a.good?"), "{text}");
}

/// An address at which nothing listens.
fn closed_address() -> String {
    format!("http://{}/hidden-path", free_address())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_is_down_delays_nothing_and_is_reported() {
    no_build_under_way().await;
    let dir = tempfile::tempdir().unwrap();
    let hook = |url: &str| endpoint("hook", &["a.one"]).with("url", url);
    write(dir.path(), "a.yaml", &[event_type("a.one"), hook(&closed_address())]);
    let other = |url: &str| endpoint("other", &["a.one"]).with("url", url).with("channels", json!(["x"]));
    write(dir.path(), "b.yaml", &[other("http://127.0.0.1:9/a")]);
    let (_child, printed) = start(dir.path(), None);
    wait_for_output(&printed, "Ctrl-C ends.").await;

    let begun = Instant::now();
    write(dir.path(), "e.yaml", &[event("e", "a.one").with("payload", json!({"n": 1}))]);
    wait_for_output(&printed, "EventSent WebhookEvent/default/e").await;
    let sent = begun.elapsed();
    write(dir.path(), "b.yaml", &[other("http://127.0.0.1:9/b")]);
    wait_for_output(&printed, "Updated WebhookEndpoint/default/other").await;
    let edited = begun.elapsed();
    // The table, too: it does not wait for the second attempt, which is five seconds after the first.
    wait_for_output(&printed, "sent; delivered to 0, 1 to go; endpoint default/dev.default.hook: ").await;
    let reported = begun.elapsed();
    assert!(sent < Duration::from_secs(2), "{sent:?}");
    assert!(edited.max(reported) < Duration::from_millis(3500), "{edited:?}, {reported:?}");

    wait_for_output(
        &printed,
        "endpoint default/dev.default.hook: Connection refused (os error 111); attempt 1",
    )
    .await;
    wait_for_output(&printed, "  NotDelivered a.one, message msg_").await;
    let text = printed.lock().unwrap().clone();
    assert!(!text.contains("hidden-path"), "{text}");

    let folder = dir.path().to_str().unwrap().to_owned();
    let output = tokio::task::spawn_blocking(move || once(&[&folder])).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "a failing receiver is not a mistake in the folder: {text}");
    assert!(
        text.contains("delivered to 0, 1 to go; endpoint default/dev.default.hook: Connection"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_printed_curl_sends_the_smallest_example() {
    let dir = tempfile::tempdir().unwrap();
    let with = |name: &str, text: &str| {
        event_type(name)
            .with("schema", json!({"type": "object", "required": ["n"]}))
            .with("examples", json!([{"name": "first", "text": text}]))
    };
    let manifests = [
        with("a.large", r#"{"n": "much longer than the other one"}"#),
        with("a.small", r#"{"n": "it's"}"#),
        endpoint("hook", &["a.small"]),
    ];
    write(dir.path(), "a.yaml", &manifests);
    let (_child, printed) = start(dir.path(), None);
    wait_for_output(&printed, "Ctrl-C ends.").await;
    let text = printed.lock().unwrap().clone();
    let command = text.split("Send one:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    // The words as a shell parses them: curl itself is not needed.
    let words =
        Command::new("sh").args(["-c", &command.replacen("curl ", "printf '%s\\n' ", 1)]).output().unwrap();
    let words = String::from_utf8(words.stdout).unwrap();
    let words: Vec<_> = words.lines().collect();
    assert_eq!(words[6], r#"{"eventType": "a.small", "payload": {"n": "it's"}}"#, "{words:?}");
    let (name, value) = words[2].split_once(": ").unwrap();
    let post = reqwest::Client::new().post(words[0]).header(name, value).body(words[6].to_owned());
    assert_eq!(post.send().await.unwrap().status(), 202, "{words:?}");
    wait_for_output(&printed, "  Accepted a.small: message msg_").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn svix_url_replaces_the_embedded_server() {
    let svix = svix_server::start().await;
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.yaml", &[event_type("a.one"), endpoint("hook", &["a.one"])]);
    let run = |token: &str| {
        let other = OtherSvix { token: token.to_owned(), ..OtherSvix::of(&svix) };
        let mut command = dev(dir.path(), &["--once", "--timeout", "5"], Some(&other));
        tokio::task::spawn_blocking(move || command.output().unwrap())
    };
    let output = run(svix.token()).await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(svix.snapshot().endpoint("default", "dev.default.hook").is_some());
    let output = run("wrong").await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("AuthenticationFailed") && text.contains("variable SVIX_TOKEN"), "{text}");
    let output = run("").await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("SVIX_TOKEN"));
    let folder = dir.path().to_str().unwrap();
    let mut dev = Command::new(PROGRAM);
    dev.args(["dev", "--once", "--svix-url", "api.svix.com", folder]).env("SVIX_TOKEN", "x");
    let output = dev.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    let expected = "error: --svix-url: found a text without http:// or https:// at its beginning";
    assert!(text.starts_with(expected), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_local_receiver_gets_signed_events() {
    type Received = Arc<Mutex<Vec<(axum::http::HeaderMap, String)>>>;
    let received: Received = Arc::default();
    let sink = received.clone();
    let app = axum::Router::new().fallback(async move |headers: axum::http::HeaderMap, body: String| {
        sink.lock().unwrap().push((headers, body));
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let receiver = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });

    let dir = tempfile::tempdir().unwrap();
    let hook = |name: &str| endpoint(name, &["a.one"]).with("url", receiver.as_str());
    let one = event_type("a.one").with("schema", json!({"properties": {"n": {"type": "integer"}}}));
    let manifests = [one, event_type("a.two"), hook("hook")];
    write(dir.path(), "a.yaml", &manifests);
    write(dir.path(), "b.yaml", &[hook("other").with("channels", json!(["vip"]))]);
    let (_child, printed) = start(dir.path(), None);
    wait_for_output(&printed, "Ctrl-C ends.").await;
    let text = printed.lock().unwrap().clone();
    let url = text.split("Svix is at ").nth(1).unwrap().split(',').next().unwrap().to_owned();
    let token = text.split("token ").nth(1).unwrap().split('.').next().unwrap().to_owned();
    let api = |method: reqwest::Method, path: &str| {
        reqwest::Client::new().request(method, format!("{url}/api/v1{path}")).bearer_auth(&token)
    };
    let gateway = text.split("The gateway is at ").nth(1).unwrap().split(": ").next().unwrap().to_owned();
    for (event_type, payload, status) in [
        ("a.two", json!({"not": "subscribed"}), 202),
        ("a.one", json!({"n": "x"}), 422),
        ("a.none", json!({}), 422),
        ("a.one", json!({"n": 1}), 202),
    ] {
        let body = json!({"eventType": event_type, "payload": payload});
        let post =
            reqwest::Client::new().post(format!("{gateway}/api/v1/app/default/msg")).bearer_auth(&token);
        let sent = post.json(&body).send().await.unwrap();
        assert_eq!(sent.status().as_u16(), status, "{event_type} {payload}");
        let text = sent.text().await.unwrap();
        assert!(!text.contains("--undeclared"), "a flag that dev does not have: {text}");
    }
    for line in [
        "  Accepted a.two: message msg_",
        "  Refused a.one: /payload/n: found \"x\", expected an integer\n",
        "  Refused a.none: /eventType: found \"a.none\", which is not declared",
    ] {
        wait_for_output(&printed, line).await;
    }
    let (headers, body) = eventually("the event to arrive", Duration::from_secs(30), async || {
        received.lock().unwrap().first().cloned()
    })
    .await;
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), json!({"n": 1}));
    let secret =
        api(reqwest::Method::GET, "/app/default/endpoint/dev.default.hook/secret").send().await.unwrap();
    let secret: Value = secret.json().await.unwrap();
    let webhook = svix::webhooks::Webhook::new(secret["key"].as_str().unwrap()).unwrap();
    webhook.verify(body.as_bytes(), &headers).expect("the official library accepts the signature");
    assert_eq!(received.lock().unwrap().len(), 1, "not the other type, and not the endpoint of a channel");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn standard_webhooks_header_names_are_used_when_asked() {
    let (received, mut arrived) = tokio::sync::mpsc::unbounded_channel();
    let app = axum::Router::new().fallback(async move |headers: axum::http::HeaderMap| {
        received.send(headers).unwrap();
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let receiver = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let dir = tempfile::tempdir().unwrap();
    let hook = endpoint("hook", &["a.one"]).with("url", receiver.as_str());
    write(dir.path(), "a.yaml", &[event_type("a.one"), hook, event("e", "a.one")]);
    let folder = dir.path().to_str().unwrap().to_owned();

    let output = tokio::task::spawn_blocking(move || once(&["--standard-webhooks", &folder])).await.unwrap();

    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let headers = arrived.recv().await.unwrap();
    for part in ["id", "timestamp", "signature"] {
        assert!(headers.contains_key(format!("webhook-{part}")), "{headers:?}");
        assert!(!headers.contains_key(format!("svix-{part}")), "{headers:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_in_the_folder_are_sent_once() {
    let inbox = Inbox::answering(200).await;
    let dir = tempfile::tempdir().unwrap();
    let schema = json!({"type": "object", "required": ["n"]});
    let kind = event_type("a.one").with("schema", schema);
    write(dir.path(), "a.yaml", &[kind, endpoint("hook", &["a.one"]).with("url", inbox.url())]);
    let sent = |payload: Value| event("e", "a.one").with("payload", payload);
    write(dir.path(), "b.yaml", &[sent(json!({"n": 1}))]);
    let folder = dir.path().to_str().unwrap().to_owned();
    let output = tokio::task::spawn_blocking(move || once(&[&folder])).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.lines().any(|line| line.starts_with("WebhookEvent ") && line.ends_with(" Delivered")),
        "{text}"
    );
    assert_eq!(inbox.bodies(), [r#"{"n":1}"#]);

    let (_child, printed) = start(dir.path(), None);
    wait_for_output(&printed, "Ctrl-C ends.").await;
    write(dir.path(), "b.yaml", &[sent(json!({"m": 2}))]);
    wait_for_output(&printed, r#"found no "n", which is required"#).await;
    write(dir.path(), "b.yaml", &[sent(json!({"n": 3}))]);
    eventually("the changed event to arrive", Duration::from_secs(30), async || {
        let bodies = inbox.bodies();
        if bodies.last().is_some_and(|body| body == r#"{"n":3}"#) { Ok(()) } else { Err(bodies.join(" ")) }
    })
    .await;
    // Once from each of the two servers, and once changed.
    assert_eq!(inbox.bodies(), [r#"{"n":1}"#, r#"{"n":1}"#, r#"{"n":3}"#]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_change_reaches_svix_within_a_second() {
    no_build_under_way().await;
    let svix = svix_server::start().await;
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.yaml", &[event_type("a.one").with("description", "first")]);
    let (_child, printed) = start(dir.path(), Some(&OtherSvix::of(&svix)));
    wait_for_output(&printed, "Ctrl-C ends.").await;

    // Of five changes the median is checked, since the machine can be busy.
    let mut took = Vec::new();
    for i in 0..5 {
        let wanted = format!("change {i}");
        let begun = Instant::now();
        write(dir.path(), "a.yaml", &[event_type("a.one").with("description", wanted.as_str())]);
        eventually("the change to be in Svix", Duration::from_secs(30), async || {
            (svix.snapshot().event_types["a.one"].description == wanted).then_some(())
        })
        .await;
        took.push(begun.elapsed());
    }
    took.sort();
    assert!(took[2] < Duration::from_secs(1), "{took:?}");

    // When a mistake is made in the file, then nothing is deleted
    write(dir.path(), "b.yaml", &[endpoint("hook", &["a.one"])]);
    eventually("the endpoint to be created", Duration::from_secs(30), async || {
        svix.snapshot().endpoint("default", "dev.default.hook").map(drop)
    })
    .await;
    std::fs::write(dir.path().join("b.yaml"), "kind: WebhookEndpoint\nmetadata: {name: hook").unwrap();
    wait_for_output(&printed, "InvalidManifest").await;
    assert!(svix.snapshot().endpoint("default", "dev.default.hook").is_some());

    // When the file is removed, then the endpoint is deleted
    std::fs::remove_file(dir.path().join("b.yaml")).unwrap();
    eventually("the endpoint to be deleted", Duration::from_secs(30), async || {
        svix.snapshot().endpoint("default", "dev.default.hook").is_none().then_some(())
    })
    .await;
    wait_for_output(&printed, "Deleted WebhookEndpoint/default/hook").await;
}

/// Runs `dev --once` with JSON output; returns its exit code and its report.
async fn report(dir: &Path, other: Option<&OtherSvix>) -> (Option<i32>, Value) {
    let mut command = dev(dir, &["--once", "--timeout", "5", "-o", "json"], other);
    let run = move || command.output().unwrap();
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), report)
}

async fn once_at(dir: &Path, svix: &EmbeddedSvix) -> Output {
    let other = OtherSvix::of(svix);
    let mut command = dev(dir, &["--once"], Some(&other));
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn row<'a>(report: &'a Value, name: &str) -> &'a Value {
    let mut objects = report["objects"].as_array().unwrap().iter();
    objects.find(|object| object["name"] == name).unwrap_or_else(|| panic!("{name} is not in {report:#}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn observed_objects_that_differ_are_not_in_sync() {
    let svix = svix_server::start().await;
    let dir = tempfile::tempdir().unwrap();
    let one = || event_type("a.one").with("description", "first");
    let hook = || endpoint("hook", &["a.one"]);
    write(dir.path(), "a.yaml", &[one(), event_type("a.two"), hook()]);
    assert_eq!(report(dir.path(), Some(&OtherSvix::of(&svix))).await.0, Some(0));
    let observed = one().with("description", "second").with("managementPolicy", "Observe");
    let suspended = hook().with("description", "second").with("suspend", true);
    write(dir.path(), "a.yaml", &[observed, event_type("a.two"), suspended]);
    let (code, report) = report(dir.path(), Some(&OtherSvix::of(&svix))).await;
    assert_eq!(code, Some(1), "{report:#}");
    assert_eq!((&report["total"], &report["inSync"], &report["differs"]), (&json!(4), &json!(2), &json!(2)));
    let (one, hook) = (row(&report, "a.one"), row(&report, "hook"));
    assert_eq!((&one["state"], &hook["state"]), (&json!("Differs"), &json!("Differs")));
    let messages = ["a.one", "hook"].map(|name| row(&report, name)["message"].as_str().unwrap().to_owned());
    assert!(messages[0].contains("description is \"first\" in Svix, declared \"second\""), "{messages:?}");
    assert!(messages[1].contains(", declared \"second\""), "{messages:?}");
    assert_eq!(hook["difference"]["fields"][0]["field"], "description", "{hook:#}");
    assert_eq!(hook["difference"]["fields"][0]["declared"], "\"second\"", "{hook:#}");
    let text = String::from_utf8(once_at(dir.path(), &svix).await.stdout).unwrap();
    assert!(text.ends_with("4 objects: 2 in sync, 2 differ\n"), "{text}");
    assert_eq!(svix.snapshot().event_types["a.one"].description, "first");
}

#[tokio::test]
async fn a_folder_without_our_manifests_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let run = || once(&[dir.path().to_str().unwrap()]);
    let stderr = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(run().status.code(), Some(2));
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n";
    std::fs::write(dir.path().join("a.yaml"), deployment).unwrap();
    let output = run();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("no manifest of svix-operator.dev in "), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("(1 file read, 1 object of other kinds left out)"),
        "{}",
        stderr(&output)
    );
    assert!(output.stdout.is_empty());
    // With one of our manifests, the others are counted, and the added connection says so
    write(dir.path(), "b.yaml", &[event_type("a.one")]);
    let output = run();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.ends_with("2 objects: 2 in sync; 1 object of other kinds left out\n"), "{text}");
    let connection = text.lines().find(|line| line.starts_with("SvixConnection")).unwrap();
    assert!(connection.ends_with("Connected (added by dev)"), "{text}");
    // Without --once, an empty folder is a warning
    std::fs::remove_file(dir.path().join("b.yaml")).unwrap();
    let mut child = Command::new(PROGRAM)
        .arg("dev")
        .arg(dir.path())
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(line.starts_with("warning: no manifest of svix-operator.dev in "), "{line}");
}

#[tokio::test]
async fn an_object_with_mistakes_is_one_row() {
    let dir = tempfile::tempdir().unwrap();
    let head = "apiVersion: svix-operator.dev/v1alpha1\nkind: ";
    let manifests = format!(
        "{head}WebhookEndpoint\nmetadata: {{name: misspelled}}\nspec:\n  uri: https://a.example\n  eventTypes: [a.one]\n\
         ---\n{head}WebhookEventType\nmetadata: {{name: a.bad}}\nspec:\n  schema:\n    type: strin\n\
         ---\n{head}WebhookEventType\nmetadata: {{name: a.text}}\nspec:\n  schemaText: |\n    {{\n      \"type\": ]\n    }}\n\
         ---\n{head}WebhookEndpoint\nmetadata: {{name: secret}}\nspec:\n  eventTypes: [a.one]\n  urlFrom:\n    \
         secretKeyRef: {{name: none, key: url}}\n\
         ---\n{head}WebhookEndpoint\nmetadata: {{name: address}}\nspec:\n  url: a.example/hook\n  eventTypes: [a.one]\n\
         ---\n{head}WebhookEventType\nmetadata: {{name: a.one}}\nspec: {{schema: {{}}}}\n"
    );
    let file = dir.path().join("a.yaml");
    std::fs::write(&file, manifests).unwrap();
    std::fs::write(dir.path().join("b.yaml"), "kind: [").unwrap();
    let (code, report) = report(dir.path(), None).await;
    assert_eq!(code, Some(1));
    assert_eq!((&report["total"], &report["files"].as_array().unwrap().len()), (&json!(7), &1), "{report:#}");
    let file = file.to_str().unwrap();
    for (name, line, pointer, beginning) in [
        ("misspelled", 4, "/spec", "4:1: /spec: exactly one of url and urlFrom must be given; "),
        ("a.bad", 13, "/spec/schema/type", "13: /spec/schema/type: "),
        (
            "a.text",
            19,
            "/spec/schemaText",
            "19: /spec/schemaText: /type: found text that is not JSON: found ], expected a value: true, false, null, a \
             number, a text in double quotes, a list or an object (line 2, column 11 of that text)",
        ),
        (
            "secret",
            30,
            "/spec/urlFrom/secretKeyRef",
            "30: /spec/urlFrom/secretKeyRef: Secret default/none is not there",
        ),
        (
            "address",
            36,
            "/spec/url",
            "36:3: /spec/url: found a text without http:// or https:// at its beginning; expected an absolute http or https URL",
        ),
    ] {
        let row = row(&report, name);
        assert_eq!(
            (&row["file"], &row["line"], &row["pointer"]),
            (&json!(file), &json!(line), &json!(pointer)),
            "{row:#}"
        );
        let message = row["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("{file}:{beginning}")), "{message}");
    }
    assert_eq!(row(&report, "misspelled")["details"].as_array().unwrap().len(), 2);
    let text = String::from_utf8(once(&[dir.path().to_str().unwrap()]).stdout).unwrap();
    assert!(text.contains("7 objects: 2 in sync, 5 problems; 1 file not read in full\n"), "{text}");
    assert_eq!(text.matches("misspelled").count(), 1, "{text}");
    assert!(
        text.contains(&format!("\n    {file}:5:3: /spec/uri: there is no such field; did you mean url?\n")),
        "{text}"
    );
}

#[tokio::test]
async fn a_missing_connection_names_the_declared_ones() {
    // Given a folder whose only connection has another name than the one that objects use
    let dir = tempfile::tempdir().unwrap();
    let connection = "apiVersion: svix-operator.dev/v1alpha1\nkind: SvixConnection\nmetadata: {name: prod}\n\
                      spec: {tokenSecretRef: {name: t, key: k}, ownerId: o}\n";
    std::fs::write(dir.path().join("c.yaml"), connection).unwrap();
    write(dir.path(), "a.yaml", &[event_type("a.one"), event_type("a.two")]);

    // When it is reconciled
    let (code, result) = report(dir.path(), None).await;

    // Then no connection is added, and the objects name the declared one, and say what to do
    assert_eq!(code, Some(1));
    let message = row(&result, "a.one")["message"].as_str().unwrap().to_owned();
    assert!(message.contains("declares prod") && message.contains("spec.connectionRef.name"), "{message}");
    assert!(!result.to_string().contains("madeUp"), "{result:#}");
}

#[tokio::test]
async fn objects_wait_for_a_connection_without_a_server() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.yaml", &[event_type("a.one"), event_type("a.two")]);

    let (code, result) = report(dir.path(), Some(&OtherSvix::nowhere())).await;

    assert_eq!(code, Some(1));
    assert_eq!(row(&result, "default")["madeUp"], json!(true));
    assert_eq!(row(&result, "a.one")["message"], json!("waits for SvixConnection default"), "{result:#}");
    assert_eq!(row(&result, "default")["reason"], json!("SvixUnavailable"), "{result:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_loses_an_object_is_reported() {
    let svix = svix_server::start().await;
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.yaml", &[event_type("a.one")]);
    write(dir.path(), "b.yaml", &[endpoint("hook", &["a.one"])]);
    let (_child, printed) = start(dir.path(), Some(&OtherSvix::of(&svix)));
    wait_for_output(&printed, "Ctrl-C ends.").await;
    // When the API group has a mistake, then nothing is deleted
    let good = std::fs::read_to_string(dir.path().join("b.yaml")).unwrap();
    std::fs::write(dir.path().join("b.yaml"), good.replace("svix-operator.dev", "svix-operator.io")).unwrap();
    wait_for_output(&printed, "did you mean svix-operator.dev/v1alpha1?").await;
    wait_for_output(&printed, "3 objects: 2 in sync, 1 problem\n").await;
    assert!(svix.snapshot().endpoint("default", "dev.default.hook").is_some());
    std::fs::write(dir.path().join("b.yaml"), good).unwrap();
    wait_for_output(&printed, "3 objects: 3 in sync\n").await;
    // When an event type is not declared any more, then the endpoint that names it says so
    std::fs::remove_file(dir.path().join("a.yaml")).unwrap();
    wait_for_output(&printed, "a.one is not declared any more, and this endpoint still names it").await;
}
