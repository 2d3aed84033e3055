//! Each class of error, and what follows from it.
#![allow(clippy::unwrap_used)]

use crate::{
    engine::{
        outcome::RemoteRef,
        testing::{Fixture, connection, event, event_type},
    },
    plan::status::ReadyState,
};

use super::*;

fn object() -> Object {
    event_type("a.one").object()
}

fn follows(error: impl Into<Error>) -> Result<Outcome, Next> {
    outcome_of(&Fixture::new().ctx, &object(), error.into())
}

fn svix(kind: ErrorKind) -> svix::Error {
    svix::Error { operation: "event-type.create", kind }
}

fn cause() -> ReconcileError {
    ReconcileError::new(Reason::InvalidSpec, "no")
}

#[test]
fn a_spec_that_cannot_be_carried_out_stalls() {
    let outcome = follows(cause()).unwrap();

    assert_eq!((outcome.ready, outcome.next), (ReadyState::Stalled(cause()), Next::Settled));
}

#[test]
fn what_changes_unnoticed_is_tried_again_later() {
    let minute = Duration::from_secs(60);

    let outcome = follows(Error::Stalled(cause(), Some(minute))).unwrap();

    assert_eq!((outcome.ready, outcome.next), (ReadyState::Stalled(cause()), Next::Later(minute)));
}

#[test]
fn what_waits_keeps_its_next() {
    let outcome = follows(Error::Waiting(cause(), Next::Failed)).unwrap();

    assert_eq!((outcome.ready, outcome.next), (ReadyState::Waiting(cause()), Next::Failed));
}

#[test]
fn an_outcome_is_reported_as_it_is() {
    let report = Outcome { remote: Some(RemoteRef::None), ..Outcome::stalled(cause()) };

    let outcome = follows(Error::Report(Box::new(report))).unwrap();

    assert_eq!(outcome.remote, Some(RemoteRef::None));
}

#[test]
fn a_requeue_reports_nothing() {
    assert_eq!(follows(Error::Requeue(Next::Failed)).unwrap_err(), Next::Failed);
}

#[test]
fn a_svix_that_fails_is_waited_for() {
    for kind in [ErrorKind::Server { status: 500 }, ErrorKind::Transport("reset".to_owned())] {
        let outcome = follows(svix(kind)).unwrap();

        assert_eq!((outcome.ready.reason(), outcome.next), (Reason::SvixUnavailable, Next::Failed));
        assert!(!outcome.ready.message().contains("reset"), "it changes with every try");
    }
}

#[test]
fn the_first_failed_call_is_named_with_its_status() {
    let fixture = Fixture::new();
    let message = |kind| {
        let outcome = outcome_of(&fixture.ctx, &object(), svix(kind).into()).unwrap();
        outcome.ready.message().to_owned()
    };

    let first = message(ErrorKind::Server { status: 503 });
    let second = message(ErrorKind::Transport("reset".to_owned()));

    assert_eq!(first, "event-type.create: Svix fails with status 503; the operator keeps trying");
    assert_eq!(second, first, "status does not change with every try");
}

/// Fails a reconcile of `a.one` with 500 while the connection works in between. Returns when it is tried again.
async fn fail_alone(fixture: &Fixture, times: u32) -> Next {
    fixture.fail_svix("event-type.create");
    let mut next = Next::Settled;
    for _ in 0..times {
        next = fixture.reconcile(&object().key()).await;
        fixture.session().client.probe().await.unwrap();
    }
    next
}

async fn connected() -> Fixture {
    Fixture::new().with(connection()).with(event_type("a.one")).connected().await
}

#[tokio::test]
async fn an_object_that_fails_alone_says_so() {
    let fixture = connected().await;

    let at_first = fail_alone(&fixture, 3).await;
    let (reason, _) = (fixture.reason(&object().key()), fail_alone(&fixture, 1).await);

    assert_eq!((reason.as_str(), at_first), ("SvixUnavailable", Next::Failed));
    assert_eq!(fixture.reason(&object().key()), "SvixFailsOnObject");
    let message = fixture.message(&object().key());
    assert!(message.starts_with("event-type.create: Svix fails with status 500 on this object"), "{message}");
}

#[tokio::test]
async fn an_object_that_fails_alone_backs_off_beyond_a_minute() {
    let fixture = connected().await;

    let Next::Later(delay) = fail_alone(&fixture, 20).await else { unreachable!("it is tried again") };

    assert!((Duration::from_secs(300)..=Duration::from_secs(600)).contains(&delay), "{delay:?}");
}

#[tokio::test]
async fn an_object_that_failed_alone_recovers_when_it_changes() {
    let fixture = connected().await;
    fail_alone(&fixture, 5).await;
    fixture.recover_svix();
    fixture.declare(event_type("a.one").with("description", "another"));

    fixture.reconcile(&object().key()).await;

    assert_eq!(fixture.reason(&object().key()), "InSync");
}

#[tokio::test]
async fn a_restart_keeps_what_is_known_of_an_object_that_fails_alone() {
    let fixture = connected().await;
    fail_alone(&fixture, 5).await;
    fixture.ctx.scratch.forget(&object().key());

    fail_alone(&fixture, 1).await;

    assert_eq!(fixture.events(&object().key()), ["SvixUnavailable", "SvixFailsOnObject"]);
}

#[tokio::test]
async fn an_outage_is_no_failure_of_an_object() {
    let fixture = connected().await;
    fixture.fail_all_of_svix();

    for _ in 0..10 {
        fixture.reconcile(&object().key()).await;
    }

    assert_eq!(fixture.reason(&object().key()), "SvixUnavailable");
}

#[test]
fn throttling_is_no_failure_of_the_object() {
    let outcome = follows(svix(ErrorKind::Throttled { retry_after: None })).unwrap();

    assert_eq!(outcome.ready.reason(), Reason::Throttled);
    assert!(matches!(outcome.next, Next::After(_)), "{:?}", outcome.next);
}

#[test]
fn a_token_that_is_not_accepted_is_tried_each_minute() {
    let refused = ErrorKind::Unauthorized { status: 401, detail: "no".to_owned() };

    let outcome = follows(svix(refused)).unwrap();

    assert_eq!(
        (outcome.ready.reason(), outcome.next),
        (Reason::ConnectionNotReady, Next::After(TOKEN_RETRY))
    );
}

#[test]
fn content_that_svix_refuses_stalls_with_advice() {
    let fixture = Fixture::new();
    let refused = || {
        svix(ErrorKind::Refused { status: 422, detail: "too long".to_owned(), members: Vec::new() }).into()
    };

    let of_event_type = outcome_of(&fixture.ctx, &object(), refused()).unwrap().ready;
    let of_event = outcome_of(&fixture.ctx, &event("e").object(), refused()).unwrap().ready;

    assert_eq!(of_event_type.reason(), Reason::RefusedBySvix);
    assert!(of_event_type.message().ends_with("too long; change the spec"), "{of_event_type:?}");
    assert!(of_event.message().ends_with("too long; create another WebhookEvent"), "{of_event:?}");
}

#[tokio::test]
async fn a_failure_has_svix_listed_but_a_conflict_does_not() {
    let fixture = Fixture::new();
    let (handle, _) = fixture.ctx.sessions.ensure("default");

    let _ = outcome_of(&fixture.ctx, &object(), svix(ErrorKind::Conflict { detail: String::new() }).into());
    let after_conflict = futures::poll!(std::pin::pin!(handle.relist_requested())).is_ready();
    let _ = outcome_of(&fixture.ctx, &object(), svix(ErrorKind::NotFound).into());
    let after_404 = futures::poll!(std::pin::pin!(handle.relist_requested())).is_ready();

    assert_eq!((after_conflict, after_404), (false, true));
}

#[test]
fn an_object_that_is_gone_needs_nothing() {
    assert_eq!(follows(HostError::Gone).unwrap_err(), Next::Settled);
}

#[test]
fn a_write_in_kubernetes_that_fails_is_tried_again() {
    let failures = [
        HostError::Conflict,
        HostError::Forbidden("no".to_owned()),
        HostError::Refused("no".to_owned()),
        HostError::Failed("no".to_owned()),
    ];
    for error in failures {
        assert_eq!(follows(error).unwrap_err(), Next::Failed);
    }
}
