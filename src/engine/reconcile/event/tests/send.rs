//! An event is sent once, when its time has come.

use super::*;

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
async fn restored_after_days_it_is_found() {
    // Given an event that was sent, to a Svix that does not remember its id any more
    let fixture = declaring(event("e")).await;
    fixture.reconcile(&key()).await;
    let sent = fixture.status(&key())["messageId"].clone();
    fixture.svix().faults().accept_used_event_ids(true);

    // When a backup without statuses is restored
    fixture.edit(&key(), |it| it["status"] = Value::Null);
    assert_eq!(fixture.status(&key()), Value::Null);
    fixture.reconcile(&key()).await;

    // Then it is found
    assert_eq!((fixture.reason(&key()), fixture.writes()), ("Sent".to_owned(), vec!["message.create"]));
    assert_eq!(fixture.status(&key())["messageId"], sent);
    assert_eq!(fixture.messages_in_svix().len(), 1);
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
async fn a_suspended_connection_sends_nothing() {
    let suspended = connection().with("suspend", true);
    let fixture = Fixture::new().with(suspended).with(event("e")).connected().await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("Suspended".to_owned(), Vec::new()));
}
