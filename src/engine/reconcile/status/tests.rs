//! What status says of an outcome, and when it is written.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    api::{
        Action, Attempts, Condition, ConditionStatus, ConditionType, Difference, EndpointInSvix,
        EventTypeInSvix, Reason, Statistics, WebhookEventStatus,
    },
    engine::{
        context::Options,
        outcome::{Details, EventProgress},
        testing::{Fixture, Manifest, Write, connection, endpoint, event, event_type},
    },
    plan::{ReconcileError, status::ExtraCondition},
};

use super::*;

fn waiting() -> Outcome {
    let cause = ReconcileError::new(Reason::SvixUnavailable, "Svix fails");
    Outcome::waiting(cause, Next::Failed)
}

fn stalled() -> Outcome {
    Outcome::stalled(ReconcileError::new(Reason::InvalidSpec, "/spec/url: not a URL"))
}

fn event_type_in_svix() -> RemoteRef {
    RemoteRef::EventType(EventTypeInSvix {
        connection: "default".to_owned(),
        name: "a.one".to_owned(),
        fields: vec!["description".to_owned()],
    })
}

fn endpoint_in_svix() -> RemoteRef {
    RemoteRef::Endpoint(Box::new(EndpointInSvix {
        connection: "default".to_owned(),
        application: "default".to_owned(),
        id: "ep_1".to_owned(),
        uid: "test.default.hook".to_owned(),
        fields: Vec::new(),
        metadata_keys: Vec::new(),
        generation: Some(1),
        verified: None,
    }))
}

fn difference() -> Difference {
    Difference { action: Action::Change, fields: Vec::new(), more: None }
}

fn in_sync_condition() -> ExtraCondition {
    ExtraCondition {
        type_: ConditionType::InSync,
        status: ConditionStatus::False,
        reason: Reason::Differs,
        message: "it would be changed".to_owned(),
    }
}

/// With what an observed object's status says.
fn observed(manifest: Manifest) -> Manifest {
    manifest.with_status(json!({
        "svix": {"connection": "default", "application": "default", "id": "ep_1", "uid": "u", "name": "a.one"},
        "difference": {"action": "Change"},
        "conditions": [{
            "type": "InSync", "status": "False", "reason": "Differs", "message": "it would be changed",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }],
    }))
}

/// Returns the status that follows from an outcome, as JSON.
fn status_of(manifest: &Manifest, outcome: Outcome, is_managed: bool) -> Value {
    let object = manifest.object();
    match make(&object, &object, outcome, is_managed, Timestamp::UNIX_EPOCH) {
        Status::Connection(it) => serde_json::to_value(it),
        Status::EventType(it) => serde_json::to_value(it),
        Status::Endpoint(it) => serde_json::to_value(it),
        Status::Event(it) => serde_json::to_value(it),
    }
    .unwrap()
}

/// Returns type, status and reason of the conditions, in their order.
fn conditions(status: &Value) -> Vec<(ConditionType, ConditionStatus, String)> {
    let conditions: Vec<Condition> = serde_json::from_value(status["conditions"].clone()).unwrap();
    conditions.into_iter().map(|it| (it.type_, it.status, it.reason)).collect()
}

#[test]
fn what_is_in_sync_is_ready_and_names_its_generation() {
    for manifest in [event_type("a.one"), endpoint("hook")] {
        let status = status_of(&manifest.of_generation(7), Outcome::in_sync(RemoteRef::None), true);

        let ready = (ConditionType::Ready, ConditionStatus::True, "InSync".to_owned());
        assert_eq!(conditions(&status), [ready]);
        assert_eq!(status["observedGeneration"], 7);
    }
}

#[test]
fn what_waits_is_reconciling_whatever_the_kind() {
    for manifest in [connection(), event_type("a.one"), endpoint("hook")] {
        let status = status_of(&manifest, waiting(), true);

        let reason = "SvixUnavailable".to_owned();
        let expected = [
            (ConditionType::Reconciling, ConditionStatus::True, reason.clone()),
            (ConditionType::Ready, ConditionStatus::False, reason),
        ];
        assert_eq!(conditions(&status), expected);
    }
}

#[test]
fn what_waits_for_a_person_is_stalled_whatever_the_kind() {
    for manifest in [connection(), event_type("a.one"), endpoint("hook")] {
        let status = status_of(&manifest, stalled(), true);

        let reason = "InvalidSpec".to_owned();
        let expected = [
            (ConditionType::Stalled, ConditionStatus::True, reason.clone()),
            (ConditionType::Ready, ConditionStatus::False, reason),
        ];
        assert_eq!(conditions(&status), expected);
        assert_eq!(status["conditions"][1]["message"], "/spec/url: not a URL");
    }
}

#[test]
fn an_event_that_waits_is_not_sent_yet() {
    let status = status_of(&event("e"), waiting(), true);

    let sent = conditions(&status).into_iter().find(|(type_, ..)| *type_ == ConditionType::Sent).unwrap();
    assert_eq!(sent, (ConditionType::Sent, ConditionStatus::False, "SvixUnavailable".to_owned()));
    assert!(status.get("messageId").is_none(), "{status}");
}

#[test]
fn an_event_records_how_far_it_is() {
    let sent = WebhookEventStatus {
        message_id: Some("msg_1".to_owned()),
        attempts: Some(Attempts { pending: 2, ..Attempts::default() }),
        ..WebhookEventStatus::default()
    };
    let progress = EventProgress {
        status: sent,
        accepted: Some((Reason::PayloadValid, "it matches".to_owned())),
        is_missed: false,
    };
    let outcome = Outcome {
        ready: ReadyState::Ready(Reason::Sent, "sent; 2 to go".to_owned()),
        ..Outcome::in_sync(RemoteRef::Event(Box::new(progress)))
    };

    let status = status_of(&event("e"), outcome, true);

    assert_eq!((&status["messageId"], &status["attempts"]["pending"]), (&json!("msg_1"), &json!(2)));
    let accepted = (ConditionType::Accepted, ConditionStatus::True, "PayloadValid".to_owned());
    assert!(conditions(&status).contains(&accepted), "{status}");
}

#[test]
fn a_reference_to_svix_is_recorded() {
    let kind = status_of(&event_type("a.one"), Outcome::in_sync(event_type_in_svix()), true);
    let hook = status_of(&endpoint("hook"), Outcome::in_sync(endpoint_in_svix()), true);

    assert_eq!(kind["svix"], json!({"connection": "default", "name": "a.one", "fields": ["description"]}));
    assert_eq!(hook["svix"]["id"], "ep_1");
}

#[test]
fn a_failure_leaves_the_reference_as_it_was() {
    for manifest in [event_type("a.one"), endpoint("hook")] {
        let status = status_of(&observed(manifest), waiting(), true);

        assert_eq!(status["svix"]["connection"], "default");
    }
}

#[test]
fn what_is_not_in_svix_any_more_is_not_recorded() {
    for manifest in [event_type("a.one"), endpoint("hook")] {
        let outcome = Outcome { remote: Some(RemoteRef::None), ..waiting() };

        let status = status_of(&observed(manifest), outcome, true);

        assert!(status.get("svix").is_none(), "{status}");
    }
}

#[test]
fn an_outcome_without_details_keeps_what_was_observed() {
    for manifest in [event_type("a.one"), endpoint("hook")] {
        let status = status_of(&observed(manifest), waiting(), false);

        assert_eq!(status["difference"], json!({"action": "Change"}));
        let in_sync = (ConditionType::InSync, ConditionStatus::False, "Differs".to_owned());
        assert_eq!(conditions(&status)[0], in_sync);
    }
}

#[test]
fn details_replace_what_was_observed() {
    for manifest in [event_type("a.one"), endpoint("hook")] {
        let outcome = Outcome { details: Some(Box::default()), ..Outcome::in_sync(RemoteRef::None) };

        let status = status_of(&observed(manifest), outcome, false);

        assert!(status.get("difference").is_none(), "{status}");
        assert_eq!(conditions(&status).len(), 1, "{status}");
    }
}

#[test]
fn only_what_is_compared_says_in_sync_and_differs() {
    for manifest in [event_type("a.one"), endpoint("hook")] {
        let outcome = || Outcome {
            details: Some(Box::new(Details {
                extra_conditions: vec![in_sync_condition()],
                difference: Some(difference()),
                ..Details::default()
            })),
            ..Outcome::in_sync(RemoteRef::None)
        };

        let compared = status_of(&manifest, outcome(), false);
        let managed = status_of(&manifest, outcome(), true);

        assert_eq!(conditions(&compared)[0].0, ConditionType::InSync);
        assert!(compared.get("difference").is_some());
        assert_eq!(conditions(&managed).len(), 1);
        assert!(managed.get("difference").is_none());
    }
}

#[test]
fn statistics_and_the_signing_key_stay_without_details() {
    let statistics = Statistics { succeeded: 3, ..Statistics::default() };
    let details = Details { statistics: Some(statistics), ..Details::default() };
    let outcome = Outcome { details: Some(Box::new(details)), ..Outcome::in_sync(RemoteRef::None) };

    let before = status_of(&endpoint("hook"), outcome, true);
    let after = status_of(&endpoint("hook").with_status(before.clone()), waiting(), true);

    assert_eq!(before["statistics"]["succeeded"], 3);
    assert_eq!(after["statistics"], before["statistics"]);
}

#[test]
fn a_rotation_stays_handled() {
    let rotated = endpoint("hook").with_status(json!({"lastHandledRotateAt": "monday"}));
    let details = Details { handled_rotate_at: Some("tuesday".to_owned()), ..Details::default() };

    let again = Outcome { details: Some(Box::new(details)), ..Outcome::in_sync(RemoteRef::None) };
    let other = Outcome { details: Some(Box::default()), ..Outcome::in_sync(RemoteRef::None) };

    assert_eq!(status_of(&rotated, again, true)["lastHandledRotateAt"], "tuesday");
    assert_eq!(status_of(&rotated, other, true)["lastHandledRotateAt"], "monday");
}

#[test]
fn a_reconcile_request_is_handled_unless_it_waits() {
    let asked = |manifest: Manifest| manifest.annotated("svix-operator.dev/reconcile-at", "now");
    for manifest in [event_type("a.one"), endpoint("hook")].map(asked) {
        let ready = status_of(&manifest, Outcome::in_sync(RemoteRef::None), true);
        let stalled = status_of(&manifest, stalled(), true);
        let waiting = status_of(&manifest, waiting(), true);

        assert_eq!(ready["lastHandledReconcileAt"], "now");
        assert_eq!(stalled["lastHandledReconcileAt"], "now");
        assert!(waiting.get("lastHandledReconcileAt").is_none(), "{waiting}");
    }
}

#[test]
fn status_speaks_of_the_generation_that_was_reconciled() {
    let (reconciled, newer) = (endpoint("hook"), endpoint("hook").of_generation(2));

    let outcome = Outcome::in_sync(RemoteRef::None);
    let status = make(&newer.object(), &reconciled.object(), outcome, true, Timestamp::UNIX_EPOCH);

    let Status::Endpoint(status) = status else { unreachable!("it is an endpoint") };
    assert_eq!(status.observed_generation, Some(1));
}

#[test]
fn a_connection_keeps_the_server_that_it_used() {
    let used = connection().with_status(json!({"serverUrl": "http://svix"}));
    let details = Details { server_url: Some("http://other".to_owned()), ..Details::default() };

    let moved = Outcome { details: Some(Box::new(details)), ..waiting() };

    assert_eq!(status_of(&used, waiting(), true)["serverUrl"], "http://svix");
    assert_eq!(status_of(&used, moved, true)["serverUrl"], "http://other");
}

/// A fixture whose objects wait a minute until status says that they do.
fn patient() -> Fixture {
    Fixture::with_options(Options { settle: Duration::from_secs(60), ..Options::default() })
}

#[tokio::test(start_paused = true)]
async fn waiting_is_reported_once_it_has_lasted() {
    let (fixture, key) = (patient().with(event_type("a.one")), event_type("a.one").key());
    let outcome = || Outcome::waiting(ReconcileError::new(Reason::Moving, "it moves"), Next::Settled);

    let first = report(&fixture.ctx, &fixture.stored(&key), outcome()).await;
    let writes_at_first = fixture.ctx.host.writes(&key);
    tokio::time::advance(Duration::from_secs(60)).await;
    let then = report(&fixture.ctx, &fixture.stored(&key), outcome()).await;

    assert_eq!((first, writes_at_first), (Next::After(Duration::from_secs(60)), Vec::new()));
    assert_eq!((then, fixture.ctx.host.writes(&key)), (Next::Settled, vec![Write::Report]));
    assert_eq!(fixture.reason(&key), "Moving");
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_has_not_lasted_backs_off() {
    let (fixture, key) = (patient().with(event_type("a.one")), event_type("a.one").key());

    let next = report(&fixture.ctx, &fixture.stored(&key), waiting()).await;

    assert_eq!((next, fixture.ctx.host.writes(&key)), (Next::Failed, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn what_left_svix_is_recorded_at_once() {
    let (fixture, key) = (patient().with(observed(event_type("a.one"))), event_type("a.one").key());
    let outcome = Outcome { remote: Some(RemoteRef::None), ..waiting() };

    report(&fixture.ctx, &fixture.stored(&key), outcome).await;

    assert_eq!(fixture.ctx.host.writes(&key), [Write::Report]);
}

#[tokio::test(start_paused = true)]
async fn an_end_of_waiting_starts_the_time_again() {
    let (fixture, key) = (patient().with(event_type("a.one")), event_type("a.one").key());
    report(&fixture.ctx, &fixture.stored(&key), waiting()).await;
    report(&fixture.ctx, &fixture.stored(&key), Outcome::in_sync(event_type_in_svix())).await;
    tokio::time::advance(Duration::from_secs(60)).await;

    report(&fixture.ctx, &fixture.stored(&key), waiting()).await;

    assert_eq!(fixture.reason(&key), "InSync");
}

#[tokio::test]
async fn nothing_is_written_when_nothing_differs() {
    let (fixture, key) = (Fixture::new().with(event_type("a.one")), event_type("a.one").key());

    for _ in 0..3 {
        report(&fixture.ctx, &fixture.stored(&key), Outcome::in_sync(event_type_in_svix())).await;
    }

    assert_eq!(fixture.ctx.host.writes(&key), [Write::Report]);
    assert_eq!(fixture.events(&key), [""; 0]);
}

#[tokio::test]
async fn a_new_reason_is_published_once() {
    let (fixture, key) = (Fixture::new().with(event_type("a.one")), event_type("a.one").key());
    let because = |message: &str| Outcome::stalled(ReconcileError::new(Reason::InvalidSpec, message));

    for message in ["first", "second"] {
        report(&fixture.ctx, &fixture.stored(&key), because(message)).await;
    }

    let records = fixture.ctx.host.events(&key);
    assert_eq!(records, [EventRecord::warning("InvalidSpec", "first")]);
    assert_eq!(fixture.message(&key), "second");
}

#[tokio::test]
async fn an_event_shows_nothing_of_a_payload() {
    let (fixture, key) = (Fixture::new().with(event("e")), event("e").key());
    let cause = ReconcileError::new(Reason::InvalidPayload, "/card: found \"4242\"");
    let outcome = Outcome::stalled(cause.with_redacted("the payload does not match at /card"));

    report(&fixture.ctx, &fixture.stored(&key), outcome).await;

    assert_eq!(fixture.message(&key), "/card: found \"4242\"");
    let records = fixture.ctx.host.events(&key);
    assert_eq!(records, [EventRecord::warning("InvalidPayload", "the payload does not match at /card")]);
}

#[tokio::test]
async fn status_goes_onto_the_object_as_it_is_now() {
    let (fixture, key) = (Fixture::new().with(event_type("a.one")), event_type("a.one").key());
    let reconciled = fixture.stored(&key);
    fixture.edit(&key, |it| it["metadata"]["annotations"] = json!({"claimed": "meanwhile"}));

    report(&fixture.ctx, &reconciled, Outcome::in_sync(event_type_in_svix())).await;

    let known = fixture.ctx.registry.get(&key).unwrap();
    assert!(known.meta().annotations.as_ref().unwrap().contains_key("claimed"));
    assert_eq!(known.ready(), Some(true));
}

#[tokio::test]
async fn an_object_that_was_created_again_gets_no_status() {
    let (fixture, key) = (Fixture::new().with(event_type("a.one")), event_type("a.one").key());
    let reconciled = fixture.stored(&key);
    fixture.edit(&key, |it| it["metadata"]["uid"] = "another".into());

    report(&fixture.ctx, &reconciled, stalled()).await;

    assert_eq!(fixture.ctx.host.writes(&key), []);
}

#[tokio::test]
async fn a_status_that_cannot_be_written_is_tried_again() {
    let (fixture, key) = (Fixture::new().with(event_type("a.one")), event_type("a.one").key());
    let object = fixture.stored(&key);

    fixture.ctx.host.fail(Write::Report, HostError::Failed("500".to_owned()));
    let failed = report(&fixture.ctx, &object, stalled()).await;
    fixture.ctx.host.fail(Write::Report, HostError::Gone);
    let gone = report(&fixture.ctx, &object, stalled()).await;

    assert_eq!((failed, gone), (Next::Failed, Next::Settled));
}
