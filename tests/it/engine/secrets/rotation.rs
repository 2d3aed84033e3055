//! Signing keys that are rotated.

use super::*;

#[tokio::test]
async fn a_rotation_is_asked_for_once_and_leaves_both_keys() {
    let mut harness = harness(&published()).await;
    harness.wait_until_in_sync().await;
    let before = in_svix(&harness).unwrap().secret;
    harness.declare([published().annotated("svix-operator.dev/rotate-at", "now")]);
    eventually("the rotation to be handled", PATIENCE, async || {
        let status = status(&harness, &hook().key());
        if status["lastHandledRotateAt"] == "now" { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
    let after = in_svix(&harness).unwrap();
    assert_ne!(after.secret, before);
    assert_eq!(after.old_secrets, 1);
    assert_eq!(written(&harness, "signingKey"), Some(after.secret.clone()));
    assert_eq!(written(&harness, "signingKey.previous"), Some(before));
    assert_eq!(written(&harness, "signingKey.next"), None);
    assert!(status(&harness, &hook().key())["signingKey"]["previousValidUntil"].is_string());
    assert_eq!(harness.writes_while_listed(3).await, [""; 0]);
    harness.crash_and_restart().await;
    harness.wait_until_in_sync().await;
    assert_eq!(in_svix(&harness).unwrap().secret, after.secret, "a restart rotates nothing");
}

#[tokio::test]
async fn a_rotation_that_is_cut_off_happens_once() {
    for (drop_before, drop_after) in [(1.0, 0.0), (0.0, 1.0)] {
        // Given a Svix that does not answer a rotation, whether it carried it out or not
        let mut harness = harness(&published()).await;
        harness.wait_until_in_sync().await;
        let only = Some(vec!["endpoint.rotate-secret".to_owned()]);
        harness.svix.faults().set(FaultPlan { drop_before, drop_after, only, ..FaultPlan::default() });
        // When a rotation is asked for, and the operator dies in it
        harness.declare([published().annotated("svix-operator.dev/rotate-at", "now")]);
        eventually("the next key to be written down", PATIENCE, async || {
            let tried = harness.svix.calls().iter().any(|call| call.operation == "endpoint.rotate-secret");
            tried.then_some(())
        })
        .await;
        harness.crash_and_restart().await;
        harness.svix.faults().clear();
        // Then the key is replaced once, and the Secret has what Svix has.
        eventually("the rotation to be handled", PATIENCE, async || {
            (status(&harness, &hook().key())["lastHandledRotateAt"] == "now").then_some(())
        })
        .await;
        let found = in_svix(&harness).unwrap();
        assert_eq!(found.old_secrets, 1, "drop_after {drop_after}");
        assert_eq!(written(&harness, "signingKey"), Some(found.secret));
        assert_eq!(written(&harness, "signingKey.next"), None);
    }
}

#[tokio::test]
async fn making_the_object_again_never_rotates() {
    let mut harness = Harness::new().await;
    let kept =
        published().with("deletionPolicy", "Retain").annotated("svix-operator.dev/rotate-at", "last week");
    harness.declare([event_type("a.one"), kept.clone()]);
    harness.wait_until_in_sync().await;
    let before = in_svix(&harness).unwrap().secret;
    harness.delete(&hook().key());
    eventually("it to go", PATIENCE, async || harness.object(&hook().key()).is_none().then_some(())).await;
    harness.declare([kept]);
    harness.wait_until_in_sync().await;
    assert_eq!(in_svix(&harness).unwrap().secret, before);
    assert_eq!(status(&harness, &hook().key())["lastHandledRotateAt"], "last week");
}

#[tokio::test]
async fn the_limit_of_old_keys_is_respected_and_told() {
    let mut harness = harness(&published()).await;
    harness.wait_until_in_sync().await;
    for _ in 0..10 {
        harness
            .edit_svix("POST", &format!("{PATH}/secret/rotate"), json!({"gracePeriodSeconds": 604_800}))
            .await;
    }
    harness.declare([published().annotated("svix-operator.dev/rotate-at", "now")]);
    let reported = harness.wait_for_reason(&hook().key(), "RotationLimited").await;
    assert!(reported.message.contains("next key expires at"), "{}", reported.message);
    let rotations =
        harness.svix.calls().iter().filter(|call| call.operation == "endpoint.rotate-secret").count();
    assert!(rotations < 15, "it is not tried again and again: {rotations}");
}

#[tokio::test]
async fn a_rotation_needs_a_secret_to_write_to() {
    let asked = hook().annotated("svix-operator.dev/rotate-at", "now");
    let harness = harness(&asked).await;
    harness.wait_until_in_sync().await;
    let before = in_svix(&harness).unwrap().secret;
    eventually("it to be handled", PATIENCE, async || {
        (status(&harness, &hook().key())["lastHandledRotateAt"] == "now").then_some(())
    })
    .await;
    assert_eq!(in_svix(&harness).unwrap().secret, before);
    let reported =
        harness.all_published().into_iter().filter(|(_, note)| note.message.contains("toSecret")).count();
    assert_eq!(reported, 1);
}

#[tokio::test]
async fn a_requested_rotation_survives_a_lost_secret() {
    // Given an endpoint whose key is in a Secret
    let mut harness = harness(&published()).await;
    harness.wait_until_in_sync().await;
    harness.wait_until_idle().await;
    harness.crash_and_restart().await;
    harness.wait_until_in_sync().await;
    let before = in_svix(&harness).unwrap().secret;
    // When the Secret is lost, and the key is to be replaced for that
    let only = Some(vec!["endpoint.get-secret".to_owned()]);
    harness.svix.faults().set(FaultPlan { drop_before: 1.0, only, ..FaultPlan::default() });
    harness.forget_secret("hook-key");
    harness.declare([published().annotated("svix-operator.dev/rotate-at", "leaked")]);
    harness.svix.faults().clear();
    // Then it is replaced before that counts as handled.
    eventually("it to be handled", PATIENCE, async || {
        let status = status(&harness, &hook().key());
        if status["lastHandledRotateAt"] == "leaked" { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
    assert_ne!(in_svix(&harness).unwrap().secret, before);
    assert_eq!(written(&harness, "signingKey"), Some(in_svix(&harness).unwrap().secret));
}

#[test]
fn a_time_that_is_over_is_not_waited_for() {
    use svix_operator::plan::{secrets::Sensitive, signing};
    // Given a Secret from which somebody took the key before, but not the time until which it is valid
    let at = |second: i64| jiff::Timestamp::from_second(second).unwrap();
    let key = Sensitive::new(KEY);
    let journal = signing::Journal {
        current: Some(key.clone()),
        since: Some(at(0)),
        previous_until: Some(at(100)),
        ..signing::Journal::default()
    };
    let schedule =
        signing::Schedule { rotate_after: None, grace: std::time::Duration::ZERO, rotate_at: None };
    // When that time is over, then nothing is due: else it would be looked at ten times a second, for ever.
    let step = signing::plan(Some(&journal), &key, schedule, at(200));
    assert!(!matches!(step, signing::SigningKeyStep::Keep(Some(until)) if until <= at(200)), "{step:?}");
}
