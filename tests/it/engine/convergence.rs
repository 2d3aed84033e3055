//! What is declared becomes what Svix holds, in any order, and then nothing is written any more.

use serde_json::json;

use crate::support::{
    objects::{connection, endpoint, event_type},
    wait::eventually,
    world::{PATIENCE, World},
};

#[tokio::test]
async fn declared_things_are_made_with_all_their_fields() {
    let mut world = World::new().await;
    world.declare([
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
    world.all_in_step().await;
    let held = world.svix.snapshot();
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
async fn an_endpoint_waits_for_its_event_type_and_goes_as_soon_as_it_is_there() {
    let mut world = World::new().await;
    let hook = endpoint("hook", &["a.one", "a.two"]);
    world.declare([hook.clone(), event_type("a.one")]);
    let ready = world.reason(&hook.key(), "WaitingForEventType").await;
    assert_eq!(ready.message, "not in Svix yet: a.two; a WebhookEventType that declares it is enough");
    assert!(world.svix.snapshot().endpoint("default", "test.default.hook").is_none());
    world.declare([event_type("a.two")]);
    world.reason(&hook.key(), "InSync").await;
}

#[tokio::test]
async fn many_objects_declared_in_the_wrong_order_cause_no_failed_call_and_no_extra_read() {
    let mut world = World::with_connection(|connection| connection).await;
    let names: Vec<_> = (0..300).map(|i| format!("group.event{i:03}")).collect();
    let endpoints = (0..300).map(|i| endpoint(&format!("hook{i:03}"), &[&names[299 - i]]));
    let event_types = names.iter().map(|name| event_type(name));
    world.declare(endpoints.chain(event_types).collect::<Vec<_>>());
    world.all_in_step().await;
    let calls = world.svix.calls();
    let failed: Vec<_> =
        calls.iter().filter(|call| call.status >= 400 && call.operation != "endpoint.list").collect();
    assert!(failed.is_empty(), "{failed:?}");
    let writes = calls.iter().filter(|call| call.is_write()).count();
    assert_eq!(writes, 601, "600 objects and one application");
    assert!(calls.len() - writes <= 6, "{} reads", calls.len() - writes);
}

#[tokio::test]
async fn a_converged_system_writes_nothing_also_after_a_restart() {
    let mut world = World::new().await;
    world.declare([
        event_type("a.one").with("schema", json!({"maximum": 1.0, "minimum": 0, "enum": [1e300, "ü", null]})),
        event_type("a.two").with("featureFlag", "f"),
        endpoint("x", &["a.one"]).with("url", "https://HOOKS.example.org"),
        endpoint("y", &["a.two", "a.one"]).with("channels", json!(["b", "a", "https://c.example/ü"])),
    ]);
    world.all_in_step().await;
    let before = world.svix.snapshot();
    world.crash_and_restart().await;
    world.svix.clear_calls();
    // Two listings go by.
    eventually("two listings", PATIENCE, async || {
        let listings = world.svix.calls().iter().filter(|call| call.operation == "event-type.list").count();
        (listings >= 3).then_some(())
    })
    .await;
    assert_eq!(world.writes(), Vec::<String>::new());
    assert_eq!(world.svix.snapshot(), before);
    world.all_in_step().await;
}

#[tokio::test]
async fn a_change_of_the_spec_changes_just_that_in_svix() {
    let mut world = World::new().await;
    let (kind, hook) = (event_type("a.one").with("description", "old"), endpoint("hook", &["a.one"]));
    world.declare([kind.clone(), hook.clone()]);
    world.all_in_step().await;
    // Fields that the specs do not name, and another version of the schema.
    world
        .by_hand(
            "PATCH",
            "/event-type/a.one",
            json!({"deprecated": true, "schemas": {
                "1": {"type": "object", "title": "a.one"}, "2": {"title": "by hand"},
            }}),
        )
        .await;
    world
        .by_hand(
            "PATCH",
            "/app/default/endpoint/test.default.hook",
            json!({"throttleRate": 3, "disabled": true}),
        )
        .await;
    world.svix.clear_calls();
    world.declare([
        kind.with("schema", json!({"type": "object"})).with("description", "new"),
        hook.with("description", "now described"),
    ]);
    world.all_in_step().await;
    let held = world.svix.snapshot();
    let changed = &held.event_types["a.one"];
    assert_eq!(changed.description, "new");
    assert!(changed.deprecated, "not named, so not ours");
    let schemas = changed.schemas.as_ref().unwrap();
    assert_eq!(schemas["1"], json!({"type": "object"}));
    assert_eq!(schemas["2"], json!({"title": "by hand"}));
    let changed = held.endpoint("default", "test.default.hook").unwrap();
    assert_eq!(changed.description, "now described");
    assert_eq!((changed.throttle_rate, changed.disabled), (Some(3), true), "not named, so not ours");
    assert_eq!(world.writes().len(), 2, "{:?}", world.writes());
}

#[tokio::test]
async fn a_field_taken_out_of_the_spec_goes_back_to_what_a_new_object_would_have() {
    let mut world = World::new().await;
    let full = endpoint("hook", &["a.one"])
        .with("description", "d")
        .with("channels", json!(["c", "https://c.example/"]))
        .with("throttleRate", 5)
        .with("disabled", true)
        .with("metadata", json!({"k": "v"}));
    world.declare([
        event_type("a.one").with("description", "d").with("deprecated", true).with("featureFlag", "f"),
        full,
        event_type("a.fresh").with("schema", json!({"type": "object", "title": "a.one"})),
    ]);
    world.all_in_step().await;
    world.declare([event_type("a.one"), endpoint("hook", &["a.one"])]);
    world.all_in_step().await;
    let held = world.svix.snapshot();
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
    let mut world = World::with_connection(|connection| connection.with("channelEncoding", "Always")).await;
    world
        .declare([event_type("a.one"), endpoint("hook", &["a.one"]).with("channels", json!(["python.org"]))]);
    world.all_in_step().await;
    let held = world.svix.snapshot();
    let hook = held.endpoint("default", "test.default.hook").unwrap();
    // Python's uuid5 of the same text, as swh-webhooks has it.
    let uuid = "886313e1-3b8a-5372-9b90-0c9aee199e5d";
    assert_eq!(hook.channels.iter().flatten().collect::<Vec<_>>(), [uuid]);
    assert_eq!(hook.metadata[uuid], "python.org");
}

#[tokio::test]
async fn a_change_of_the_connections_policy_reaches_what_is_there_already() {
    let mut world = World::new().await;
    world
        .declare([event_type("a.one"), endpoint("hook", &["a.one"]).with("channels", json!(["python.org"]))]);
    world.all_in_step().await;
    let url = world.svix.url();
    world.declare([connection(&url).with("channelEncoding", "Always")]);
    eventually("the channel to be mapped", PATIENCE, async || {
        let held = world.svix.snapshot();
        let channels = held.endpoint("default", "test.default.hook").unwrap().channels.clone();
        let mapped = channels.iter().flatten().eq(["886313e1-3b8a-5372-9b90-0c9aee199e5d"]);
        if mapped { Ok(()) } else { Err(format!("{channels:?}")) }
    })
    .await;
}

#[tokio::test]
async fn an_application_that_must_not_be_made_is_waited_for() {
    let mut world = World::with_connection(|connection| {
        connection.with("createApplications", "Never").with("resyncInterval", "1s")
    })
    .await;
    let hook = endpoint("hook", &["a.one"]).with("application", "team-a");
    world.declare([event_type("a.one"), hook.clone()]);
    let ready = world.reason(&hook.key(), "ApplicationNotFound").await;
    assert!(ready.message.contains(r#"no application "team-a""#), "{}", ready.message);
    assert!(world.svix.snapshot().applications.is_empty());
    world.by_hand("POST", "/app", json!({"name": "x", "uid": "team-a"})).await;
    world.reason(&hook.key(), "InSync").await;
}

#[tokio::test]
async fn a_schema_in_a_config_map_is_found_missing_and_bad_ones_are_explained() {
    let mut world = World::new().await;
    let reference = json!({"configMapKeyRef": {"name": "schemas", "key": "one.json"}});
    let from = event_type("a.from").with("schema", json!(null)).with("schemaFrom", reference);
    let bad = event_type("a.bad").with("schema", json!({"type": "strin"}));
    let text = event_type("a.text").with("schema", json!(null)).with("schemaText", "{");
    let example = event_type("a.example").with("schema", json!({"required": ["x"]}));
    let example = example.with("examples", json!([{"name": "first", "value": {}}]));
    world.declare([from.clone(), bad.clone(), text.clone(), example.clone()]);
    let message = world.reason(&from.key(), "SchemaSourceNotFound").await.message;
    assert!(
        message.contains(r#"no file declares ConfigMap default/schemas with key "one.json""#),
        "{message}"
    );
    let message = world.reason(&bad.key(), "InvalidSchema").await.message;
    assert!(message.starts_with("/spec/schema/type: "), "{message}");
    let message = world.reason(&text.key(), "InvalidSchema").await.message;
    assert!(message.starts_with("/spec/schemaText: found text that is not JSON: "), "{message}");
    let message = world.reason(&example.key(), "InvalidSchema").await.message;
    assert!(
        message.starts_with(
            r#"/spec/examples/0 ("first") does not match the schema: /: found no "x", which is required"#
        ),
        "{message}"
    );
    assert!(world.svix.snapshot().event_types.is_empty(), "nothing invalid reaches Svix");
}

#[tokio::test]
async fn a_number_that_svix_writes_in_another_way_is_in_sync_and_not_written_again() {
    let mut world = World::new().await;
    let schema = r#"{"properties": {"n": {"maximum": 1e16, "minimum": -0.0, "multipleOf": 1E-7, "not": {
        "const": 9.223372036854776E18}}}}"#;
    let schema: serde_json::Value = serde_json::from_str(schema).unwrap();
    world.declare([event_type("a.one").with("schema", schema)]);
    world.all_in_step().await;
    assert_eq!(world.writes_while_listed(2).await, Vec::<String>::new());
}
