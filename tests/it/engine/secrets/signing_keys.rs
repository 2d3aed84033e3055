//! Signing keys that are read from a Secret or written to one.

use super::*;

#[tokio::test]
async fn a_signing_key_from_a_secret_is_followed_and_kept() {
    let from = hook().with(
        "signingSecret",
        json!({"fromSecret": {"name": "keys", "key": "signing"}, "gracePeriod": "1h"}),
    );
    let mut harness = Harness::new().await;
    harness.set_secret("keys", "signing", KEY);
    harness.declare([event_type("a.one"), from]);
    harness.wait_until_in_sync().await;
    let made = in_svix(&harness).unwrap();
    assert_eq!(
        (made.secret.as_str(), made.old_secrets),
        (KEY, 0),
        "it is made with the key, not rotated to it"
    );
    harness.set_secret("keys", "signing", OTHER_KEY);
    eventually_in_svix(&harness, "the new key", |it| it.secret == OTHER_KEY && it.old_secrets == 1).await;
    harness.wait_until_in_sync().await;
    // Somebody rotates in Svix: the Secret decides.
    harness.edit_svix("POST", &format!("{PATH}/secret/rotate"), json!({})).await;
    eventually_in_svix(&harness, "the key back", |it| it.secret == OTHER_KEY).await;
    assert_eq!(harness.writes_while_listed(3).await, [""; 0]);
    harness.crash_and_restart().await;
    harness.wait_until_in_sync().await;
    assert_eq!(harness.writes_while_listed(2).await, [""; 0]);
}

#[tokio::test]
async fn the_key_of_svix_is_written_to_a_secret_and_kept_right() {
    let harness = harness(&published()).await;
    harness.wait_until_in_sync().await;
    assert_eq!(written(&harness, "signingKey"), Some(in_svix(&harness).unwrap().secret));
    assert_eq!(harness.written_secret("hook-key").unwrap().labels["app"], "receiver");
    assert_eq!(harness.writes_while_listed(2).await, [""; 0]);
    // Somebody rotates in Svix: both keys are there while both are valid.
    let before = in_svix(&harness).unwrap().secret;
    harness.edit_svix("POST", &format!("{PATH}/secret/rotate"), json!({})).await;
    eventually("the new key in the Secret", PATIENCE, async || {
        (written(&harness, "signingKey") == Some(in_svix(&harness)?.secret)).then_some(())
    })
    .await;
    assert_eq!(written(&harness, "signingKey.previous"), Some(before));
}

#[tokio::test]
async fn a_recreated_endpoint_keeps_its_published_key() {
    // Given two endpoints, and the key of one of them in a Secret
    let mut harness = harness(&published()).await;
    let bare = endpoint("bare", &["a.one"]);
    harness.declare([bare.clone()]);
    harness.wait_until_in_sync().await;
    let key = in_svix(&harness).unwrap().secret;
    let id = in_svix(&harness).unwrap().id;
    // When both are deleted in Svix
    harness.edit_svix("DELETE", PATH, json!(null)).await;
    harness.edit_svix("DELETE", "/app/default/endpoint/test.default.bare", json!(null)).await;
    eventually_in_svix(&harness, "it to be made again", |it| it.id != id).await;
    // Then the one has its key again, and for the other it is reported that it has not.
    eventually("the new key to be reported", PATIENCE, async || {
        harness.published(&bare.key()).contains(&"SigningKeyChanged").then_some(())
    })
    .await;
    harness.wait_until_in_sync().await;
    assert_eq!(in_svix(&harness).unwrap().secret, key);
    assert!(!harness.published(&hook().key()).contains(&"SigningKeyChanged"));
    let secret = harness.written_secret("hook-key").unwrap();
    assert_eq!((secret.text("signingKey"), secret.text("signingKey.previous")), (Some(&*key), None));
    let reported = harness.all_published();
    let note = reported.iter().find(|(_, note)| note.reason == "SigningKeyChanged").unwrap();
    assert!(note.1.warning && note.1.message.contains("signs with a new key"), "{note:?}");
}

#[tokio::test]
async fn a_secret_of_somebody_else_is_never_written_to() {
    let mut harness = Harness::new().await;
    harness.set_secret("hook-key", "signingKey", "theirs");
    harness.declare([event_type("a.one"), published()]);
    let reported = harness.wait_for_reason(&hook().key(), "SecretNotOurs").await;
    assert!(reported.message.starts_with("/spec/signingSecret/toSecret/name: "), "{}", reported.message);
    assert_eq!(written(&harness, "signingKey").as_deref(), Some("theirs"));
    assert!(in_svix(&harness).is_some(), "the endpoint itself is there");
}
