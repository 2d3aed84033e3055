//! When Svix fails, is slow, or says no.

use std::time::{Duration, Instant};

use serde_json::json;
use svix_operator::{api::ConditionStatus, embedded::FaultPlan, engine::Object};

use crate::support::{
    harness::{Harness, PATIENCE},
    objects::{Manifest, connection, endpoint, event, event_type},
    wait::eventually,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_objects_converge_through_all_faults() {
    let mut harness = Harness::with_connection(|connection| connection).await;
    harness.svix.faults().set(FaultPlan {
        latency: Duration::from_millis(1),
        throttled: 0.1,
        retry_after: 0..=1,
        errors: 0.1,
        slow: 0.1,
        slow_for: Duration::from_millis(200),
        refused: 0.0,
        drop_before: 0.1,
        drop_after: 0.1,
        seed: 7,
        only: None,
    });
    let names: Vec<_> = (0..100).map(|i| format!("group.event{i:03}")).collect();
    let manifests: Vec<Manifest> = names
        .iter()
        .enumerate()
        .flat_map(|(i, name)| {
            [event_type(name).with("description", format!("{i}")), endpoint(&format!("hook{i:03}"), &[name])]
        })
        .collect();
    harness.declare(manifests);
    harness.wait_until_in_sync().await;
    let calls = harness.svix.calls().len();
    harness.svix.faults().clear();
    let held = harness.svix.snapshot();
    assert_eq!(held.event_types.len(), 100);
    assert!(held.event_types.iter().enumerate().all(|(i, (_, kind))| kind.description == i.to_string()));
    let endpoints = &held.applications["default"].endpoints;
    assert_eq!(endpoints.len(), 100, "no duplicate, nothing missing");
    assert_eq!(held.applications.len(), 1);
    for (i, name) in names.iter().enumerate() {
        let made = held.endpoint("default", &format!("test.default.hook{i:03}")).unwrap();
        assert_eq!(made.event_types.iter().flatten().collect::<Vec<_>>(), [name]);
    }
    // Half of all calls fail in one way or another: two tries an object, and a read after a lost answer.
    assert!(calls < 200 * 6, "{calls} calls for 200 objects");
}

#[tokio::test]
async fn a_refused_object_delays_no_others() {
    let mut harness = Harness::new().await;
    harness.declare([event_type("a.good")]);
    harness.wait_until_in_sync().await;
    let only = Some(vec!["event-type.create".to_owned()]);
    harness.svix.faults().set(FaultPlan { refused: 1.0, only, ..FaultPlan::default() });
    let bad = event_type("a.bad");
    harness.declare([bad.clone(), event_type("a.good").with("description", "new")]);
    let ready = harness.wait_for_reason(&bad.key(), "RefusedBySvix").await;
    assert!(ready.message.contains("/body/description"), "{}", ready.message);
    harness.wait_for_reason(&event_type("a.good").key(), "InSync").await;
    harness.svix.clear_calls();
    eventually("two listings", PATIENCE, async || {
        (harness.svix.calls().iter().filter(|call| call.operation == "event-type.list").count() >= 2)
            .then_some(())
    })
    .await;
    assert_eq!(harness.writes(), Vec::<String>::new());
    harness.svix.faults().clear();
    harness.declare([bad.with("description", "fine"), event_type("a.good").with("description", "new")]);
    harness.wait_until_in_sync().await;
}

#[tokio::test]
async fn an_ignored_field_is_reported_and_not_rewritten() {
    let mut harness = Harness::new().await;
    let grouped = event_type("a.one").with("groupName", "a");
    harness.declare([grouped.clone()]);
    let ready = harness.wait_for_reason(&grouped.key(), "FieldsIgnored").await;
    assert!(ready.message.contains("groupName"), "{}", ready.message);
    harness.svix.clear_calls();
    eventually("two listings", PATIENCE, async || {
        (harness.svix.calls().iter().filter(|call| call.operation == "event-type.list").count() >= 2)
            .then_some(())
    })
    .await;
    assert_eq!(harness.writes(), Vec::<String>::new());
    assert!(harness.svix.snapshot().event_types.contains_key("a.one"));
    harness.declare([event_type("a.one")]);
    harness.wait_until_in_sync().await;
}

#[tokio::test]
async fn the_whole_connection_waits_as_long_as_svix_asks() {
    let mut harness = Harness::new().await;
    harness.declare([event_type("a.seed")]);
    harness.wait_until_in_sync().await;
    let only = Some(vec!["event-type.create".to_owned()]);
    harness.svix.faults().set(FaultPlan { throttled: 1.0, retry_after: 2..=2, only, ..FaultPlan::default() });
    harness.declare([event_type("a.first")]);
    eventually("a 429", PATIENCE, async || {
        harness.svix.calls().iter().any(|call| call.status == 429).then_some(())
    })
    .await;
    let asked = Instant::now();
    harness.svix.faults().clear();
    harness.svix.clear_calls();
    harness.declare([event_type("a.second")]);
    harness.wait_until_in_sync().await;
    assert!(asked.elapsed() > Duration::from_millis(1500), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_refused_token_is_reported_and_a_new_one_used() {
    let mut harness = Harness::new().await;
    harness.declare([event_type("a.one")]);
    harness.wait_until_in_sync().await;
    let token = harness.svix.token().to_owned();
    harness.set_token("wrong");
    let connection = connection("").key();
    let ready = harness.wait_for_reason(&connection, "AuthenticationFailed").await;
    assert!(!ready.message.contains("wrong"), "{}", ready.message);
    harness.declare([event_type("a.two")]);
    harness.wait_for_reason(&event_type("a.two").key(), "ConnectionNotReady").await;
    harness.set_token(&token);
    harness.wait_until_in_sync().await;
}

#[tokio::test]
async fn an_unreachable_svix_delays_no_other_connection() {
    let mut harness = Harness::new().await;
    let (lost, kept) =
        (event_type("a.lost").with("connectionRef", json!({"name": "dead"})), event_type("a.kept"));
    let retained = event_type("b.retained").with("deletionPolicy", "Retain");
    // A port that nobody listens on.
    let dead = connection("http://127.0.0.1:9").named("dead");
    harness.declare([dead.clone(), kept.clone(), retained.clone(), lost.clone()]);
    harness.wait_for_reason(&kept.key(), "InSync").await;
    harness.wait_for_reason(&retained.key(), "InSync").await;
    harness.wait_for_reason(&dead.key(), "SvixUnavailable").await;
    harness.wait_for_reason(&lost.key(), "ConnectionNotReady").await;
    eventually("it to say why", PATIENCE, async || {
        let message = harness.ready(&lost.key())?.message;
        if message.contains("SvixUnavailable") { Ok(()) } else { Err(message) }
    })
    .await;
    harness.svix.faults().down(true);
    harness.delete(&retained.key());
    eventually("the retained one to go", Duration::from_secs(5), async || {
        harness.object(&retained.key()).is_none().then_some(())
    })
    .await;
    harness.delete(&kept.key());
    let waiting = harness.wait_for_reason(&kept.key(), "Deleting").await.message;
    assert!(waiting.contains("SvixUnavailable") && waiting.contains("deletionPolicy: Retain"), "{waiting}");
    harness.svix.faults().down(false);
    eventually("the other to go", PATIENCE, async || harness.object(&kept.key()).is_none().then_some(()))
        .await;
    assert!(harness.svix.snapshot().event_types["a.kept"].archived);
}

#[tokio::test]
async fn a_failed_call_triggers_a_listing() {
    // Given a Svix that fails, no resync for an hour, and an event that failed so often that it is tried again late
    let mut harness = Harness::with_connection(|it| it.with("resyncInterval", "1h")).await;
    let before = event("before", "a.one");
    harness.declare([event_type("a.one"), before.clone()]);
    harness.wait_for_reason(&before.key(), "NoEndpointMatched").await;
    harness.svix.faults().set(FaultPlan { errors: 1.0, ..FaultPlan::default() });
    let sent = event("e", "a.one");
    let failures = |harness: &Harness| {
        harness
            .svix
            .calls()
            .iter()
            .filter(|call| call.operation == "message.get" && call.status == 500)
            .count()
    };
    for n in 1..=10 {
        harness.declare([sent.clone().annotated("example.org/again", &n.to_string())]);
        eventually("another failure", PATIENCE, async || (failures(&harness) >= n).then_some(())).await;
    }
    // Then the connection says so long before its resync,
    harness.wait_for_reason(&connection("").key(), "SvixUnavailable").await;
    harness.wait_for_reason(&sent.key(), "SvixUnavailable").await;
    // When Svix is back
    harness.svix.faults().clear();
    // Then the event goes on with it, not after its own half a minute.
    eventually("the event to be sent", Duration::from_secs(20), async || {
        let ready = harness.ready(&sent.key())?;
        if ready.status == ConditionStatus::True { Ok(()) } else { Err(format!("{ready:?}")) }
    })
    .await;
    harness.wait_for_reason(&connection("").key(), "Connected").await;
}

#[tokio::test]
async fn a_new_address_is_reported_as_connecting() {
    let mut harness = Harness::with_connection(|it| it.with("resyncInterval", "1h")).await;
    let declared = connection(&harness.svix.url());
    harness.wait_for_reason(&declared.key(), "Connected").await;
    // A server that takes the connection and does not answer.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    harness.declare([declared.with("serverUrl", url.as_str())]);
    let ready = harness.wait_for_reason(&connection("").key(), "ConnectionNotReady").await;
    assert_eq!(ready.message, format!("it is being connected to {url}"));
    let Some(Object::Connection(now)) = harness.object(&connection("").key()) else { panic!("it is gone") };
    assert_eq!(now.status.as_ref().unwrap().server_url.as_deref(), Some(url.as_str()));
}

#[tokio::test]
async fn a_crash_between_write_and_record_loses_nothing() {
    let mut harness = Harness::with_connection(|connection| connection).await;
    // Every write takes effect, and no answer arrives: as when the process dies in between.
    let only = ["event-type.create", "endpoint.create"].map(str::to_owned).to_vec();
    harness.declare([event_type("a.seed")]);
    harness.wait_until_in_sync().await;
    harness.svix.faults().set(FaultPlan { drop_after: 1.0, only: Some(only), ..FaultPlan::default() });
    let (kind, hook) = (event_type("a.one").with("description", "d"), endpoint("hook", &["a.seed"]));
    harness.declare([kind.clone(), hook.clone()]);
    eventually("both to be made", PATIENCE, async || {
        let held = harness.svix.snapshot();
        (held.event_types.contains_key("a.one") && held.endpoint("default", "test.default.hook").is_some())
            .then_some(())
    })
    .await;
    let before = harness.svix.snapshot();
    harness.crash_and_restart().await;
    harness.svix.faults().clear();
    harness.wait_until_in_sync().await;
    assert_eq!(harness.svix.snapshot(), before);
}

#[tokio::test]
async fn hostile_schemas_are_reported_and_delay_nobody() {
    let mut harness = Harness::new().await;
    let twice = |target: String| json!({"allOf": [{"$ref": target}, {"$ref": target}]});
    let mut doubling: serde_json::Map<_, _> =
        (1..40).map(|i| (format!("d{i}"), twice(format!("#/definitions/d{}", i - 1)))).collect();
    doubling.insert("d0".to_owned(), json!({"type": "object"}));
    let deep = (0..100).fold(json!({}), |inner, _| json!({ "a": inner }));
    let hostile = [
        ("unknown", json!({"$schema": "https://nobody.example/s"}), "/spec/schema/$schema: found"),
        ("doubling", json!({"definitions": doubling, "$ref": "#/definitions/d39"}), "again and again"),
        ("recursive", json!({"properties": {"a": twice("#".to_owned())}}), "/spec/examples/0"),
        ("pattern", json!({"pattern": "(((a{100}){100}){100}){100}"}), "/spec/schema/pattern"),
        (
            "remote",
            json!({"items": {"$dynamicRef": "https://a.example/s"}}),
            "/spec/schema/items/$dynamicRef",
        ),
    ];
    let example = json!([{"name": "deep", "value": deep}]);
    harness.declare(hostile.iter().map(|(name, schema, _)| {
        event_type(&format!("hostile.{name}"))
            .with("schema", schema.clone())
            .with("examples", example.clone())
    }));
    harness.declare([event_type("a.good"), endpoint("hook", &["a.good"])]);
    for (name, _, expected) in hostile {
        let ready =
            harness.wait_for_reason(&event_type(&format!("hostile.{name}")).key(), "InvalidSchema").await;
        assert!(ready.message.contains(expected), "{name}: {}", ready.message);
        assert!(ready.message.len() < 1500, "{name}: {}", ready.message);
    }
    harness.wait_for_reason(&endpoint("hook", &[]).key(), "InSync").await;
}

#[tokio::test]
async fn what_svix_can_never_store_is_refused_before_it_is_sent() {
    let mut harness = Harness::new().await;
    let kind = event_type("a.nul").with("schema", json!({"title": "\0"}));
    let hook = endpoint("hook", &["a.one"]).with("metadata", json!({"a": "\0"}));

    harness.declare([kind.clone(), event_type("a.one"), hook.clone()]);

    let ready = harness.wait_for_reason(&kind.key(), "InvalidSchema").await;
    assert!(ready.message.starts_with("/spec/schema/title: found the character U+0000"), "{}", ready.message);
    let ready = harness.wait_for_reason(&hook.key(), "InvalidSpec").await;
    assert!(ready.message.starts_with("/spec/metadata/a: found the character U+0000"), "{}", ready.message);
    assert!(harness.svix.calls().iter().all(|call| call.status != 500), "{:?}", harness.svix.calls());
}

#[tokio::test]
async fn an_invalid_draft_7_schema_is_not_sent() {
    let mut harness = Harness::new().await;
    let schema = json!({
        "$schema": "http://json-schema.org/draft-04/schema#",
        "properties": {"a": {"maximum": 5, "exclusiveMaximum": true}},
    });
    let kind = event_type("a.old").with("schema", schema);

    harness.declare([kind.clone()]);

    let ready = harness.wait_for_reason(&kind.key(), "InvalidSchema").await;
    let place = "/spec/schema/properties/a/exclusiveMaximum: not valid as Draft 7";
    assert!(ready.message.starts_with(place), "{}", ready.message);
    assert_eq!(harness.writes(), Vec::<String>::new());
}

#[tokio::test]
async fn an_outage_shows_on_the_connection_within_seconds() {
    // Given a connection that works, and lists Svix once an hour
    let mut harness = Harness::with_connection(|it| it.with("resyncInterval", "1h")).await;
    harness.declare([event_type("a.one")]);
    harness.wait_until_in_sync().await;

    // When Svix goes, and an object needs it
    harness.svix.faults().down(true);
    let begun = Instant::now();
    harness.declare([event_type("a.two")]);
    harness.wait_for_reason(&connection("").key(), "SvixUnavailable").await;

    // Then the connection says so soon, and that it is back, too.
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    harness.svix.faults().down(false);
    harness.wait_for_reason(&connection("").key(), "Connected").await;
    harness.wait_until_in_sync().await;
}

#[tokio::test]
async fn an_object_that_svix_fails_on_leaves_the_connection_connected() {
    // Given a Svix that fails with every change of an endpoint
    let mut harness = Harness::with_connection(|it| it.with("resyncInterval", "1h")).await;
    let hook = endpoint("hook", &["a.one"]);
    harness.declare([event_type("a.one"), hook.clone()]);
    harness.wait_until_in_sync().await;
    let only = Some(vec!["endpoint.patch".to_owned()]);
    harness.svix.faults().set(FaultPlan { errors: 1.0, only, ..FaultPlan::default() });

    // When one changes
    harness.declare([hook.clone().with("description", "another")]);
    let ready = harness.wait_for_reason(&hook.key(), "SvixFailsOnObject").await;

    // Then it says so, and nothing else does;
    assert!(ready.message.contains("endpoint.patch: Svix fails with status 500"), "{}", ready.message);
    let others = [connection("").key(), event_type("a.one").key()];
    for key in &others {
        assert!(!harness.published(key).contains(&"SvixUnavailable"), "{key}");
    }
    // and it recovers at once when it changes to what Svix takes.
    harness.svix.faults().clear();
    harness.declare([hook.with("description", "a third")]);
    harness.wait_until_in_sync().await;
}
