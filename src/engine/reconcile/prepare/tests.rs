//! What a reconcile begins with.
#![allow(clippy::unwrap_used)]

use serde_json::json;

use crate::{
    api::Reason,
    engine::testing::{Fixture, Manifest, connection, event_type},
    plan::ReconcileError,
};

use super::*;

async fn prepared(fixture: &Fixture, access: AccessCheck) -> Result<Prepared, Error> {
    prepare(&fixture.ctx, &fixture.stored(&event_type("a.one").key()), access).await
}

/// Returns the error of a reconcile that cannot begin, and whether it waits.
async fn why_not(fixture: &Fixture) -> (bool, ReconcileError) {
    match prepared(fixture, AccessCheck::Required).await.err().unwrap() {
        Error::Waiting(error, _) => (true, error),
        Error::Stalled(error, _) => (false, error),
        other => unreachable!("{other:?}"),
    }
}

/// A connection that permits nothing to the namespace `default`.
fn closed() -> Manifest {
    connection().with(
        "access",
        json!([{
            "namespaces": {"matchLabels": {"team": "billing"}}, "applications": ["*"], "eventTypes": ["*"],
        }]),
    )
}

#[tokio::test]
async fn a_connection_in_use_is_all_that_is_needed() {
    let fixture = Fixture::new().with(connection()).with(event_type("a.one")).connected().await;

    let prepared = prepared(&fixture, AccessCheck::Required).await.unwrap();

    assert_eq!(prepared.mode, Mode::Manage);
    assert!(Arc::ptr_eq(&prepared.session, &fixture.session()));
}

#[tokio::test]
async fn a_connection_that_is_missing_is_waited_for() {
    let fixture = Fixture::new().with(event_type("a.one"));

    let (waits, error) = why_not(&fixture).await;

    assert_eq!((waits, error.reason), (true, Reason::ConnectionNotFound));
}

#[tokio::test]
async fn a_connection_without_a_session_is_waited_for() {
    let fixture = Fixture::new().with(connection()).with(event_type("a.one"));

    let (waits, error) = why_not(&fixture).await;

    assert_eq!((waits, error.reason), (true, Reason::ConnectionNotReady));
}

#[tokio::test]
async fn what_is_not_permitted_is_refused_without_a_session() {
    let fixture = Fixture::new().with(closed()).with(event_type("a.one"));

    let (waits, error) = why_not(&fixture).await;

    assert_eq!((waits, error.reason), (false, Reason::NotPermitted));
}

#[tokio::test]
async fn what_is_only_followed_asks_no_permission() {
    let fixture = Fixture::new().with(closed()).with(event_type("a.one")).connected().await;

    let prepared = prepared(&fixture, AccessCheck::NotNeeded).await;

    assert!(prepared.is_ok());
}

#[tokio::test]
async fn a_connection_that_orphans_releases_the_object() {
    let fixture = Fixture::new().with(connection().orphaning()).with(event_type("a.one").finalized());

    let (waits, error) = why_not(&fixture).await;

    assert_eq!((waits, error.reason), (true, Reason::ConnectionNotFound));
    assert!(!fixture.stored(&event_type("a.one").key()).has_finalizer());
}

#[tokio::test]
async fn the_restraint_of_a_connection_counts() {
    let observed = connection().with("managementPolicy", "Observe");
    let fixture = Fixture::new().with(observed).with(event_type("a.one")).connected().await;

    let prepared = prepared(&fixture, AccessCheck::Required).await.unwrap();

    assert_eq!(prepared.mode, Mode::Observe);
}

#[tokio::test]
async fn an_object_leaves_its_former_connection_first() {
    let moved = event_type("a.one").with_status(json!({"svix": {"connection": "before", "name": "a.one"}}));
    let fixture = Fixture::new().with(connection()).with(moved).connected().await;

    let error = prepared(&fixture, AccessCheck::Required).await.err().unwrap();

    let Error::Report(outcome) = error else { unreachable!("{error:?}") };
    assert_eq!(outcome.ready.reason(), Reason::Moving);
}

#[tokio::test]
async fn a_start_leaves_what_status_says_of_the_present_spec() {
    for is_ready in [true, false] {
        let known = event_type("a.one").with_ready(is_ready, "InSync", "before");
        let fixture = Fixture::new().with(connection()).with(known);
        let key = event_type("a.one").key();

        let next = fixture.reconcile(&key).await;

        assert!(matches!(next, Next::After(_)), "it is not settled yet: {next:?}");
        assert_eq!((fixture.ctx.host.writes(&key), fixture.events(&key)), (Vec::new(), Vec::new()));
    }
}

#[tokio::test]
async fn a_start_does_not_claim_that_a_new_spec_is_reconciled() {
    let changed = event_type("a.one").with_ready(true, "InSync", "before").of_generation(2);
    let fixture = Fixture::new().with(connection()).with(changed);

    let (waits, error) = why_not(&fixture).await;

    assert_eq!((waits, error.reason), (true, Reason::ConnectionNotReady));
}

#[tokio::test]
async fn a_connection_that_is_known_to_be_wrong_is_reported() {
    let known = event_type("a.one").with_ready(true, "InSync", "before");
    let fixture = Fixture::new().with(connection()).with(known);
    let (handle, _) = fixture.ctx.sessions.ensure("default");
    handle.set_last_error(Some(ReconcileError::new(Reason::SvixUnavailable, "no response")));

    let (waits, error) = why_not(&fixture).await;

    assert_eq!((waits, error.reason), (true, Reason::ConnectionNotReady));
    assert!(error.message.contains("SvixUnavailable: no response"), "{error}");
}
