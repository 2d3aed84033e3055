//! A change of the schema that breaks receivers.

use super::*;
use crate::api::ALLOW_BREAKING_ANNOTATION;

fn integer() -> Value {
    json!({"type": "object", "properties": {"n": {"type": "integer"}}})
}

fn number() -> Value {
    json!({"type": "object", "properties": {"n": {"type": "number"}}})
}

fn enforced() -> Manifest {
    event_type("a.one").with("schema", integer()).with("compatibility", json!({"action": "Enforce"}))
}

fn change_schema(fixture: &Fixture, schema: Value) {
    fixture.edit(&key(), |it| {
        it["spec"]["schema"] = schema;
        it["metadata"]["generation"] = 2.into();
    });
}

fn in_svix_now(fixture: &Fixture) -> Value {
    fixture.svix().snapshot().event_types["a.one"].schemas.clone().unwrap()["1"].clone()
}

#[tokio::test]
async fn it_is_not_written_where_enforced() {
    let fixture = synced(enforced()).await;
    change_schema(&fixture, number());

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.reason(&key()), "BreakingChange");
    assert_eq!(fixture.writes(), Vec::<&str>::new());
    assert_eq!(in_svix_now(&fixture), integer());
    assert!(fixture.message(&key()).starts_with("/spec/schema: "), "{}", fixture.message(&key()));
}

#[tokio::test]
async fn the_annotation_lets_that_change_through() {
    let fixture = synced(enforced()).await;
    change_schema(&fixture, number());
    fixture.reconcile(&key()).await;
    let message = fixture.message(&key());
    let digest =
        message.split(&format!("{ALLOW_BREAKING_ANNOTATION}: \"")).nth(1).unwrap().split(' ').next().unwrap();
    let allowed = format!("{digest} agreed with all receivers");
    fixture.edit(&key(), |it| it["metadata"]["annotations"][ALLOW_BREAKING_ANNOTATION] = allowed.into());

    fixture.reconcile(&key()).await;
    assert_eq!(fixture.reason(&key()), "InSync");
    assert_eq!(in_svix_now(&fixture), number());

    // The next change is another one.
    change_schema(&fixture, json!({"type": "object", "title": "anything"}));
    fixture.reconcile(&key()).await;
    assert_eq!(fixture.reason(&key()), "BreakingChange");
    assert_eq!(in_svix_now(&fixture), number());
}

#[tokio::test]
async fn a_safe_change_is_written_without_a_warning() {
    let fixture = synced(enforced()).await;
    let narrower = json!({"type": "object", "properties": {"n": {"type": "integer", "minimum": 0}}});
    change_schema(&fixture, narrower.clone());

    fixture.reconcile(&key()).await;

    assert_eq!(in_svix_now(&fixture), narrower);
    assert_eq!(fixture.events(&key()), ["Created", "Updated"]);
}

#[tokio::test]
async fn by_default_it_is_written_with_a_warning() {
    let fixture = synced(event_type("a.one").with("schema", integer())).await;
    change_schema(&fixture, number());

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.reason(&key()), "InSync");
    assert_eq!(in_svix_now(&fixture), number());
    assert_eq!(fixture.events(&key()), ["Created", "Updated", "BreakingChange"]);
}

#[tokio::test]
async fn the_connection_can_enforce_it() {
    let floor = connection().permissive().with("compatibility", json!({"action": "Enforce"}));
    let lax = event_type("a.one").with("schema", integer()).with("compatibility", json!({"level": "None"}));
    let fixture = Fixture::new().with(floor).with(lax).connected().await;
    fixture.reconcile(&key()).await;
    change_schema(&fixture, number());

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.reason(&key()), "BreakingChange");
    assert_eq!(in_svix_now(&fixture), integer());
}

#[tokio::test]
async fn it_is_compared_with_what_svix_has() {
    let fixture = synced(enforced()).await;
    fixture.by_hand("PATCH", "/event-type/a.one", json!({"schemas": {"1": number()}})).await;
    change_schema(&fixture, number());
    fixture.connect("default").await;

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.reason(&key()), "InSync");
}

#[tokio::test]
async fn an_observed_object_says_that_it_would_be_refused() {
    let fixture = synced(enforced()).await;
    fixture.edit(&key(), |it| it["spec"]["managementPolicy"] = "Observe".into());
    change_schema(&fixture, number());

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.status(&key())["difference"]["action"], "Refuse");
    assert_eq!(fixture.writes(), Vec::<&str>::new());
}
