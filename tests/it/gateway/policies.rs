//! The outcome of a message, by the policy of its event type and by the policy for undeclared event types.

use serde_json::json;
use svix_operator::{api::PayloadPolicy, gateway::Undeclared};

use super::{Harness, declared};
use crate::support::hostile;

const GOOD: &str = r#"{"n": 1}"#;
const BAD: &str = r#"{"n": "x", "secret": "canary"}"#;

#[tokio::test]
async fn each_policy_handles_an_invalid_payload() {
    for (event_type, status, warned, counted) in [
        ("a.enforce", 422, false, "Enforce"),
        ("a.warn", 202, true, "Warn"),
        ("a.audit", 202, false, "Audit"),
    ] {
        let gateway = Harness::new().await;
        let good = gateway.send(event_type, GOOD).await;
        assert!(good.status == 202 && !good.head.contains("svix-operator-warning"), "{good:?}");

        let bad = gateway.send(event_type, BAD).await;
        assert_eq!(bad.status, status, "{bad:?}");
        let warning = format!("svix-operator-warning: {event_type}: /n: found \"x\", expected an integer");
        assert_eq!(bad.head.contains(&warning), warned, "{bad:?}");
        assert_eq!(gateway.upstream.requests().len(), if status == 202 { 2 } else { 1 });
        gateway.check_metric(&format!("violations_total{{policy=\"{counted}\"}} 1")).unwrap();

        let check = gateway.post(&format!("/validate/{event_type}"), &[], BAD).await;
        assert_eq!(check.expect_invalid("body.n"), r#"found "x", expected an integer"#);
        assert_eq!(check.json()["policy"], counted);
        assert_eq!(check.json()["valid"], false);
    }
}

#[tokio::test]
async fn an_undeclared_event_type_is_rejected_or_forwarded() {
    let refusing = Harness::new().await;

    let message = refusing.send("a.none", GOOD).await.expect_invalid("body.eventType");
    assert!(
        message.contains("\"a.none\"")
            && message.contains("declare it")
            && message.contains("--undeclared pass"),
        "{message}"
    );

    assert_eq!(refusing.upstream.requests().len(), 0);
    refusing.check_metric("requests_total{outcome=\"undeclared\"} 1").unwrap();
    refusing.post("/validate/a.none", &[], GOOD).await.expect_code(404, "not_found");

    let passing = Harness::with(|options| options.undeclared = Undeclared::Pass).await;
    assert_eq!(passing.send("a.none", GOOD).await.status, 202);
    assert_eq!(passing.send("a.enforce", BAD).await.status, 422);

    // A message that is not judged must still be unambiguous about its event type.
    let twice = r#"{"eventType": "a.none", "eventType": "a.enforce", "payload": {"n": "x"}}"#;
    assert_eq!(passing.post(super::SEND, &[], twice).await.status, 422);
    assert_eq!(passing.upstream.requests().len(), 1);
}

#[tokio::test]
async fn every_violation_names_its_field() {
    let gateway = Harness::new().await;
    let schema = json!({"properties": {"a/b": {"items": {"type": "integer"}}, "~": {"enum": [1]}}, "required": ["id"]});
    let declared = super::declared(&schema, svix_operator::api::PayloadPolicy::Enforce);
    gateway.catalogue.put("default", "a.deep", declared).unwrap();

    let response = gateway.send("a.deep", r#"{"a/b": [1, "x"], "~": 2}"#).await;
    assert_eq!(response.expect_invalid("body.payload.a/b.1"), r#"found "x", expected an integer"#);
    assert_eq!(response.expect_invalid("body.payload.~"), "found 2, expected 1");
    assert_eq!(response.expect_invalid("body.payload"), r#"found no "id", which is required"#);

    let many: Vec<_> = (0..50).map(|_| "\"x\"").collect();
    let response = gateway.send("a.deep", &format!(r#"{{"id": 1, "a/b": [{}]}}"#, many.join(","))).await;
    assert_eq!(response.expect_invalid("body.payload"), "and 40 more violations of the schema");
}

#[tokio::test]
async fn validate_forwards_nothing() {
    let gateway = Harness::new().await;
    let good = gateway.post("/validate/a.enforce", &[], GOOD).await;
    assert_eq!((good.status, good.body.as_str()), (200, r#"{"valid":true}"#));

    assert_eq!(gateway.post("/validate/a.enforce", &[], "not json").await.status, 422);
    let utf_16: Vec<u8> = GOOD.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let other_encoding = gateway.post("/validate/a.enforce", &[], utf_16).await;
    assert!(other_encoding.expect_invalid("body").starts_with("found UTF-16 text, expected JSON in UTF-8"));
    gateway
        .post("/validate/a.enforce", &["content-encoding: gzip"], GOOD)
        .await
        .expect_code(415, "unsupported_media_type");
    gateway.post("/validate/a%2Eenforce", &[], GOOD).await.expect_code(404, "not_found");

    assert_eq!(gateway.upstream.requests().len(), 0);
}

/// The test runs on one thread, so a validation on it would let nothing else happen.
#[tokio::test]
async fn a_small_message_that_is_much_work_delays_no_other() {
    let gateway = Harness::new().await;
    let heavy = declared(&hostile::heavy_schema(), PayloadPolicy::Enforce);
    gateway.catalogue.put("default", "a.heavy", heavy).unwrap();
    let payload = hostile::heavy_payload().to_string();
    let order = std::sync::Mutex::new(Vec::new());
    let send = async |event_type, payload: &str| {
        let response = gateway.send(event_type, payload).await;
        order.lock().unwrap().push(event_type);
        response
    };

    let (given_up, passed) = tokio::join!(send("a.heavy", &payload), send("a.enforce", r#"{"n": 1}"#));

    assert_eq!(passed.status, 202);
    assert_eq!(*order.lock().unwrap(), ["a.enforce", "a.heavy"]);
    assert_eq!(given_up.status, 422);
    let error = &given_up.json()["detail"][0];
    assert_eq!(error["loc"].as_array().unwrap()[..3], ["body", "payload", "a"], "{error}");
    assert!(error["msg"].as_str().unwrap().contains("more than 40000000 steps"), "{error}");
}

#[tokio::test]
async fn numbers_are_compared_as_they_are_written() {
    let gateway = Harness::new().await;
    let schema = json!({"type": "object", "properties": {"n": {"maximum": 100}}});
    gateway.catalogue.put("default", "a.number", declared(&schema, PayloadPolicy::Enforce)).unwrap();

    let above = gateway.send("a.number", r#"{"n": 100.0000000000000000000001}"#).await;
    let at = gateway.send("a.number", r#"{"n": 1.00000000000000000000000e2}"#).await;
    let beyond = gateway.send("a.number", r#"{"n": 1e400}"#).await;

    let message = above.expect_invalid("body.payload.n");
    assert!(message.contains("found 100.0000000000000000000001, expected at most 100"), "{message}");
    assert_eq!(at.status, 202, "{at:?}");
    assert_eq!(beyond.status, 422, "{beyond:?}");
    assert_eq!(gateway.upstream.requests().len(), 1);
}
