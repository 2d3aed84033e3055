//! An event: judged, sent once, followed.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use axum::Router;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    api::ConditionType,
    engine::{
        host::HostError,
        object::ObjectKey,
        queue::Next,
        testing::{Fixture, Manifest, Write, connection, endpoint, event, event_type},
    },
};

const PATIENCE: Duration = Duration::from_secs(60);

fn key() -> ObjectKey {
    event("e").key()
}

/// A fixture with this object, connected to a Svix that has event type `a.one` and the application.
async fn declaring(event: Manifest) -> Fixture {
    of_type(event_type("a.one"), event).await
}

async fn of_type(event_type: Manifest, event: Manifest) -> Fixture {
    let fixture = Fixture::new().with(connection()).with(event_type.clone()).with(event).with_svix().await;
    fixture.by_hand("POST", "/app", json!({"name": "default", "uid": "default"})).await;
    fixture.connect("default").await;
    fixture.reconcile(&event_type.key()).await;
    fixture.svix().clear_calls();
    fixture
}

/// An event type whose payloads must have a number `card`.
fn strict(policy: &str) -> Manifest {
    let schema = json!({"type": "object", "properties": {"card": {"type": "number"}}});
    event_type("a.one").with("schema", schema).with("payloadPolicy", policy)
}

/// An event that violates the schema of [`strict`].
fn wrong() -> Manifest {
    event("e").with("payload", json!({"card": "4242"}))
}

/// Returns a moment this long ago, for status.
fn ago(duration: Duration) -> Value {
    (Timestamp::now() - duration).to_string().into()
}

#[tokio::test]
async fn it_is_sent_once() {
    let fixture = declaring(event("e")).await;

    fixture.reconcile(&key()).await;
    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("Sent".to_owned(), vec!["message.create"]));
    assert_eq!(fixture.events(&key()), ["EventSent"]);
    assert_eq!(fixture.status(&key())["messageId"], fixture.messages_in_svix()[0].id);
}

#[tokio::test]
async fn its_application_is_created_with_it() {
    let fixture =
        Fixture::new().with(connection()).with(event_type("a.one")).with(event("e")).connected().await;
    fixture.reconcile(&event_type("a.one").key()).await;
    fixture.svix().clear_calls();

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.writes(), ["application.create", "message.create"]);
}

#[tokio::test]
async fn its_attempt_is_recorded_before_it_is_sent() {
    let fixture = declaring(event("e")).await;
    fixture.ctx.host.fail(Write::Report, HostError::Failed("500".to_owned()));

    let next = fixture.reconcile(&key()).await;

    assert_eq!((next, fixture.writes()), (Next::Failed, Vec::new()));
}

#[tokio::test]
async fn after_a_lost_response_it_is_found() {
    let fixture = declaring(event("e")).await;
    fixture.lose_responses("message.create");
    fixture.reconcile(&key()).await;
    fixture.recover_svix();

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("Sent".to_owned(), vec!["message.create"]));
    assert_eq!(fixture.messages_in_svix().len(), 1);
}

#[tokio::test]
async fn after_a_failure_it_is_sent_again() {
    let fixture = declaring(event("e")).await;
    fixture.fail_svix("message.create");
    fixture.reconcile(&key()).await;
    fixture.recover_svix();

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.reason(&key()), "Sent");
    assert_eq!(fixture.messages_in_svix().len(), 1);
}

#[tokio::test]
async fn an_id_that_is_taken_is_not_sent_over() {
    let fixture = declaring(event("e").with("eventId", "e-1")).await;
    let other = json!({"eventType": "a.one", "eventId": "e-1", "payload": {"name": "another"}});
    fixture.by_hand("POST", "/app/default/msg", other).await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("EventIdTaken".to_owned(), Vec::new()));
}

#[tokio::test]
async fn an_attempt_of_yesterday_is_not_repeated() {
    let fixture = declaring(event("e")).await;
    let day = Duration::from_secs(25 * 3600);
    fixture.edit(&key(), |it| it["status"] = json!({"firstAttemptAt": ago(day)}));

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("NotSent".to_owned(), Vec::new()));
}

#[tokio::test]
async fn an_event_type_that_nobody_declares_is_waited_for() {
    let fixture = Fixture::new().with(connection()).with(event("e")).connected().await;

    let next = fixture.reconcile(&key()).await;

    assert_eq!((next, fixture.writes()), (Next::Settled, Vec::new()));
    assert_eq!(fixture.reason(&key()), "WaitingForEventType");
}

#[tokio::test]
async fn an_event_type_that_comes_wakes_it() {
    let fixture = Fixture::new().with(connection()).with(event("e")).connected().await;
    fixture.reconcile(&key()).await;
    fixture.declare(event_type("a.one"));

    fixture.reconcile(&event_type("a.one").key()).await;

    assert!(fixture.woken().contains("e"));
}

#[tokio::test]
async fn it_waits_for_endpoints_that_are_declared_with_it() {
    let fixture = declaring(event("e")).await;
    fixture.declare(endpoint("hook"));

    let next = fixture.reconcile(&key()).await;

    assert_eq!((next, fixture.writes()), (Next::After(Duration::from_millis(100)), Vec::new()));
    assert_eq!(fixture.status(&key()), Value::Null);
}

#[tokio::test]
async fn it_is_sent_once_the_endpoints_are_there() {
    let fixture = declaring(event("e")).await;
    fixture.declare(endpoint("hook"));
    fixture.reconcile(&key()).await;
    fixture.reconcile(&endpoint("hook").key()).await;

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.reason(&key()), "Sent");
    assert_eq!(fixture.status(&key())["attempts"]["pending"], 1);
}

#[tokio::test]
async fn a_payload_that_matches_is_accepted() {
    let fixture = of_type(strict("Enforce"), event("e").with("payload", json!({"card": 4242}))).await;

    fixture.reconcile(&key()).await;

    let accepted = fixture.condition(&key(), ConditionType::Accepted);
    assert_eq!(accepted.map(|(reason, _)| reason).as_deref(), Some("PayloadValid"));
}

#[tokio::test]
async fn a_payload_that_does_not_match_is_not_sent() {
    let fixture = of_type(strict("Enforce"), wrong()).await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("InvalidPayload".to_owned(), Vec::new()));
    assert!(fixture.message(&key()).contains("4242"), "{}", fixture.message(&key()));
}

#[tokio::test]
async fn no_kubernetes_event_shows_a_payload() {
    for policy in ["Enforce", "Warn"] {
        let fixture = of_type(strict(policy), wrong()).await;

        fixture.reconcile(&key()).await;

        let records = fixture.ctx.host.events(&key());
        assert!(records[0].warning && records[0].message.contains("/card"), "{records:?}");
        assert!(records.iter().all(|record| !record.message.contains("4242")), "{records:?}");
    }
}

#[tokio::test]
async fn with_warn_it_is_sent_all_the_same() {
    let fixture = of_type(strict("Warn"), wrong()).await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("Sent".to_owned(), vec!["message.create"]));
    assert_eq!(fixture.events(&key()), ["PayloadMismatch", "EventSent"]);
}

#[tokio::test]
async fn with_audit_it_is_sent_without_a_warning() {
    let fixture = of_type(strict("Audit"), wrong()).await;

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.events(&key()), ["EventSent"]);
    let accepted = fixture.condition(&key(), ConditionType::Accepted);
    assert_eq!(accepted.map(|(reason, _)| reason).as_deref(), Some("PayloadMismatch"));
}

#[tokio::test]
async fn another_schema_wakes_what_was_refused() {
    let fixture = of_type(strict("Enforce"), wrong()).await;
    fixture.reconcile(&key()).await;
    fixture.declare(event_type("a.one"));

    fixture.reconcile(&event_type("a.one").key()).await;

    assert!(fixture.woken().contains("e"));
}

#[tokio::test]
async fn a_suspended_connection_sends_nothing() {
    let suspended = connection().with("suspend", true);
    let fixture = Fixture::new().with(suspended).with(event("e")).connected().await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("Suspended".to_owned(), Vec::new()));
}

/// Starts a receiver, and returns its address.
async fn receiver() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(async || "thanks")).await });
    url
}

#[tokio::test]
async fn it_is_followed_until_it_is_delivered() {
    let hook = endpoint("hook").with("url", receiver().await);
    let fixture = declaring(event("e")).await;
    fixture.declare(hook.clone());
    fixture.reconcile(&hook.key()).await;
    let deliveries = fixture.deliveries();
    fixture.reconcile(&key()).await;
    tokio::time::timeout(PATIENCE, deliveries.notified()).await.unwrap();

    let next = fixture.reconcile(&key()).await;

    assert_eq!((next, fixture.reason(&key())), (Next::Settled, "Delivered".to_owned()));
    assert_eq!(fixture.status(&key())["attempts"], json!({"succeeded": 1, "pending": 0, "failed": 0}));
    assert_eq!(fixture.events(&key()), ["EventSent", "EventDelivered"]);
}

#[tokio::test]
async fn a_delivery_under_way_is_read_again() {
    let fixture = declaring(event("e")).await;
    fixture.reconcile(&key()).await;

    let next = fixture.reconcile(&key()).await;

    assert_eq!(next, Next::After(Duration::from_millis(500)));
    assert_eq!(fixture.status(&key())["finishedAt"], Value::Null);
}

/// Has an event look as if it was sent three seconds ago.
async fn sent_a_while_ago(fixture: &Fixture) {
    fixture.reconcile(&key()).await;
    fixture.edit(&key(), |it| it["status"]["sentAt"] = ago(Duration::from_secs(3)));
}

#[tokio::test]
async fn without_endpoints_nobody_matched() {
    let fixture = declaring(event("e")).await;
    sent_a_while_ago(&fixture).await;

    let next = fixture.reconcile(&key()).await;

    assert_eq!((next, fixture.reason(&key())), (Next::Settled, "NoEndpointMatched".to_owned()));
    assert_eq!(fixture.events(&key()), ["EventSent", "EventDelivered"]);
}

#[tokio::test]
async fn declared_endpoints_that_missed_it_are_named() {
    let fixture = declaring(event("e")).await;
    sent_a_while_ago(&fixture).await;
    fixture.declare(endpoint("hook").with_ready(false, "Conflict", "another has it"));

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.reason(&key()), "NoEndpointMatched");
    assert!(fixture.message(&key()).contains("hook"), "{}", fixture.message(&key()));
    assert_eq!(fixture.events(&key()), ["EventSent", "NoEndpointMatched"]);
}

#[tokio::test]
async fn a_message_that_is_gone_is_not_followed_any_more() {
    let fixture = declaring(event("e")).await;
    sent_a_while_ago(&fixture).await;
    fixture.edit(&key(), |it| it["status"]["messageId"] = "msg_nobody".into());

    let next = fixture.reconcile(&key()).await;

    assert_eq!((next, fixture.reason(&key())), (Next::Settled, "DeliveryUnknown".to_owned()));
}

#[tokio::test]
async fn a_finished_event_is_deleted_after_its_time() {
    let fixture = declaring(event("e").with("ttlAfterFinished", "1h")).await;
    sent_a_while_ago(&fixture).await;
    let finished = fixture.reconcile(&key()).await;
    let before = fixture.reconcile(&key()).await;
    fixture.edit(&key(), |it| it["status"]["finishedAt"] = ago(Duration::from_secs(3601)));

    fixture.reconcile(&key()).await;

    assert_eq!(finished, Next::Later(Duration::from_secs(3600)));
    assert!(matches!(before, Next::Later(_)), "{before:?}");
    assert!(!fixture.exists(&key()));
}
