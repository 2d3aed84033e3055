//! The sidecar and the operator together, as they run in a cluster.

use serde_json::{Value, json};
use svix_operator::plan::channels;

use crate::support::{
    control_plane::ControlPlane,
    harness::PATIENCE,
    inbox::Inbox,
    objects::{Manifest, endpoint, event, event_type},
    operator::{Operator, free_address},
    sidecar::Sidecar,
    test_namespace::TestNamespace,
    wait::eventually,
};

fn order() -> Value {
    json!({"type": "object", "required": ["order_id"], "properties": {"order_id": {"type": "integer"}}})
}

#[tokio::test]
async fn only_a_good_event_is_stored_and_delivered() {
    Operator::shared().await;
    let tenant = TestNamespace::new(ControlPlane::shared().await, "sidecar").await;
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
    tenant.wait_for_reason("webhookevent", "good", "Delivered").await;
    let [webhook] = &inbox.webhooks()[..] else { panic!("{:?}", inbox.bodies()) };
    assert_eq!(webhook.body, r#"{"order_id":7}"#);
    let held = tenant.svix.snapshot();
    let endpoints = &held.applications["default"].endpoints;
    let secret = &endpoints.values().next().unwrap().secret;
    assert!(webhook.is_signed_with(secret), "the official library takes the signature");
}

#[tokio::test]
async fn a_producers_gateway_follows_the_cluster() {
    Operator::shared().await;
    let tenant = TestNamespace::with_connection(ControlPlane::shared().await, "producer", |connection| {
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
    let (status, stated) = send(json!({"order_id": "7"})).await;
    assert!(status == 422 && stated.contains("expected an integer"), "{status} {stated}");
    let (status, stated) = send(json!({"order_id": 7})).await;
    assert_eq!(status, 202, "{stated}");
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
        let (status, stated) = send(json!({"order_id": "7"})).await;
        if status != 202 {
            return Err(stated);
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

#[tokio::test]
async fn a_forbidden_event_type_judges_no_events() {
    Operator::shared().await;
    let control_plane = ControlPlane::shared().await;
    let rules = json!([
        {"namespaces": {"matchLabels": {"team": "orders"}}, "applications": ["*"], "eventTypes": ["order.*"]},
    ]);
    let tenant = TestNamespace::with_connection(control_plane, "access", |connection| {
        connection.with("access", rules)
    })
    .await;
    let thief = control_plane.namespace("thief").await.name.clone();
    let label = async |namespace: &str, label: &str| {
        control_plane
            .kubectl(&["label", "namespace", namespace, label, "--overwrite"])
            .await
            .expect_success();
    };
    label(&tenant.name, "team=orders").await;
    let (listen, url) = (free_address(), tenant.svix.url());
    let arguments = ["--svix-url", &url, "--connection", &tenant.name, "--listen", &listen.to_string()];
    let _sidecar = Sidecar::start(&tenant, &arguments).await;

    // Whose schema a payload is judged by: each takes one key only.
    let judged = async |event_type: &str| {
        let ask = async |key: &str| {
            let address = format!("http://{listen}/validate/{event_type}");
            reqwest::Client::new()
                .post(address)
                .json(&json!({key: 1}))
                .send()
                .await
                .unwrap()
                .status()
                .as_u16()
        };
        match (ask("team").await, ask("thief").await) {
            (404, 404) => "nobody",
            (200, 422) => "team",
            (422, 200) => "thief",
            _ => "in between",
        }
    };
    let becomes = async |event_type: &str, whose: &str| {
        eventually(&format!("{event_type} to be judged by {whose}"), PATIENCE, async || {
            let now = judged(event_type).await;
            if now == whose { Ok(()) } else { Err(now) }
        })
        .await;
    };
    let takes = |key: &str| json!({"type": "object", "required": [key]});

    // The other namespace is first, and holds nothing.
    let stolen = tenant.mine(event_type("order.placed").with("schema", takes("thief"))).in_namespace(&thief);
    tenant.apply_json(&[stolen.0]).await;
    let get = ["-n", &thief, "get", "webhookeventtype", "order.placed", "-o", "json"];
    eventually("the operator to refuse it", PATIENCE, async || {
        let shown = control_plane.kubectl(&get).await.stdout;
        if shown.contains("NotPermitted") { Ok(()) } else { Err(shown) }
    })
    .await;
    assert_eq!(judged("order.placed").await, "nobody");
    let observed = event_type("a-first").with("name", "order.seen").with("managementPolicy", "Observe");
    tenant.apply([observed.with("schema", takes("thief"))]).await;
    becomes("order.seen", "thief").await;
    tenant
        .apply([
            event_type("order.placed").with("schema", takes("team")),
            event_type("order.seen").with("schema", takes("team")),
        ])
        .await;
    becomes("order.placed", "team").await;
    becomes("order.seen", "team").await;
    tenant.wait_for_reason("webhookeventtype", "order.placed", "InSync").await;

    // Labels and rules change without the objects.
    label(&thief, "team=orders").await;
    label(&tenant.name, "team=none").await;
    becomes("order.placed", "thief").await;
    // Nor is it refused to store what is not permitted: it is reported, and tells nothing of the others' schema.
    let create = async |manifest: Manifest| {
        let text = tenant.mine(manifest).0.to_string();
        control_plane.kubectl_with(&["create", "--dry-run=server", "-f", "-"], &text).await
    };
    for manifest in [
        event("e", "order.placed").with("payload", json!({})),
        event_type("order.new"),
        endpoint("hook", &["order.placed"]),
    ] {
        let done = create(manifest).await;
        println!("{}", done.stderr);
        let refusal = format!("Warning: NotPermitted: namespace \"{}\" may not", tenant.name);
        assert!(done.success && done.stderr.contains(&refusal), "{}", done.stderr);
        assert!(!done.stderr.contains("thief"), "{}", done.stderr);
    }
    label(&thief, "team=none").await;
    becomes("order.placed", "nobody").await;
    let open = json!({"spec": {"access": null}}).to_string();
    control_plane
        .kubectl(&["patch", "svixconnection", &tenant.name, "--type=merge", "-p", &open])
        .await
        .expect_success();
    eventually("somebody to be judged by", PATIENCE, async || {
        let now = judged("order.placed").await;
        if now == "nobody" { Err(now) } else { Ok(()) }
    })
    .await;
}
