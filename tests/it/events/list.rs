use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use svix_operator::embedded::FaultPlan;

use super::{Environment, code, error, ids, out};

#[tokio::test(flavor = "multi_thread")]
async fn events_are_listed_by_type_channel_and_time() {
    let environment = Environment::new().await;
    let a = environment.send("order.placed", json!({"channels": ["eu", "us"], "eventId": "o-1"})).await;
    let b = environment.send("order.shipped", json!({"channels": ["eu"]})).await;
    let c = environment.send("order.placed", json!({})).await;
    let list = async |more: &[&str]| {
        let output = environment.run(&[&["events", "list"], more].concat()).await;
        assert_eq!(code(&output), 0, "{more:?}: {}", error(&output));
        let mut ids = ids(&output);
        ids.sort();
        ids
    };
    let sorted = |ids: &[&String]| {
        let mut ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        ids.sort();
        ids
    };

    assert_eq!(list(&[]).await, sorted(&[&a, &b, &c]));
    assert_eq!(list(&["--event-type", "order.placed"]).await, sorted(&[&a, &c]));
    let both = ["--event-type", "order.placed", "--event-type", "order.shipped"];
    assert_eq!(list(&both).await, sorted(&[&a, &b, &c]));
    assert_eq!(list(&["--channel", "us"]).await, [a.as_str()]);
    assert_eq!(list(&["--channel", "eu", "--event-type", "order.shipped"]).await, [b.as_str()]);
    assert_eq!(list(&["--since", "1h"]).await.len(), 3);
    assert_eq!(list(&["--since", "2026-01-02", "--until", "2026-01-03T00:00:00Z"]).await, [""; 0]);
    assert_eq!(list(&["--until", "2026-01-02"]).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_names_time_type_channels_and_event_id() {
    let environment = Environment::new().await;
    let id = environment
        .send("order.placed", json!({"channels": ["eu"], "eventId": "o-1", "payload": {"n": 1.50}}))
        .await;

    let table = out(&environment.run(&["events", "list", "--payload"]).await);
    let json = environment.run(&["events", "list", "--payload", "-o", "json"]).await;

    let mut lines = table.lines();
    let head: Vec<&str> =
        lines.next().unwrap().split("   ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    let row: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(head, ["TIME", "MESSAGE", "EVENT TYPE", "CHANNELS", "EVENT ID"]);
    assert_eq!(row[1..], [&id, "order.placed", "eu", "o-1"]);
    assert!(lines.next().unwrap().contains("\"n\""), "{table}");
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&json[0]["id"], &json[0]["eventId"]), (&json!(id), &json!("o-1")));
    assert_eq!((&json[0]["channels"], &json[0]["payload"]), (&json!(["eu"]), &json!({"n": 1.5})));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_an_endpoint_have_a_state() {
    let environment = Environment::new().await;
    environment.endpoint("mine", json!({"channels": ["eu"]})).await;
    let delivered = environment.deliver("a.b", json!({"channels": ["eu", "x"]}), 1).await;
    environment.receiver_replies(500, "");
    let retried = environment.deliver("a.b", json!({"channels": ["eu"]}), 1).await;
    environment.send("a.b", json!({"channels": ["us"]})).await;

    let list = async |more: &[&str]| {
        let output = environment.run(&[&["events", "list", "--endpoint", "mine"], more].concat()).await;
        assert_eq!(code(&output), 0, "{}", error(&output));
        (ids(&output), out(&output))
    };

    assert_eq!(list(&[]).await.0.len(), 2);
    assert_eq!(list(&["--state", "succeeded"]).await.0, [delivered.as_str()]);
    let (retrying, table) = list(&["--state", "retrying"]).await;
    assert_eq!(retrying, [retried]);
    assert!(table.contains("STATE") && table.contains(" retrying "), "{table}");
    assert_eq!(list(&["--state", "failed"]).await.0, [""; 0]);
    assert_eq!(list(&["--channel", "x"]).await.0, [delivered]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_encoded_as_its_senders_do() {
    let environment = Environment::new().await;
    let url = "https://git.example.org/user/project";
    let uuid = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_DNS, url.as_bytes()).to_string();
    let id = environment.send("origin.visit", json!({"channels": [uuid]})).await;

    let found = environment.run(&["events", "list", "--channel", url]).await;
    let always = environment.run(&["events", "list", "--channel", url, "--channel-encoding", "always"]).await;

    assert_eq!((ids(&found), ids(&always)), (vec![id.clone()], vec![id]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_list_is_no_error() {
    let environment = Environment::new().await;

    let text = environment.run(&["events", "list"]).await;
    let json = environment.run(&["events", "list", "--output", "json"]).await;

    assert_eq!((code(&text), out(&text).as_str(), error(&text).as_str()), (0, "", "no events\n"));
    assert_eq!((code(&json), out(&json).as_str(), error(&json).as_str()), (0, "[]\n", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_counts_over_pages() {
    let environment = Environment::new().await;
    stream::iter(0..600)
        .for_each_concurrent(16, |_| async { drop(environment.send("a.b", json!({})).await) })
        .await;

    let some = environment.run(&["events", "list", "--limit", "300"]).await;
    let all = environment.run(&["events", "list", "--limit", "0"]).await;

    assert_eq!(ids(&some).len(), 300);
    assert!(error(&some).contains("there are more than 300; --limit shows more"), "{}", error(&some));
    let all = ids(&all);
    assert_eq!(all.len(), 600);
    assert!(all.windows(2).all(|pair| pair[0] > pair[1]), "newest first, each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_ends_early_is_no_error() {
    let environment = Environment::new().await;
    stream::iter(0..600)
        .for_each_concurrent(16, |_| async { drop(environment.send("a.b", json!({})).await) })
        .await;
    let mut command = environment.command(&["events", "list", "--limit", "0"]);

    let output = tokio::task::spawn_blocking(move || {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut reader = BufReader::with_capacity(16, child.stdout.take().unwrap());
        reader.read_line(&mut String::new()).unwrap();
        drop(reader);
        child.wait_with_output().unwrap()
    })
    .await
    .unwrap();

    assert_eq!((code(&output), error(&output).as_str()), (0, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_arguments_are_exit_code_2() {
    let environment = Environment::new().await;
    for (arguments, expected) in [
        (&["--app", "a b"][..], "--app: found \"a b\""),
        (&["--endpoint", "a/b"], "--endpoint: found \"a/b\""),
        (&["--event-type", "a b"], "--event-type: found \"a b\""),
        (&["--since", "yesterday"], "--since: found \"yesterday\", expected how long ago"),
        (&["--since", "1h", "--until", "2h"], "--until: found a time before that of --since"),
        (&["--state", "failed"], "--endpoint <ENDPOINT>"),
        (&["--follow", "--until", "1h"], "cannot be used with"),
    ] {
        let output = environment.run(&[&["events", "list"], arguments].concat()).await;

        assert_eq!(code(&output), 2, "{arguments:?}: {}", error(&output));
        assert!(error(&output).contains(expected), "{arguments:?}: {}", error(&output));
    }
    assert!(environment.svix.calls().iter().all(|call| call.is_write()), "nothing was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_svix_does_not_know_is_exit_code_3() {
    let environment = Environment::new().await;
    for (arguments, expected) in [
        (&["--app", "nobody"][..], "application \"nobody\" is not in Svix; --app names another one"),
        (&["--endpoint", "nobody"], "endpoint \"nobody\" of application \"default\" is not in Svix"),
    ] {
        let output = environment.run(&[&["events", "list"], arguments].concat()).await;

        assert_eq!(code(&output), 3, "{arguments:?}: {}", error(&output));
        assert!(error(&output).contains(expected), "{arguments:?}: {}", error(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_svix_is_asked_again_and_reported() {
    let environment = Environment::new().await;
    let id = environment.send("a.b", json!({})).await;

    environment.svix.faults().set(FaultPlan { errors: 0.4, throttled: 0.2, seed: 3, ..FaultPlan::default() });
    let some = environment.run(&["events", "list"]).await;
    environment.svix.faults().set(FaultPlan { errors: 1.0, ..FaultPlan::default() });
    let all = environment.run(&["events", "list"]).await;

    assert_eq!((code(&some), ids(&some)), (0, vec![id]), "{}", error(&some));
    assert_eq!(code(&all), 3);
    assert!(error(&all).starts_with("error: message.list: http://127.0.0.1"), "{}", error(&all));
    assert!(error(&all).contains("Svix failed with status 500"), "{}", error(&all));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_accepted_is_exit_code_3() {
    let environment = Environment::new().await;
    let mut command = environment.command(&["events", "list"]);
    command.env("SVIX_TOKEN", "testsk_hunter2");

    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();

    assert_eq!(code(&output), 3);
    assert!(error(&output).contains("Svix does not accept the token"), "{}", error(&output));
    assert!(!error(&output).contains("hunter2"));
}
