//! Payloads whose validation takes long: others do not wait, and it is given up.

use serde_json::json;
use svix_operator::engine::Object;

use crate::support::{
    harness::Harness,
    hostile,
    objects::{Manifest, event, event_type},
};

fn heavy(name: &str) -> Manifest {
    event(name, "a.heavy").with("payload", hostile::heavy_payload())
}

/// The tests run on one thread, so a validation on it would let nothing else happen.
#[tokio::test]
async fn other_objects_do_not_wait_for_validations() {
    let mut harness = Harness::new().await;
    let kind = event_type("a.heavy").with("schema", hostile::heavy_schema());
    harness.declare([kind.clone()]);
    harness.wait_until_in_sync().await;

    harness.declare([heavy("one"), heavy("two"), heavy("three")]);
    let other = event_type("a.other");
    harness.declare([other.clone()]);
    harness.wait_for_reason(&other.key(), "InSync").await;

    let is_decided = |name: &str| match harness.object(&heavy(name).key()) {
        Some(Object::Event(event)) => event.status.as_ref().is_some_and(|it| !it.conditions.is_empty()),
        _ => false,
    };
    assert!(!["one", "two", "three"].into_iter().all(is_decided), "all were validated before");
}

#[tokio::test]
async fn a_validation_that_is_given_up_says_where() {
    let mut harness = Harness::new().await;
    let kind = event_type("a.heavy").with("schema", hostile::heavy_schema());
    harness.declare([kind.clone(), heavy("one")]);

    let ready = harness.wait_for_reason(&heavy("one").key(), "ValidationLimitExceeded").await;

    assert!(ready.message.contains("/spec/payload/a/"), "{}", ready.message);
    assert!(ready.message.contains("more than 40000000 steps"), "{}", ready.message);

    // Another schema validates it again.
    harness.declare([event_type("a.heavy").with("schema", json!({"type": "object"}))]);
    harness.wait_for_reason(&heavy("one").key(), "NoEndpointMatched").await;
}

#[tokio::test]
async fn numbers_are_compared_as_they_are_written() {
    let mut harness = Harness::new().await;
    let kind = event_type("a.number").with("schema", json!({"properties": {"n": {"multipleOf": 3}}}));
    let number = |name: &str, digits: &str| {
        event(name, "a.number")
            .with("payload", serde_json::Value::Null)
            .with("payloadText", format!(r#"{{"n": {digits}}}"#))
    };
    let (multiple, other) =
        (number("multiple", "12345678901234567890123"), number("other", "12345678901234567890124"));
    harness.declare([kind, multiple.clone(), other.clone()]);

    harness.wait_for_reason(&multiple.key(), "NoEndpointMatched").await;
    let ready = harness.wait_for_reason(&other.key(), "InvalidPayload").await;
    assert!(
        ready.message.contains("found 12345678901234567890124, expected a multiple of 3"),
        "{}",
        ready.message
    );
}
