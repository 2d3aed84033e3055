//! Clean-up, release, and what a missing connection does to them.
#![allow(clippy::unwrap_used)]

use serde_json::json;

use crate::{
    engine::testing::{Fixture, Manifest, Write, connection, endpoint, event_type},
    plan::Cause,
};

use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const ELEVEN_MINUTES: Duration = Duration::from_secs(660);

/// An endpoint that is in Svix.
fn hook() -> Manifest {
    endpoint("hook").finalized().with_status(json!({"svix": {
        "connection": "default", "application": "default", "id": "ep_1", "uid": "test.default.hook",
    }}))
}

/// A fixture whose connection cannot be used, for this reason.
fn unusable(error: ReconcileError) -> Fixture {
    let fixture = Fixture::new().with(connection());
    fixture.ctx.sessions.ensure("default").0.set_last_error(Some(error));
    fixture
}

fn token_missing() -> ReconcileError {
    ReconcileError::new(Reason::TokenNotFound, "no Secret").with_cause(Cause::TokenMissing)
}

#[tokio::test]
async fn an_object_without_our_finalizer_is_left_alone() {
    let fixture = Fixture::new().with(endpoint("hook").deleted(MINUTE));

    let next = fixture.reconcile(&hook().key()).await;

    assert_eq!((next, fixture.ctx.host.writes(&hook().key())), (Next::Settled, Vec::new()));
}

#[tokio::test]
async fn what_retains_is_released_without_a_call() {
    let ways = [
        ("deletionPolicy", json!("Retain")),
        ("managementPolicy", json!("Observe")),
        ("suspend", json!(true)),
    ];
    for (field, value) in ways {
        let retained = hook().with(field, value).deleted(Duration::ZERO);
        let fixture = Fixture::new().with(connection()).with(retained).connected().await;
        fixture.svix().clear_calls();

        fixture.reconcile(&hook().key()).await;

        assert!(!fixture.exists(&hook().key()), "{field}");
        assert_eq!(fixture.svix().calls(), [], "{field}");
    }
}

#[tokio::test]
async fn what_retains_needs_no_connection() {
    let fixture = Fixture::new().with(hook().with("deletionPolicy", "Retain").deleted(Duration::ZERO));

    fixture.reconcile(&hook().key()).await;

    assert!(!fixture.exists(&hook().key()));
}

#[tokio::test]
async fn a_missing_connection_is_waited_for_ten_minutes() {
    let fixture = Fixture::new().with(hook().deleted(MINUTE));

    let next = fixture.reconcile(&hook().key()).await;

    let Next::After(left) = next else { unreachable!("{next:?}") };
    assert!(left <= Duration::from_secs(540) && left > Duration::from_secs(530), "{left:?}");
    assert_eq!(fixture.reason(&hook().key()), "Deleting");
    assert!(fixture.message(&hook().key()).contains("deletionPolicy: Retain"));
    let limit = "The object is released without clean-up 10 minutes after its deletion";
    assert!(fixture.message(&hook().key()).contains(limit), "{}", fixture.message(&hook().key()));
}

#[tokio::test]
async fn an_orphaned_object_names_what_it_leaves_in_svix() {
    for (manifest, left) in [
        (hook(), "endpoint ep_1 (uid test.default.hook) in application default stays in Svix"),
        (recorded_event_type(), "event type a.one stays in Svix"),
    ] {
        let fixture = Fixture::new().with(manifest.clone().deleted(ELEVEN_MINUTES));

        fixture.reconcile(&manifest.key()).await;

        let message = fixture.ctx.host.events(&manifest.key()).remove(0).message;
        assert!(message.contains(left), "{message}");
    }
}

#[tokio::test]
async fn after_ten_minutes_without_a_connection_it_is_released() {
    let fixture = Fixture::new().with(hook().deleted(ELEVEN_MINUTES));

    fixture.reconcile(&hook().key()).await;

    assert!(!fixture.exists(&hook().key()));
    assert_eq!(fixture.events(&hook().key()), ["Orphaned"]);
}

#[tokio::test]
async fn a_missing_token_secret_is_waited_for_ten_minutes() {
    let fixture = unusable(token_missing()).with(hook().deleted(MINUTE));

    let next = fixture.reconcile(&hook().key()).await;

    assert!(matches!(next, Next::After(_)), "{next:?}");
    assert!(fixture.exists(&hook().key()));
}

#[tokio::test]
async fn after_ten_minutes_without_a_token_it_is_released() {
    for manifest in [hook(), recorded_event_type()] {
        let fixture = unusable(token_missing()).with(manifest.clone().deleted(ELEVEN_MINUTES));

        fixture.reconcile(&manifest.key()).await;

        assert!(!fixture.exists(&manifest.key()));
        assert_eq!(fixture.events(&manifest.key()), ["Orphaned"]);
    }
}

fn recorded_event_type() -> Manifest {
    let status = json!({"svix": {"connection": "default", "name": "a.one"}});
    event_type("a.one").finalized().with_status(status)
}

#[tokio::test]
async fn no_other_trouble_of_a_connection_releases_anything() {
    let year = Duration::from_secs(365 * 24 * 3600);
    let reasons = [Reason::SecretNotReadable, Reason::TokenNotFound, Reason::AuthenticationFailed];
    for reason in reasons {
        // The message names the word; only the cause counts.
        let error = ReconcileError::new(reason, "TokenNotFound: the API server failed with status 500");
        let fixture = unusable(error).with(hook().deleted(year));

        let next = fixture.reconcile(&hook().key()).await;

        assert_eq!(next, Next::Settled, "it is woken by the connection");
        assert!(fixture.exists(&hook().key()), "{reason}");
        assert_eq!(fixture.reason(&hook().key()), "Deleting");
    }
}

#[tokio::test]
async fn a_clean_up_that_svix_fails_says_how_to_get_out() {
    let fixture = Fixture::new().with(connection()).with(hook().deleted(ELEVEN_MINUTES)).connected().await;
    fixture.fail_svix("endpoint.get");

    let next = fixture.reconcile(&hook().key()).await;

    assert_eq!((next, fixture.reason(&hook().key())), (Next::Failed, "Deleting".to_owned()));
    let message = fixture.message(&hook().key());
    assert!(message.contains("SvixUnavailable") && message.contains("deletionPolicy: Retain"), "{message}");
}

#[tokio::test]
async fn a_release_that_fails_is_tried_again() {
    let fixture = Fixture::new().with(hook().with("deletionPolicy", "Retain").deleted(Duration::ZERO));
    fixture.ctx.host.fail(Write::Release, HostError::Failed("500".to_owned()));

    let next = fixture.reconcile(&hook().key()).await;

    assert_eq!((next, fixture.exists(&hook().key())), (Next::Failed, true));
}

#[tokio::test]
async fn a_connection_that_orphans_releases_its_objects() {
    let fixture = Fixture::new().with(connection().orphaning()).with(hook());

    fixture.reconcile(&hook().key()).await;

    assert!(!fixture.stored(&hook().key()).has_finalizer());
    assert_eq!(fixture.reason(&hook().key()), "ConnectionNotFound");
    assert!(fixture.status(&hook().key())["svix"]["id"].is_string(), "it is still in Svix");
}

/// An event type that is in Svix through the connection `before`.
fn moved() -> Manifest {
    let status = json!({"svix": {"connection": "before", "name": "a.one"}});
    event_type("a.one").finalized().with_status(status)
}

#[tokio::test]
async fn a_moved_object_is_cleaned_up_where_it_was() {
    let connections = Fixture::new().with(connection()).with(connection().named("before"));
    let fixture = connections.with(moved()).connected().await;
    fixture.by_hand("POST", "/event-type", json!({"name": "a.one", "description": ""})).await;

    let error =
        leave_connection(&fixture.ctx, &fixture.stored(&moved().key()), Mode::Manage).await.unwrap_err();

    let Error::Report(outcome) = error else { unreachable!("{error:?}") };
    assert_eq!((outcome.ready.reason(), outcome.remote), (Reason::Moving, Some(RemoteRef::None)));
    assert!(fixture.svix().snapshot().event_types["a.one"].archived);
    assert_eq!(fixture.events(&moved().key()), ["Archived", "Moved"]);
}

#[tokio::test]
async fn a_suspended_object_stays_on_its_connection() {
    let fixture = Fixture::new().with(connection()).with(moved().with("suspend", true));

    let left = leave_connection(&fixture.ctx, &fixture.stored(&moved().key()), Mode::Suspended).await;

    assert!(left.is_ok(), "{left:?}");
}

#[tokio::test]
async fn a_move_waits_for_the_connection_that_is_left() {
    let fixture = unusable(token_missing()).with(connection().named("before")).with(moved());

    let error =
        leave_connection(&fixture.ctx, &fixture.stored(&moved().key()), Mode::Manage).await.unwrap_err();

    let Error::Report(outcome) = error else { unreachable!("{error:?}") };
    assert_eq!((outcome.ready.reason(), outcome.remote), (Reason::Moving, None));
}
