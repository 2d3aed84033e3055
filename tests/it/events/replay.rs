use axum::{Json, Router, http::Uri};
use serde_json::{Value, json};
use svix_operator::embedded::FaultPlan;
use tokio::net::TcpListener;

use crate::support::wait::eventually;

use super::{Environment, PATIENCE, code, error, out};

/// The number of requests of an operation so far.
fn calls(environment: &Environment, operation: &str) -> usize {
    environment.svix.calls().iter().filter(|call| call.operation == operation).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_counted_and_sent_again() {
    let environment = Environment::new().await;
    environment.endpoint("mine", json!({})).await;
    let fine = environment.deliver("a.b", json!({}), 1).await;
    environment.receiver_replies(500, "");
    let failed = environment.deliver("a.b", json!({}), 1).await;
    // One that failed and arrived later is not among them.
    let recovered = environment.deliver("a.b", json!({}), 1).await;
    environment.receiver_replies(200, "");
    let resent = environment.run(&["events", "resend", &recovered, "--endpoint", "mine"]).await;
    let succeeded = async |id: &str| {
        eventually("the delivery", PATIENCE, async || {
            environment.svix.last_deliveries(id).iter().all(|last| last.succeeded).then_some(())
        })
        .await;
    };
    succeeded(&recovered).await;

    let replayed =
        environment.run(&["events", "replay", "--endpoint", "mine", "--since", "1h", "--yes"]).await;
    succeeded(&failed).await;
    let again = environment.run(&["events", "replay", "--endpoint", "mine", "--since", "1h", "--yes"]).await;

    assert_eq!((code(&resent), code(&replayed)), (0, 0), "{}{}", error(&resent), error(&replayed));
    assert_eq!(out(&resent), format!("{recovered} is sent to mine again\n"));
    assert!(out(&replayed).starts_with("1 event failed at mine from 20"), "{}", out(&replayed));
    assert!(out(&replayed).contains("Svix sends them again (task qtask_"), "{}", out(&replayed));
    assert_eq!(environment.svix.last_deliveries(&fine)[0].number, 1);
    assert_eq!(code(&again), 0);
    assert!(out(&again).starts_with("0 events failed at mine") && !out(&again).contains("task"));
    assert_eq!(calls(&environment, "endpoint.recover"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_one_document() {
    let environment = Environment::new().await;
    environment.endpoint("mine", json!({})).await;
    let replay = ["events", "replay", "--endpoint", "mine", "--since", "1h", "-o", "json"];
    let yes = [&replay[..], &["--yes"]].concat();
    let none = environment.run(&yes).await;
    environment.receiver_replies(500, "");
    environment.deliver("a.b", json!({}), 1).await;

    let one = environment.run(&yes).await;
    let without_yes = environment.run(&replay).await;

    let [none, one] = [none, one].map(|output| serde_json::from_str::<Value>(&out(&output)).unwrap());
    assert_eq!((&none["events"], &none["task"]), (&json!(0), &Value::Null));
    assert_eq!(one["events"], 1);
    assert!(one["task"].as_str().unwrap().starts_with("qtask_"), "{one}");
    assert_eq!(code(&without_yes), 2, "{}", error(&without_yes));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_without_a_terminal() {
    let environment = Environment::new().await;
    environment.endpoint("mine", json!({})).await;
    environment.svix.clear_calls();

    let replayed = environment.run(&["events", "replay", "--endpoint", "mine", "--since", "1h"]).await;

    assert_eq!(code(&replayed), 2);
    assert!(error(&replayed).contains("--yes does not ask"), "{}", error(&replayed));
    assert!(environment.svix.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_yes_approves() {
    let environment = Environment::new().await;
    environment.endpoint("mine", json!({})).await;
    environment.receiver_replies(500, "");
    environment.deliver("a.b", json!({}), 1).await;
    let replay = ["events", "replay", "--endpoint", "mine", "--since", "1h"];

    let Some(refused) = environment.run_on_terminal(&replay, "y").await else { return };
    let sent_before = calls(&environment, "endpoint.recover");
    let approved = environment.run_on_terminal(&replay, "yes").await.unwrap();

    assert_eq!((code(&refused), sent_before), (1, 0), "{}", out(&refused));
    assert!(out(&refused).contains("1 event failed at mine from 20"), "{}", out(&refused));
    assert!(out(&refused).contains("Send them again? Only `yes` is accepted: "), "{}", out(&refused));
    assert!(out(&refused).contains("not approved; nothing was sent"), "{}", out(&refused));
    assert_eq!((code(&approved), calls(&environment, "endpoint.recover")), (0, 1), "{}", out(&approved));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_open_source_server_cannot_send_what_is_missing() {
    let environment = Environment::new().await;
    let missing = ["events", "replay", "--endpoint", "mine", "--since", "1h", "--missing-only", "--yes"];
    environment.send("a.b", json!({})).await;
    environment.send("other.type", json!({})).await;
    environment.send("a.b", json!({"channels": ["x"]})).await;
    environment.post("/event-type", json!({"name": "a.b", "description": ""})).await;
    environment.endpoint("mine", json!({"eventTypes": ["a.b"]})).await;
    environment.deliver("a.b", json!({}), 1).await;

    let replayed = environment.run(&missing).await;

    assert_eq!(code(&replayed), 3);
    assert!(out(&replayed).starts_with("2 events were never sent to mine from 20"), "{}", out(&replayed));
    assert!(
        error(&replayed).contains("the server has no call that sends missing events"),
        "{}",
        error(&replayed)
    );
    let before = ["--until", "30m"];
    let none = environment.run(&[&missing[..], &before].concat()).await;
    assert_eq!((code(&none), out(&none).starts_with("0 events were never sent")), (0, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn svix_cloud_sends_what_is_missing() {
    let reply = async |uri: Uri| {
        let last = uri.path().rsplit('/').next().unwrap_or_default();
        let message =
            json!({"id": "msg_1", "eventType": "a.b", "timestamp": jiff::Timestamp::now(), "payload": {}});
        Json(match last {
            "mine" => json!({"id": "ep_1", "uid": "mine", "url": "https://a.example", "description": ""}),
            "replay-missing" => json!({"id": "qtask_1", "status": "running", "task": "endpoint.replay"}),
            _ if uri.path().contains("/endpoint/") => json!({"data": [], "iterator": null, "done": true}),
            _ => json!({"data": [message], "iterator": "msg_1", "done": true}),
        })
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server =
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(reply)).await.unwrap() });
    let environment = Environment::new().await;
    let mut command = environment.command(&[
        "events",
        "replay",
        "--endpoint",
        "mine",
        "--since",
        "1h",
        "--missing-only",
        "--yes",
    ]);
    command.env("SVIX_URL", format!("http://{address}"));

    let replayed = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    server.abort();

    assert_eq!(code(&replayed), 0, "{}", error(&replayed));
    assert!(out(&replayed).contains("Svix sends them again (task qtask_1)"), "{}", out(&replayed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_endpoint_is_exit_code_2() {
    let environment = Environment::new().await;
    environment.endpoint("mine", json!({"disabled": true})).await;
    let id = environment.send("a.b", json!({})).await;
    for arguments in [
        &["events", "resend", &id, "--endpoint", "mine"][..],
        &["events", "replay", "--endpoint", "mine", "--since", "1h", "--yes"],
    ] {
        let output = environment.run(arguments).await;

        assert_eq!(code(&output), 2, "{arguments:?}: {}", error(&output));
        assert!(error(&output).contains("endpoint \"mine\" is disabled"), "{}", error(&output));
    }
    assert_eq!(calls(&environment, "message-attempt.resend") + calls(&environment, "endpoint.recover"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sent_again_is_exit_code_3() {
    let environment = Environment::new().await;
    environment.endpoint("mine", json!({})).await;
    let id = environment.deliver("a.b", json!({}), 1).await;
    let url = format!("{}/api/v1/app/default/msg/{id}/content", environment.svix.url());
    reqwest::Client::new().delete(url).bearer_auth(environment.svix.token()).send().await.unwrap();
    for (arguments, expected) in [
        (&["events", "resend", &id, "--endpoint", "mine"][..], "Payload is missing"),
        (&["events", "resend", "nothing", "--endpoint", "mine"], "message \"nothing\" of application"),
        (&["events", "resend", &id, "--endpoint", "nobody"], "endpoint \"nobody\" of application"),
        (&["events", "replay", "--endpoint", "nobody", "--since", "1h", "--yes"], "endpoint \"nobody\""),
    ] {
        let output = environment.run(arguments).await;

        assert_eq!(code(&output), 3, "{arguments:?}: {}", error(&output));
        assert!(error(&output).contains(expected), "{arguments:?}: {}", error(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_fourteen_days_are_refused_by_svix() {
    let environment = Environment::new().await;
    environment.endpoint("mine", json!({})).await;
    environment.receiver_replies(500, "");
    environment.deliver("a.b", json!({}), 1).await;

    let replayed =
        environment.run(&["events", "replay", "--endpoint", "mine", "--since", "15d", "--yes"]).await;

    assert_eq!(code(&replayed), 3);
    assert!(
        error(&replayed).contains("/body/since: Cannot recover more than 14 days"),
        "{}",
        error(&replayed)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_response_says_that_it_may_be_sent() {
    let environment = Environment::new().await;
    environment.endpoint("mine", json!({})).await;
    environment.receiver_replies(500, "");
    let id = environment.deliver("a.b", json!({}), 1).await;
    let only = Some(vec!["message-attempt.resend".to_owned(), "endpoint.recover".to_owned()]);
    environment.svix.faults().set(FaultPlan { drop_after: 1.0, only, ..FaultPlan::default() });

    let resent = environment.run(&["events", "resend", &id, "--endpoint", "mine"]).await;
    let replayed =
        environment.run(&["events", "replay", "--endpoint", "mine", "--since", "1h", "--yes"]).await;

    assert_eq!((code(&resent), code(&replayed)), (3, 3));
    assert!(error(&resent).contains("it may have been sent all the same"), "{}", error(&resent));
    assert!(error(&replayed).contains("they may be sent all the same"), "{}", error(&replayed));
    // Each would make another attempt.
    assert_eq!(
        (calls(&environment, "message-attempt.resend"), calls(&environment, "endpoint.recover")),
        (1, 1)
    );
}
