//! How far the operator goes: observing, suspending, what a connection allows, endpoints that are disabled in Svix,
//! and moving from one connection to another.

use serde_json::{Value, json};
use svix_operator::{
    api::{Condition, ConditionStatus},
    embedded::FaultPlan,
    engine::{Object, ObjectKey},
};

use crate::support::{
    harness::{Harness, PATIENCE},
    objects::{Manifest, connection, endpoint, event, event_type},
    svix_server,
    wait::eventually,
};

mod access;
mod moves;
mod orphaning;

const PATH: &str = "/app/default/endpoint/test.default.hook";

fn condition(harness: &Harness, key: &ObjectKey, name: &str) -> Option<Condition> {
    let object = harness.object(key)?;
    object.conditions().iter().find(|condition| format!("{:?}", condition.type_) == name).cloned()
}

fn difference(harness: &Harness, key: &ObjectKey) -> Value {
    let status = match harness.object(key) {
        Some(Object::EventType(it)) => serde_json::to_value(&it.status),
        Some(Object::Endpoint(it)) => serde_json::to_value(&it.status),
        _ => panic!("{key} is not there"),
    };
    status.unwrap()["difference"].clone()
}

fn hook() -> Manifest {
    endpoint("hook", &["a.one"])
}

#[tokio::test]
async fn observing_predicts_what_managing_does() {
    let mut harness = Harness::new().await;
    let observed = |manifest: Manifest| manifest.with("managementPolicy", "Observe");
    // Given nothing in Svix
    harness.declare([observed(event_type("a.one")), observed(hook())]);
    for key in [event_type("a.one").key(), hook().key()] {
        let ready = harness.wait_for_reason(&key, "Differs").await;
        assert_eq!(ready.status, ConditionStatus::True);
        assert_eq!(condition(&harness, &key, "InSync").unwrap().status, ConditionStatus::False);
        assert_eq!(difference(&harness, &key), json!({"action": "Create"}));
    }
    assert_eq!(harness.writes_while_listed(2).await, [""; 0]);
    // When somebody makes it, differently
    harness.edit_svix("POST", "/event-type", json!({"name": "a.one", "description": "x", "schemas": {"1": {"title": "a.one", "type": "object"}}})).await;
    harness.wait_for_reason(&event_type("a.one").key(), "Differs").await;
    eventually("adoption to be all there is to do", PATIENCE, async || {
        let found = difference(&harness, &event_type("a.one").key());
        if found == json!({"action": "Adopt"}) { Ok(()) } else { Err(found.to_string()) }
    })
    .await;
    // and it is managed
    harness.declare([event_type("a.one"), hook()]);
    harness.wait_until_in_sync().await;
    harness.wait_until_idle().await;
    harness.svix.clear_calls();
    // then what differs is reported in the same words, field by field
    harness.declare([observed(hook().with("description", "mine").with("throttleRate", 5))]);
    harness.wait_for_reason(&hook().key(), "Differs").await;
    let reported = difference(&harness, &hook().key());
    let fields: Vec<_> =
        reported["fields"].as_array().unwrap().iter().map(|field| field["field"].clone()).collect();
    assert_eq!(
        (reported["action"].as_str(), fields),
        (Some("Change"), vec![json!("description"), json!("throttleRate")])
    );
    assert_eq!(harness.writes(), [""; 0]);
    // and managing it writes these fields and no others.
    let before = harness.svix.snapshot().endpoint("default", "test.default.hook").unwrap().clone();
    harness.declare([hook().with("description", "mine").with("throttleRate", 5)]);
    harness.wait_for_reason(&hook().key(), "InSync").await;
    let mut after = harness.svix.snapshot().endpoint("default", "test.default.hook").unwrap().clone();
    assert_eq!(harness.writes().len(), 1);
    assert_eq!((after.description.as_str(), after.throttle_rate), ("mine", Some(5)));
    (after.description, after.throttle_rate, after.times) =
        (before.description.clone(), before.throttle_rate, before.times);
    assert_eq!(after, before);
    assert!(condition(&harness, &hook().key(), "InSync").is_none());
    assert_eq!(difference(&harness, &hook().key()), Value::Null);
}

#[tokio::test]
async fn observing_tells_of_headers_and_keys_by_name_only() {
    let mut harness = Harness::new().await;
    harness.set_secret("s", "key", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    harness.declare([event_type("a.one"), hook()]);
    harness.wait_until_in_sync().await;
    let observed = hook()
        .with("managementPolicy", "Observe")
        .with("headers", json!([{"name": "X-Team", "value": "hunter2"}]))
        .with("signingSecret", json!({"fromSecret": {"name": "s", "key": "key"}}));
    harness.declare([observed]);
    harness.wait_for_reason(&hook().key(), "Differs").await;
    let reported = difference(&harness, &hook().key()).to_string();
    assert!(reported.contains("x-team") && reported.contains("signingSecret"), "{reported}");
    assert!(!reported.contains("hunter2") && !reported.contains("whsec_"), "{reported}");
}

#[tokio::test]
async fn suspending_writes_nothing_and_lets_go_at_once() {
    let mut harness = Harness::new().await;
    harness.declare([event_type("a.one"), hook()]);
    harness.wait_until_in_sync().await;
    harness.declare([hook().with("suspend", true).with("description", "later")]);
    let ready = harness.wait_for_reason(&hook().key(), "Suspended").await;
    assert_eq!(ready.status, ConditionStatus::True);
    assert!(ready.message.contains("description"), "{}", ready.message);
    assert_eq!(harness.writes_while_listed(2).await, [""; 0]);
    harness.declare([hook().with("description", "later")]);
    harness.wait_for_reason(&hook().key(), "InSync").await;
    harness.declare([hook().with("suspend", true)]);
    harness.wait_for_reason(&hook().key(), "Suspended").await;
    harness.svix.clear_calls();
    harness.delete(&hook().key());
    eventually("it to go", PATIENCE, async || harness.object(&hook().key()).is_none().then_some(())).await;
    assert_eq!(harness.writes(), [""; 0]);
    assert!(harness.svix.snapshot().endpoint("default", "test.default.hook").is_some());
}

#[tokio::test]
async fn a_connection_can_be_suspended_and_observed_whole() {
    let mut harness = Harness::new().await;
    let of = |harness: &Harness| connection(&harness.svix.url()).with("resyncInterval", "1s");
    harness.declare([of(&harness).with("suspend", true)]);
    harness.declare([event_type("a.one"), hook()]);
    harness.wait_for_reason(&hook().key(), "Suspended").await;
    harness.declare([of(&harness).with("managementPolicy", "Observe")]);
    harness.wait_for_reason(&event_type("a.one").key(), "Differs").await;
    assert_eq!(harness.writes_while_listed(2).await, [""; 0]);
    harness.declare([of(&harness)]);
    harness.wait_for_reason(&hook().key(), "InSync").await;
    assert!(harness.svix.snapshot().endpoint("default", "test.default.hook").is_some());
}

// --- disabled in Svix

#[tokio::test]
async fn disabling_in_svix_is_respected_and_told_since_when() {
    let mut harness = Harness::new().await;
    harness.declare([event_type("a.one"), hook()]);
    harness.wait_until_in_sync().await;
    harness.edit_svix("PATCH", PATH, json!({"disabled": true})).await;
    let ready = harness.wait_for_reason(&hook().key(), "DisabledInSvix").await;
    assert_eq!(ready.status, ConditionStatus::True, "left out, it is respected");
    let since = condition(&harness, &hook().key(), "DisabledInSvix").unwrap().last_transition_time;
    // It stays since then, whatever else happens.
    harness.declare([hook().with("description", "changed")]);
    eventually("the change", PATIENCE, async || {
        (harness.svix.snapshot().endpoint("default", "test.default.hook")?.description == "changed")
            .then_some(())
    })
    .await;
    harness.wait_for_reason(&hook().key(), "DisabledInSvix").await;
    assert_eq!(condition(&harness, &hook().key(), "DisabledInSvix").unwrap().last_transition_time, since);
    assert!(harness.svix.snapshot().endpoint("default", "test.default.hook").unwrap().disabled);
    // Enabled again, it says so no more.
    harness.edit_svix("PATCH", PATH, json!({"disabled": false})).await;
    harness.wait_for_reason(&hook().key(), "InSync").await;
    assert!(condition(&harness, &hook().key(), "DisabledInSvix").is_none());
}

#[tokio::test]
async fn what_svix_disables_by_itself_is_told_like_any_other() {
    // Given a Svix that disables an endpoint with the first message that it gives up on
    let receiver = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", receiver.local_addr().unwrap());
    drop(receiver);
    let mut harness = Harness::that_gives_up_at_once().await;
    harness.declare([event_type("a.one"), hook().with("url", url).with("statistics", true)]);
    harness.wait_until_in_sync().await;
    for number in 0..2 {
        let message = json!({"eventType": "a.one", "payload": {"number": number}});
        harness.edit_svix("POST", "/app/default/msg", message).await;
        eventually("it to be given up", PATIENCE, async || {
            let found = harness.edit_svix("GET", &format!("{PATH}/stats"), Value::Null).await;
            if found["fail"] == number + 1 { Ok(()) } else { Err(found.to_string()) }
        })
        .await;
    }
    harness.wait_for_reason(&hook().key(), "DisabledInSvix").await;
    eventually("the failures in status", PATIENCE, async || {
        let Some(Object::Endpoint(endpoint)) = harness.object(&hook().key()) else { panic!() };
        let failed = endpoint.status.as_ref()?.statistics.as_ref()?.failed;
        (failed == 2).then_some(())
    })
    .await;
}

#[tokio::test]
async fn disabled_false_enables_once_per_spec() {
    let mut harness = Harness::new().await;
    let enabled = hook().with("disabled", false);
    harness.declare([event_type("a.one"), enabled.clone()]);
    harness.wait_until_in_sync().await;
    harness.edit_svix("PATCH", PATH, json!({"disabled": true})).await;
    let ready = harness.wait_for_reason(&hook().key(), "DisabledInSvix").await;
    assert_eq!(ready.status, ConditionStatus::False);
    assert!(condition(&harness, &hook().key(), "Stalled").is_some(), "it waits for a person");
    assert_eq!(harness.writes_while_listed(3).await, [""; 0]);
    harness.crash_and_restart().await;
    harness.wait_for_reason(&hook().key(), "DisabledInSvix").await;
    assert_eq!(harness.writes_while_listed(2).await, [""; 0], "nor after a restart");
    harness.declare([enabled.with("description", "mended")]);
    harness.wait_for_reason(&hook().key(), "InSync").await;
    assert!(!harness.svix.snapshot().endpoint("default", "test.default.hook").unwrap().disabled);
}

#[tokio::test]
async fn disabled_true_is_kept() {
    let mut harness = Harness::new().await;
    harness.declare([event_type("a.one"), hook().with("disabled", true)]);
    harness.wait_until_in_sync().await;
    harness.edit_svix("PATCH", PATH, json!({"disabled": false})).await;
    eventually("it to be disabled again", PATIENCE, async || {
        harness.svix.snapshot().endpoint("default", "test.default.hook")?.disabled.then_some(())
    })
    .await;
}

// --- tenants

// --- moving

// --- letting go

#[tokio::test]
async fn reconcile_at_reads_an_observed_endpoint() {
    let mut harness = Harness::with_connection(|it| it.with("resyncInterval", "1h")).await;
    let observed = hook().with("managementPolicy", "Observe");
    harness.declare([event_type("a.one"), endpoint("seed", &["a.one"]), observed.clone()]);
    harness.wait_for_reason(&hook().key(), "Differs").await;
    assert_eq!(difference(&harness, &hook().key()), json!({"action": "Create"}));
    // Given one that was made since Svix was listed
    let made =
        json!({"uid": "test.default.hook", "url": "https://hooks.example.org/hook", "eventTypes": ["a.one"]});
    harness.edit_svix("POST", "/app/default/endpoint", made).await;
    // When somebody asks for a look
    harness.declare([observed.annotated("svix-operator.dev/reconcile-at", "now")]);
    // Then it is seen.
    eventually("it to be seen", PATIENCE, async || {
        let Some(Object::Endpoint(it)) = harness.object(&hook().key()) else { return Err("gone".into()) };
        let status = it.status.clone().unwrap_or_default();
        if status.last_handled_reconcile_at.as_deref() == Some("now") {
            Ok(())
        } else {
            Err(format!("{status:?}"))
        }
    })
    .await;
    assert_eq!(difference(&harness, &hook().key()), json!({"action": "Adopt"}));
}
