//! What becomes of a payload, by its event type's policy and by what the gateway is told of undeclared ones.

use serde_json::json;
use svix_operator::gateway::Undeclared;

use super::World;

const GOOD: &str = r#"{"n": 1}"#;
const BAD: &str = r#"{"n": "x", "secret": "canary"}"#;

#[tokio::test]
async fn each_policy_has_its_way_with_a_bad_payload() {
    for (event_type, status, warned, counted) in [
        ("a.enforce", 422, false, "Enforce"),
        ("a.warn", 202, true, "Warn"),
        ("a.audit", 202, false, "Audit"),
    ] {
        let world = World::new().await;
        let good = world.send(event_type, GOOD).await;
        assert!(good.status == 202 && !good.head.contains("svix-operator-warning"), "{good:?}");
        let bad = world.send(event_type, BAD).await;
        assert_eq!(bad.status, status, "{bad:?}");
        let warning = format!("svix-operator-warning: {event_type}: /n: found \"x\", expected an integer");
        assert_eq!(bad.head.contains(&warning), warned, "{bad:?}");
        assert_eq!(world.seen.all().len(), if status == 202 { 2 } else { 1 });
        world.counts(&format!("violations_total{{policy=\"{counted}\"}} 1")).unwrap();
        let check = world.post(&format!("/validate/{event_type}"), &[], BAD).await;
        assert_eq!(check.expect_invalid("body.n"), r#"found "x", expected an integer"#);
        assert_eq!(check.json()["policy"], counted);
        assert_eq!(check.json()["valid"], false);
    }
}

#[tokio::test]
async fn an_undeclared_event_type_is_refused_or_passes_as_it_is_told() {
    let refusing = World::new().await;
    let said = refusing.send("a.none", GOOD).await.expect_invalid("body.eventType");
    assert!(
        said.contains("\"a.none\"") && said.contains("declare it") && said.contains("--undeclared pass"),
        "{said}"
    );
    assert_eq!(refusing.seen.all().len(), 0);
    refusing.counts("requests_total{outcome=\"undeclared\"} 1").unwrap();
    refusing.post("/validate/a.none", &[], GOOD).await.expect_code(404, "not_found");

    let passing = World::with(|options| options.undeclared = Undeclared::Pass).await;
    assert_eq!(passing.send("a.none", GOOD).await.status, 202);
    assert_eq!(passing.send("a.enforce", BAD).await.status, 422);
    // What is not judged must still be certain to be of an undeclared type.
    let twice = r#"{"eventType": "a.none", "eventType": "a.enforce", "payload": {"n": "x"}}"#;
    assert_eq!(passing.post(super::SEND, &[], twice).await.status, 422);
    assert_eq!(passing.seen.all().len(), 1);
}

#[tokio::test]
async fn every_violation_is_told_at_its_place() {
    let world = World::new().await;
    let schema = json!({"properties": {"a/b": {"items": {"type": "integer"}}, "~": {"enum": [1]}}, "required": ["id"]});
    let declared = super::declared(&schema, svix_operator::api::PayloadPolicy::Enforce);
    world.catalogue.put("default", "a.deep", declared).unwrap();
    let answer = world.send("a.deep", r#"{"a/b": [1, "x"], "~": 2}"#).await;
    assert_eq!(answer.expect_invalid("body.payload.a/b.1"), r#"found "x", expected an integer"#);
    assert_eq!(answer.expect_invalid("body.payload.~"), "found 2, expected 1");
    assert_eq!(answer.expect_invalid("body.payload"), r#"found no "id", which is required"#);
    let many: Vec<_> = (0..50).map(|_| "\"x\"").collect();
    let answer = world.send("a.deep", &format!(r#"{{"id": 1, "a/b": [{}]}}"#, many.join(","))).await;
    assert_eq!(answer.expect_invalid("body.payload"), "and 40 more violations of the schema");
}

#[tokio::test]
async fn a_check_sends_nothing() {
    let world = World::new().await;
    let good = world.post("/validate/a.enforce", &[], GOOD).await;
    assert_eq!((good.status, good.body.as_str()), (200, r#"{"valid":true}"#));
    assert_eq!(world.post("/validate/a.enforce", &[], "not json").await.status, 422);
    world
        .post("/validate/a.enforce", &["content-encoding: gzip"], GOOD)
        .await
        .expect_code(415, "unsupported_media_type");
    world.post("/validate/a%2Eenforce", &[], GOOD).await.expect_code(404, "not_found");
    assert_eq!(world.seen.all().len(), 0);
}
