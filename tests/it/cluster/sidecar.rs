//! The sidecar and the operator together, as they run in a cluster.

use serde_json::{Value, json};
use svix_operator::plan::channels;

use crate::support::{
    control_plane::ControlPlane,
    inbox::Inbox,
    objects::{endpoint, event, event_type},
    operator::{Operator, free_address},
    sidecar::Sidecar,
    tenant::Tenant,
    wait::eventually,
    world::PATIENCE,
};

fn order() -> Value {
    json!({"type": "object", "required": ["order_id"], "properties": {"order_id": {"type": "integer"}}})
}

#[tokio::test]
async fn an_event_is_admitted_sent_and_delivered_signed_and_a_bad_one_never_stored() {
    Operator::shared().await;
    let tenant = Tenant::new(ControlPlane::shared().await, "sidecar").await;
    let _sidecar = Sidecar::start(&tenant, &[]).await;
    let inbox = Inbox::answering(200).await;
    let hook = endpoint("warehouse", &["order.placed"]).with("url", inbox.url());
    tenant.apply([event_type("order.placed").with("schema", order()), hook]).await;
    tenant.all_ready(2).await;

    let create = async |name: &str, payload: Value| {
        let manifest = tenant.mine(event(name, "order.placed").with("payload", payload)).0.to_string();
        tenant.control_plane.kubectl_with(&["create", "-f", "-"], &manifest).await
    };
    let refused = eventually("the webhook to know the schema", PATIENCE, async || {
        let bad = create("bad", json!({"order_id": "7"})).await;
        if bad.success {
            tenant.kubectl(&["delete", "webhookevent", "bad"]).await.expect_success();
            return Err(bad.stderr);
        }
        Ok(bad.stderr)
    })
    .await;
    assert!(refused.contains(r#"/spec/payload/order_id: found "7", expected an integer"#), "{refused}");
    create("good", json!({"order_id": 7})).await.expect_success();
    tenant.reason("webhookevent", "good", "Delivered").await;
    let [webhook] = &inbox.webhooks()[..] else { panic!("{:?}", inbox.bodies()) };
    assert_eq!(webhook.body, r#"{"order_id":7}"#);
    let held = tenant.svix.snapshot();
    let endpoints = &held.applications["default"].endpoints;
    let secret = &endpoints.values().next().unwrap().secret;
    assert!(webhook.is_signed_with(secret), "the official library takes the signature");
}

#[tokio::test]
async fn beside_a_producer_the_gateway_follows_the_event_types_of_the_cluster() {
    Operator::shared().await;
    let tenant = Tenant::with_connection(ControlPlane::shared().await, "producer", |connection| {
        connection.with("channelEncoding", "Always")
    })
    .await;
    tenant.apply([event_type("order.placed").with("schema", order())]).await;
    // It brings the application.
    let quiet = endpoint("none", &["order.placed"]).with("disabled", true);
    tenant.apply([quiet]).await;
    tenant.all_ready(2).await;
    let (listen, url) = (free_address(), tenant.svix.url());
    let arguments =
        ["--no-admission", "--svix-url", &url, "--connection", &tenant.name, "--listen", &listen.to_string()];
    let sidecar = Sidecar::unregistered(&tenant, &arguments).await;
    sidecar.process.ready().await;

    let send = async |payload: Value| {
        let body = json!({"eventType": "order.placed", "payload": payload, "channels": ["plain"]});
        let request = reqwest::Client::new()
            .post(format!("http://{listen}/api/v1/app/default/msg"))
            .bearer_auth(tenant.svix.token())
            .json(&body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, said) = send(json!({"order_id": "7"})).await;
    assert!(status == 422 && said.contains("expected an integer"), "{status} {said}");
    let (status, said) = send(json!({"order_id": 7})).await;
    assert_eq!(status, 202, "{said}");
    let held = tenant.svix.snapshot();
    let messages: Vec<_> = held.applications["default"].messages.values().collect();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].channels, Some([channels::uuid_of("plain")].into()), "as the connection says");

    // The schema and the connection change: the gateway follows.
    let text = json!({"type": "object", "properties": {"order_id": {"type": "string"}}});
    tenant.apply([event_type("order.placed").with("schema", text)]).await;
    let patch = json!({"spec": {"channelEncoding": "WhenNeeded"}}).to_string();
    let patch = ["patch", "svixconnection", &tenant.name, "--type=merge", "-p", &patch];
    tenant.control_plane.kubectl(&patch).await.expect_success();
    eventually("the gateway to follow", PATIENCE, async || {
        let (status, said) = send(json!({"order_id": "7"})).await;
        if status != 202 {
            return Err(said);
        }
        let held = tenant.svix.snapshot();
        let plain = held.applications["default"]
            .messages
            .values()
            .any(|message| message.channels.as_ref().is_some_and(|channels| channels.contains("plain")));
        if plain { Ok(()) } else { Err("channels are still mapped".to_owned()) }
    })
    .await;
}
