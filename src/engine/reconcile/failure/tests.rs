//! Each class of error, and what follows from it.
#![allow(clippy::unwrap_used)]

use crate::{
    engine::{
        outcome::RemoteRef,
        testing::{Fixture, event, event_type},
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
fn a_failure_of_svix_is_reported_with_its_status() {
    for (kind, expected) in [
        (ErrorKind::Server { status: 503 }, "Svix fails with status 503 ("),
        (ErrorKind::Transport("reset".to_owned()), "Svix does not respond ("),
        (ErrorKind::Answer { status: 200, message: "m".to_owned() }, "Svix responds with status 200 and"),
        (
            ErrorKind::Refused { status: 425, detail: "d".to_owned(), members: vec![] },
            "Svix asks to try again later with status 425 (",
        ),
    ] {
        let outcome = follows(svix(kind)).unwrap();

        assert!(outcome.ready.message().starts_with(expected), "{}", outcome.ready.message());
    }
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
