//! The deliveries of an event that is sent.

use super::*;

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

/// Makes an event appear as if it was sent three seconds ago.
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

#[tokio::test]
async fn an_attempt_without_a_response_says_why() {
    // Nobody listens at the port of a listener that is gone.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hunter2", listener.local_addr().unwrap());
    drop(listener);
    let hook = endpoint("hook").with("url", url);
    let fixture = declaring(event("e")).await;
    fixture.declare(hook.clone());
    fixture.reconcile(&hook.key()).await;
    let deliveries = fixture.deliveries();
    fixture.reconcile(&key()).await;
    tokio::time::timeout(PATIENCE, deliveries.notified()).await.unwrap();

    fixture.reconcile(&key()).await;

    let message = fixture.message(&key());
    assert!(message.starts_with("an attempt got no response: "), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
}
