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

fn rules() -> Value {
    json!([
        {"namespaces": {"matchLabels": {"team": "a"}}, "applications": ["team-a-*"], "eventTypes": ["a.*"]},
        {"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "platform"}}, "applications": ["*"],
         "eventTypes": ["*"], "allowExpunge": true, "maxAdoption": "Override"},
    ])
}

#[tokio::test]
async fn what_is_not_permitted_costs_no_call() {
    let mut harness =
        Harness::with_connection(|it| it.with("resyncInterval", "1h").with("access", rules())).await;
    harness.label_namespace("team-a", &[("team", "a")]);
    let mine = |manifest: Manifest| manifest.in_namespace("team-a");
    harness.declare([
        event_type("b.theirs").in_namespace("platform"),
        mine(event_type("a.mine")),
        mine(endpoint("good", &["a.mine"]).with("application", "team-a-1")),
    ]);
    harness.wait_until_in_sync().await;
    harness.wait_until_idle().await;
    harness.svix.clear_calls();
    let refused = [
        mine(event_type("b.stolen")),
        mine(endpoint("other-app", &["a.mine"]).with("application", "team-b")),
        mine(endpoint("default-app", &["a.mine"])),
        mine(endpoint("other-type", &["b.theirs"]).with("application", "team-a-1")),
        mine(event_type("a.burnt").with("deletionPolicy", "Expunge")),
        event_type("c.nobody").in_namespace("stranger"),
        crate::support::objects::event("spy", "b.theirs")
            .in_namespace("team-a")
            .with("application", "team-a-1"),
    ];
    harness.declare(refused.clone());
    for manifest in &refused {
        harness.wait_for_reason(&manifest.key(), "NotPermitted").await;
        harness.delete(&manifest.key());
    }
    assert!(harness.svix.calls().is_empty(), "{:?}", harness.svix.calls());
    // The label makes the tenant: without it, what is there stays and is not touched.
    harness.label_namespace("team-a", &[]);
    harness.wait_for_reason(&mine(event_type("a.mine")).key(), "NotPermitted").await;
    assert!(!harness.svix.snapshot().event_types["a.mine"].archived);
    harness.label_namespace("team-a", &[("team", "a")]);
    harness.wait_for_reason(&mine(event_type("a.mine")).key(), "InSync").await;
}

#[tokio::test]
async fn declaring_without_permission_blocks_nobody() {
    let mut harness =
        Harness::with_connection(|it| it.with("resyncInterval", "1s").with("access", rules())).await;
    let squatter = event_type("b.wanted").in_namespace("stranger");
    harness.declare([squatter.clone()]);
    harness.wait_for_reason(&squatter.key(), "NotPermitted").await;
    let owner = event_type("b.wanted").in_namespace("platform");
    harness.declare([owner.clone()]);
    harness.wait_for_reason(&owner.key(), "InSync").await;
}

#[tokio::test]
async fn tenants_cannot_reach_others_in_one_application() {
    let shared = |adoption: &str| json!([{"namespaces": {}, "applications": ["default"], "eventTypes": ["*"], "maxAdoption": adoption}]);
    let mut harness =
        Harness::with_connection(|it| it.with("resyncInterval", "1s").with("access", shared("Override")))
            .await;
    let theirs = endpoint("hook", &["a.one"]).with("description", "secret plans");
    harness.declare([event_type("a.one"), theirs.clone()]);
    harness.wait_until_in_sync().await;
    harness.wait_until_idle().await;
    let held = harness.svix.snapshot().endpoint("default", "test.default.hook").unwrap().clone();
    // By its default uid, by its id, by its uid in words of one's own: whatever is tried to have its signing key
    let attempt = |name: &str| {
        endpoint(name, &["a.one"])
            .in_namespace("tenant")
            .with("adoption", "Override")
            .with("signingSecret", json!({"toSecret": {"name": "stolen"}}))
    };
    let by_uid = attempt("by-uid").with("uid", "test.default.hook");
    let by_id = attempt("by-id").annotated("svix-operator.dev/adopt-id", &held.id);
    let observing = attempt("observing")
        .with("signingSecret", json!(null))
        .with("managementPolicy", "Observe")
        .annotated("svix-operator.dev/adopt-id", &held.id);
    harness.declare([by_uid.clone(), by_id.clone(), observing.clone()]);
    let reported = [
        harness.wait_for_reason(&by_uid.key(), "InvalidSpec").await.message,
        harness.wait_for_reason(&by_id.key(), "Conflict").await.message,
        harness.wait_for_reason(&observing.key(), "Differs").await.message,
        difference(&harness, &observing.key()).to_string().into(),
    ];
    assert!(
        reported
            .iter()
            .all(|message| !message.contains("secret plans") && !message.contains("hooks.example.org")),
        "{reported:?}"
    );
    assert_eq!(harness.svix.snapshot().endpoint("default", "test.default.hook"), Some(&held));
    assert!(harness.written_secret("stolen").is_none());
    // What nobody marked can be taken where adopting is allowed at all, and there only.
    harness.declare([connection(&harness.svix.url())
        .with("resyncInterval", "1s")
        .with("access", shared("Never"))]);
    let url = "https://hooks.example.org/by-hand";
    harness
        .edit_svix(
            "POST",
            "/app/default/endpoint",
            json!({"uid": "loose", "url": url, "eventTypes": ["a.one"]}),
        )
        .await;
    let equal = endpoint("loose", &["a.one"]).in_namespace("tenant").with("uid", "loose").with("url", url);
    harness.declare([equal.clone()]);
    harness.wait_for_reason(&equal.key(), "NotOurs").await;
}

#[tokio::test]
async fn a_claim_that_was_forged_opens_nothing() {
    // Given an event type that somebody made in Svix
    let mut harness = Harness::new().await;
    harness
        .edit_svix(
            "POST",
            "/event-type",
            json!({"name": "a.theirs", "description": "theirs", "schemas": {"1": {}}}),
        )
        .await;
    let kind = event_type("a.theirs").with("description", "mine");
    harness.declare([kind.clone()]);
    harness.wait_for_reason(&kind.key(), "NotOurs").await;
    // When whoever may write the object claims it, with all that can be known
    let uid = harness.object(&kind.key()).unwrap().meta().uid.clone().unwrap();
    let schema = svix_operator::plan::digest::Digest::of_json(&json!({})).to_string();
    let content = svix_operator::plan::digest::Digest::of_json(&json!(["theirs", false, schema]));
    for forged in [format!("{uid} default/a.theirs {content}"), format!("{uid} a.theirs {content}")] {
        harness
            .restart_with(|object| {
                svix_operator::manifests::with_meta(object, |meta| {
                    meta.annotations
                        .get_or_insert_default()
                        .insert("svix-operator.dev/claim".to_owned(), forged.clone());
                })
            })
            .await;
        harness.wait_until_idle().await;
        // Then nothing changes.
        harness.wait_for_reason(&kind.key(), "NotOurs").await;
        assert_eq!(harness.svix.snapshot().event_types["a.theirs"].description, "theirs");
    }
}

// --- moving

#[tokio::test]
async fn a_move_cleans_up_on_the_previous_connection() {
    let mut harness = Harness::new().await;
    let other = svix_server::start_beside(&harness.svix).await;
    let second =
        connection(&other.url()).named("second").with("ownerId", "second").with("resyncInterval", "1s");
    harness.declare([second, event_type("a.one"), hook()]);
    harness.wait_until_in_sync().await;
    let to = |manifest: Manifest| manifest.with("connectionRef", json!({"name": "second"}));
    harness.declare([to(event_type("a.one")), to(hook())]);
    eventually("both to be there", PATIENCE, async || {
        let held = other.snapshot();
        let endpoint = held.endpoint("default", "second.default.hook").is_some();
        (endpoint && held.event_types.get("a.one").is_some_and(|it| !it.archived)).then_some(())
    })
    .await;
    harness.wait_until_in_sync().await;
    let before = harness.svix.snapshot();
    assert!(before.event_types["a.one"].archived);
    assert!(before.endpoint("default", "test.default.hook").is_none());
    // The connection before is free to go.
    harness.delete(&ObjectKey::connection("default"));
    eventually("it to go", PATIENCE, async || {
        harness.object(&ObjectKey::connection("default")).is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_move_without_retain_cleans_up_what_was_retained() {
    // Given event types that hold no finalizer, since nothing would be cleaned up
    let mut harness = Harness::new().await;
    let other = svix_server::start_beside(&harness.svix).await;
    let second =
        connection(&other.url()).named("second").with("ownerId", "second").with("resyncInterval", "1s");
    let retained = |name: &str| event_type(name).with("deletionPolicy", "Retain");
    harness.declare([second, retained("a.one"), retained("a.two")]);
    harness.wait_until_in_sync().await;
    // When one edit moves them, and takes `Retain` out of one
    let to = |manifest: Manifest| manifest.with("connectionRef", json!({"name": "second"}));
    harness.declare([to(event_type("a.one")), to(retained("a.two"))]);
    harness.wait_until_in_sync().await;
    // Then what the spec says now counts.
    assert!(!other.snapshot().event_types["a.one"].archived);
    let before = harness.svix.snapshot();
    assert!(before.event_types["a.one"].archived && !before.event_types["a.two"].archived);
}

#[tokio::test]
async fn moving_waits_for_the_connection_that_it_leaves() {
    let mut harness = Harness::new().await;
    let other = svix_server::start_beside(&harness.svix).await;
    harness.declare([
        connection(&other.url()).named("second").with("resyncInterval", "1s"),
        event_type("a.one"),
        hook(),
    ]);
    harness.wait_until_in_sync().await;
    let only = Some(vec!["endpoint.delete".to_owned()]);
    harness.svix.faults().set(FaultPlan { errors: 1.0, only, ..FaultPlan::default() });
    let moved = hook().with("connectionRef", json!({"name": "second"}));
    harness.declare([
        event_type("a.two").with("connectionRef", json!({"name": "second"})),
        moved.with("eventTypes", json!(["a.two"])),
    ]);
    let stated = harness.wait_for_reason(&hook().key(), "Moving").await;
    assert!(stated.message.contains("SvixConnection \"default\""), "{}", stated.message);
    assert!(stated.message.contains("endpoint.delete"), "{}", stated.message);
    assert!(other.snapshot().endpoint("default", "test.default.hook").is_none());
    harness.svix.faults().clear();
    harness.wait_for_reason(&hook().key(), "InSync").await;
    assert!(harness.svix.snapshot().endpoint("default", "test.default.hook").is_none());
    assert!(other.snapshot().endpoint("default", "test.default.hook").is_some());
}

// --- letting go

#[tokio::test]
async fn orphaning_works_while_svix_is_down() {
    let mut harness = Harness::new().await;
    harness.declare([event_type("a.one"), hook()]);
    harness.wait_until_in_sync().await;
    harness.svix.faults().down(true);
    harness.delete(&hook().key());
    let reported = harness.wait_for_reason(&hook().key(), "Deleting").await;
    assert!(reported.message.contains("svix-operator.dev/orphan-on-delete=true"), "{}", reported.message);
    let connection = connection(&harness.svix.url()).annotated("svix-operator.dev/orphan-on-delete", "true");
    harness.declare([connection]);
    harness.delete(&ObjectKey::connection("default"));
    eventually("both to go", PATIENCE, async || {
        let gone = |key: &ObjectKey| harness.object(key).is_none();
        (gone(&hook().key()) && gone(&ObjectKey::connection("default"))).then_some(())
    })
    .await;
}

#[tokio::test]
async fn orphaning_removes_all_finalizers_and_writes_nothing() {
    // Given objects in step
    let mut harness = Harness::new().await;
    let kinds: Vec<_> = (0..50).map(|n| event_type(&format!("a.t{n}"))).collect();
    harness.declare(kinds.clone());
    harness.declare([event_type("a.one"), hook()]);
    harness.wait_until_in_sync().await;
    let before = harness.svix.snapshot();
    let held =
        |harness: &Harness, key: &ObjectKey| harness.object(key).is_some_and(|object| object.has_finalizer());
    assert!(held(&harness, &hook().key()));

    // When their connection is deleted and orphans
    let declared = connection(&harness.svix.url()).with("resyncInterval", "1s");
    harness.declare([declared.clone().annotated("svix-operator.dev/orphan-on-delete", "true")]);
    harness.svix.clear_calls();
    harness.delete(&declared.key());
    eventually("it to go", PATIENCE, async || harness.object(&declared.key()).is_none().then_some(())).await;

    // Then nothing holds them when it is gone, they say so, and Svix is as it was.
    for key in kinds.iter().map(Manifest::key).chain([hook().key()]) {
        assert!(!held(&harness, &key), "{key}");
    }
    let reported = harness.wait_for_reason(&hook().key(), "ConnectionNotFound").await;
    assert!(
        reported.message.contains("there is no SvixConnection named \"default\""),
        "{}",
        reported.message
    );
    assert_eq!((harness.writes(), harness.svix.snapshot()), (Vec::new(), before.clone()));
    harness.delete(&kinds[0].key());
    assert!(harness.object(&kinds[0].key()).is_none(), "it goes at once");

    // And they are claimed anew through a new connection, of the same name or another.
    let second = declared.clone().named("second");
    harness.declare([second, kinds[1].clone().with("connectionRef", json!({"name": "second"}))]);
    harness.wait_for_reason(&kinds[1].key(), "InSync").await;
    harness.declare([declared]);
    harness.wait_until_in_sync().await;
    assert!(held(&harness, &hook().key()) && held(&harness, &kinds[1].key()));
    assert_eq!(harness.svix.snapshot(), before);
}

#[tokio::test]
async fn a_connection_waits_for_no_event_that_is_over() {
    // Given an endpoint and events: one that is delivered nowhere, one that is refused, one that is still waiting
    let mut harness = Harness::new().await;
    let strict = event_type("a.one").with("schema", json!({"required": ["name"]}));
    let (sent, refused) = (event("sent", "a.one"), event("refused", "a.one").with("payload", json!({})));
    let waiting = event("waiting", "a.later");
    harness.declare([
        strict.clone(),
        hook().with("eventTypes", json!(["a.one"])).with("channels", json!(["c"])),
    ]);
    harness.wait_until_in_sync().await;
    harness.declare([sent.clone(), refused.clone(), waiting.clone()]);
    harness.wait_for_reason(&sent.key(), "NoEndpointMatched").await;
    harness.wait_for_reason(&refused.key(), "InvalidPayload").await;
    harness.wait_for_reason(&waiting.key(), "WaitingForEventType").await;

    // When their connection is deleted
    let connection = ObjectKey::connection("default");
    harness.delete(&connection);
    // Then it counts by kind what needs it, without what is over,
    let reported = harness.wait_for_reason(&connection, "InUse").await.message;
    assert!(
        reported.starts_with(
            "1 WebhookEndpoint, 1 WebhookEventType and 1 WebhookEvent still use this connection, \
             WebhookEndpoint/default/hook first; "
        ),
        "{reported}"
    );
    harness.delete(&waiting.key());
    harness.delete(&strict.key());
    eventually("one to be left", PATIENCE, async || {
        let reported = harness.ready(&connection)?.message;
        let expected = "1 WebhookEndpoint still uses this connection: WebhookEndpoint/default/hook; ";
        if reported.starts_with(expected) { Ok(()) } else { Err(reported) }
    })
    .await;
    // and goes although events are there.
    harness.delete(&hook().key());
    eventually("it to go", PATIENCE, async || harness.object(&connection).is_none().then_some(())).await;
    assert!(harness.object(&sent.key()).is_some() && harness.object(&refused.key()).is_some());
}

#[tokio::test]
async fn who_waits_takes_over_what_an_object_leaves_that_moves() {
    // Given one that holds a thing, and one that waits for it
    let mut harness = Harness::new().await;
    let other = svix_server::start_beside(&harness.svix).await;
    let second =
        connection(&other.url()).named("second").with("ownerId", "second").with("resyncInterval", "1s");
    let kind =
        |namespace: &str| event_type("b.shared").in_namespace(namespace).with("description", namespace);
    let waiting = endpoint("waiting", &["a.one"]).with("uid", "shared");
    let to = |manifest: Manifest| manifest.with("connectionRef", json!({"name": "second"}));
    harness.declare([second, event_type("a.one"), to(event_type("a.one")).in_namespace("there")]);
    harness.declare([hook().with("uid", "shared"), kind("one")]);
    harness.wait_until_in_sync().await;
    harness.declare([waiting.clone(), kind("two")]);
    harness.wait_for_reason(&waiting.key(), "Conflict").await;
    harness.wait_for_reason(&kind("two").key(), "Conflict").await;
    // When the first moves to another connection
    harness.declare([to(hook().with("uid", "shared")), to(kind("one"))]);
    // Then the other takes over.
    harness.wait_for_reason(&waiting.key(), "InSync").await;
    harness.wait_for_reason(&kind("two").key(), "InSync").await;
    harness.wait_until_in_sync().await;
}

#[tokio::test]
async fn a_takeover_counts_on_one_connection_only() {
    // Given an object that took an event type over from one that went
    let mut harness = Harness::new().await;
    let other = svix_server::start_beside(&harness.svix).await;
    let second =
        connection(&other.url()).named("second").with("ownerId", "second").with("resyncInterval", "1s");
    let kind =
        |namespace: &str| event_type("b.shared").in_namespace(namespace).with("description", namespace);
    harness.declare([second, kind("one")]);
    harness.wait_until_in_sync().await;
    harness.declare([kind("two")]);
    harness.wait_for_reason(&kind("two").key(), "Conflict").await;
    harness.delete(&kind("one").key());
    harness.wait_for_reason(&kind("two").key(), "InSync").await;
    // and one of that name that somebody made elsewhere
    reqwest::Client::new()
        .post(format!("{}/api/v1/event-type", other.url()))
        .bearer_auth(harness.svix.token())
        .json(&json!({"name": "b.shared", "description": "theirs", "schemas": {"1": {}}}))
        .send()
        .await
        .unwrap()
        .error_for_status()
        .unwrap();
    // When it moves there
    let moved = kind("two").with("connectionRef", json!({"name": "second"}));
    harness.declare([moved.clone()]);
    // Then that one is not taken for its own.
    harness.wait_for_reason(&moved.key(), "NotOurs").await;
    assert_eq!(other.snapshot().event_types["b.shared"].description, "theirs");
}

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

#[tokio::test]
async fn unknown_labels_match_no_rule_about_labels() {
    // Given a rule about what a namespace does not say of itself
    let selector = json!({"matchExpressions": [{"key": "tenant", "operator": "DoesNotExist"}]});
    let rule = json!([{"namespaces": selector, "applications": ["*"], "eventTypes": ["*"]}]);
    let mut harness =
        Harness::with_connection(|it| it.with("resyncInterval", "1s").with("access", rule)).await;
    // When an object is there before its namespace is known, or may not be read
    let kind = event_type("a.mine").in_namespace("new");
    harness.declare([kind.clone()]);
    // Then it waits for what the namespace says.
    harness.wait_for_reason(&kind.key(), "NotPermitted").await;
    assert!(harness.svix.snapshot().event_types.is_empty());
    harness.label_namespace("new", &[]);
    harness.wait_for_reason(&kind.key(), "InSync").await;
}

#[test]
fn overriding_needs_one_rule_that_grants_all_of_it() {
    // Given a rule that may override events of one kind, and one that grants another kind
    let spec: svix_operator::api::SvixConnectionSpec = serde_json::from_value(json!({
        "tokenSecretRef": {"name": "t", "key": "token"}, "ownerId": "o",
        "access": [
            {"namespaces": {}, "applications": ["app"], "eventTypes": ["a.*"], "maxAdoption": "Override"},
            {"namespaces": {}, "applications": ["app"], "eventTypes": ["b.*"], "maxAdoption": "Never"},
        ],
    }))
    .unwrap();
    let labels = std::collections::BTreeMap::new();
    let grants = svix_operator::plan::access::Grants::new(&spec, "ns", Some(&labels));
    let endpoint = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        grants.endpoint("app", &names, svix_operator::api::Adoption::Override).is_ok()
    };
    assert!(endpoint(&["a.one"]));
    assert!(!endpoint(&["b.one"]), "no rule lets it override an endpoint of these events");
    assert!(!endpoint(&["a.one", "b.one"]));
}
