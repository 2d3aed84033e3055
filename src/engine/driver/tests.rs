//! A connection: its token, its listings, its status, and how it goes.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use serde_json::json;

use crate::{
    api::ConditionType,
    engine::{
        context::Options,
        host::ReferenceError,
        object::ObjectKey,
        testing::{Fixture, Manifest, Write, connection, endpoint, event_type},
    },
    plan::Cause,
};

use super::*;

const PATIENCE: Duration = Duration::from_secs(60);

fn key() -> ObjectKey {
    connection().key()
}

fn handle(fixture: &Fixture) -> Arc<ConnectionHandle> {
    fixture.ctx.sessions.ensure("default").0
}

/// A fixture with a Svix, and a connection to it that has no driver yet.
async fn declaring(change: impl FnOnce(Manifest) -> Manifest) -> Fixture {
    within(Fixture::new(), change).await
}

async fn within(fixture: Fixture, change: impl FnOnce(Manifest) -> Manifest) -> Fixture {
    let fixture = fixture.with_svix().await;
    let url = fixture.svix().url();
    fixture.declare(change(connection().with("serverUrl", url)));
    fixture
}

/// Drives the connection until its status has this reason.
async fn drive_until(fixture: &Fixture, reason: &str) {
    let handle = handle(fixture);
    let is_reported = async {
        while fixture.reason(&key()) != reason {
            fixture.ctx.host.reported().await;
        }
    };
    tokio::select! {
        () = run(&fixture.ctx, "default", &handle, CancellationToken::new()) => unreachable!("the driver ended"),
        reported = tokio::time::timeout(PATIENCE, is_reported) => reported.unwrap(),
    }
}

/// Runs one pass of the driver.
async fn pass(fixture: &Fixture) -> SyncOutcome {
    sync::sync(&fixture.ctx, "default", &handle(fixture)).await
}

#[tokio::test]
async fn a_connection_that_works_says_so() {
    let patient = Options { settle: PATIENCE, ..Options::default() };
    let fixture = within(Fixture::with_options(patient), |it| it).await;

    drive_until(&fixture, "Connected").await;

    assert!(fixture.stored(&key()).has_finalizer());
    assert_eq!(fixture.status(&key())["serverUrl"], fixture.svix().url());
    assert_eq!(fixture.events(&key()), ["Connected"]);
    assert!(fixture.ctx.session("default").is_ok());
}

#[tokio::test]
async fn a_first_listing_that_lasts_is_reported() {
    let fixture = declaring(|it| it).await;

    drive_until(&fixture, "Connected").await;

    assert_eq!(fixture.events(&key()), ["ConnectionNotReady", "Connected"]);
}

#[tokio::test]
async fn the_first_listing_wakes_all_objects() {
    let fixture = declaring(|it| it).await.with(event_type("a.one")).with(endpoint("hook"));

    let outcome = pass(&fixture).await;

    assert!(matches!(outcome, SyncOutcome::Listed));
    assert_eq!(fixture.woken(), ["a.one", "hook"].map(str::to_owned).into());
}

#[tokio::test]
async fn a_later_listing_wakes_what_differs() {
    let fixture = declaring(|it| it).await.with(event_type("a.one")).with(event_type("a.two"));
    pass(&fixture).await;
    fixture.woken();
    fixture.by_hand("POST", "/event-type", json!({"name": "a.two", "description": ""})).await;

    pass(&fixture).await;

    assert_eq!(fixture.woken(), ["a.two".to_owned()].into());
}

#[tokio::test]
async fn a_token_secret_that_is_missing_is_a_cause() {
    let fixture = declaring(|it| it).await;
    pass(&fixture).await;
    fixture.ctx.host.set_token(Err(ReferenceError::NotFound("no Secret".to_owned())));

    drive_until(&fixture, "TokenNotFound").await;

    assert!(fixture.condition(&key(), ConditionType::Stalled).is_some());
    let unusable = fixture.ctx.session("default").err().unwrap();
    assert_eq!(unusable.cause, Some(Cause::TokenMissing));
}

#[tokio::test]
async fn a_token_that_is_empty_is_no_cause() {
    let fixture = declaring(|it| it).await;
    pass(&fixture).await;
    fixture.ctx.host.set_token(Err(ReferenceError::Incomplete("no key".to_owned())));

    drive_until(&fixture, "TokenNotFound").await;

    let unusable = fixture.ctx.session("default").err().unwrap();
    assert_eq!(unusable.cause, None);
}

#[tokio::test]
async fn a_token_secret_that_cannot_be_read_keeps_the_session() {
    let unreadable: [fn(String) -> ReferenceError; 2] = [ReferenceError::Failed, ReferenceError::Forbidden];
    for error in unreadable {
        let fixture = declaring(|it| it).await;
        pass(&fixture).await;
        // Only the kind of the error counts, not its text.
        fixture.ctx.host.set_token(Err(error("TokenNotFound".to_owned())));

        drive_until(&fixture, "SecretNotReadable").await;

        assert!(fixture.condition(&key(), ConditionType::Reconciling).is_some());
        assert!(fixture.ctx.session("default").is_ok());
    }
}

#[tokio::test]
async fn a_token_secret_that_was_never_read_is_no_cause() {
    let fixture = declaring(|it| it).await;
    fixture.ctx.host.set_token(Err(ReferenceError::Failed("500".to_owned())));

    drive_until(&fixture, "SecretNotReadable").await;

    let unusable = fixture.ctx.session("default").err().unwrap();
    assert_eq!(unusable.cause, None);
}

#[tokio::test]
async fn a_token_that_is_refused_ends_the_session() {
    let fixture = declaring(|it| it).await;
    pass(&fixture).await;
    fixture.ctx.host.set_token(Ok("wrong"));

    drive_until(&fixture, "AuthenticationFailed").await;

    assert!(fixture.ctx.session("default").is_err());
}

#[tokio::test]
async fn another_token_is_used_by_the_same_session() {
    let fixture = declaring(|it| it).await;
    fixture.ctx.host.set_token(Ok("wrong"));
    drive_until(&fixture, "AuthenticationFailed").await;
    fixture.ctx.host.set_token(Ok(fixture.svix().token()));

    drive_until(&fixture, "Connected").await;

    assert!(fixture.ctx.session("default").is_ok());
}

#[tokio::test]
async fn a_listing_that_fails_keeps_the_session() {
    let fixture = declaring(|it| it).await;
    pass(&fixture).await;
    fixture.fail_svix("event-type.list");

    drive_until(&fixture, "SvixUnavailable").await;

    assert!(fixture.ctx.session("default").is_ok());
}

#[tokio::test]
async fn a_ca_bundle_that_cannot_be_used_stalls() {
    let fixture = declaring(|it| it.with("caBundle", "no certificate")).await;

    drive_until(&fixture, "InvalidConnection").await;

    assert!(fixture.condition(&key(), ConditionType::Stalled).is_some());
}

#[tokio::test]
async fn another_reason_wakes_objects_without_a_session() {
    let fixture = Fixture::new().with(connection()).with(endpoint("hook"));
    let missing = || ReconcileError::new(Reason::TokenNotFound, "no Secret");

    set_error(&fixture.ctx, "default", &handle(&fixture), missing());
    let at_first = fixture.woken();
    set_error(&fixture.ctx, "default", &handle(&fixture), missing());
    let at_the_same = fixture.woken();
    let cause = missing().with_cause(Cause::TokenMissing);
    set_error(&fixture.ctx, "default", &handle(&fixture), cause);
    let at_another_cause = fixture.woken();

    assert_eq!((at_first.len(), at_the_same.len(), at_another_cause.len()), (1, 0, 1));
}

#[tokio::test]
async fn a_deleted_connection_waits_for_its_users() {
    let fixture = declaring(|it| it.finalized().deleted(Duration::ZERO)).await.with(endpoint("hook"));

    drive_until(&fixture, "InUse").await;

    assert!(fixture.message(&key()).contains("1 WebhookEndpoint still uses this connection"));
    assert!(fixture.exists(&key()));
}

#[tokio::test]
async fn a_deleted_connection_without_users_is_released() {
    let fixture = declaring(|it| it.finalized().deleted(Duration::ZERO)).await;

    pass(&fixture).await;

    assert!(!fixture.exists(&key()));
}

#[tokio::test]
async fn an_orphaning_connection_releases_its_objects_first() {
    let fixture = declaring(|it| it.finalized().orphaning()).await.with(endpoint("hook").finalized());

    let first = pass(&fixture).await;

    assert!(matches!(first, SyncOutcome::Releasing(_)));
    assert!(fixture.exists(&key()));
    assert_eq!(fixture.woken(), ["hook".to_owned()].into());
}

#[tokio::test]
async fn an_orphaning_connection_goes_when_all_are_released() {
    let fixture = declaring(|it| it.finalized().orphaning()).await.with(endpoint("hook").finalized());
    pass(&fixture).await;
    fixture.reconcile(&endpoint("hook").key()).await;

    pass(&fixture).await;

    assert_eq!(fixture.ctx.host.writes(&endpoint("hook").key()), [Write::Release, Write::Report]);
    assert!(!fixture.exists(&key()));
    assert_eq!(fixture.svix().calls(), []);
}

#[tokio::test]
async fn a_connection_that_does_not_exist_has_nothing_to_do() {
    let fixture = Fixture::new();

    let outcome = pass(&fixture).await;

    assert!(matches!(outcome, SyncOutcome::Gone));
}

#[tokio::test]
async fn failing_calls_are_noticed_without_a_listing() {
    let fixture = declaring(|it| it).await;
    drive_until(&fixture, "Connected").await;
    fixture.svix().faults().down(true);
    let session = fixture.session();
    let user = async {
        loop {
            let _ = session.client.get_event_type("a.one").await;
            tokio::task::yield_now().await;
        }
    };

    tokio::select! {
        () = user => unreachable!(),
        () = drive_until(&fixture, "SvixUnavailable") => {}
    }
}
