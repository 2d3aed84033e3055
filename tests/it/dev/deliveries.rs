//! Events that are sent with `dev`, and the receivers that they are delivered to.

use super::*;

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
