//! Peak memory of the operator and the webhook under hostile objects on a real API server, within the limits of the chart.

use serde_json::json;

use crate::support::{
    control_plane::ControlPlane,
    harness::PATIENCE,
    objects::{event, event_type},
    operator::Operator,
    process::{LIMIT_OF_OPERATOR, LIMIT_OF_SIDECARS, peak_mib},
    sidecar::Sidecar,
    test_namespace::TestNamespace,
    wait::eventually,
};

/// A payload of about a megabyte whose tree takes a hundred.
fn heavy_payload(objects: usize) -> serde_json::Value {
    json!({ "a": vec![json!({"": 0}); objects] })
}

#[tokio::test]
async fn heavy_events_leave_the_operator_within_its_limit() {
    let operator = Operator::shared().await;
    let tenant = TestNamespace::new(ControlPlane::shared().await, "heavy").await;
    tenant.apply([event_type("a.heavy").with("schema", json!({"type": "object"}))]).await;
    tenant.all_ready(1).await;

    for index in 0..8 {
        let payload = heavy_payload(if index % 2 == 0 { 148_000 } else { 45_000 });
        let manifest = event(&format!("heavy-{index}"), "a.heavy").with("payload", payload);
        let text = tenant.mine(manifest).0.to_string();
        tenant.control_plane.kubectl_with(&["create", "-f", "-"], &text).await.expect_success();
    }

    println!("operator, 8 heavy events: {} MiB at first", peak_mib(operator.pid()));
    for index in 0..8 {
        let (name, reason) =
            (format!("heavy-{index}"), if index % 2 == 0 { "InvalidPayload" } else { "NoEndpointMatched" });
        let message = tenant.wait_for_reason("webhookevent", &name, reason).await;
        assert!(index % 2 == 1 || message.contains("more than 32 MiB of memory"), "{message}");
    }
    let peak = peak_mib(operator.pid());
    assert!(peak < LIMIT_OF_OPERATOR, "{peak} MiB");
    println!("operator, 8 heavy events: {peak} MiB");
}

#[tokio::test]
async fn a_heavy_event_type_leaves_the_webhook_within_its_limit() {
    Operator::shared().await;
    let tenant = TestNamespace::new(ControlPlane::shared().await, "heavyadm").await;
    let sidecar = Sidecar::start(&tenant, &[]).await;
    let example = json!({"name": "a", "value": heavy_payload(400_000)});
    let manifest =
        event_type("a.heavy").with("schema", json!({"type": "object"})).with("examples", json!([example]));

    let text = tenant.mine(manifest).0.to_string();
    let refused = tenant.control_plane.kubectl_with(&["create", "-f", "-"], &text).await;

    assert!(refused.stderr.contains("more than 32 MiB of memory"), "{}", refused.stderr);
    // Its port is open to callers without credentials.
    let review = json!({
        "request": {
            "uid": "u", "operation": "CREATE", "kind": {"group": "svix-operator.dev", "kind": "WebhookEvent"},
            "object": {"metadata": {"managedFields": [{"fieldsV1": heavy_payload(200_000)}]}, "spec": heavy_payload(200_000)},
            "extra": heavy_payload(200_000), "oldObject": heavy_payload(200_000),
        },
    });
    let http = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy().build().unwrap();
    let url = format!("https://{}/validate", sidecar.address);
    let direct = (0..32).map(|_| http.post(&url).json(&review).send());
    // What waits for too long gets a 503, which is a response, too.
    for response in futures::future::join_all(direct).await {
        response.expect("a response");
    }
    let peak = peak_mib(sidecar.process.pid());
    assert!(peak < LIMIT_OF_SIDECARS, "{peak} MiB");
    println!("webhook, a refused event type of 2.8 MB and 32 direct reviews of 6 MB: {peak} MiB");
    eventually("the webhook to be ready", PATIENCE, async || {
        (sidecar.process.get("/readyz").await.as_deref() == Some("ok\n")).then_some(())
    })
    .await;
}
