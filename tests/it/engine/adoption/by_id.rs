//! Adoption by the id in Svix.

use super::*;

fn by_id(id: &str) -> Manifest {
    endpoint("hook", &["a.one"]).annotated("svix-operator.dev/adopt-id", id)
}

#[tokio::test]
async fn an_endpoint_is_adopted_by_its_id_and_keeps_its_uid() {
    let mut harness = fleet().await;
    let id = edit_svix(&harness, json!({})).await;
    harness.svix.clear_calls();
    harness.declare([by_id(&id)]);
    harness.wait_until_in_sync().await;
    assert_eq!(harness.writes().len(), 1, "{:?}", harness.writes());
    let found = harness.svix.snapshot().endpoint("default", "theirs").unwrap().clone();
    assert_eq!((found.id.as_str(), found.metadata[OWNER].as_str()), (id.as_str(), "test/default/hook"));
    // It is ours now: drift is undone, also when the annotation is gone.
    harness.declare([endpoint("hook", &["a.one"]).with("description", "mine")]);
    harness.wait_until_in_sync().await;
    harness.edit_svix("PATCH", &format!("/app/default/endpoint/{id}"), json!({"description": "x"})).await;
    eventually("it to be undone", PATIENCE, async || {
        (harness.svix.snapshot().endpoint("default", "theirs")?.description == "mine").then_some(())
    })
    .await;
    harness.delete(&hook().key());
    eventually("it to go from Svix", PATIENCE, async || {
        harness.svix.snapshot().endpoint("default", "theirs").is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn one_without_a_uid_is_given_one() {
    let mut harness = fleet().await;
    let id = edit_svix(&harness, json!({"uid": null})).await;
    harness.declare([by_id(&id)]);
    harness.wait_until_in_sync().await;
    assert_eq!(harness.svix.snapshot().endpoint("default", "test.default.hook").unwrap().id, id);
}

#[tokio::test]
async fn an_id_that_leads_nowhere_makes_no_second_endpoint() {
    let mut harness = fleet().await;
    harness.declare([by_id("ep_2nowhere")]);
    let reported = harness.wait_for_reason(&hook().key(), "InvalidSpec").await;
    assert!(reported.message.contains("ep_2nowhere"), "{}", reported.message);
    assert!(harness.svix.snapshot().applications["default"].endpoints.is_empty());
}

#[tokio::test]
async fn a_foreign_mark_needs_adopt_id_and_override() {
    let mut harness = lenient_fleet().await;
    let id = edit_svix(&harness, json!({"metadata": {OWNER: "other/ns/name"}})).await;
    harness.declare([hook()]);
    let reported = harness.wait_for_reason(&hook().key(), "NotOurs").await;
    assert!(reported.message.contains("other/ns/name"), "{}", reported.message);
    harness.declare([hook().with("adoption", "Override")]);
    harness.wait_until_idle().await;
    harness.wait_for_reason(&hook().key(), "NotOurs").await;
    let taking = hook().with("adoption", "Override").annotated("svix-operator.dev/adopt-id", &id);
    harness.declare([taking]);
    harness.wait_until_in_sync().await;
    // The other takes it back: there is no war.
    let path = format!("/app/default/endpoint/{id}");
    harness.edit_svix("PATCH", &path, json!({"metadata": {OWNER: "other/ns/name"}})).await;
    harness.wait_for_reason(&hook().key(), "NotOurs").await;
    assert_eq!(harness.writes_while_listed(3).await, [""; 0]);
}
