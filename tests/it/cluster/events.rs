//! Events on a real API server: `kubectl create` is enough to see a webhook arrive, once, whatever happens to the
//! operator.

use std::{collections::BTreeSet, time::Duration};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;
use svix_operator::embedded::FaultPlan;

use crate::support::{
    control_plane::ControlPlane,
    harness::PATIENCE,
    inbox::Inbox,
    objects::{endpoint, event, event_type},
    operator::{Operator, install},
    test_namespace::TestNamespace,
    wait::eventually,
};

#[tokio::test]
async fn an_event_that_is_created_arrives_and_says_so() {
    Operator::shared().await;
    let tenant = TestNamespace::new(ControlPlane::shared().await, "event").await;
    let inbox = Inbox::answering(200).await;
    let schema = json!({"type": "object", "required": ["order_id"]});
    tenant
        .apply([
            event_type("order.placed").with("schema", schema),
            endpoint("warehouse", &["order.placed"]).with("url", inbox.url()),
        ])
        .await;
    tenant.all_ready(2).await;
    // A null survives `kubectl create`, and a number of more than 64 bits a text.
    let text = r#"{"order_id": 12345678901234567890123, "note": null}"#;
    let good = event("good", "order.placed").with("payload", json!({"order_id": "7", "note": null}));
    let text_event = event("text", "order.placed").with("payload", json!(null)).with("payloadText", text);
    let bad = event("bad", "order.placed").with("payload", json!({"orderId": "7"}));
    for manifest in [good, text_event, bad] {
        let manifest = tenant.mine(manifest).0.to_string();
        tenant.control_plane.kubectl_with(&["create", "-f", "-"], &manifest).await.expect_success();
    }
    tenant.wait_for_reason("webhookevent", "good", "Delivered").await;
    tenant.wait_for_reason("webhookevent", "text", "Delivered").await;
    let bodies: BTreeSet<_> = inbox.bodies().into_iter().collect();
    assert_eq!(bodies, [r#"{"note":null,"order_id":"7"}"#.to_owned(), text.to_owned()].into());
    let message = tenant.wait_for_reason("webhookevent", "bad", "InvalidPayload").await;
    assert!(message.contains(r#"/spec/payload: found no "order_id", which is required"#), "{message}");
    for condition in ["Sent", "Delivered", "Ready"] {
        let condition = format!("--for=condition={condition}");
        tenant.kubectl(&["wait", &condition, "--timeout=5s", "webhookevent/good"]).await.expect_success();
    }
    let table = tenant.kubectl(&["get", "whev"]).await.expect_success();
    let columns: Vec<_> = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!(columns[0][..6], ["NAME", "SENT", "DELIVERED", "REASON", "EVENT", "TYPE"]);
    assert_eq!(columns[1][..4], ["bad", "False", "InvalidPayload", "order.placed"]);
    assert_eq!(columns[2][..5], ["good", "True", "True", "Delivered", "order.placed"]);
}

#[tokio::test]
async fn what_audit_lets_pass_is_in_status() {
    // Given an event type with a schema that is only audited
    Operator::shared().await;
    let tenant = TestNamespace::new(ControlPlane::shared().await, "audit").await;
    let schema = json!({
        "type": "object", "required": ["id"],
        "properties": {
            "id": {"type": "string"},
            "items": {"type": "array", "items": {"properties": {"price": {"type": "integer"}}}},
        },
    });
    tenant.apply([event_type("order.placed").with("schema", schema).with("payloadPolicy", "Audit")]).await;
    tenant.all_ready(1).await;

    // When events are sent that do not match it
    for (name, payload) in [
        ("right", json!({"id": "a"})),
        ("one", json!({"id": "b", "items": [{"price": 1}, {"price": "s3cret"}]})),
        ("two", json!({"id": "c", "items": [{"price": 9.5}]})),
        ("three", json!({"order": "s3cret"})),
    ] {
        tenant.apply([event(name, "order.placed").with("payload", payload)]).await;
        tenant.wait_for_reason("webhookevent", name, "NoEndpointMatched").await;
    }

    // Then status counts them by place, and shows nothing of them.
    let audit = async || {
        let object = tenant.get("webhookeventtype", "order.placed").await?;
        match &object["status"]["payloadAudit"] {
            audit if audit["count"] == 3 => Ok(object.clone()),
            other => Err(other.to_string()),
        }
    };
    let object = eventually("the events to be counted", PATIENCE, audit).await;
    println!("{}", serde_yaml::to_string(&object["status"]).unwrap());
    let places = object["status"]["payloadAudit"]["places"].as_array().unwrap();
    let places: Vec<_> = places
        .iter()
        .map(|it| (it["payload"].as_str(), it["keyword"].as_str(), it["count"].as_i64()))
        .collect();
    assert_eq!(
        places,
        [(Some("/items/*/price"), Some("type"), Some(2)), (Some("/id"), Some("required"), Some(1)),]
    );
    assert!(!object["status"].to_string().contains("s3cret"));
    let described = tenant.kubectl(&["describe", "webhookeventtype", "order.placed"]).await.expect_success();
    println!("{described}");
    let published = "payloadPolicy Enforce would have refused 3 events of the last seven days";
    assert!(described.contains(published) && !described.contains("s3cret"), "{described}");
    let version = object["metadata"]["resourceVersion"].clone();
    tenant.kubectl(&["label", "webhookeventtype", "order.placed", "touched=yes"]).await.expect_success();
    let after = tenant.get("webhookeventtype", "order.placed").await.unwrap();
    assert_eq!(after["status"], object["status"], "{version}");
}

#[tokio::test]
async fn an_event_that_is_nested_too_deep_holds_up_no_other() {
    let control_plane = ControlPlane::shared().await;
    Operator::shared().await;
    let tenant = TestNamespace::new(control_plane, "deep").await;
    tenant.apply([event_type("order.placed")]).await;
    tenant.all_ready(1).await;
    // An API server takes ten thousand levels; serde_json reads 128.
    let deep = (0..200).fold(json!({}), |inner, _| json!({ "a": inner }));
    let deep = tenant.mine(event("deep", "order.placed").with("payload", deep)).0.to_string();
    control_plane.kubectl_with(&["create", "-f", "-"], &deep).await.expect_success();
    tenant.apply([event("good", "order.placed")]).await;
    tenant.wait_for_reason("webhookevent", "good", "NoEndpointMatched").await;
    // Nor does it when it is met in the first list.
    let another = Operator::start(control_plane, &[]);
    another.ready().await;
}

#[tokio::test]
async fn a_recreated_event_is_not_sent_again() {
    Operator::shared().await;
    let tenant = TestNamespace::new(ControlPlane::shared().await, "event").await;
    tenant.apply([event_type("a.one")]).await;
    let sent = event("e", "a.one");
    tenant.apply([sent.clone().named("short").with("ttlAfterFinished", "0s"), sent.clone()]).await;
    tenant.gone("webhookevent", "short").await;
    tenant.wait_for_reason("webhookevent", "e", "NoEndpointMatched").await;
    tenant.kubectl(&["delete", "webhookevent", "e"]).await.expect_success();
    tenant.apply([sent]).await;
    tenant.wait_for_reason("webhookevent", "e", "NoEndpointMatched").await;
    assert_eq!(tenant.svix.snapshot().applications["default"].messages.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_kills_send_each_event_once() {
    const EVENTS: usize = 120;
    let control_plane = ControlPlane::start().await;
    install(&control_plane).await;
    let tenant = TestNamespace::new(&control_plane, "crash").await;
    let inbox = Inbox::answering(200).await;
    tenant.apply([event_type("a.one"), endpoint("hook", &["a.one"]).with("url", inbox.url())]).await;
    let operator = Operator::start(&control_plane, &["--no-leader-election"]);
    tenant.all_ready(2).await;
    operator.signal("KILL");
    operator.ended(Duration::from_secs(10)).await;
    tenant.svix.faults().set(FaultPlan {
        latency: Duration::from_millis(20),
        drop_after: 0.1,
        ..FaultPlan::default()
    });
    tenant.apply((0..EVENTS).map(|n| event(&format!("e{n:03}"), "a.one"))).await;
    let sent = || {
        let held = tenant.svix.snapshot();
        held.applications.get("default").map_or(0, |app| app.messages.len())
    };
    let mut random = StdRng::seed_from_u64(5);
    for _ in 0..8 {
        let operator = Operator::start(&control_plane, &["--concurrency", "4", "--no-leader-election"]);
        let goal = sent() + random.random_range(1..15);
        eventually("some more to be sent", Duration::from_secs(60), async || {
            if sent() >= goal.min(EVENTS) { Ok(()) } else { Err(sent()) }
        })
        .await;
        operator.signal("KILL");
        operator.ended(Duration::from_secs(10)).await;
    }
    tenant.svix.faults().clear();
    let _operator = Operator::start(&control_plane, &["--no-leader-election"]);
    eventually("all to be delivered", Duration::from_secs(90), async || {
        let path = "-o=jsonpath={.items[*].status.conditions[?(@.type=='Ready')].reason}";
        let reasons = tenant.kubectl(&["get", "webhookevents", path]).await.expect_success();
        let delivered = reasons.split_whitespace().filter(|reason| *reason == "Delivered").count();
        if delivered == EVENTS { Ok(()) } else { Err(reasons) }
    })
    .await;
    let arrived = inbox.bodies();
    let distinct: BTreeSet<_> = arrived.iter().collect();
    assert_eq!((sent(), arrived.len(), distinct.len()), (EVENTS, EVENTS, EVENTS));
}
