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

/// Declares an endpoint that is in Svix, in a namespace.
async fn received_by(fixture: &Fixture, name: &str, namespace: &str) {
    let hook = endpoint(name).in_namespace(namespace);
    fixture.declare(hook.clone());
    fixture.reconcile(&hook.key()).await;
    assert_eq!(fixture.reason(&hook.key()), "InSync");
}

#[tokio::test]
async fn a_refusal_names_those_who_receive_the_events() {
    let fixture = synced(enforced()).await;
    received_by(&fixture, "hook", "default").await;
    received_by(&fixture, "s3cret", "elsewhere").await;
    fixture.declare(endpoint("not-in-svix"));
    change_schema(&fixture, number());

    fixture.reconcile(&key()).await;

    let refused = &fixture.status(&key())["refusedChange"];
    let expected = json!({"count": 2, "endpoints": ["hook"], "inOtherNamespaces": 1});
    assert_eq!(refused["receivers"], expected);
    let message = fixture.message(&key());
    let digest = refused["digest"].as_str().unwrap();
    assert!(message.contains(&format!("{ALLOW_BREAKING_ANNOTATION}: \"{digest} <reason>\"")), "{message}");
    assert!(
        message.ends_with("2 endpoints receive its events: hook, and 1 in other namespaces"),
        "{message}"
    );
    let published = fixture.ctx.host.events(&key());
    assert!(published.iter().any(|it| it.warning && it.message == message), "{published:?}");
    assert!(!format!("{published:?}").contains("s3cret"), "{published:?}");
}

#[tokio::test]
async fn endpoints_that_come_and_go_change_no_status() {
    let fixture = synced(enforced()).await;
    received_by(&fixture, "hook", "default").await;
    change_schema(&fixture, number());
    fixture.reconcile(&key()).await;
    let (before, writes) = (fixture.status(&key()), fixture.ctx.host.writes(&key()));

    received_by(&fixture, "another", "default").await;
    fixture.reconcile(&key()).await;
    fixture.remove(&endpoint("hook").key());
    fixture.reconcile(&key()).await;

    assert_eq!(fixture.status(&key()), before);
    assert_eq!(fixture.ctx.host.writes(&key()), writes);
}

#[tokio::test]
async fn another_refused_change_names_those_of_now() {
    let fixture = synced(enforced()).await;
    received_by(&fixture, "hook", "default").await;
    change_schema(&fixture, number());
    fixture.reconcile(&key()).await;
    received_by(&fixture, "another", "default").await;

    change_schema(&fixture, json!({"type": "object", "title": "anything"}));
    fixture.reconcile(&key()).await;
    assert_eq!(fixture.status(&key())["refusedChange"]["receivers"]["count"], 2);

    change_schema(&fixture, integer());
    fixture.reconcile(&key()).await;
    assert_eq!(fixture.status(&key())["refusedChange"], Value::Null);
}

#[tokio::test]
async fn a_warning_names_those_who_receive_the_events() {
    let fixture = synced(event_type("a.one").with("schema", integer())).await;
    received_by(&fixture, "hook", "default").await;
    fixture.declare(endpoint("disabled").with("disabled", true));
    fixture.reconcile(&endpoint("disabled").key()).await;
    change_schema(&fixture, number());

    fixture.reconcile(&key()).await;

    let published = fixture.ctx.host.events(&key());
    let warning = published.iter().find(|it| it.reason == "BreakingChange").unwrap();
    assert!(warning.message.ends_with("; 1 endpoint receives its events: hook"), "{}", warning.message);
}

#[tokio::test]
async fn an_observed_object_names_the_receivers_of_what_would_be_refused() {
    let fixture = synced(enforced()).await;
    received_by(&fixture, "hook", "default").await;
    fixture.edit(&key(), |it| it["spec"]["managementPolicy"] = "Observe".into());
    change_schema(&fixture, number());
    fixture.reconcile(&key()).await;
    let before = fixture.status(&key());

    received_by(&fixture, "another", "default").await;
    fixture.reconcile(&key()).await;

    assert_eq!(before["refusedChange"]["receivers"]["endpoints"], json!(["hook"]));
    assert_eq!(fixture.status(&key()), before);
}
