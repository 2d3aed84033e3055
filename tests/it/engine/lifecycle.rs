//! Deleting, archiving, reviving, adopting, and two objects that want the same.

use serde_json::json;

use crate::support::{
    harness::{Harness, PATIENCE},
    objects::{Manifest, endpoint, event_type},
    wait::eventually,
};

async fn gone(harness: &Harness, key: &svix_operator::engine::ObjectKey) {
    eventually(&format!("{key} to be gone"), PATIENCE, async || match harness.object(key) {
        None => Ok(()),
        Some(object) => Err(format!("{:?}", object.conditions())),
    })
    .await;
}

fn may_expunge(connection: Manifest) -> Manifest {
    let everything =
        json!({"namespaces": {}, "applications": ["*"], "eventTypes": ["*"], "allowExpunge": true});
    connection.with("resyncInterval", "1s").with("access", json!([everything]))
}

#[tokio::test]
async fn deleting_does_in_svix_what_the_policy_says() {
    let mut harness = Harness::with_connection(may_expunge).await;
    let archived = event_type("a.archived");
    let expunged = event_type("a.expunged").with("deletionPolicy", "Expunge");
    let retained = event_type("a.retained").with("deletionPolicy", "Retain");
    let deleted = endpoint("deleted", &["a.archived"]);
    let kept = endpoint("kept", &["a.archived"]).with("deletionPolicy", "Retain");
    let all = [archived, expunged, retained, deleted, kept];
    harness.declare(all.clone());
    harness.wait_until_in_sync().await;
    for object in &all {
        harness.delete(&object.key());
    }
    for object in &all {
        gone(&harness, &object.key()).await;
    }
    let held = harness.svix.snapshot();
    assert!(held.event_types["a.archived"].archived);
    assert!(!held.event_types.contains_key("a.expunged"));
    assert!(!held.event_types["a.retained"].archived);
    assert!(held.endpoint("default", "test.default.deleted").is_none());
    assert!(held.endpoint("default", "test.default.kept").is_some());
}

#[tokio::test]
async fn unarchiving_keeps_other_schema_versions() {
    let mut harness = Harness::new().await;
    let object = event_type("a.one").with("description", "first");
    harness.declare([object.clone()]);
    harness.wait_until_in_sync().await;
    let schemas = json!({"schemas": {"1": {"type": "object", "title": "a.one"}, "2": {"title": "other"}}});
    harness.edit_svix("PATCH", "/event-type/a.one", schemas).await;
    harness.delete(&object.key());
    gone(&harness, &object.key()).await;
    harness.declare([object.with("description", "second").with("schema", json!({"title": "new"}))]);
    harness.wait_until_in_sync().await;
    let back = &harness.svix.snapshot().event_types["a.one"];
    assert!(!back.archived);
    assert_eq!(back.description, "second");
    let schemas = back.schemas.as_ref().unwrap();
    assert_eq!((&schemas["1"], &schemas["2"]), (&json!({"title": "new"}), &json!({"title": "other"})));
}

#[tokio::test]
async fn equal_resources_are_adopted_with_the_mark_only() {
    let mut harness = Harness::new().await;
    let schemas = json!({"1": {"type": "object", "title": "a.one"}});
    harness
        .edit_svix("POST", "/event-type", json!({"name": "a.one", "description": "x", "schemas": schemas}))
        .await;
    harness.edit_svix("POST", "/app", json!({"name": "x", "uid": "default"})).await;
    let hook = json!({
        "url": "https://hooks.example.org/hook", "uid": "legacy", "eventTypes": ["a.one"], "metadata": {"by": "hand"},
    });
    harness.edit_svix("POST", "/app/default/endpoint", hook).await;
    harness.svix.clear_calls();
    eventually("a listing to have seen them", PATIENCE, async || {
        (harness.svix.calls().iter().filter(|call| call.operation == "event-type.list").count() >= 2)
            .then_some(())
    })
    .await;
    let (kind, hook) = (event_type("a.one"), endpoint("hook", &["a.one"]).with("uid", "legacy"));
    harness.declare([kind.clone(), hook.clone()]);
    harness.wait_until_in_sync().await;
    assert_eq!(harness.writes().len(), 1, "{:?}", harness.writes());
    let held = harness.svix.snapshot();
    let metadata = &held.endpoint("default", "legacy").unwrap().metadata;
    assert_eq!(metadata["by"], "hand");
    assert_eq!(metadata["svix-operator.dev/owner"], "test/default/hook");
    assert_eq!(harness.published(&kind.key()), ["Adopted"]);
}

#[tokio::test]
async fn a_stale_mirror_never_changes_foreign_resources() {
    // No listing after the first.
    let mut harness = Harness::with_connection(|connection| connection.with("resyncInterval", "1h")).await;
    harness.declare([event_type("a.seed"), endpoint("seed", &["a.seed"])]);
    harness.wait_until_in_sync().await;
    // Since then somebody made these; the mirror does not know.
    harness.edit_svix("POST", "/event-type", json!({
        // The schema is the one that will be declared; the rest is not.
        "name": "a.theirs", "description": "theirs", "schemas": {"1": {"type": "object", "title": "a.theirs"}},
    })).await;
    let hook = json!({"url": "https://theirs.example/secret", "uid": "test.default.theirs", "eventTypes": ["a.seed"]});
    harness.edit_svix("POST", "/app/default/endpoint", hook).await;
    // And this one was ours, was deleted by hand, and its uid given to something else.
    harness.edit_svix("DELETE", "/app/default/endpoint/test.default.seed", json!(null)).await;
    let hook =
        json!({"url": "https://theirs.example/", "uid": "test.default.seed", "eventTypes": ["a.seed"]});
    harness.edit_svix("POST", "/app/default/endpoint", hook).await;
    let before = harness.svix.snapshot();
    let theirs = (event_type("a.theirs").with("description", "mine"), endpoint("theirs", &["a.seed"]));
    let seed = endpoint("seed", &["a.seed"]).with("description", "changed");
    harness.declare([theirs.0.clone(), theirs.1.clone(), seed.clone()]);
    for key in [theirs.0.key(), theirs.1.key(), seed.key()] {
        let ready = harness.wait_for_reason(&key, "NotOurs").await;
        assert!(!ready.message.contains("secret"), "{}", ready.message);
    }
    for object in [&theirs.0, &theirs.1, &seed] {
        harness.delete(&object.key());
        gone(&harness, &object.key()).await;
    }
    assert_eq!(harness.svix.snapshot(), before);
}

#[tokio::test]
async fn a_refused_one_goes_on_when_the_other_is_deleted_in_svix() {
    let mut harness = Harness::new().await;
    harness.edit_svix("POST", "/event-type", json!({"name": "a.one", "description": "theirs"})).await;
    let object = event_type("a.one").with("description", "mine");
    harness.declare([object.clone()]);
    let message = harness.wait_for_reason(&object.key(), "NotOurs").await.message;
    assert!(message.contains(r#"description is "theirs" in Svix, declared "mine""#), "{message}");
    harness.edit_svix("DELETE", "/event-type/a.one?expunge=true", json!(null)).await;
    harness.wait_for_reason(&object.key(), "InSync").await;
}

#[tokio::test]
async fn the_second_declarer_takes_over_without_a_delete() {
    let mut harness = Harness::new().await;
    let first = event_type("a.one").with("description", "first");
    harness.declare([first.clone()]);
    let hook = endpoint("hook", &["a.one"]).with("uid", "shared");
    harness.declare([hook.clone()]);
    harness.wait_until_in_sync().await;
    let id = harness.svix.snapshot().endpoint("default", "shared").unwrap().id.clone();
    let second = event_type("a.one").with("description", "second").in_namespace("other");
    let rival = endpoint("rival", &["a.one"]).with("uid", "shared");
    harness.declare([second.clone(), rival.clone()]);
    let message = harness.wait_for_reason(&second.key(), "Conflict").await.message;
    assert!(message.contains("belongs to WebhookEventType/default/a.one"), "{message}");
    harness.wait_for_reason(&rival.key(), "Conflict").await;
    harness.svix.clear_calls();
    harness.delete(&first.key());
    harness.delete(&hook.key());
    harness.wait_for_reason(&second.key(), "InSync").await;
    harness.wait_for_reason(&rival.key(), "InSync").await;
    let held = harness.svix.snapshot();
    assert_eq!(held.event_types["a.one"].description, "second");
    let now = held.endpoint("default", "shared").unwrap();
    assert_eq!((&now.id, now.url.as_str()), (&id, "https://hooks.example.org/rival"));
    assert_eq!(now.metadata["svix-operator.dev/owner"], "test/default/rival");
    assert!(harness.svix.calls().iter().all(|call| call.method != "DELETE"));
}

#[tokio::test]
async fn objects_can_be_deleted_together_in_any_order() {
    for endpoint_first in [true, false] {
        let mut harness = Harness::with_connection(may_expunge).await;
        let (kind, hook) =
            (event_type("a.one").with("deletionPolicy", "Expunge"), endpoint("hook", &["a.one"]));
        harness.declare([kind.clone(), hook.clone()]);
        harness.wait_until_in_sync().await;
        let order = if endpoint_first { [&hook, &kind] } else { [&kind, &hook] };
        order.iter().for_each(|object| harness.delete(&object.key()));
        for object in order {
            gone(&harness, &object.key()).await;
        }
        let held = harness.svix.snapshot();
        assert!(held.event_types.is_empty() && held.applications["default"].endpoints.is_empty());
    }
}
