//! A token that cannot be read, and what becomes of objects that are being deleted meanwhile.

use std::time::Duration;

use svix_operator::engine::{ObjectKey, ReferenceError};

use crate::support::{
    harness::PATIENCE,
    objects::{Manifest, endpoint, event_type},
    records::Recorded,
    wait::eventually,
};

/// Longer than `orphan_after`.
const LONG_AGO: Duration = Duration::from_secs(24 * 3600);

fn hook() -> Manifest {
    endpoint("hook", &["a.one"])
}

fn uids(harness: &Recorded) -> Vec<String> {
    harness.svix.snapshot().applications["default"].endpoints.keys().cloned().collect()
}

/// An operator that starts without a token, while an endpoint that is in Svix has been deleted for long.
async fn restarted_with(token: ReferenceError, reason: &str) -> Recorded {
    let mut harness = Recorded::new().await;
    harness.apply(&event_type("a.one"));
    harness.apply(&hook());
    harness.wait_for_reason(&hook().key(), "InSync").await;
    harness.set_token(Err(token));
    harness.wait_for_reason(&ObjectKey::connection("default"), reason).await;
    harness.records.delete(&hook().key(), LONG_AGO);
    harness.restart();
    harness
}

/// Waits until the endpoint says that its clean-up waits for this reason of the connection.
async fn waits_for(harness: &Recorded, reason: &str) {
    eventually("the endpoint to say what it waits for", PATIENCE, async || {
        let message = harness.wait_for_reason(&hook().key(), "Deleting").await;
        if message.contains(reason) { Ok(()) } else { Err(message) }
    })
    .await;
}

/// Checks that nothing is released while this lasts, and that the clean-up is done once the token can be read again.
async fn is_cleaned_up_in_the_end(token: ReferenceError, reason: &str) {
    let harness = restarted_with(token, reason).await;

    waits_for(&harness, reason).await;
    assert_eq!(uids(&harness), ["test.default.hook"]);

    harness.set_token(Ok(harness.svix.token().to_owned()));
    harness.gone(&hook().key()).await;
    assert_eq!(uids(&harness), [""; 0]);
    assert!(!harness.published(&hook().key()).contains(&"Orphaned"));
}

#[tokio::test]
async fn an_api_server_that_fails_releases_nothing() {
    // The text names the reason of a Secret that is missing: no text decides.
    let failed = ReferenceError::Failed("TokenNotFound: status 500".to_owned());

    is_cleaned_up_in_the_end(failed, "SecretNotReadable").await;
}

#[tokio::test]
async fn a_permission_that_is_missing_releases_nothing() {
    let forbidden = ReferenceError::Forbidden("TokenNotFound: status 403".to_owned());

    is_cleaned_up_in_the_end(forbidden, "SecretNotReadable").await;
}

#[tokio::test]
async fn a_secret_without_the_key_releases_nothing() {
    let incomplete = ReferenceError::Incomplete("the Secret has no key \"token\"".to_owned());

    is_cleaned_up_in_the_end(incomplete, "TokenNotFound").await;
}

#[tokio::test]
async fn a_secret_that_does_not_exist_releases_without_clean_up() {
    let missing = ReferenceError::NotFound("the Secret does not exist".to_owned());

    let harness = restarted_with(missing, "TokenNotFound").await;

    harness.gone(&hook().key()).await;
    assert!(harness.published(&hook().key()).contains(&"Orphaned"));
    assert_eq!(uids(&harness), ["test.default.hook"]);
}
