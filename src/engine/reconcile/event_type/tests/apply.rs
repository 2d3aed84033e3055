//! What is created, adopted, changed and refused.

use super::*;

#[tokio::test]
async fn it_is_created_and_recorded() {
    let fixture = declaring(kind()).await;

    let next = fixture.reconcile(&key()).await;

    assert_eq!((next, fixture.writes()), (Next::Settled, vec!["event-type.create"]));
    assert_eq!(fixture.reason(&key()), "InSync");
    let recorded = json!({"connection": "default", "name": "a.one", "fields": ["description"]});
    assert_eq!(fixture.status(&key())["svix"], recorded);
    assert_eq!(fixture.events(&key()), ["Created"]);
}

#[tokio::test]
async fn the_claim_comes_before_the_first_write() {
    let fixture = declaring(kind()).await;
    fixture.ctx.host.fail(Write::Claim, HostError::Conflict);

    let next = fixture.reconcile(&key()).await;

    assert_eq!((next, fixture.writes()), (Next::Failed, Vec::new()));
    assert_eq!(fixture.ctx.host.writes(&key()), [Write::Claim]);
}

#[tokio::test]
async fn a_claim_is_a_finalizer_and_an_annotation() {
    let fixture = synced(kind()).await;

    let object = fixture.stored(&key());

    assert!(object.has_finalizer());
    assert!(object.meta().annotations.as_ref().unwrap().contains_key(CLAIM_ANNOTATION));
}

#[tokio::test]
async fn a_claim_that_status_records_leaves_memory() {
    let fixture = synced(kind()).await;

    let known = fixture.ctx.registry.get(&key()).unwrap();

    assert_eq!(annotation(known.meta(), CLAIM_ANNOTATION), None);
}

#[tokio::test]
async fn what_is_in_sync_is_not_written_again() {
    let fixture = synced(kind()).await;
    let writes = fixture.ctx.host.writes(&key());

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.svix().calls(), []);
    assert_eq!(fixture.ctx.host.writes(&key()), writes);
}

#[tokio::test]
async fn after_a_crash_the_claim_says_that_it_is_ours() {
    let fixture = declaring(kind().with("adoption", "Never")).await;
    fixture.ctx.host.fail(Write::Report, HostError::Failed("500".to_owned()));
    fixture.reconcile(&key()).await;
    fixture.ctx.host.recover();
    fixture.connect("default").await;

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.reason(&key()), "InSync");
    assert_eq!(fixture.writes(), ["event-type.create"]);
}

#[tokio::test]
async fn after_a_lost_response_the_claim_says_so_too() {
    let fixture = declaring(kind().with("adoption", "Never")).await;
    fixture.lose_responses("event-type.create");
    fixture.reconcile(&key()).await;
    fixture.recover_svix();

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.reason(&key()), "InSync");
}

#[tokio::test]
async fn what_is_equal_is_adopted() {
    let fixture = beside(kind(), "mine").await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("InSync".to_owned(), Vec::new()));
    assert_eq!(fixture.events(&key()), ["Adopted"]);
}

#[tokio::test]
async fn what_differs_is_not_adopted() {
    let fixture = beside(kind(), "theirs").await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("NotOurs".to_owned(), Vec::new()));
    assert!(!fixture.stored(&key()).has_finalizer());
}

#[tokio::test]
async fn nothing_is_adopted_with_never() {
    let fixture = beside(kind().with("adoption", "Never"), "mine").await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("NotOurs".to_owned(), Vec::new()));
}

#[tokio::test]
async fn what_differs_is_overwritten_with_override() {
    let fixture = beside(kind().with("adoption", "Override"), "theirs").await;

    fixture.reconcile(&key()).await;

    assert_eq!((description(&fixture).as_str(), fixture.writes()), ("mine", vec!["event-type.patch"]));
    assert_eq!(fixture.events(&key()), ["Adopted"]);
}

#[tokio::test]
async fn a_change_of_the_spec_is_written() {
    let fixture = synced(kind()).await;
    fixture.declare(kind().with("description", "another"));

    fixture.reconcile(&key()).await;

    assert_eq!((description(&fixture).as_str(), fixture.writes()), ("another", vec!["event-type.patch"]));
    assert_eq!(fixture.events(&key()), ["Created", "Updated"]);
}

#[tokio::test]
async fn a_field_that_the_spec_stops_naming_is_set_back() {
    let fixture = synced(kind()).await;
    fixture.declare(event_type("a.one"));

    fixture.reconcile(&key()).await;

    assert_eq!((description(&fixture).as_str(), fixture.writes()), ("", vec!["event-type.patch"]));
}

/// Changes it in Svix behind the operator's back, and lists Svix.
async fn drift(fixture: &Fixture) {
    fixture.by_hand("PATCH", "/event-type/a.one", json!({"description": "theirs"})).await;
    fixture.connect("default").await;
    fixture.svix().clear_calls();
}

#[tokio::test]
async fn drift_is_repaired() {
    let fixture = synced(kind()).await;
    drift(&fixture).await;

    fixture.reconcile(&key()).await;

    assert_eq!((description(&fixture).as_str(), fixture.writes()), ("mine", vec!["event-type.patch"]));
    assert_eq!(fixture.events(&key()), ["Created", "DriftRepaired"]);
}

#[tokio::test]
async fn the_same_drift_is_left_alone_in_the_end() {
    let fixture = synced(kind()).await;
    for _ in 0..MOST_REPAIRS {
        drift(&fixture).await;
        fixture.reconcile(&key()).await;
    }
    drift(&fixture).await;

    let next = fixture.reconcile(&key()).await;

    assert_eq!((description(&fixture).as_str(), fixture.writes()), ("theirs", Vec::new()));
    assert_eq!(fixture.reason(&key()), "Contested");
    assert!(matches!(next, Next::Later(_)), "{next:?}");
}

#[tokio::test]
async fn what_vanished_is_created_again() {
    let fixture = synced(kind()).await;
    fixture.by_hand("DELETE", "/event-type/a.one?expunge=true", Value::Null).await;
    fixture.connect("default").await;

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.writes(), ["event-type.create"]);
    assert_eq!(fixture.events(&key()), ["Created", "DriftRepaired"]);
}

#[tokio::test]
async fn what_is_archived_is_revived_by_a_patch() {
    let fixture = beside(kind(), "mine").await;
    fixture.by_hand("DELETE", "/event-type/a.one", Value::Null).await;
    fixture.connect("default").await;

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.writes(), ["event-type.patch"]);
    assert!(!fixture.svix().snapshot().event_types["a.one"].archived);
    assert_eq!(fixture.events(&key()), ["Revived"]);
}

#[tokio::test]
async fn a_field_that_the_server_ignores_is_written_once() {
    let fixture = synced(kind().with("groupName", "group")).await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("FieldsIgnored".to_owned(), Vec::new()));
}

#[tokio::test]
async fn a_schema_that_is_not_valid_is_not_written() {
    let fixture = declaring(kind().with("schema", json!({"type": "strin"}))).await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("InvalidSchema".to_owned(), Vec::new()));
}

#[tokio::test]
async fn what_another_object_owns_is_not_written() {
    let fixture = synced(kind()).await;
    let other = event_type("other").with("name", "a.one").with("description", "theirs");
    fixture.declare(other.clone());

    fixture.reconcile(&other.key()).await;

    assert_eq!((fixture.reason(&other.key()), fixture.writes()), ("Conflict".to_owned(), Vec::new()));
}

#[tokio::test]
async fn what_is_observed_is_not_written() {
    let fixture = declaring(kind().with("managementPolicy", "Observe")).await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("Differs".to_owned(), Vec::new()));
    assert_eq!(fixture.status(&key())["difference"], json!({"action": "Create"}));
    assert_eq!(fixture.ctx.host.writes(&key()), [Write::Report]);
}

#[tokio::test]
async fn a_request_has_svix_read_although_it_seems_equal() {
    let fixture = synced(kind()).await;
    fixture.by_hand("PATCH", "/event-type/a.one", json!({"description": "theirs"})).await;
    fixture.edit(&key(), |it| it["metadata"]["annotations"]["svix-operator.dev/reconcile-at"] = "now".into());

    fixture.reconcile(&key()).await;

    assert_eq!(description(&fixture), "mine");
    assert_eq!(fixture.status(&key())["lastHandledReconcileAt"], "now");
}

#[tokio::test]
async fn an_observed_schema_that_differs_is_located() {
    let observed = kind().with("managementPolicy", "Observe").with("adoption", "Override");
    let fixture = beside(observed.with("schema", json!({"type": "array"})), "mine").await;

    fixture.reconcile(&key()).await;

    let difference = fixture.status(&key())["difference"].to_string();
    assert!(difference.contains(" at /title") || difference.contains(" at /type"), "{difference}");
}

/// The kind without a schema.
fn without_schema() -> Manifest {
    kind().changed(|it| {
        it["spec"].as_object_mut().unwrap().remove("schema");
    })
}

#[tokio::test]
async fn schemas_in_svix_stay_when_none_is_declared() {
    let fixture = beside(without_schema(), "mine").await;
    let before = fixture.svix().snapshot().event_types["a.one"].schemas.clone();

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("InSync".to_owned(), Vec::new()));
    assert_eq!(fixture.events(&key()), ["Adopted"]);
    assert_eq!(fixture.status(&key())["payloadValidation"], "None");
    assert!(before.is_some());
    assert_eq!(fixture.svix().snapshot().event_types["a.one"].schemas, before);
}

#[tokio::test]
async fn without_a_schema_it_is_created_and_changed_without() {
    let fixture = synced(without_schema()).await;
    fixture.declare(without_schema().with("description", "another"));

    fixture.reconcile(&key()).await;

    let in_svix = fixture.svix().snapshot().event_types["a.one"].clone();
    assert_eq!((in_svix.description.as_str(), in_svix.schemas), ("another", None));
    assert!(fixture.message(&key()).contains("no schema is declared"), "{}", fixture.message(&key()));
}

#[tokio::test]
async fn a_schema_that_is_no_longer_declared_stays() {
    let fixture = synced(kind()).await;
    fixture.declare(without_schema());

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("InSync".to_owned(), Vec::new()));
    assert!(fixture.svix().snapshot().event_types["a.one"].schemas.is_some());
}

#[tokio::test]
async fn a_revival_keeps_nothing_that_is_not_declared() {
    let fixture = beside(event_type("a.one"), "earlier").await;
    let earlier = json!({"deprecated": true, "featureFlag": "earlier"});
    fixture.by_hand("PATCH", "/event-type/a.one", earlier).await;
    fixture.by_hand("DELETE", "/event-type/a.one", Value::Null).await;
    fixture.connect("default").await;

    fixture.reconcile(&key()).await;

    let in_svix = fixture.svix().snapshot().event_types["a.one"].clone();
    assert_eq!((in_svix.description.as_str(), in_svix.deprecated, in_svix.feature_flag), ("", false, None));
    assert!(!in_svix.archived);
    assert_eq!(fixture.reason(&key()), "InSync");
}
