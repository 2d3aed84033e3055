//! What is declared becomes what Svix holds, in any order, and then nothing is written any more.

use std::time::Duration;

use futures::StreamExt as _;
use serde_json::json;
use svix_operator::{
    embedded::FaultPlan,
    engine::{Kind, Object},
};

use crate::support::{
    harness::{Harness, PATIENCE},
    objects::{connection, endpoint, event_type},
    wait::eventually,
};

#[tokio::test]
async fn declared_things_are_made_with_all_their_fields() {
    let mut harness = Harness::new().await;
    harness.declare([
        event_type("origin.create")
            .with("description", "An origin was seen")
            .with("schema", json!({"type": "object", "required": ["url"]}))
            .with("examples", json!([{"name": "one", "value": {"url": "x"}}]))
            .with("deprecated", true)
            .with("featureFlag", "beta"),
        endpoint("hook", &["origin.create"])
            .with("description", "d")
            .with("channels", json!(["plain", "https://example.org/repo"]))
            .with("throttleRate", 7)
            .with("disabled", true)
            .with("metadata", json!({"team": "a"})),
    ]);
    harness.wait_until_in_sync().await;
    let held = harness.svix.snapshot();
    let made = &held.event_types["origin.create"];
    assert_eq!(made.description, "An origin was seen");
    assert!(made.deprecated && !made.archived);
    assert_eq!(made.feature_flag.as_deref(), Some("beta"));
    let schema = json!({"type": "object", "required": ["url"], "examples": [{"url": "x"}]});
    assert_eq!(made.schemas.as_ref().unwrap()["1"], schema);
    let made = held.endpoint("default", "test.default.hook").unwrap();
    assert_eq!(made.url, "https://hooks.example.org/hook");
    assert_eq!((made.throttle_rate, made.disabled), (Some(7), true));
    let channels: Vec<_> = made.channels.iter().flatten().collect();
    assert_eq!(channels.len(), 2);
    let uuid = channels.iter().find(|channel| **channel != "plain").unwrap();
    assert_eq!(made.metadata[uuid.as_str()], "https://example.org/repo");
    assert_eq!(made.metadata["team"], "a");
    assert_eq!(made.metadata["svix-operator.dev/owner"], "test/default/hook");
}

#[tokio::test]
async fn an_endpoint_waits_for_its_event_type() {
    let mut harness = Harness::new().await;
    let hook = endpoint("hook", &["a.one", "a.two"]);
    harness.declare([hook.clone(), event_type("a.one")]);
    let ready = harness.wait_for_reason(&hook.key(), "WaitingForEventType").await;
    assert_eq!(ready.message, "not in Svix yet: a.two; a WebhookEventType that declares it is enough");
    assert!(harness.svix.snapshot().endpoint("default", "test.default.hook").is_none());
    harness.declare([event_type("a.two")]);
    harness.wait_for_reason(&hook.key(), "InSync").await;
}

#[tokio::test]
async fn the_wrong_order_causes_no_failed_call() {
    let mut harness = Harness::with_connection(|connection| connection).await;
    let names: Vec<_> = (0..300).map(|i| format!("group.event{i:03}")).collect();
    let endpoints = (0..300).map(|i| endpoint(&format!("hook{i:03}"), &[&names[299 - i]]));
    let event_types = names.iter().map(|name| event_type(name));
    harness.declare(endpoints.chain(event_types).collect::<Vec<_>>());
    harness.wait_until_in_sync().await;
    let calls = harness.svix.calls();
    let failed: Vec<_> =
        calls.iter().filter(|call| call.status >= 400 && call.operation != "endpoint.list").collect();
    assert!(failed.is_empty(), "{failed:?}");
    let writes = calls.iter().filter(|call| call.is_write()).count();
    assert_eq!(writes, 601, "600 objects and one application");
    assert!(calls.len() - writes <= 6, "{} reads", calls.len() - writes);
}

#[tokio::test]
async fn a_converged_system_writes_nothing_also_after_a_restart() {
    let mut harness = Harness::new().await;
    harness.declare([
        event_type("a.one").with("schema", json!({"maximum": 1.0, "minimum": 0, "enum": [1e300, "ü", null]})),
        event_type("a.two").with("featureFlag", "f"),
        endpoint("x", &["a.one"]).with("url", "https://HOOKS.example.org"),
        endpoint("y", &["a.two", "a.one"]).with("channels", json!(["b", "a", "https://c.example/ü"])),
    ]);
    harness.wait_until_in_sync().await;
    let before = harness.svix.snapshot();
    harness.crash_and_restart().await;
    harness.svix.clear_calls();
    // Two listings go by.
    eventually("two listings", PATIENCE, async || {
        let listings = harness.svix.calls().iter().filter(|call| call.operation == "event-type.list").count();
        (listings >= 3).then_some(())
    })
    .await;
    assert_eq!(harness.writes(), Vec::<String>::new());
    assert_eq!(harness.svix.snapshot(), before);
    harness.wait_until_in_sync().await;
}

#[tokio::test]
async fn a_change_of_the_spec_changes_just_that_in_svix() {
    let mut harness = Harness::new().await;
    let (kind, hook) = (event_type("a.one").with("description", "old"), endpoint("hook", &["a.one"]));
    harness.declare([kind.clone(), hook.clone()]);
    harness.wait_until_in_sync().await;
    // Fields that the specs do not name, and another version of the schema.
    harness
        .edit_svix(
            "PATCH",
            "/event-type/a.one",
            json!({"deprecated": true, "schemas": {
                "1": {"type": "object", "title": "a.one"}, "2": {"title": "by hand"},
            }}),
        )
        .await;
    harness
        .edit_svix(
            "PATCH",
            "/app/default/endpoint/test.default.hook",
            json!({"throttleRate": 3, "disabled": true}),
        )
        .await;
    harness.svix.clear_calls();
    harness.declare([
        kind.with("schema", json!({"type": "object"})).with("description", "new"),
        hook.with("description", "now described"),
    ]);
    harness.wait_until_in_sync().await;
    let held = harness.svix.snapshot();
    let changed = &held.event_types["a.one"];
    assert_eq!(changed.description, "new");
    assert!(changed.deprecated, "not named, so not ours");
    let schemas = changed.schemas.as_ref().unwrap();
    assert_eq!(schemas["1"], json!({"type": "object"}));
    assert_eq!(schemas["2"], json!({"title": "by hand"}));
    let changed = held.endpoint("default", "test.default.hook").unwrap();
    assert_eq!(changed.description, "now described");
    assert_eq!((changed.throttle_rate, changed.disabled), (Some(3), true), "not named, so not ours");
    assert_eq!(harness.writes().len(), 2, "{:?}", harness.writes());
}

#[tokio::test]
async fn a_removed_field_goes_back_to_its_default() {
    let mut harness = Harness::new().await;
    let full = endpoint("hook", &["a.one"])
        .with("description", "d")
        .with("channels", json!(["c", "https://c.example/"]))
        .with("throttleRate", 5)
        .with("disabled", true)
        .with("metadata", json!({"k": "v"}));
    harness.declare([
        event_type("a.one").with("description", "d").with("deprecated", true).with("featureFlag", "f"),
        full,
        event_type("a.fresh").with("schema", json!({"type": "object", "title": "a.one"})),
    ]);
    harness.wait_until_in_sync().await;
    harness.declare([event_type("a.one"), endpoint("hook", &["a.one"])]);
    harness.wait_until_in_sync().await;
    let held = harness.svix.snapshot();
    let (stripped, fresh) = (&held.event_types["a.one"], &held.event_types["a.fresh"]);
    assert_eq!((&stripped.description, stripped.deprecated), (&fresh.description, fresh.deprecated));
    assert_eq!((&stripped.feature_flag, &stripped.schemas), (&fresh.feature_flag, &fresh.schemas));
    let hook = held.endpoint("default", "test.default.hook").unwrap();
    assert_eq!(
        (hook.description.as_str(), &hook.channels, hook.throttle_rate, hook.disabled),
        ("", &None, None, false)
    );
    assert_eq!(hook.metadata.keys().collect::<Vec<_>>(), ["svix-operator.dev/owner"]);
}

#[tokio::test]
async fn every_channel_is_mapped_when_the_connection_says_so() {
    let mut harness =
        Harness::with_connection(|connection| connection.with("channelEncoding", "Always")).await;
    harness
        .declare([event_type("a.one"), endpoint("hook", &["a.one"]).with("channels", json!(["python.org"]))]);
    harness.wait_until_in_sync().await;
    let held = harness.svix.snapshot();
    let hook = held.endpoint("default", "test.default.hook").unwrap();
    // Python's uuid5 of the same text, as swh-webhooks has it.
    let uuid = "886313e1-3b8a-5372-9b90-0c9aee199e5d";
    assert_eq!(hook.channels.iter().flatten().collect::<Vec<_>>(), [uuid]);
    assert_eq!(hook.metadata[uuid], "python.org");
}

#[tokio::test]
async fn a_changed_policy_reaches_existing_objects() {
    let mut harness = Harness::new().await;
    harness
        .declare([event_type("a.one"), endpoint("hook", &["a.one"]).with("channels", json!(["python.org"]))]);
    harness.wait_until_in_sync().await;
    let url = harness.svix.url();
    harness.declare([connection(&url).with("channelEncoding", "Always")]);
    eventually("the channel to be mapped", PATIENCE, async || {
        let held = harness.svix.snapshot();
        let channels = held.endpoint("default", "test.default.hook").unwrap().channels.clone();
        let mapped = channels.iter().flatten().eq(["886313e1-3b8a-5372-9b90-0c9aee199e5d"]);
        if mapped { Ok(()) } else { Err(format!("{channels:?}")) }
    })
    .await;
}

#[tokio::test]
async fn an_application_that_must_not_be_made_is_waited_for() {
    let mut harness = Harness::with_connection(|connection| {
        connection.with("createApplications", "Never").with("resyncInterval", "1s")
    })
    .await;
    let hook = endpoint("hook", &["a.one"]).with("application", "team-a");
    harness.declare([event_type("a.one"), hook.clone()]);
    let ready = harness.wait_for_reason(&hook.key(), "ApplicationNotFound").await;
    assert!(ready.message.contains(r#"no application "team-a""#), "{}", ready.message);
    assert!(harness.svix.snapshot().applications.is_empty());
    harness.edit_svix("POST", "/app", json!({"name": "x", "uid": "team-a"})).await;
    harness.wait_for_reason(&hook.key(), "InSync").await;
}

#[tokio::test]
async fn problems_of_a_schema_in_a_config_map_are_reported() {
    let mut harness = Harness::new().await;
    let reference = json!({"configMapKeyRef": {"name": "schemas", "key": "one.json"}});
    let from = event_type("a.from").with("schema", json!(null)).with("schemaFrom", reference);
    let bad = event_type("a.bad").with("schema", json!({"type": "strin"}));
    let text = event_type("a.text").with("schema", json!(null)).with("schemaText", "{");
    let example = event_type("a.example").with("schema", json!({"required": ["x"]}));
    let example = example.with("examples", json!([{"name": "first", "value": {}}]));
    harness.declare([from.clone(), bad.clone(), text.clone(), example.clone()]);
    let message = harness.wait_for_reason(&from.key(), "SchemaSourceNotFound").await.message;
    assert!(
        message.contains(r#"no file declares ConfigMap default/schemas with key "one.json""#),
        "{message}"
    );
    let message = harness.wait_for_reason(&bad.key(), "InvalidSchema").await.message;
    assert!(message.starts_with("/spec/schema/type: "), "{message}");
    let message = harness.wait_for_reason(&text.key(), "InvalidSchema").await.message;
    assert!(message.starts_with("/spec/schemaText: found text that is not JSON: "), "{message}");
    let message = harness.wait_for_reason(&example.key(), "InvalidSchema").await.message;
    assert!(
        message.starts_with(
            r#"/spec/examples/0 ("first") does not match the schema: /: found no "x", which is required"#
        ),
        "{message}"
    );
    assert!(harness.svix.snapshot().event_types.is_empty(), "nothing invalid reaches Svix");
}

#[tokio::test]
async fn a_rewritten_number_is_in_sync() {
    let mut harness = Harness::new().await;
    let schema = r#"{"properties": {"n": {"maximum": 1e16, "minimum": -0.0, "multipleOf": 1E-7, "not": {
        "const": 9.223372036854776E18}}}}"#;
    let schema: serde_json::Value = serde_json::from_str(schema).unwrap();
    harness.declare([event_type("a.one").with("schema", schema)]);
    harness.wait_until_in_sync().await;
    assert_eq!(harness.writes_while_listed(2).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_slow_first_listing_leaves_ready_objects_alone() {
    // Given objects in sync, and an engine that ended
    let mut harness = harness_in_sync().await;
    let before = Before::of(&harness);

    // When another one begins with a listing that takes longer than anything waits before it is reported
    let latency = Duration::from_millis(1500);
    restart_with_latency(&mut harness, latency).await;

    // Then nothing is written, published or claimed.
    before.is_unchanged(&harness);
}

/// Twenty event types and an endpoint, in sync, and an engine that has nothing to do.
async fn harness_in_sync() -> Harness {
    let mut harness = Harness::with_connection(|it| it.with("resyncInterval", "1h")).await;
    harness.declare((0..20).map(|n| event_type(&format!("a.n{n}"))));
    harness.declare([endpoint("hook", &["a.n0"])]);
    harness.wait_until_in_sync().await;
    harness.wait_until_idle().await;
    harness
}

/// The objects of [`harness_in_sync`] at one time.
struct Before {
    objects: Vec<Object>,
    published: usize,
}

impl Before {
    fn of(harness: &Harness) -> Self {
        let event_types = (0..20).map(|n| event_type(&format!("a.n{n}")).key());
        let keys = event_types.chain([endpoint("hook", &[]).key()]);
        let objects = keys.map(|key| harness.object(&key).unwrap()).collect();
        Self { objects, published: harness.all_published().len() }
    }

    /// Nothing was written since, and nothing published about the objects.
    fn is_unchanged(&self, harness: &Harness) {
        for before in &self.objects {
            let key = before.key();
            let now = harness.object(&key).unwrap();
            assert_eq!(now.conditions(), before.conditions(), "{key}");
            assert_eq!(now.observed_generation(), before.observed_generation(), "{key}");
        }
        let about_objects = |(key, _): &&(_, _)| self.objects.iter().any(|object| object.key() == *key);
        assert_eq!(harness.all_published()[self.published..].iter().filter(about_objects).count(), 0);
    }
}

/// Begins another engine on a Svix that takes this long for each call, and waits until it has nothing to do.
async fn restart_with_latency(harness: &mut Harness, latency: Duration) {
    harness.svix.faults().set(FaultPlan { latency, ..FaultPlan::default() });
    harness.svix.clear_calls();
    harness.crash_and_restart().await;
    wait_for_listing(harness).await;
    harness.wait_until_idle().await;
}

/// Waits until the event types were listed, and the endpoints are.
async fn wait_for_listing(harness: &Harness) {
    eventually("the listing", PATIENCE, async || {
        let calls = harness.svix.calls();
        calls.iter().any(|call| call.operation == "endpoint.list").then_some(())
    })
    .await;
}

/// Creates event types as somebody else, until there are this many.
async fn fill_svix(harness: &Harness, count: usize) {
    let client = reqwest::Client::new();
    let url = format!("{}/api/v1/event-type", harness.svix.url());
    let create = async |number: usize| {
        let body = json!({"name": format!("other.n{number}"), "description": "theirs"});
        let response = client.post(&url).bearer_auth(harness.svix.token()).json(&body).send().await.unwrap();
        assert!(response.status().is_success());
    };
    futures::stream::iter(0..count).for_each_concurrent(16, create).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_listing_of_30_pages_leaves_ready_objects_alone() {
    // Given objects in sync in a Svix whose listing has thirty pages
    let mut harness = harness_in_sync().await;
    fill_svix(&harness, 29 * 250).await;
    let before = Before::of(&harness);

    // When another engine lists it, which takes longer than anything waits before it is reported
    let latency = Duration::from_millis(60);
    restart_with_latency(&mut harness, latency).await;

    // Then nothing is written or published about the objects.
    let calls = harness.svix.calls();
    assert!(calls.iter().filter(|call| call.operation == "event-type.list").count() >= 30);
    assert_eq!(calls.iter().filter(|call| call.is_write()).count(), 0);
    before.is_unchanged(&harness);
}

#[tokio::test]
async fn a_spec_that_changed_during_a_restart_is_not_claimed() {
    // Given an object in sync whose spec changes while no engine runs
    let mut harness = Harness::with_connection(|it| it.with("resyncInterval", "1h")).await;
    let kind = event_type("a.one");
    harness.declare([kind.clone()]);
    harness.wait_until_in_sync().await;
    let latency = Duration::from_millis(1500);
    harness.svix.faults().set(FaultPlan { latency, ..FaultPlan::default() });

    // When an engine begins with the new spec
    harness
        .restart_with(|mut object| {
            if object.kind() == Kind::EventType {
                object.meta_mut().generation = Some(2);
            }
            object
        })
        .await;

    // Then the object is not ready until that is carried out.
    let ready = harness.wait_for_reason(&kind.key(), "ConnectionNotReady").await;
    assert_eq!(ready.observed_generation, Some(2));
    harness.wait_for_reason(&kind.key(), "InSync").await;
}
