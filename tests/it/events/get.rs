use serde_json::{Value, json};

use super::{Environment, code, error, out};

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_shown_with_its_attempts() {
    let environment = Environment::new().await;
    environment.endpoint("mine", json!({})).await;
    environment.receiver_replies(503, "down for maintenance");
    let more = json!({"eventId": "o-1", "channels": ["eu"], "payload": {"n": 1}});
    let id = environment.deliver("order.placed", more, 1).await;

    let by_id = environment.run(&["events", "get", &id]).await;
    let by_event_id = environment.run(&["events", "get", "o-1"]).await;

    assert_eq!(code(&by_id), 0, "{}", error(&by_id));
    assert_eq!(out(&by_id), out(&by_event_id));
    let text = out(&by_id);
    for expected in [
        format!("message      {id}\n"),
        "event id     o-1\n".to_owned(),
        "event type   order.placed\n".to_owned(),
        "channels     eu\n".to_owned(),
        "payload      {\"n\":1}\n".to_owned(),
        "endpoint mine (http://127.0.0.1/…): retrying, next attempt ".to_owned(),
        " ms: down for maintenance\n".to_owned(),
    ] {
        assert!(text.contains(&expected), "{expected:?}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_receiver_returns_controls_no_terminal() {
    let environment = Environment::new().await;
    environment.endpoint("mine", json!({})).await;
    let body = format!("\u{1b}[2J\u{1b}]0;title\u{7}\r\n\u{202e}gone\n{}", "x".repeat(5000));
    environment.receiver_replies(500, &body);
    let id = environment.deliver("a.b", json!({}), 1).await;

    let text = out(&environment.run(&["events", "get", &id]).await);
    let json = out(&environment.run(&["events", "get", &id, "-o", "json"]).await);

    assert!(!text.contains(['\u{1b}', '\u{7}', '\r', '\u{202e}']), "{text:?}");
    assert!(text.contains("\u{fffd}[2J") && text.contains("x… (50"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() < 500));
    assert!(!json.contains('\u{1b}'));
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["endpoints"][0]["attempts"][0]["response"], body);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_without_a_response_shows_no_path() {
    let environment = Environment::new().await;
    let url = format!("http://{}/hunter2", crate::support::ports::free_address());
    environment.post("/app/default/endpoint", json!({"url": url, "uid": "closed"})).await;
    let id = environment.deliver("a.b", json!({}), 1).await;

    let text = out(&environment.run(&["events", "get", &id]).await);
    let json = out(&environment.run(&["events", "get", &id, "--output", "json"]).await);

    assert!(text.contains("no response after"), "{text}");
    assert!(!text.contains("hunter2") && !json.contains("hunter2"), "{text}{json}");
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["endpoints"][0]["attempts"][0]["status"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_at_one_endpoint() {
    let environment = Environment::new().await;
    environment.endpoint("one", json!({})).await;
    environment.endpoint("two", json!({})).await;
    let id = environment.deliver("a.b", json!({}), 2).await;

    let all = out(&environment.run(&["events", "get", &id]).await);
    let one = out(&environment.run(&["events", "get", &id, "--endpoint", "one"]).await);

    assert!(all.contains("endpoint one ") && all.contains("endpoint two "), "{all}");
    assert!(one.contains("endpoint one ") && !one.contains("endpoint two "), "{one}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_attempts_or_payload_says_so() {
    let environment = Environment::new().await;
    let id = environment.send("a.b", json!({})).await;
    let url = format!("{}/api/v1/app/default/msg/{id}/content", environment.svix.url());
    reqwest::Client::new().delete(url).bearer_auth(environment.svix.token()).send().await.unwrap();

    let output = environment.run(&["events", "get", &id]).await;

    assert_eq!(code(&output), 0);
    assert!(out(&output).contains("payload      not stored any more"), "{}", out(&output));
    assert!(out(&output).contains("no attempt yet at any endpoint"), "{}", out(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_event_is_exit_code_3() {
    let environment = Environment::new().await;
    let id = environment.send("a.b", json!({})).await;
    for arguments in [&["nothing"][..], &[&id, "--app", "nobody"], &[&id, "--endpoint", "nobody"]] {
        let output = environment.run(&[&["events", "get"], arguments].concat()).await;

        assert_eq!(code(&output), 3, "{arguments:?}: {}", error(&output));
        assert!(error(&output).contains("is not in Svix"), "{}", error(&output));
    }
}
