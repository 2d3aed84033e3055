//! Deleting, archiving, reviving, adopting, and two objects that want the same.

use serde_json::json;

use crate::support::{
    objects::{Manifest, endpoint, event_type},
    wait::eventually,
    world::{PATIENCE, World},
};

async fn gone(world: &World, key: &svix_operator::engine::ObjectKey) {
    eventually(&format!("{key} to be gone"), PATIENCE, async || match world.object(key) {
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
    let mut world = World::with_connection(may_expunge).await;
    let archived = event_type("a.archived");
    let expunged = event_type("a.expunged").with("deletionPolicy", "Expunge");
    let retained = event_type("a.retained").with("deletionPolicy", "Retain");
    let deleted = endpoint("deleted", &["a.archived"]);
    let kept = endpoint("kept", &["a.archived"]).with("deletionPolicy", "Retain");
    let all = [archived, expunged, retained, deleted, kept];
    world.declare(all.clone());
    world.all_in_step().await;
    for object in &all {
        world.delete(&object.key());
    }
    for object in &all {
        gone(&world, &object.key()).await;
    }
    let held = world.svix.snapshot();
    assert!(held.event_types["a.archived"].archived);
    assert!(!held.event_types.contains_key("a.expunged"));
    assert!(!held.event_types["a.retained"].archived);
    assert!(held.endpoint("default", "test.default.deleted").is_none());
    assert!(held.endpoint("default", "test.default.kept").is_some());
}

#[tokio::test]
async fn an_archived_event_type_comes_back_with_the_new_content_and_keeps_other_versions() {
    let mut world = World::new().await;
    let object = event_type("a.one").with("description", "first");
    world.declare([object.clone()]);
    world.all_in_step().await;
    let schemas = json!({"schemas": {"1": {"type": "object", "title": "a.one"}, "2": {"title": "other"}}});
    world.by_hand("PATCH", "/event-type/a.one", schemas).await;
    world.delete(&object.key());
    gone(&world, &object.key()).await;
    world.declare([object.with("description", "second").with("schema", json!({"title": "new"}))]);
    world.all_in_step().await;
    let back = &world.svix.snapshot().event_types["a.one"];
    assert!(!back.archived);
    assert_eq!(back.description, "second");
    let schemas = back.schemas.as_ref().unwrap();
    assert_eq!((&schemas["1"], &schemas["2"]), (&json!({"title": "new"}), &json!({"title": "other"})));
}

#[tokio::test]
async fn what_is_there_and_equal_is_adopted_with_no_write_but_the_mark() {
    let mut world = World::new().await;
    let schemas = json!({"1": {"type": "object", "title": "a.one"}});
    world
        .by_hand("POST", "/event-type", json!({"name": "a.one", "description": "x", "schemas": schemas}))
        .await;
    world.by_hand("POST", "/app", json!({"name": "x", "uid": "default"})).await;
    let hook = json!({
        "url": "https://hooks.example.org/hook", "uid": "legacy", "eventTypes": ["a.one"], "metadata": {"by": "hand"},
    });
    world.by_hand("POST", "/app/default/endpoint", hook).await;
    world.svix.clear_calls();
    eventually("a listing to have seen them", PATIENCE, async || {
        (world.svix.calls().iter().filter(|call| call.operation == "event-type.list").count() >= 2)
            .then_some(())
    })
    .await;
    let (kind, hook) = (event_type("a.one"), endpoint("hook", &["a.one"]).with("uid", "legacy"));
    world.declare([kind.clone(), hook.clone()]);
    world.all_in_step().await;
    assert_eq!(world.writes().len(), 1, "{:?}", world.writes());
    let held = world.svix.snapshot();
    let metadata = &held.endpoint("default", "legacy").unwrap().metadata;
    assert_eq!(metadata["by"], "hand");
    assert_eq!(metadata["svix-operator.dev/owner"], "test/default/hook");
    assert_eq!(world.notes(&kind.key()), ["Adopted"]);
}

#[tokio::test]
async fn what_is_there_and_differs_is_never_changed_even_when_the_mirror_is_old() {
    // No listing after the first.
    let mut world = World::with_connection(|connection| connection.with("resyncInterval", "1h")).await;
    world.declare([event_type("a.seed"), endpoint("seed", &["a.seed"])]);
    world.all_in_step().await;
    // Since then somebody made these; the mirror does not know.
    world.by_hand("POST", "/event-type", json!({
        // The schema is the one that will be declared; the rest is not.
        "name": "a.theirs", "description": "theirs", "schemas": {"1": {"type": "object", "title": "a.theirs"}},
    })).await;
    let hook = json!({"url": "https://theirs.example/secret", "uid": "test.default.theirs", "eventTypes": ["a.seed"]});
    world.by_hand("POST", "/app/default/endpoint", hook).await;
    // And this one was ours, was deleted by hand, and its uid given to something else.
    world.by_hand("DELETE", "/app/default/endpoint/test.default.seed", json!(null)).await;
    let hook =
        json!({"url": "https://theirs.example/", "uid": "test.default.seed", "eventTypes": ["a.seed"]});
    world.by_hand("POST", "/app/default/endpoint", hook).await;
    let before = world.svix.snapshot();
    let theirs = (event_type("a.theirs").with("description", "mine"), endpoint("theirs", &["a.seed"]));
    let seed = endpoint("seed", &["a.seed"]).with("description", "changed");
    world.declare([theirs.0.clone(), theirs.1.clone(), seed.clone()]);
    for key in [theirs.0.key(), theirs.1.key(), seed.key()] {
        let ready = world.reason(&key, "NotOurs").await;
        assert!(!ready.message.contains("secret"), "{}", ready.message);
    }
    for object in [&theirs.0, &theirs.1, &seed] {
        world.delete(&object.key());
        gone(&world, &object.key()).await;
    }
    assert_eq!(world.svix.snapshot(), before);
}

#[tokio::test]
async fn a_refused_one_goes_on_when_the_other_is_deleted_in_svix() {
    let mut world = World::new().await;
    world.by_hand("POST", "/event-type", json!({"name": "a.one", "description": "theirs"})).await;
    let object = event_type("a.one").with("description", "mine");
    world.declare([object.clone()]);
    let message = world.reason(&object.key(), "NotOurs").await.message;
    assert!(message.contains(r#"description is "theirs" in Svix, declared "mine""#), "{message}");
    world.by_hand("DELETE", "/event-type/a.one?expunge=true", json!(null)).await;
    world.reason(&object.key(), "InSync").await;
}

#[tokio::test]
async fn of_two_that_declare_the_same_one_holds_it_and_the_other_takes_over_without_a_delete() {
    let mut world = World::new().await;
    let first = event_type("a.one").with("description", "first");
    world.declare([first.clone()]);
    let hook = endpoint("hook", &["a.one"]).with("uid", "shared");
    world.declare([hook.clone()]);
    world.all_in_step().await;
    let id = world.svix.snapshot().endpoint("default", "shared").unwrap().id.clone();
    let second = event_type("a.one").with("description", "second").in_namespace("other");
    let rival = endpoint("rival", &["a.one"]).with("uid", "shared");
    world.declare([second.clone(), rival.clone()]);
    let message = world.reason(&second.key(), "Conflict").await.message;
    assert!(message.contains("belongs to WebhookEventType/default/a.one"), "{message}");
    world.reason(&rival.key(), "Conflict").await;
    world.svix.clear_calls();
    world.delete(&first.key());
    world.delete(&hook.key());
    world.reason(&second.key(), "InSync").await;
    world.reason(&rival.key(), "InSync").await;
    let held = world.svix.snapshot();
    assert_eq!(held.event_types["a.one"].description, "second");
    let now = held.endpoint("default", "shared").unwrap();
    assert_eq!((&now.id, now.url.as_str()), (&id, "https://hooks.example.org/rival"));
    assert_eq!(now.metadata["svix-operator.dev/owner"], "test/default/rival");
    assert!(world.svix.calls().iter().all(|call| call.method != "DELETE"));
}

#[tokio::test]
async fn event_type_and_endpoint_can_be_deleted_together_in_any_order() {
    for endpoint_first in [true, false] {
        let mut world = World::with_connection(may_expunge).await;
        let (kind, hook) =
            (event_type("a.one").with("deletionPolicy", "Expunge"), endpoint("hook", &["a.one"]));
        world.declare([kind.clone(), hook.clone()]);
        world.all_in_step().await;
        let order = if endpoint_first { [&hook, &kind] } else { [&kind, &hook] };
        order.iter().for_each(|object| world.delete(&object.key()));
        for object in order {
            gone(&world, &object.key()).await;
        }
        let held = world.svix.snapshot();
        assert!(held.event_types.is_empty() && held.applications["default"].endpoints.is_empty());
    }
}
