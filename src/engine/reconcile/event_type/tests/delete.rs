//! What becomes of an event type in Svix when its object goes.

use super::*;

#[tokio::test]
async fn deleting_it_archives() {
    let fixture = synced(kind()).await;
    fixture.delete(&key());

    fixture.reconcile(&key()).await;

    assert!(!fixture.exists(&key()));
    assert!(fixture.svix().snapshot().event_types["a.one"].archived);
    assert_eq!(fixture.events(&key()), ["Created", "Archived"]);
}

#[tokio::test]
async fn deleting_it_expunges_if_it_says_so() {
    let fixture = synced(kind().with("deletionPolicy", "Expunge")).await;
    fixture.delete(&key());

    fixture.reconcile(&key()).await;

    assert!(fixture.svix().snapshot().event_types.is_empty());
    assert_eq!(fixture.events(&key()), ["Created", "Expunged"]);
}

#[tokio::test]
async fn those_who_receive_the_events_are_named_in_a_warning() {
    let fixture = synced(kind()).await;
    for hook in [endpoint("hook"), endpoint("s3cret").in_namespace("elsewhere")] {
        fixture.declare(hook.clone());
        fixture.reconcile(&hook.key()).await;
    }
    fixture.delete(&key());

    fixture.reconcile(&key()).await;

    let published = fixture.ctx.host.events(&key());
    let archived = published.iter().find(|it| it.reason == "Archived").unwrap();
    let expected = "event type a.one; 2 endpoints receive its events: hook, and 1 in other namespaces";
    assert_eq!((archived.warning, archived.message.as_str()), (true, expected));
}

#[tokio::test]
async fn endpoints_that_go_as_well_are_no_reason_for_a_warning() {
    let fixture = synced(kind()).await;
    fixture.declare(endpoint("hook"));
    fixture.reconcile(&endpoint("hook").key()).await;
    fixture.delete(&endpoint("hook").key());
    fixture.delete(&key());

    fixture.reconcile(&key()).await;

    let published = fixture.ctx.host.events(&key());
    assert!(published.iter().any(|it| it.reason == "Archived" && !it.warning), "{published:?}");
}

#[tokio::test]
async fn what_was_never_written_is_not_cleaned_up() {
    let fixture = beside(kind().finalized(), "theirs").await;
    fixture.delete(&key());

    fixture.reconcile(&key()).await;

    assert!(!fixture.exists(&key()));
    assert!(!fixture.svix().snapshot().event_types["a.one"].archived);
    assert_eq!(fixture.svix().calls(), []);
}

#[tokio::test]
async fn a_claim_without_status_is_cleaned_up() {
    let fixture = declaring(kind()).await;
    fixture.ctx.host.fail(Write::Report, HostError::Failed("500".to_owned()));
    fixture.reconcile(&key()).await;
    fixture.ctx.host.recover();
    fixture.delete(&key());

    fixture.reconcile(&key()).await;

    assert!(fixture.svix().snapshot().event_types["a.one"].archived);
}

#[tokio::test]
async fn the_next_owner_takes_over_without_a_write() {
    let fixture = synced(kind()).await;
    let next = kind().named("other").with("name", "a.one").with("adoption", "Never");
    fixture.declare(next.clone());
    fixture.delete(&key());

    fixture.reconcile(&key()).await;
    fixture.remove(&key());
    fixture.reconcile(&next.key()).await;

    assert_eq!((fixture.reason(&next.key()), fixture.writes()), ("InSync".to_owned(), Vec::new()));
    assert_eq!(fixture.events(&key()), ["Created", "HandedOver"]);
}

#[tokio::test]
async fn what_was_half_created_elsewhere_is_archived_there() {
    // Given an event type whose creation was not recorded
    let fixture = declaring(kind()).await.with(connection().permissive().named("other"));
    fixture.connect("other").await;
    fixture.ctx.host.fail(Write::Report, HostError::Failed("crash".to_owned()));
    fixture.reconcile(&key()).await;
    fixture.ctx.host.recover();
    fixture.svix().clear_calls();

    // When it names another connection
    fixture.declare(kind().with("connectionRef", json!({"name": "other"})));
    fixture.reconcile(&key()).await;

    // Then it is archived on the first one before it is created on the other.
    assert_eq!(fixture.writes(), ["event-type.delete", "event-type.create"]);
    assert_eq!(fixture.status(&key())["svix"]["connection"], "other");
}

#[tokio::test]
async fn a_claim_of_another_content_is_not_cleaned_up_elsewhere() {
    // Given a claim on one connection, on which somebody else created the event type meanwhile
    let fixture = declaring(kind()).await.with(connection().permissive().named("other"));
    fixture.ctx.host.fail(Write::Report, HostError::Failed("crash".to_owned()));
    fixture.reconcile(&key()).await;
    fixture.ctx.host.recover();
    fixture.by_hand("PATCH", "/event-type/a.one", json!({"description": "theirs"})).await;
    fixture.connect("other").await;

    // When the object names another connection
    fixture.declare(kind().with("connectionRef", json!({"name": "other"})));
    fixture.reconcile(&key()).await;

    // Then the event type stays.
    assert!(!fixture.svix().snapshot().event_types["a.one"].archived);
    assert_eq!(description(&fixture), "theirs");
}
