//! When status is written, and what is published with it.

use super::*;

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
