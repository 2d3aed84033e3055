//! What `payloadPolicy: Enforce` would have refused, in the status of event types.

use std::time::Duration;

use serde_json::json;
use svix_operator::{
    api::PayloadAudit,
    engine::{Kind, Object},
};

use crate::support::{
    harness::{Harness, PATIENCE},
    objects::{event, event_type, key},
    wait::eventually,
};

fn audit(harness: &Harness) -> Option<PayloadAudit> {
    match harness.object(&key(Kind::EventType, "a.one")) {
        Some(Object::EventType(event_type)) => event_type.status.as_ref()?.payload_audit.clone(),
        _ => None,
    }
}

async fn counted(harness: &Harness, count: i64) -> PayloadAudit {
    eventually(&format!("{count} events to be counted"), PATIENCE, async || match audit(harness) {
        Some(audit) if audit.count == count => Ok(audit),
        other => Err(format!("{other:?}")),
    })
    .await
}

#[tokio::test]
async fn it_continues_after_a_crash() {
    // Given an event type that lets three events pass which do not match
    let mut harness = Harness::auditing_every(Duration::from_millis(100)).await;
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    harness.declare([event_type("a.one").with("schema", schema).with("payloadPolicy", "Audit")]);
    let wrong = |name: &str| event(name, "a.one").with("payload", json!({"n": "s3cret"}));
    for name in ["one", "two", "three"] {
        harness.declare([wrong(name)]);
        harness.wait_for_reason(&wrong(name).key(), "NoEndpointMatched").await;
    }
    let before = counted(&harness, 3).await;

    // When the operator crashes, and another event passes
    harness.crash_and_restart().await;
    harness.declare([wrong("four")]);

    // Then it is counted beside the others, at the same place.
    let after = counted(&harness, 4).await;
    assert_eq!((after.places.len(), after.places[0].count), (1, 4));
    assert_eq!(after.places[0].first_seen, before.places[0].first_seen);
    let status = format!("{after:?} {:?}", harness.all_published());
    assert!(!status.contains("s3cret"), "{status}");
}

#[tokio::test]
async fn at_rest_nothing_is_written() {
    let mut harness = Harness::auditing_every(Duration::from_millis(100)).await;
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    harness.declare([event_type("a.one").with("schema", schema).with("payloadPolicy", "Audit")]);
    harness.declare([event("one", "a.one").with("payload", json!({"n": "x"}))]);
    let counted = counted(&harness, 1).await;

    let writes = harness.writes_while_listed(3).await;

    assert_eq!(writes, Vec::<String>::new());
    assert_eq!(audit(&harness), Some(counted));
}
