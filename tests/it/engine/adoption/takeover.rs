//! Several objects that declare the same, and who takes over.

use super::*;

#[tokio::test]
async fn the_oldest_owns_and_the_other_takes_over() {
    let mut harness = fleet().await;
    let first = endpoint("first", &["a.one"]).with("uid", "shared").with("url", "https://first.example.org/");
    let second = endpoint("second", &["a.one"])
        .with("uid", "shared")
        .with("url", "https://second.example.org/")
        .in_namespace("other");
    harness.declare([first.clone()]);
    harness.wait_until_in_sync().await;
    let id = harness.svix.snapshot().endpoint("default", "shared").unwrap().id.clone();
    harness.declare([second.clone()]);
    let reported = harness.wait_for_reason(&second.key(), "Conflict").await;
    assert!(reported.message.contains("WebhookEndpoint/default/first"), "{}", reported.message);
    eventually("the holder to say so", PATIENCE, async || {
        let message = harness.ready(&first.key())?.message;
        if message.contains("WebhookEndpoint/other/second declares it, too, and waits") {
            Ok(())
        } else {
            Err(message)
        }
    })
    .await;
    assert!(harness.published(&first.key()).contains(&"Contested"));
    assert_eq!(harness.writes_while_listed(2).await, [""; 0], "no war");
    harness.delete(&first.key());
    harness.wait_for_reason(&second.key(), "InSync").await;
    let found = harness.svix.snapshot().endpoint("default", "shared").unwrap().clone();
    assert_eq!((found.id, found.url.as_str()), (id, "https://second.example.org/"));
    assert!(harness.published(&first.key()).contains(&"HandedOver"));
    let deletes = harness.writes().into_iter().filter(|write| write.starts_with("endpoint.delete")).count();
    assert_eq!(deletes, 0);
    eventually("the other to say no more of it", PATIENCE, async || {
        let message = harness.ready(&second.key())?.message;
        if message.contains("declares it, too") { Err(message) } else { Ok(()) }
    })
    .await;
}

/// Made at this hour of some day.
fn made_at(hour: u32, mut manifest: Manifest) -> Manifest {
    manifest.0["metadata"]["creationTimestamp"] = format!("2026-01-01T{hour:02}:00:00Z").into();
    manifest
}

#[tokio::test]
async fn the_oldest_of_those_that_wait_takes_over() {
    let mut harness = fleet().await;
    let shared = |name: &str| {
        endpoint(name, &["a.one"]).with("uid", "shared").with("url", format!("https://{name}.example.org/"))
    };
    let kind =
        |namespace: &str| event_type("b.shared").with("description", namespace).in_namespace(namespace);
    harness.declare([shared("holder"), kind("holder")]);
    harness.wait_until_in_sync().await;
    // Given two that wait, of which the older has the later name
    let (older, younger) = (made_at(1, shared("z-older")), made_at(2, shared("a-younger")));
    let (older_kind, younger_kind) = (made_at(1, kind("z-older")), made_at(2, kind("a-younger")));
    harness.declare([older.clone(), younger.clone(), older_kind.clone(), younger_kind.clone()]);
    for waiting in [&older, &younger, &older_kind, &younger_kind] {
        harness.wait_for_reason(&waiting.key(), "Conflict").await;
    }
    // When the holder goes
    harness.delete(&shared("holder").key());
    harness.delete(&kind("holder").key());
    // Then the older one has it, and neither is stuck.
    harness.wait_for_reason(&older_kind.key(), "InSync").await;
    harness.wait_for_reason(&older.key(), "InSync").await;
    harness.wait_for_reason(&younger.key(), "Conflict").await;
    harness.wait_for_reason(&younger_kind.key(), "Conflict").await;
    assert_eq!(
        harness.svix.snapshot().endpoint("default", "shared").unwrap().url,
        "https://z-older.example.org/"
    );
}

#[tokio::test]
async fn a_crash_during_a_handover_leaves_the_next_owner() {
    let mut harness = fleet().await;
    let kind =
        |namespace: &str| event_type("b.shared").with("description", namespace).in_namespace(namespace);
    harness.declare([kind("first")]);
    harness.wait_until_in_sync().await;
    harness.declare([kind("second")]);
    harness.wait_for_reason(&kind("second").key(), "Conflict").await;
    // Given a Svix that lets the heir do nothing
    let only = Some(vec!["event-type.get".to_owned(), "event-type.patch".to_owned()]);
    harness.svix.faults().set(FaultPlan { drop_before: 1.0, only, ..FaultPlan::default() });
    harness.delete(&kind("first").key());
    eventually("the first to go", PATIENCE, async || {
        harness.object(&kind("first").key()).is_none().then_some(())
    })
    .await;
    // When the operator dies before the heir's status says that it holds it
    harness.crash_and_restart().await;
    harness.svix.faults().clear();
    // Then it is the heir's all the same.
    harness.wait_for_reason(&kind("second").key(), "InSync").await;
    assert_eq!(harness.svix.snapshot().event_types["b.shared"].description, "second");
}

#[tokio::test]
async fn a_handover_to_another_namespace_drops_credentials() {
    let mut harness = fleet().await;
    harness.set_secret("receiver", "token", "Bearer hunter2");
    let first = endpoint("first", &["a.one"]).with("uid", "shared").with(
        "headers",
        json!([{"name": "Authorization", "valueFrom": {"secretKeyRef": {"name": "receiver", "key": "token"}}}]),
    );
    harness.declare([first.clone()]);
    harness.wait_until_in_sync().await;
    let key = harness.svix.snapshot().endpoint("default", "shared").unwrap().secret.clone();
    // Given somebody in another namespace who waits for it, with an address and a Secret of their own
    let second = endpoint("second", &["a.one"])
        .with("uid", "shared")
        .with("url", "https://elsewhere.example.org/")
        .with("signingSecret", json!({"toSecret": {"name": "taken"}}))
        .in_namespace("tenant");
    harness.declare([second.clone()]);
    harness.wait_for_reason(&second.key(), "Conflict").await;
    // When the first is deleted
    harness.delete(&first.key());
    harness.wait_for_reason(&second.key(), "InSync").await;
    // Then the other has neither the header nor the key.
    let found = harness.svix.snapshot().endpoint("default", "shared").unwrap().clone();
    assert_eq!(found.url, "https://elsewhere.example.org/");
    assert!(found.headers.is_empty(), "the header of the first is sent to the second's address");
    assert_ne!(found.secret, key, "the second has the key of the first");
}

#[tokio::test]
async fn resources_of_unwatched_objects_are_not_taken() {
    // Given an operator of namespace `default` alone, and an endpoint that carries the mark of an object elsewhere
    let mut harness = Harness::of_namespaces(&["default"]).await;
    harness.declare([event_type("a.one")]);
    harness.wait_until_in_sync().await;
    harness.edit_svix("POST", "/app", json!({"name": "default", "uid": "default"})).await;
    let id = edit_svix(&harness, json!({"metadata": {OWNER: "test/elsewhere/x"}})).await;
    // When it is declared here, equal, and named by its id
    harness.declare([hook().annotated("svix-operator.dev/adopt-id", &id)]);
    // Then it stays whose it is.
    let reported = harness.wait_for_reason(&hook().key(), "Conflict").await;
    assert!(reported.message.contains("elsewhere/x"), "{}", reported.message);
    assert_eq!(
        harness.svix.snapshot().endpoint("default", "theirs").unwrap().metadata[OWNER],
        "test/elsewhere/x"
    );
}
