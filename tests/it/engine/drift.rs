//! What changes in Svix behind our back is mended within one listing, or left alone where the spec says nothing.

use serde_json::json;

use crate::support::{
    objects::{endpoint, event_type},
    wait::eventually,
    world::{PATIENCE, World},
};

async fn converged() -> World {
    let mut world = World::new().await;
    world.declare([event_type("a.one").with("description", "declared"), endpoint("hook", &["a.one"])]);
    world.all_in_step().await;
    world
}

async fn back(world: &World, before: &svix_operator::embedded::Snapshot) {
    eventually("Svix to hold again what is declared", PATIENCE, async || {
        let now = world.svix.snapshot().content();
        if now == before.content() { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
    world.all_in_step().await;
}

#[tokio::test]
async fn edits_are_undone_and_told() {
    let world = converged().await;
    let before = world.svix.snapshot();
    let hook = json!({"url": "https://evil.example/", "eventTypes": null, "uid": null, "metadata": {}});
    world.by_hand("PATCH", "/app/default/endpoint/test.default.hook", hook).await;
    let kind = json!({"description": "edited", "schemas": null});
    world.by_hand("PATCH", "/event-type/a.one", kind).await;
    back(&world, &before).await;
    for key in [event_type("a.one").key(), endpoint("hook", &[]).key()] {
        eventually("the repair to be told", PATIENCE, async || {
            world.notes(&key).contains(&"DriftRepaired").then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn deletions_are_undone() {
    let world = converged().await;
    let description = |world: &World| {
        world.svix.snapshot().endpoint("default", "test.default.hook").map(|endpoint| endpoint.url.clone())
    };
    let before = description(&world);
    world.by_hand("DELETE", "/event-type/a.one?expunge=true", json!(null)).await;
    world.by_hand("DELETE", "/app/default/endpoint/test.default.hook", json!(null)).await;
    eventually("both to be back", PATIENCE, async || {
        (description(&world) == before && world.svix.snapshot().event_types.contains_key("a.one"))
            .then_some(())
    })
    .await;
    world.by_hand("DELETE", "/event-type/a.one", json!(null)).await;
    eventually("it to be unarchived", PATIENCE, async || {
        (!world.svix.snapshot().event_types["a.one"].archived).then_some(())
    })
    .await;
    world.by_hand("DELETE", "/app/default", json!(null)).await;
    eventually("the application to be back", PATIENCE, async || {
        (description(&world) == before).then_some(())
    })
    .await;
    world.all_in_step().await;
}

#[tokio::test]
async fn disabling_is_left_alone_unless_the_spec_says_otherwise() {
    let mut world = converged().await;
    let disabled =
        |world: &World| world.svix.snapshot().endpoint("default", "test.default.hook").unwrap().disabled;
    world.by_hand("PATCH", "/app/default/endpoint/test.default.hook", json!({"disabled": true})).await;
    // A change elsewhere in the spec does not enable it, either.
    world.declare([endpoint("hook", &["a.one"]).with("description", "x")]);
    world.all_in_step().await;
    assert!(disabled(&world));
    world.declare([endpoint("hook", &["a.one"]).with("disabled", false)]);
    world.all_in_step().await;
    assert!(!disabled(&world));
}

#[tokio::test]
async fn what_we_did_not_declare_is_never_touched() {
    let mut world = converged().await;
    world.by_hand("POST", "/event-type", json!({"name": "foreign.one", "description": "f"})).await;
    world.by_hand("POST", "/app", json!({"name": "f", "uid": "foreign"})).await;
    let hook = json!({"url": "https://f.example/", "uid": "f", "eventTypes": ["foreign.one"]});
    world.by_hand("POST", "/app/default/endpoint", hook.clone()).await;
    world.by_hand("POST", "/app/foreign/endpoint", hook).await;
    let before = world.svix.snapshot();
    world.declare([endpoint("other", &["foreign.one"])]);
    world.all_in_step().await;
    let after = world.svix.snapshot();
    assert_eq!(after.event_types["foreign.one"], before.event_types["foreign.one"]);
    assert_eq!(after.applications["foreign"], before.applications["foreign"]);
    assert_eq!(after.endpoint("default", "f"), before.endpoint("default", "f"));
}
