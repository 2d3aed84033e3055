//! An endpoint on its way to Svix, and out of it.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use crate::{
    api::ADOPT_ID_ANNOTATION,
    engine::{
        context::Options,
        host::{HostError, ReferenceError},
        object::ObjectKey,
        queue::Next,
        testing::{Fixture, Manifest, Write, connection, endpoint, event_type},
    },
};

const UID: &str = "test.default.hook";
const OWNER: &str = "svix-operator.dev/owner";

fn hook() -> Manifest {
    endpoint("hook")
}

fn with_headers() -> Manifest {
    hook().with("headers", json!([{"name": "X-Team", "value": "billing"}]))
}

fn key() -> ObjectKey {
    hook().key()
}

/// A fixture with this object, connected to a Svix that has event type `a.one` and the application.
async fn declaring(manifest: Manifest) -> Fixture {
    within(Fixture::new(), manifest).await
}

async fn within(fixture: Fixture, manifest: Manifest) -> Fixture {
    let fixture =
        fixture.with(connection().permissive()).with(event_type("a.one")).with(manifest).with_svix().await;
    fixture.by_hand("POST", "/app", json!({"name": "default", "uid": "default"})).await;
    fixture.connect("default").await;
    fixture.reconcile(&event_type("a.one").key()).await;
    fixture.svix().clear_calls();
    fixture
}

/// A fixture with this object in sync.
async fn synced(manifest: Manifest) -> Fixture {
    let key = manifest.key();
    let fixture = declaring(manifest).await;
    fixture.reconcile(&key).await;
    fixture.svix().clear_calls();
    fixture
}

/// Creates an endpoint as somebody else, equal to `hook()` but for these members, and lists Svix. Returns its id.
async fn somebody_creates(fixture: &Fixture, members: Value) -> String {
    let mut endpoint = json!({"url": "https://hooks.example.org/hook", "eventTypes": ["a.one"]});
    endpoint.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let created = fixture.by_hand("POST", "/app/default/endpoint", endpoint).await;
    fixture.connect("default").await;
    fixture.svix().clear_calls();
    created["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn it_is_created_and_recorded() {
    let fixture = declaring(hook()).await;

    let next = fixture.reconcile(&key()).await;

    assert_eq!((next, fixture.writes()), (Next::Settled, vec!["endpoint.create"]));
    assert_eq!((fixture.reason(&key()), fixture.events(&key())), ("InSync".to_owned(), vec!["Created"]));
    assert_eq!(fixture.status(&key())["svix"]["uid"], UID);
    assert_eq!(fixture.endpoint_in_svix(UID).unwrap().metadata[OWNER], "test/default/hook");
}

#[tokio::test]
async fn the_claim_comes_before_the_first_write() {
    let fixture = declaring(hook()).await;
    fixture.ctx.host.fail(Write::Claim, HostError::Conflict);

    let next = fixture.reconcile(&key()).await;

    assert_eq!((next, fixture.writes()), (Next::Failed, Vec::new()));
}

#[tokio::test]
async fn what_is_in_sync_is_not_written_again() {
    for manifest in [hook(), with_headers()] {
        let fixture = synced(manifest).await;
        let writes = fixture.ctx.host.writes(&key());

        fixture.reconcile(&key()).await;

        assert_eq!(fixture.svix().calls(), []);
        assert_eq!(fixture.ctx.host.writes(&key()), writes);
    }
}

#[tokio::test]
async fn with_headers_it_is_enabled_last() {
    let fixture = declaring(with_headers()).await;

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.writes(), ["endpoint.create", "endpoint.update-headers", "endpoint.patch"]);
    let created = fixture.endpoint_in_svix(UID).unwrap();
    assert_eq!((created.disabled, created.headers.len()), (false, 1));
    assert_eq!(fixture.reason(&key()), "InSync");
}

#[tokio::test]
async fn without_its_headers_it_stays_disabled() {
    let fixture = declaring(with_headers()).await;
    fixture.fail_svix("endpoint.update-headers");

    fixture.reconcile(&key()).await;

    assert!(fixture.endpoint_in_svix(UID).unwrap().disabled);
    assert_eq!(fixture.reason(&key()), "SvixUnavailable");
}

#[tokio::test]
async fn one_that_is_half_created_is_completed() {
    let fixture = declaring(with_headers()).await;
    fixture.fail_svix("endpoint.update-headers");
    fixture.reconcile(&key()).await;
    fixture.recover_svix();
    fixture.svix().clear_calls();

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.writes(), ["endpoint.update-headers", "endpoint.patch"]);
    assert!(!fixture.endpoint_in_svix(UID).unwrap().disabled);
    assert_eq!(fixture.reason(&key()), "InSync");
}

#[tokio::test]
async fn after_a_lost_response_its_mark_is_found() {
    let fixture = declaring(hook()).await;
    fixture.lose_responses("endpoint.create");
    fixture.reconcile(&key()).await;
    fixture.recover_svix();

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.reason(&key()), "InSync");
    assert_eq!(fixture.svix().snapshot().applications["default"].endpoints.len(), 1);
}

#[tokio::test]
async fn an_event_type_that_is_missing_is_waited_for() {
    let fixture = declaring(hook().with("eventTypes", json!(["a.one", "a.two"]))).await;

    let next = fixture.reconcile(&key()).await;

    assert_eq!((next, fixture.writes()), (Next::Settled, Vec::new()));
    assert_eq!(fixture.reason(&key()), "WaitingForEventType");
    assert!(fixture.message(&key()).contains("not in Svix yet: a.two"), "{}", fixture.message(&key()));
}

#[tokio::test]
async fn an_event_type_that_comes_wakes_it() {
    let fixture = declaring(hook().with("eventTypes", json!(["a.two"]))).await;
    fixture.reconcile(&key()).await;
    fixture.declare(event_type("a.two"));

    fixture.reconcile(&event_type("a.two").key()).await;

    assert!(fixture.woken().contains("hook"));
}

#[tokio::test]
async fn an_event_type_that_cannot_come_wakes_it_to_say_so() {
    let fixture = declaring(hook().with("eventTypes", json!(["a.two"]))).await;
    fixture.reconcile(&key()).await;
    let broken = event_type("a.two").with("schema", json!({"type": "strin"}));
    fixture.declare(broken.clone());

    fixture.reconcile(&broken.key()).await;

    assert!(fixture.woken().contains("hook"));
    fixture.reconcile(&key()).await;
    let message = fixture.message(&key());
    assert!(message.contains("WebhookEventType/default/a.two declares it"), "{message}");
}

#[tokio::test]
async fn a_change_of_the_spec_is_written() {
    let fixture = synced(hook()).await;
    fixture.declare(hook().with("description", "mine"));

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.writes(), ["endpoint.patch"]);
    assert_eq!(fixture.endpoint_in_svix(UID).unwrap().description, "mine");
    assert_eq!(fixture.events(&key()), ["Created", "Updated"]);
}

#[tokio::test]
async fn drift_is_repaired() {
    let fixture = synced(hook().with("description", "mine")).await;
    let path = format!("/app/default/endpoint/{UID}");
    fixture.by_hand("PATCH", &path, json!({"description": "theirs"})).await;
    fixture.connect("default").await;

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.endpoint_in_svix(UID).unwrap().description, "mine");
    assert_eq!(fixture.events(&key()), ["Created", "DriftRepaired"]);
}

#[tokio::test]
async fn what_vanished_is_created_again_with_another_key() {
    let fixture = synced(hook()).await;
    fixture.by_hand("DELETE", &format!("/app/default/endpoint/{UID}"), Value::Null).await;
    fixture.connect("default").await;

    fixture.reconcile(&key()).await;

    assert!(fixture.endpoint_in_svix(UID).is_some());
    assert_eq!(fixture.events(&key()), ["Created", "SigningKeyChanged", "DriftRepaired"]);
}

#[tokio::test]
async fn what_is_equal_and_has_no_owner_is_adopted() {
    let fixture = declaring(hook()).await;
    somebody_creates(&fixture, json!({"uid": UID})).await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("InSync".to_owned(), vec!["endpoint.patch"]));
    assert_eq!(fixture.events(&key()), ["Adopted"]);
    assert_eq!(fixture.endpoint_in_svix(UID).unwrap().metadata[OWNER], "test/default/hook");
}

#[tokio::test]
async fn what_differs_and_has_no_owner_is_left_alone() {
    let fixture = declaring(hook().with("description", "mine")).await;
    somebody_creates(&fixture, json!({"uid": UID, "description": "theirs"})).await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("NotOurs".to_owned(), Vec::new()));
}

#[tokio::test]
async fn what_another_owner_marked_is_left_alone() {
    for adoption in ["Match", "Override"] {
        let fixture = declaring(hook().with("adoption", adoption)).await;
        somebody_creates(&fixture, json!({"uid": UID, "metadata": {OWNER: "other/default/hook"}})).await;

        fixture.reconcile(&key()).await;

        assert_eq!((fixture.reason(&key()), fixture.writes()), ("NotOurs".to_owned(), Vec::new()));
    }
}

#[tokio::test]
async fn its_own_mark_makes_it_ours_without_status() {
    let fixture = declaring(hook().with("adoption", "Never")).await;
    somebody_creates(&fixture, json!({"uid": UID, "metadata": {OWNER: "test/default/hook"}})).await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("InSync".to_owned(), Vec::new()));
}

#[tokio::test]
async fn the_mark_of_an_object_that_is_gone_is_ours() {
    let fixture = declaring(hook().with("adoption", "Never")).await;
    somebody_creates(&fixture, json!({"uid": UID, "metadata": {OWNER: "test/default/renamed"}})).await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("InSync".to_owned(), vec!["endpoint.patch"]));
}

#[tokio::test]
async fn the_mark_of_an_object_that_exists_is_not() {
    let fixture = declaring(hook().with("adoption", "Override")).await;
    fixture.declare(endpoint("other"));
    somebody_creates(&fixture, json!({"uid": UID, "metadata": {OWNER: "test/default/other"}})).await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("Conflict".to_owned(), Vec::new()));
}

#[tokio::test]
async fn the_mark_of_an_object_that_cannot_be_decoded_is_not() {
    let fixture = declaring(hook().with("adoption", "Override")).await;
    fixture.ctx.undecodable.lock().insert(endpoint("other").key());
    somebody_creates(&fixture, json!({"uid": UID, "metadata": {OWNER: "test/default/other"}})).await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("Conflict".to_owned(), Vec::new()));
}

#[tokio::test]
async fn the_mark_of_a_namespace_that_is_not_seen_is_not() {
    let namespaces = Some(BTreeSet::from(["default".to_owned()]));
    let options = Options { namespaces, settle: Duration::ZERO, ..Options::default() };
    let fixture = within(Fixture::with_options(options), hook().with("adoption", "Override")).await;
    somebody_creates(&fixture, json!({"uid": UID, "metadata": {OWNER: "test/elsewhere/gone"}})).await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("Conflict".to_owned(), Vec::new()));
}

#[tokio::test]
async fn an_endpoint_is_adopted_by_its_id() {
    let fixture = declaring(hook()).await;
    let id = somebody_creates(&fixture, json!({})).await;
    fixture.edit(&key(), |it| it["metadata"]["annotations"][ADOPT_ID_ANNOTATION] = id.as_str().into());

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("InSync".to_owned(), vec!["endpoint.patch"]));
    assert_eq!(fixture.status(&key())["svix"]["id"], id);
}

#[tokio::test]
async fn an_id_that_is_not_there_creates_nothing() {
    let fixture = declaring(hook().annotated(ADOPT_ID_ANNOTATION, "ep_nobody")).await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("InvalidSpec".to_owned(), Vec::new()));
    assert!(fixture.message(&key()).contains("ep_nobody"));
}

#[tokio::test]
async fn what_is_observed_is_not_written() {
    let fixture = declaring(with_headers().with("managementPolicy", "Observe")).await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("Differs".to_owned(), Vec::new()));
    assert_eq!(fixture.status(&key())["difference"], json!({"action": "Create"}));
    assert_eq!(fixture.ctx.host.writes(&key()), [Write::Report]);
}

#[tokio::test]
async fn a_header_that_differs_is_observed_by_its_name() {
    let fixture = synced(hook()).await;
    fixture.declare(with_headers().with("managementPolicy", "Observe"));

    fixture.reconcile(&key()).await;

    let difference = fixture.status(&key())["difference"].to_string();
    assert!(difference.contains("x-team") && !difference.contains("billing"), "{difference}");
    assert_eq!(fixture.writes(), [""; 0]);
}

#[tokio::test]
async fn a_secret_that_is_missing_is_named() {
    let reference = json!({"fromSecret": {"name": "nobody", "key": "key"}});
    let fixture = declaring(hook().with("signingSecret", reference)).await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("SecretNotFound".to_owned(), Vec::new()));
}

#[tokio::test]
async fn a_secret_that_may_not_be_read_is_tried_each_minute() {
    let reference = json!({"fromSecret": {"name": "keys", "key": "key"}});
    let fixture = declaring(hook().with("signingSecret", reference)).await;
    fixture.ctx.host.fail_secrets(ReferenceError::Forbidden("403".to_owned()));

    let next = fixture.reconcile(&key()).await;

    assert_eq!(next, Next::Later(Duration::from_secs(60)));
    assert_eq!(fixture.reason(&key()), "SecretNotReadable");
}

#[tokio::test]
async fn its_signing_key_is_taken_from_a_secret() {
    let signing_key = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let reference = json!({"fromSecret": {"name": "keys", "key": "key"}});
    let fixture = declaring(hook().with("signingSecret", reference)).await;
    fixture.ctx.host.set_secret("keys", "key", signing_key);

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.endpoint_in_svix(UID).unwrap().secret, signing_key);
    assert!(!fixture.stored(&key()).conditions().iter().any(|it| it.message.contains("whsec_")));
}

#[tokio::test]
async fn its_signing_key_is_written_to_a_secret() {
    let fixture = synced(hook().with("signingSecret", json!({"toSecret": {"name": "keys"}}))).await;

    let published = fixture.ctx.host.secret_value("keys", "signingKey");

    assert_eq!(published, Some(fixture.endpoint_in_svix(UID).unwrap().secret));
    assert_eq!(fixture.events(&key()), ["Created", "SigningKeyWritten"]);
}

#[tokio::test]
async fn deleting_it_deletes_it_in_svix() {
    let fixture = synced(hook()).await;
    fixture.delete(&key());

    fixture.reconcile(&key()).await;

    assert!(!fixture.exists(&key()) && fixture.endpoint_in_svix(UID).is_none());
    assert_eq!(fixture.events(&key()), ["Created", "Deleted"]);
}

#[tokio::test]
async fn what_is_gone_from_svix_is_released() {
    let fixture = synced(hook()).await;
    fixture.by_hand("DELETE", &format!("/app/default/endpoint/{UID}"), Value::Null).await;
    fixture.delete(&key());

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.exists(&key()), fixture.writes()), (false, Vec::new()));
}

#[tokio::test]
async fn what_somebody_else_marked_since_is_not_deleted() {
    let fixture = synced(hook()).await;
    let theirs = json!({"metadata": {OWNER: "other/default/hook"}});
    fixture.by_hand("PATCH", &format!("/app/default/endpoint/{UID}"), theirs).await;
    fixture.delete(&key());

    fixture.reconcile(&key()).await;

    assert!(!fixture.exists(&key()) && fixture.endpoint_in_svix(UID).is_some());
    assert_eq!(fixture.writes(), [""; 0]);
}

/// Another object that declares the endpoint `shared`, and was created later.
fn next_owner(namespace: &str) -> Manifest {
    with_headers()
        .named("next")
        .in_namespace(namespace)
        .with("uid", "shared")
        .changed(|it| it["metadata"]["creationTimestamp"] = "2026-02-01T00:00:00Z".into())
}

/// A fixture where an endpoint with a header is deleted that this object declares, too.
async fn handed_over(next: &Manifest) -> (Fixture, String) {
    let fixture = synced(with_headers().with("uid", "shared")).await;
    let secret = fixture.endpoint_in_svix("shared").unwrap().secret;
    fixture.declare(next.clone());
    fixture.delete(&key());
    fixture.reconcile(&key()).await;
    (fixture, secret)
}

#[tokio::test]
async fn within_a_namespace_it_is_handed_over_whole() {
    let (fixture, secret) = handed_over(&next_owner("default")).await;

    let kept = fixture.endpoint_in_svix("shared").unwrap();

    assert_eq!(fixture.writes(), ["endpoint.patch"]);
    assert_eq!((kept.metadata[OWNER].as_str(), kept.secret), ("test/default/next", secret));
    assert_eq!(kept.headers.len(), 1);
    assert_eq!(fixture.events(&key()), ["Created", "HandedOver"]);
}

#[tokio::test]
async fn across_namespaces_it_is_handed_over_without_secrets() {
    let (fixture, secret) = handed_over(&next_owner("billing")).await;

    let kept = fixture.endpoint_in_svix("shared").unwrap();

    assert_eq!(fixture.writes(), ["endpoint.update-headers", "endpoint.rotate-secret", "endpoint.patch"]);
    assert_eq!((kept.metadata[OWNER].as_str(), kept.headers.len()), ("test/billing/next", 0));
    assert_ne!(kept.secret, secret);
}

#[tokio::test]
async fn the_next_owner_finds_it_by_its_mark() {
    let (fixture, _) = handed_over(&next_owner("default")).await;
    fixture.remove(&key());
    fixture.svix().clear_calls();

    fixture.reconcile(&next_owner("default").key()).await;

    assert_eq!(fixture.reason(&next_owner("default").key()), "InSync");
    assert!(!fixture.writes().contains(&"endpoint.create"));
}
