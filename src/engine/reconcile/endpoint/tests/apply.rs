//! What is created, changed and waited for.

use super::*;
use crate::plan::endpoint::Change;

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
async fn what_is_observed_is_not_written() {
    let fixture = declaring(with_headers().with("managementPolicy", "Observe")).await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("Differs".to_owned(), Vec::new()));
    assert_eq!(fixture.status(&key())["difference"], json!({"action": "Create"}));
    assert_eq!(fixture.ctx.host.writes(&key()), [Write::Report]);
}

#[tokio::test]
async fn what_is_disabled_in_svix_is_respected() {
    let fixture = synced(hook()).await;
    fixture.by_hand("PATCH", &format!("/app/default/endpoint/{UID}"), json!({"disabled": true})).await;
    fixture.connect("default").await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("DisabledInSvix".to_owned(), Vec::new()));
    assert_eq!(fixture.stored(&key()).ready(), Some(true));
    assert!(fixture.condition(&key(), ConditionType::DisabledInSvix).is_some());
}

#[tokio::test]
async fn disabled_false_enables_it_with_the_next_spec() {
    let enabled = hook().with("disabled", false);
    let fixture = synced(enabled.clone()).await;
    fixture.by_hand("PATCH", &format!("/app/default/endpoint/{UID}"), json!({"disabled": true})).await;
    fixture.connect("default").await;
    fixture.reconcile(&key()).await;
    let before = (fixture.reason(&key()), fixture.stored(&key()).ready());
    fixture.declare(enabled.with("description", "again"));

    fixture.reconcile(&key()).await;

    assert_eq!(before, ("DisabledInSvix".to_owned(), Some(false)));
    assert!(!fixture.endpoint_in_svix(UID).unwrap().disabled);
}

async fn archive(fixture: &Fixture, event_type: &str) {
    fixture.by_hand("DELETE", &format!("/event-type/{event_type}"), Value::Null).await;
    fixture.connect("default").await;
}

#[tokio::test]
async fn an_endpoint_that_can_receive_nothing_says_so() {
    let fixture = synced(hook()).await;
    archive(&fixture, "a.one").await;

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.reason(&key()), "WaitingForEventType");
    let message = fixture.message(&key());
    assert!(message.starts_with("/spec/eventTypes: the endpoint receives nothing"), "{message}");
    assert!(fixture.condition(&key(), ConditionType::Reconciling).is_some());
    assert_eq!(fixture.writes(), [""; 0]);
}

#[tokio::test]
async fn an_endpoint_recovers_with_its_event_type() {
    let fixture = synced(hook()).await;
    archive(&fixture, "a.one").await;
    fixture.reconcile(&key()).await;

    fixture.reconcile(&event_type("a.one").key()).await;
    let woken = fixture.woken();
    fixture.reconcile(&key()).await;

    assert!(woken.contains("hook"), "{woken:?}");
    assert_eq!(
        (fixture.reason(&key()), fixture.message(&key())),
        ("InSync".into(), "Svix holds what is declared".into())
    );
}

#[tokio::test]
async fn an_endpoint_that_receives_some_types_stays_ready() {
    let both = hook().with("eventTypes", json!(["a.one", "a.two"]));
    let fixture = declaring(both).await.with(event_type("a.two"));
    fixture.reconcile(&event_type("a.two").key()).await;
    fixture.reconcile(&key()).await;
    archive(&fixture, "a.two").await;

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.reason(&key()), "InSync");
    assert!(fixture.message(&key()).contains("archived: a.two"), "{}", fixture.message(&key()));
}

#[tokio::test]
async fn endpoints_notice_that_their_event_type_is_deleted() {
    let fixture = synced(hook()).await;
    let (handle, _) = fixture.ctx.sessions.ensure("default");
    fixture.edit(&event_type("a.one").key(), |it| {
        it["metadata"]["deletionTimestamp"] = "2026-02-01T00:00:00Z".into()
    });

    fixture.reconcile(&event_type("a.one").key()).await;

    let gone = tokio::time::timeout(Duration::from_secs(30), handle.gone_event_types(Duration::ZERO));
    let gone = gone.await.unwrap();
    assert_eq!(fixture.ctx.registry.subscribers("default", &gone), BTreeSet::from([key()]));
}

#[tokio::test]
async fn a_value_that_the_server_alters_is_not_rewritten() {
    // Given a server that took a write, and stores another value
    let fixture = synced(hook().with("description", "declared")).await;
    let path = format!("/app/default/endpoint/{UID}");
    fixture.by_hand("PATCH", &path, json!({"description": "altered"})).await;
    fixture.connect("default").await;
    let observed = fixture.session().mirror.endpoint("default", None, UID).unwrap();
    let change = Change { description: Some("declared".to_owned()), ..Change::default() };
    let written = super::super::writes::digest_of(&fixture.ctx, &change, &observed);
    fixture.ctx.scratch.with(&key(), |scratch| scratch.altered = Some(written));

    // When the object is reconciled
    fixture.reconcile(&key()).await;

    // Then that is reported and not written again,
    assert_eq!((fixture.reason(&key()), fixture.writes()), ("Differs".to_owned(), Vec::new()));
    // but when anything else differs, too, it is.
    fixture
        .by_hand("PATCH", &path, json!({"description": "altered", "url": "https://other.example.org"}))
        .await;
    fixture.connect("default").await;
    fixture.reconcile(&key()).await;
    assert_eq!((fixture.reason(&key()), fixture.writes()), ("InSync".to_owned(), vec!["endpoint.patch"]));
}
