//! What changes in Svix behind our back is mended within one listing, or left alone where the spec says nothing.

use serde_json::json;

use crate::support::{
    harness::{Harness, PATIENCE},
    objects::{endpoint, event_type},
    wait::eventually,
};

async fn converged() -> Harness {
    let mut harness = Harness::new().await;
    harness.declare([event_type("a.one").with("description", "declared"), endpoint("hook", &["a.one"])]);
    harness.wait_until_in_sync().await;
    harness
}

async fn back(harness: &Harness, before: &svix_operator::embedded::Snapshot) {
    eventually("Svix to hold again what is declared", PATIENCE, async || {
        let now = harness.svix.snapshot().content();
        if now == before.content() { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
    harness.wait_until_in_sync().await;
}

#[tokio::test]
async fn edits_are_undone_and_told() {
    let harness = converged().await;
    let before = harness.svix.snapshot();
    let hook = json!({"url": "https://evil.example/", "eventTypes": null, "uid": null, "metadata": {}});
    harness.edit_svix("PATCH", "/app/default/endpoint/test.default.hook", hook).await;
    let kind = json!({"description": "edited", "schemas": null});
    harness.edit_svix("PATCH", "/event-type/a.one", kind).await;
    back(&harness, &before).await;
    for key in [event_type("a.one").key(), endpoint("hook", &[]).key()] {
        eventually("the repair to be reported", PATIENCE, async || {
            harness.published(&key).contains(&"DriftRepaired").then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn deletions_are_undone() {
    let harness = converged().await;
    let description = |harness: &Harness| {
        harness.svix.snapshot().endpoint("default", "test.default.hook").map(|endpoint| endpoint.url.clone())
    };
    let before = description(&harness);
    harness.edit_svix("DELETE", "/event-type/a.one?expunge=true", json!(null)).await;
    harness.edit_svix("DELETE", "/app/default/endpoint/test.default.hook", json!(null)).await;
    eventually("both to be back", PATIENCE, async || {
        (description(&harness) == before && harness.svix.snapshot().event_types.contains_key("a.one"))
            .then_some(())
    })
    .await;
    harness.edit_svix("DELETE", "/event-type/a.one", json!(null)).await;
    eventually("it to be unarchived", PATIENCE, async || {
        (!harness.svix.snapshot().event_types["a.one"].archived).then_some(())
    })
    .await;
    harness.edit_svix("DELETE", "/app/default", json!(null)).await;
    eventually("the application to be back", PATIENCE, async || {
        (description(&harness) == before).then_some(())
    })
    .await;
    harness.wait_until_in_sync().await;
}

#[tokio::test]
async fn disabling_is_left_alone_unless_the_spec_says_otherwise() {
    let mut harness = converged().await;
    let disabled = |harness: &Harness| {
        harness.svix.snapshot().endpoint("default", "test.default.hook").unwrap().disabled
    };
    harness.edit_svix("PATCH", "/app/default/endpoint/test.default.hook", json!({"disabled": true})).await;
    // A change elsewhere in the spec does not enable it, either.
    harness.declare([endpoint("hook", &["a.one"]).with("description", "x")]);
    harness.wait_until_in_sync().await;
    assert!(disabled(&harness));
    harness.declare([endpoint("hook", &["a.one"]).with("disabled", false)]);
    harness.wait_until_in_sync().await;
    assert!(!disabled(&harness));
}

#[tokio::test]
async fn what_we_did_not_declare_is_never_touched() {
    let mut harness = converged().await;
    harness.edit_svix("POST", "/event-type", json!({"name": "foreign.one", "description": "f"})).await;
    harness.edit_svix("POST", "/app", json!({"name": "f", "uid": "foreign"})).await;
    let hook = json!({"url": "https://f.example/", "uid": "f", "eventTypes": ["foreign.one"]});
    harness.edit_svix("POST", "/app/default/endpoint", hook.clone()).await;
    harness.edit_svix("POST", "/app/foreign/endpoint", hook).await;
    let before = harness.svix.snapshot();
    harness.declare([endpoint("other", &["foreign.one"])]);
    harness.wait_until_in_sync().await;
    let after = harness.svix.snapshot();
    assert_eq!(after.event_types["foreign.one"], before.event_types["foreign.one"]);
    assert_eq!(after.applications["foreign"], before.applications["foreign"]);
    assert_eq!(after.endpoint("default", "f"), before.endpoint("default", "f"));
}
