//! `svix-operator dev` as a user runs it.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use svix_operator::embedded::{EmbeddedSvix, Options};

use crate::support::{
    control_plane::no_build_under_way,
    inbox::Inbox,
    objects::{Manifest, endpoint, event, event_type},
    wait::eventually,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_svix-operator");

fn once(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).arg("dev").args(arguments).arg("--once").output().unwrap()
}

fn write(dir: &Path, file: &str, manifests: &[Manifest]) {
    let text: String = manifests.iter().map(|manifest| format!("---\n{}\n", manifest.0)).collect();
    std::fs::write(dir.join(file), text).unwrap();
}

/// Starts `dev` on a folder; what it prints is collected.
fn start(dir: &Path, arguments: &[&str]) -> (tokio::process::Child, Arc<Mutex<String>>) {
    let mut child = tokio::process::Command::new(PROGRAM)
        .arg("dev")
        .args(arguments)
        .arg(dir)
        .env("SVIX_TOKEN", "testsk_embedded")
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

async fn says(printed: &Mutex<String>, text: &str) {
    eventually(text, Duration::from_secs(30), async || {
        let printed = printed.lock().unwrap();
        if printed.contains(text) { Ok(()) } else { Err(printed.clone()) }
    })
    .await;
}

#[test]
fn the_examples_are_in_step_at_once() {
    for example in ["quickstart", "software-heritage"] {
        let dir = format!("{}/examples/{example}", env!("CARGO_MANIFEST_DIR"));
        let output = once(&[&dir]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&output.stderr));
        assert!(text.ends_with("6 objects: 6 in step\n"), "{text}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
}

#[test]
fn what_is_not_in_step_is_told_with_its_reason_and_the_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.json", &[event_type("a.good"), endpoint("waits", &["a.none"])]);
    write(dir.path(), "b.yaml", &[event_type("a.bad").with("schema", json!({"type": "strin"}))]);
    std::fs::write(dir.path().join("c.yaml"), "kind: [").unwrap();
    let output = once(&[dir.path().to_str().unwrap(), "--output", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let reason = |name: &str| {
        let objects = report["objects"].as_array().unwrap();
        let object = objects.iter().find(|object| object["name"].as_str().unwrap().ends_with(name));
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

/// A port of this machine at which nobody listens.
fn closed() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/hidden-path", listener.local_addr().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_is_down_holds_up_nothing_and_is_told() {
    no_build_under_way().await;
    let dir = tempfile::tempdir().unwrap();
    let hook = |url: &str| endpoint("hook", &["a.one"]).with("url", url);
    write(dir.path(), "a.yaml", &[event_type("a.one"), hook(&closed())]);
    let other = |url: &str| endpoint("other", &["a.one"]).with("url", url).with("channels", json!(["x"]));
    write(dir.path(), "b.yaml", &[other("http://127.0.0.1:9/a")]);
    let (_child, printed) = start(dir.path(), &[]);
    says(&printed, "Ctrl-C ends.").await;

    let begun = Instant::now();
    write(dir.path(), "e.yaml", &[event("e", "a.one").with("payload", json!({"n": 1}))]);
    says(&printed, "EventSent WebhookEvent/default/e").await;
    let sent = begun.elapsed();
    write(dir.path(), "b.yaml", &[other("http://127.0.0.1:9/b")]);
    says(&printed, "Updated WebhookEndpoint/default/other").await;
    let edited = begun.elapsed();
    // The table, too: it does not wait for the second attempt, which is five seconds after the first.
    says(&printed, "sent; delivered to 0, 1 to go; endpoint default/dev.default.hook: ").await;
    let told = begun.elapsed();
    assert!(sent < Duration::from_secs(2), "{sent:?}");
    assert!(edited.max(told) < Duration::from_millis(3500), "{edited:?}, {told:?}");

    says(&printed, "endpoint default/dev.default.hook: Connection refused (os error 111); attempt 1").await;
    says(&printed, "  NotDelivered a.one, message msg_").await;
    let text = printed.lock().unwrap().clone();
    assert!(!text.contains("hidden-path"), "{text}");

    let folder = dir.path().to_str().unwrap().to_owned();
    let output = tokio::task::spawn_blocking(move || once(&[&folder])).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "a receiver is not the sender's to mend: {text}");
    assert!(
        text.contains("delivered to 0, 1 to go; endpoint default/dev.default.hook: Connection"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_curl_that_is_printed_sends_the_smallest_example() {
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
    let (_child, printed) = start(dir.path(), &[]);
    says(&printed, "Ctrl-C ends.").await;
    let text = printed.lock().unwrap().clone();
    let command = text.split("Send one:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    // The words as a shell reads them: curl itself need not be there.
    let words =
        Command::new("sh").args(["-c", &command.replacen("curl ", "printf '%s\\n' ", 1)]).output().unwrap();
    let words = String::from_utf8(words.stdout).unwrap();
    let words: Vec<_> = words.lines().collect();
    assert_eq!(words[6], r#"{"eventType": "a.small", "payload": {"n": "it's"}}"#, "{words:?}");
    let (name, value) = words[2].split_once(": ").unwrap();
    let post = reqwest::Client::new().post(words[0]).header(name, value).body(words[6].to_owned());
    assert_eq!(post.send().await.unwrap().status(), 202, "{words:?}");
    says(&printed, "  Accepted a.small: message msg_").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outside_server_takes_the_place_of_the_embedded_one() {
    let svix = EmbeddedSvix::start(Options::default()).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.yaml", &[event_type("a.one"), endpoint("hook", &["a.one"])]);
    let run = |token: &'static str| {
        let (dir, url) = (dir.path().to_owned(), svix.url());
        tokio::task::spawn_blocking(move || {
            Command::new(PROGRAM)
                .args(["dev", "--once", "--timeout", "5", "--svix-url", &url])
                .arg(dir)
                .env("SVIX_TOKEN", token)
                .output()
                .unwrap()
        })
    };
    let output = run("testsk_embedded").await.unwrap();
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
    assert!(text.starts_with("error: --svix-url: found no URL"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_local_receiver_gets_events_signed_by_the_embedded_svix() {
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
    let (_child, printed) = start(dir.path(), &[]);
    says(&printed, "Ctrl-C ends.").await;
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
        "  Refused a.none: /eventType: found \"a.none\", which nobody declares",
    ] {
        says(&printed, line).await;
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
    webhook.verify(body.as_bytes(), &headers).expect("the official library takes the signature");
    assert_eq!(received.lock().unwrap().len(), 1, "not the other type, and not the endpoint of a channel");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_in_the_folder_are_sent_once_and_a_changed_one_is_another() {
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

    let (_child, printed) = start(dir.path(), &[]);
    says(&printed, "Ctrl-C ends.").await;
    write(dir.path(), "b.yaml", &[sent(json!({"m": 2}))]);
    says(&printed, r#"found no "n", which is required"#).await;
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
async fn each_change_of_the_folder_reaches_svix_within_a_second() {
    no_build_under_way().await;
    let svix = EmbeddedSvix::start(Options::default()).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.yaml", &[event_type("a.one").with("description", "first")]);
    let url = svix.url();
    let (_child, printed) = start(dir.path(), &["--svix-url", &url]);
    says(&printed, "Ctrl-C ends.").await;

    // Five changes; the median counts, since the machine may be busy.
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

    // A slip of the pen deletes nothing.
    write(dir.path(), "b.yaml", &[endpoint("hook", &["a.one"])]);
    eventually("the endpoint to be made", Duration::from_secs(30), async || {
        svix.snapshot().endpoint("default", "dev.default.hook").map(drop)
    })
    .await;
    std::fs::write(dir.path().join("b.yaml"), "kind: WebhookEndpoint\nmetadata: {name: hook").unwrap();
    says(&printed, "InvalidManifest").await;
    assert!(svix.snapshot().endpoint("default", "dev.default.hook").is_some());

    // A file that is gone is a deletion.
    std::fs::remove_file(dir.path().join("b.yaml")).unwrap();
    eventually("the endpoint to be deleted", Duration::from_secs(30), async || {
        svix.snapshot().endpoint("default", "dev.default.hook").is_none().then_some(())
    })
    .await;
    says(&printed, "Deleted WebhookEndpoint/default/hook").await;
}
