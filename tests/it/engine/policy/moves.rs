//! Objects that move from one connection to another.

use super::*;

#[tokio::test]
async fn a_move_cleans_up_on_the_previous_connection() {
    let mut harness = Harness::new().await;
    let other = svix_server::start_beside(&harness.svix).await;
    let second =
        connection(&other.url()).named("second").with("ownerId", "second").with("resyncInterval", "1s");
    harness.declare([second, event_type("a.one"), hook()]);
    harness.wait_until_in_sync().await;
    let to = |manifest: Manifest| manifest.with("connectionRef", json!({"name": "second"}));
    harness.declare([to(event_type("a.one")), to(hook())]);
    eventually("both to be there", PATIENCE, async || {
        let held = other.snapshot();
        let endpoint = held.endpoint("default", "second.default.hook").is_some();
        (endpoint && held.event_types.get("a.one").is_some_and(|it| !it.archived)).then_some(())
    })
    .await;
    harness.wait_until_in_sync().await;
    let before = harness.svix.snapshot();
    assert!(before.event_types["a.one"].archived);
    assert!(before.endpoint("default", "test.default.hook").is_none());
    // The connection before is free to go.
    harness.delete(&ObjectKey::connection("default"));
    eventually("it to go", PATIENCE, async || {
        harness.object(&ObjectKey::connection("default")).is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_move_without_retain_cleans_up_what_was_retained() {
    // Given event types that hold no finalizer, since nothing would be cleaned up
    let mut harness = Harness::new().await;
    let other = svix_server::start_beside(&harness.svix).await;
    let second =
        connection(&other.url()).named("second").with("ownerId", "second").with("resyncInterval", "1s");
    let retained = |name: &str| event_type(name).with("deletionPolicy", "Retain");
    harness.declare([second, retained("a.one"), retained("a.two")]);
    harness.wait_until_in_sync().await;
    // When one edit moves them, and takes `Retain` out of one
    let to = |manifest: Manifest| manifest.with("connectionRef", json!({"name": "second"}));
    harness.declare([to(event_type("a.one")), to(retained("a.two"))]);
    harness.wait_until_in_sync().await;
    // Then what the spec says now counts.
    assert!(!other.snapshot().event_types["a.one"].archived);
    let before = harness.svix.snapshot();
    assert!(before.event_types["a.one"].archived && !before.event_types["a.two"].archived);
}

#[tokio::test]
async fn moving_waits_for_the_connection_that_it_leaves() {
    let mut harness = Harness::new().await;
    let other = svix_server::start_beside(&harness.svix).await;
    harness.declare([
        connection(&other.url()).named("second").with("resyncInterval", "1s"),
        event_type("a.one"),
        hook(),
    ]);
    harness.wait_until_in_sync().await;
    let only = Some(vec!["endpoint.delete".to_owned()]);
    harness.svix.faults().set(FaultPlan { errors: 1.0, only, ..FaultPlan::default() });
    let moved = hook().with("connectionRef", json!({"name": "second"}));
    harness.declare([
        event_type("a.two").with("connectionRef", json!({"name": "second"})),
        moved.with("eventTypes", json!(["a.two"])),
    ]);
    let stated = harness.wait_for_reason(&hook().key(), "Moving").await;
    assert!(stated.message.contains("SvixConnection \"default\""), "{}", stated.message);
    assert!(stated.message.contains("endpoint.delete"), "{}", stated.message);
    assert!(other.snapshot().endpoint("default", "test.default.hook").is_none());
    harness.svix.faults().clear();
    harness.wait_for_reason(&hook().key(), "InSync").await;
    assert!(harness.svix.snapshot().endpoint("default", "test.default.hook").is_none());
    assert!(other.snapshot().endpoint("default", "test.default.hook").is_some());
}

#[tokio::test]
async fn who_waits_takes_over_what_an_object_leaves_that_moves() {
    // Given one that holds a thing, and one that waits for it
    let mut harness = Harness::new().await;
    let other = svix_server::start_beside(&harness.svix).await;
    let second =
        connection(&other.url()).named("second").with("ownerId", "second").with("resyncInterval", "1s");
    let kind =
        |namespace: &str| event_type("b.shared").in_namespace(namespace).with("description", namespace);
    let waiting = endpoint("waiting", &["a.one"]).with("uid", "shared");
    let to = |manifest: Manifest| manifest.with("connectionRef", json!({"name": "second"}));
    harness.declare([second, event_type("a.one"), to(event_type("a.one")).in_namespace("there")]);
    harness.declare([hook().with("uid", "shared"), kind("one")]);
    harness.wait_until_in_sync().await;
    harness.declare([waiting.clone(), kind("two")]);
    harness.wait_for_reason(&waiting.key(), "Conflict").await;
    harness.wait_for_reason(&kind("two").key(), "Conflict").await;
    // When the first moves to another connection
    harness.declare([to(hook().with("uid", "shared")), to(kind("one"))]);
    // Then the other takes over.
    harness.wait_for_reason(&waiting.key(), "InSync").await;
    harness.wait_for_reason(&kind("two").key(), "InSync").await;
    harness.wait_until_in_sync().await;
}

#[tokio::test]
async fn a_takeover_counts_on_one_connection_only() {
    // Given an object that took an event type over from one that went
    let mut harness = Harness::new().await;
    let other = svix_server::start_beside(&harness.svix).await;
    let second =
        connection(&other.url()).named("second").with("ownerId", "second").with("resyncInterval", "1s");
    let kind =
        |namespace: &str| event_type("b.shared").in_namespace(namespace).with("description", namespace);
    harness.declare([second, kind("one")]);
    harness.wait_until_in_sync().await;
    harness.declare([kind("two")]);
    harness.wait_for_reason(&kind("two").key(), "Conflict").await;
    harness.delete(&kind("one").key());
    harness.wait_for_reason(&kind("two").key(), "InSync").await;
    // and one of that name that somebody made elsewhere
    reqwest::Client::new()
        .post(format!("{}/api/v1/event-type", other.url()))
        .bearer_auth(harness.svix.token())
        .json(&json!({"name": "b.shared", "description": "theirs", "schemas": {"1": {}}}))
        .send()
        .await
        .unwrap()
        .error_for_status()
        .unwrap();
    // When it moves there
    let moved = kind("two").with("connectionRef", json!({"name": "second"}));
    harness.declare([moved.clone()]);
    // Then that one is not taken for its own.
    harness.wait_for_reason(&moved.key(), "NotOurs").await;
    assert_eq!(other.snapshot().event_types["b.shared"].description, "theirs");
}
