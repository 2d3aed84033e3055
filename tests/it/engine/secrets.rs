//! Headers, addresses and signing keys: what comes from Secrets and goes to them, and what Svix's lists do not show.

use serde_json::{Value, json};
use svix_operator::{
    embedded::{EndpointState, FaultPlan},
    engine::{Object, ObjectKey},
};

use crate::support::{
    harness::{Harness, PATIENCE},
    objects::{Manifest, endpoint, event_type},
    wait::eventually,
};

mod rotation;
mod signing_keys;

const KEY: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const OTHER_KEY: &str = "whsec_BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA=";
const PATH: &str = "/app/default/endpoint/test.default.hook";

async fn harness(hook: &Manifest) -> Harness {
    let mut harness = Harness::new().await;
    harness.declare([event_type("a.one"), hook.clone()]);
    harness
}

fn hook() -> Manifest {
    endpoint("hook", &["a.one"])
}

fn in_svix(harness: &Harness) -> Option<EndpointState> {
    harness.svix.snapshot().endpoint("default", "test.default.hook").cloned()
}

fn with_authorization() -> Manifest {
    hook().with(
        "headers",
        json!([
            {"name": "X-Team", "value": "a"},
            {"name": "Authorization", "valueFrom": {"secretKeyRef": {"name": "receiver", "key": "token"}}},
        ]),
    )
}

async fn eventually_in_svix(harness: &Harness, what: &str, holds: impl Fn(&EndpointState) -> bool) {
    eventually(what, PATIENCE, async || {
        let found = in_svix(harness).ok_or("not there")?;
        if holds(&found) { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
}

fn status(harness: &Harness, key: &ObjectKey) -> Value {
    let Some(Object::Endpoint(endpoint)) = harness.object(key) else { panic!("{key} is not there") };
    serde_json::to_value(endpoint.status.as_ref()).unwrap()
}

#[tokio::test]
async fn headers_are_there_before_the_endpoint_is_first_enabled() {
    // Given a receiver whose token is in a Secret
    let mut harness = Harness::new().await;
    harness.set_secret("receiver", "token", "Bearer hunter2\n");
    // When the endpoint is declared
    harness.declare([event_type("a.one"), with_authorization()]);
    harness.wait_until_in_sync().await;
    // Then it was made disabled, and enabled after its headers were written
    let found = in_svix(&harness).unwrap();
    assert_eq!(found.headers["Authorization"], "Bearer hunter2");
    assert_eq!(found.headers["X-Team"], "a");
    assert!(!found.disabled && !found.metadata.contains_key("svix-operator.dev/preparing"), "{found:?}");
    let writes = harness.writes();
    let of_endpoint: Vec<_> = writes
        .iter()
        .filter_map(|call| call.split(' ').next())
        .filter(|call| call.starts_with("endpoint."))
        .collect();
    assert_eq!(of_endpoint, ["endpoint.create", "endpoint.update-headers", "endpoint.patch"]);
    // and nothing is written again.
    assert_eq!(harness.writes_while_listed(3).await, [""; 0]);
}

#[tokio::test]
async fn a_crash_between_making_and_enabling_is_repaired() {
    let mut harness = Harness::new().await;
    harness.set_secret("receiver", "token", "Bearer hunter2");
    let only = vec!["endpoint.update-headers".to_owned()];
    harness.svix.faults().set(FaultPlan { drop_before: 1.0, only: Some(only), ..FaultPlan::default() });
    harness.declare([event_type("a.one"), with_authorization()]);
    eventually_in_svix(&harness, "it to be made, disabled", |it| it.disabled && it.headers.is_empty()).await;
    harness.crash_and_restart().await;
    harness.svix.faults().clear();
    harness.wait_until_in_sync().await;
    let found = in_svix(&harness).unwrap();
    assert!(!found.disabled && found.headers.len() == 2, "{found:?}");
}

#[tokio::test]
async fn no_host_gets_a_header_that_is_meant_for_another() {
    // Given an endpoint with a token for its receiver
    let mut harness = Harness::new().await;
    harness.set_secret("receiver", "token", "Bearer old");
    harness.declare([event_type("a.one"), with_authorization()]);
    harness.wait_until_in_sync().await;
    harness.svix.clear_calls();
    // When its path changes, or its host and nothing else
    let at = |url: &str| with_authorization().with("url", url);
    for url in ["https://hooks.example.org/elsewhere", "https://other.example.org/"] {
        harness.declare([at(url)]);
        harness.wait_until_in_sync().await;
        assert_eq!(in_svix(&harness).unwrap().headers["Authorization"], "Bearer old");
    }
    // Then the headers are left alone.
    let writes = |harness: &Harness| -> Vec<_> {
        harness.writes().iter().filter_map(|call| call.split(' ').next().map(str::to_owned)).collect()
    };
    assert_eq!(writes(&harness), ["endpoint.patch", "endpoint.patch"]);

    // When host and token change in one edit, and Svix does not take the new host at first
    let only = Some(vec!["endpoint.patch".to_owned()]);
    harness.svix.faults().set(FaultPlan { errors: 1.0, only, ..FaultPlan::default() });
    harness.set_secret("new-receiver", "token", "Bearer new");
    let edited = at("https://new.example.org/").with(
        "headers",
        json!([
            {"name": "x-team", "value": "a"},
            {"name": "Authorization", "valueFrom": {"secretKeyRef": {"name": "new-receiver", "key": "token"}}},
        ]),
    );
    harness.declare([edited.clone()]);
    // Then the old host is left with what both are to have, and a restart changes nothing of that;
    eventually_in_svix(&harness, "no token", |it| it.headers.len() == 1 && it.headers["X-Team"] == "a").await;
    harness.crash_and_restart().await;
    harness.wait_for_reason(&edited.key(), "SvixUnavailable").await;
    let found = in_svix(&harness).unwrap();
    assert!(found.url.starts_with("https://other") && found.headers.len() == 1, "{found:?}");
    // and the new one gets its own.
    harness.svix.faults().clear();
    harness.wait_until_in_sync().await;
    let found = in_svix(&harness).unwrap();
    assert!(found.url.starts_with("https://new"), "{found:?}");
    assert_eq!(found.headers["Authorization"], "Bearer new");
    assert_eq!(harness.writes_while_listed(2).await, [""; 0]);
}

#[tokio::test]
async fn a_header_follows_its_secret() {
    let mut harness = Harness::new().await;
    harness.set_secret("receiver", "token", "Bearer one");
    harness.declare([event_type("a.one"), with_authorization()]);
    harness.wait_until_in_sync().await;
    harness.set_secret("receiver", "token", "Bearer two");
    eventually_in_svix(&harness, "the new token", |it| it.headers["Authorization"] == "Bearer two").await;
    harness.wait_until_in_sync().await;
    // A restart writes nothing.
    harness.wait_until_idle().await;
    harness.crash_and_restart().await;
    harness.wait_until_in_sync().await;
    assert_eq!(harness.writes_while_listed(2).await, [""; 0]);
    // A value that Svix hides is changed by hand: nobody sees that, but `updatedAt` moves.
    let by_hand = json!({"headers": {"Authorization": "Bearer evil"}});
    harness.svix.clear_calls();
    harness.edit_svix("PATCH", &format!("{PATH}/headers"), by_hand).await;
    eventually_in_svix(&harness, "the token back", |it| it.headers["Authorization"] == "Bearer two").await;
    let asserted = harness.writes().iter().filter(|call| call.starts_with("endpoint.update-headers")).count();
    assert_eq!(asserted, 1);
    assert_eq!(harness.writes_while_listed(3).await, [""; 0]);
    // The spec stops naming headers: they go.
    harness.declare([hook()]);
    eventually_in_svix(&harness, "no headers", |it| it.headers.is_empty()).await;
}

#[tokio::test]
async fn other_edits_by_hand_do_not_touch_headers_for_ever() {
    let mut harness = Harness::new().await;
    harness.set_secret("receiver", "token", "Bearer one");
    harness.declare([event_type("a.one"), with_authorization()]);
    harness.wait_until_in_sync().await;
    // A description is not ours; its change moves `updatedAt`, so the headers are asserted once and not again.
    harness.edit_svix("PATCH", PATH, json!({"description": "by hand"})).await;
    eventually("the headers to be asserted", PATIENCE, async || {
        harness
            .published(&hook().key())
            .iter()
            .filter(|note| **note == "HeadersWritten")
            .count()
            .eq(&1)
            .then_some(())
    })
    .await;
    assert_eq!(harness.writes_while_listed(3).await, [""; 0]);
    assert_eq!(in_svix(&harness).unwrap().description, "by hand");
}

#[tokio::test]
async fn missing_or_invalid_secrets_are_not_shown() {
    let from = |value: Value| hook().with("signingSecret", json!({ "fromSecret": value }));
    let mut harness = harness(&from(json!({"name": "keys", "key": "signing"}))).await;
    let reported = harness.wait_for_reason(&hook().key(), "SecretNotFound").await;
    assert!(
        reported.message.contains("/spec/signingSecret/fromSecret: Secret default/keys is not there"),
        "{}",
        reported.message
    );
    harness.set_secret("keys", "other", "x");
    eventually("the key to be missed", PATIENCE, async || {
        let message = harness.ready(&hook().key())?.message;
        if message.contains("has no key \"signing\"; it has other") { Ok(()) } else { Err(message) }
    })
    .await;
    harness.set_secret("keys", "signing", "whsec_hunter2");
    let reported = harness.wait_for_reason(&hook().key(), "InvalidSecret").await;
    assert!(
        reported.message.contains("expected whsec_") && !reported.message.contains("hunter2"),
        "{}",
        reported.message
    );
    assert!(in_svix(&harness).is_none(), "nothing is made with a wrong key");
    harness.set_secret("keys", "signing", KEY);
    harness.wait_until_in_sync().await;
    assert_eq!(in_svix(&harness).unwrap().secret, KEY);
}

#[tokio::test]
async fn the_address_can_come_from_a_secret_and_is_in_no_message() {
    let from = hook()
        .with("url", json!(null))
        .with("urlFrom", json!({"secretKeyRef": {"name": "slack", "key": "url"}}));
    let mut harness = Harness::new().await;
    harness.set_secret("slack", "url", "https://hooks.example.org/T0/hunter2");
    harness.declare([event_type("a.one"), from]);
    harness.wait_until_in_sync().await;
    assert_eq!(in_svix(&harness).unwrap().url, "https://hooks.example.org/T0/hunter2");
    harness.set_secret("slack", "url", "https://hooks.example.org/T0/hunter3");
    eventually_in_svix(&harness, "the new address", |it| it.url.ends_with("hunter3")).await;
    harness.set_secret("slack", "url", "not an address, hunter4");
    let reported = harness.wait_for_reason(&hook().key(), "InvalidSecret").await;
    assert!(!reported.message.contains("hunter"), "{}", reported.message);
    for (_, note) in harness.all_published() {
        assert!(!note.message.contains("hunter"), "{}", note.message);
    }
    harness.forget_secret("slack");
    harness.wait_for_reason(&hook().key(), "SecretNotFound").await;
    assert!(in_svix(&harness).unwrap().url.ends_with("hunter3"), "what is there stays");
}

// --- toSecret

fn published() -> Manifest {
    hook().with("signingSecret", json!({"toSecret": {"name": "hook-key", "labels": {"app": "receiver"}}}))
}

fn written(harness: &Harness, key: &str) -> Option<String> {
    Some(harness.written_secret("hook-key")?.text(key)?.to_owned())
}

#[tokio::test]
async fn statistics_are_shown_when_they_are_asked_for() {
    let harness = harness(&hook().with("statistics", true)).await;
    harness.wait_until_in_sync().await;
    let shown = status(&harness, &hook().key())["statistics"].clone();
    assert_eq!(shown, json!({"succeeded": 0, "pending": 0, "sending": 0, "failed": 0}));
}

#[tokio::test]
async fn statistics_that_cannot_be_had_hold_up_nothing() {
    let mut harness = Harness::new().await;
    let only = Some(vec!["endpoint.get-stats".to_owned()]);
    harness.svix.faults().set(FaultPlan { errors: 1.0, only, ..FaultPlan::default() });
    harness.declare([event_type("a.one"), hook().with("statistics", true)]);
    harness.wait_for_reason(&hook().key(), "InSync").await;
}

#[test]
fn escaped_default_uids_cannot_be_taken() {
    use svix_operator::plan::{endpoint, ids};
    // Given an owner whose default uids would look like ids
    let spec: svix_operator::api::SvixConnectionSpec =
        serde_json::from_value(json!({"tokenSecretRef": {"name": "t", "key": "token"}, "ownerId": "app_1"}))
            .unwrap();
    let theirs = ids::default_uid("app_1", "other", "hook");
    // When another namespace names one as its own
    let Object::Endpoint(object) = hook().with("uid", theirs).object() else { return };
    let resolved = endpoint::Resolved { url: object.spec.url.clone(), ..endpoint::Resolved::default() };
    // Then that is refused.
    assert!(endpoint::desired(&object, &spec, endpoint::Owned::default(), resolved).is_err());
}
