//! What happens between a look at an object and the record of it.

use std::time::Duration;

use serde_json::json;
use svix_operator::engine::{Kind, ObjectKey, ReferenceError};

use crate::support::{
    objects::{connection, endpoint, event, event_type, key},
    records::Recorded,
    wait::eventually,
};

const SOON: Duration = Duration::from_secs(60);

/// Waits until the engine knows the version that its own status write made, before the watch brings it.
async fn recorded(harness: &Recorded, key: &ObjectKey) {
    eventually("the engine to know its own write", SOON, async || {
        let stored = harness.stored(key).ok_or("gone")?.meta().resource_version.clone();
        let known = harness.engine.get(key).ok_or("unknown")?.meta().resource_version.clone();
        if stored == known { Ok(()) } else { Err(format!("{stored:?} {known:?}")) }
    })
    .await;
}

#[tokio::test]
async fn an_edit_right_before_a_status_write_is_carried_out() {
    let harness = Recorded::new().await;
    let kind = event_type("a.one").with("description", "first");
    let edited = kind.clone().with("description", "second");
    harness.records.before_report(&kind.key(), move |records| records.apply(&edited));
    harness.apply(&kind);
    // Given that the answer to the status write comes before the watch brings the edit
    eventually("the status", SOON, async || harness.stored(&kind.key()).unwrap().observed_generation()).await;
    recorded(&harness, &kind.key()).await;
    harness.watch();

    eventually("the edit to reach Svix", SOON, async || {
        let description = harness.svix.snapshot().event_types["a.one"].description.clone();
        if description == "second" { Ok(()) } else { Err(description) }
    })
    .await;
}

#[tokio::test]
async fn a_deletion_right_before_a_status_write_is_carried_out() {
    let harness = Recorded::new().await;
    harness.apply(&event_type("a.one"));
    let hook = endpoint("hook", &["a.one"]);
    let deleted = hook.key();
    harness.records.before_report(&hook.key(), move |records| records.delete(&deleted, Duration::ZERO));
    harness.apply(&hook);
    eventually("the status", SOON, async || {
        harness.stored(&hook.key()).is_none_or(|hook| hook.observed_generation().is_some()).then_some(())
    })
    .await;
    if harness.stored(&hook.key()).is_some() {
        recorded(&harness, &hook.key()).await;
    }

    harness.gone(&hook.key()).await;
    assert!(harness.svix.snapshot().endpoint("default", "test.default.hook").is_none());
}

#[tokio::test]
async fn a_deletion_right_before_a_status_write_counts() {
    let harness = Recorded::new().await;
    let deleted = key(Kind::Connection, "default");
    harness.wait_for_reason(&deleted, "Connected").await;
    let (of, again) = (deleted.clone(), connection("http://127.0.0.1:9").with("resyncInterval", "1h"));
    harness.records.before_report(&deleted, move |records| records.delete(&of, Duration::ZERO));
    harness.apply(&again);
    eventually("the status", SOON, async || {
        harness.stored(&deleted).is_none_or(|connection| connection.is_deleting()).then_some(())
    })
    .await;

    harness.gone(&deleted).await;
}

#[tokio::test]
async fn an_event_can_be_applied_before_its_event_type() {
    let harness = Recorded::new().await;
    let (before, after) = (event("before", "a.one"), event("after", "a.one"));
    harness.apply(&before);
    harness.wait_for_reason(&before.key(), "WaitingForEventType").await;
    // Svix has another of that name, which is not ours: the declaration stalls, but events are judged by it.
    let made = reqwest::Client::new()
        .post(format!("{}/api/v1/event-type", harness.svix.url()))
        .bearer_auth(harness.svix.token())
        .json(&json!({"name": "a.one", "description": "somebody's"}))
        .send();
    assert!(made.await.unwrap().status().is_success());
    let declared = event_type("a.one");
    harness.apply(&declared);
    harness.wait_for_reason(&declared.key(), "NotOurs").await;
    harness.apply(&after);
    harness.wait_for_reason(&after.key(), "NoEndpointMatched").await;
    harness.wait_for_reason(&before.key(), "NoEndpointMatched").await;
}

#[tokio::test]
async fn a_waiting_event_reports_an_unusable_event_type() {
    let harness = Recorded::new().await;
    let sent = event("e", "a.one");
    harness.apply(&sent);
    let message = harness.wait_for_reason(&sent.key(), "WaitingForEventType").await;
    assert!(message.contains("no object declares"), "{message}");
    let broken = event_type("a.one").with("schema", json!({"type": "strin"}));
    harness.apply(&broken);
    harness.wait_for_reason(&broken.key(), "InvalidSchema").await;
    eventually("it to say so", SOON, async || {
        let message = harness.wait_for_reason(&sent.key(), "WaitingForEventType").await;
        if message.contains("no object declares") { Err(message) } else { Ok(()) }
    })
    .await;
}

#[tokio::test]
async fn a_missing_token_delays_deletion_but_not_forever() {
    // Given two endpoints, and a token that is not there any more
    let harness = Recorded::new().await;
    harness.apply(&event_type("a.one"));
    let (now, long_ago) = (endpoint("now", &["a.one"]), endpoint("long-ago", &["a.one"]));
    for hook in [&now, &long_ago] {
        harness.apply(hook);
        harness.wait_for_reason(&hook.key(), "InSync").await;
    }
    harness
        .set_token(Err(ReferenceError::NotFound("Secret svix-operator/svix-token is not there".to_owned())));
    harness.wait_for_reason(&ObjectKey::connection("default"), "TokenNotFound").await;
    // When one was deleted just now, and one eleven minutes ago
    harness.records.delete(&now.key(), Duration::ZERO);
    harness.records.delete(&long_ago.key(), Duration::from_secs(660));
    harness.watch();
    // Then the one that waited long is let go, with a warning, and the other says what it waits for and how to get out.
    harness.gone(&long_ago.key()).await;
    assert!(harness.published(&long_ago.key()).contains(&"Orphaned"));
    let reported = harness.wait_for_reason(&now.key(), "Deleting").await;
    assert!(reported.contains("TokenNotFound") && reported.contains("deletionPolicy: Retain"), "{reported}");
    // When the token comes back, the other is cleaned up as if nothing had been.
    harness.set_token(Ok(harness.svix.token().to_owned()));
    harness.gone(&now.key()).await;
    let uids: Vec<_> = harness.svix.snapshot().applications["default"].endpoints.keys().cloned().collect();
    assert_eq!(uids, ["test.default.long-ago"]);
}
