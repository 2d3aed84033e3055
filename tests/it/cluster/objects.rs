//! Objects in a cluster, as kubectl shows them.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use kube::{
    Api,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::support::{
    control_plane::ControlPlane,
    objects::{endpoint, event_type},
    operator::Operator,
    test_namespace::TestNamespace,
    wait::eventually,
};

#[tokio::test]
async fn applied_objects_become_ready_and_stay_unchanged() {
    let operator = Operator::shared().await;
    let tenant = TestNamespace::new(ControlPlane::shared().await, "tour").await;
    tenant
        .apply([
            endpoint("hook", &["origin.create"]).with("channels", json!(["https://example.org/repo"])),
            event_type("origin.create").with("description", "An origin was seen"),
            endpoint("early", &["origin.visit"]),
        ])
        .await;
    let wait = [
        "wait",
        "--for=condition=Ready",
        "--timeout=60s",
        "webhookeventtype/origin.create",
        "webhookendpoint/hook",
    ];
    tenant.kubectl(&wait).await.expect_success();
    tenant.wait_for_reason("webhookendpoint", "early", "WaitingForEventType").await;

    let shown = tenant.kubectl(&["get", "webhookeventtypes,webhookendpoints"]).await.expect_success();
    let row = |name: &str| {
        let line = shown
            .lines()
            .find(|line| line.contains(name))
            .unwrap_or_else(|| panic!("{name} is not in\n{shown}"));
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(row("/origin.create ")[1..4], ["True", "InSync", "origin.create"]);
    assert_eq!(row("/hook ")[1..5], ["True", "InSync", "origin.create", "default"]);
    assert_eq!(row("/early ")[1..3], ["False", "WaitingForEventType"]);
    let described = tenant.kubectl(&["describe", "webhookendpoint", "early"]).await.expect_success();
    assert!(described.contains("not in Svix yet: origin.visit"), "{described}");
    eventually("an Event about what was made", Duration::from_secs(30), async || {
        let events = tenant.kubectl(&["get", "events", "-o", "json"]).await.expect_success();
        let events: Value = serde_json::from_str(&events).unwrap();
        let made = events["items"].as_array().unwrap().iter().any(|event| {
            event["reason"] == "Created" && event["regarding"]["name"] == "hook"
                || event["involvedObject"]["name"] == "hook"
        });
        if made { Ok(()) } else { Err(events.to_string()) }
    })
    .await;

    // Only status, the finalizer and our annotation are ours, by field manager.
    let object = tenant
        .kubectl(&["get", "webhookeventtype", "origin.create", "-o", "json", "--show-managed-fields"])
        .await;
    let object: Value = serde_json::from_str(&object.expect_success()).unwrap();
    for entry in object["metadata"]["managedFields"].as_array().unwrap() {
        if entry["manager"] != "svix-operator" {
            continue;
        }
        let fields = entry["fieldsV1"].as_object().unwrap();
        assert!(fields.keys().all(|key| key == "f:status" || key == "f:metadata"), "{entry}");
        if let Some(metadata) = fields.get("f:metadata") {
            let text = metadata.to_string();
            assert!(!text.contains("labels") && !text.contains("ownerReferences"), "{text}");
        }
        if entry["subresource"] == "status" {
            assert_eq!(entry["operation"], "Apply");
        }
    }

    // Converged: nothing moves while several listings go by.
    let versions = async || {
        let found = tenant
            .kubectl(&["get", "webhookeventtypes,webhookendpoints", "-o", "json"])
            .await
            .expect_success();
        let list: Value = serde_json::from_str(&found).unwrap();
        let versions = list["items"].as_array().unwrap().iter();
        let mut versions: Vec<_> =
            versions.map(|item| item["metadata"]["resourceVersion"].to_string()).collect();
        let connection = tenant.get("svixconnection", &tenant.name).await.unwrap();
        versions.push(connection["metadata"]["resourceVersion"].to_string());
        versions
    };
    let before = versions().await;
    tenant.svix.clear_calls();
    eventually("three listings", Duration::from_secs(60), async || {
        let calls = tenant.svix.calls();
        (calls.iter().filter(|call| call.operation == "event-type.list").count() >= 3).then_some(())
    })
    .await;
    assert_eq!(versions().await, before);
    assert!(tenant.svix.calls().iter().all(|call| !call.is_write()));
    assert!(
        !operator.log_text().contains("hooks.example.org/hook"),
        "URLs are credentials: the log holds hosts only"
    );
}

#[tokio::test]
async fn edits_reach_svix_and_status_follows() {
    Operator::shared().await;
    let tenant = TestNamespace::new(ControlPlane::shared().await, "edit").await;
    tenant.apply([event_type("a.one"), endpoint("hook", &["a.one"])]).await;
    tenant.all_ready(2).await;
    let patch = r#"{"spec":{"description":"changed"}}"#;
    tenant.kubectl(&["patch", "webhookendpoint", "hook", "--type=merge", "-p", patch]).await.expect_success();
    tenant.wait_for_reason("webhookendpoint", "hook", "InSync").await;
    let object = tenant.get("webhookendpoint", "hook").await.unwrap();
    assert_eq!(
        (&object["metadata"]["generation"], &object["status"]["observedGeneration"]),
        (&json!(2), &json!(2))
    );
    let uid = object["status"]["svix"]["uid"].as_str().unwrap();
    assert_eq!(tenant.svix.snapshot().endpoint("default", uid).unwrap().description, "changed");
}

#[tokio::test]
async fn a_namespace_can_be_deleted_whole() {
    Operator::shared().await;
    let tenant = TestNamespace::new(ControlPlane::shared().await, "whole").await;
    tenant.apply([event_type("a.one"), endpoint("one", &["a.one"]), endpoint("two", &["a.one"])]).await;
    tenant.all_ready(3).await;
    tenant
        .control_plane
        .kubectl(&["delete", "namespace", &tenant.name, "--timeout=60s"])
        .await
        .expect_success();
    let held = tenant.svix.snapshot();
    assert!(held.event_types["a.one"].archived);
    assert!(held.applications["default"].endpoints.is_empty());
}

#[tokio::test]
async fn a_connection_is_held_while_objects_use_it() {
    Operator::shared().await;
    let tenant = TestNamespace::new(ControlPlane::shared().await, "held").await;
    tenant.apply([event_type("a.one")]).await;
    tenant.all_ready(1).await;
    tenant.kubectl(&["delete", "svixconnection", &tenant.name, "--wait=false"]).await.expect_success();
    let message = tenant.wait_for_reason("svixconnection", &tenant.name, "InUse").await;
    let expected =
        format!("1 WebhookEventType still uses this connection: WebhookEventType/{}/a.one; ", tenant.name);
    assert!(message.starts_with(&expected), "{message}");
    tenant.kubectl(&["delete", "webhookeventtype", "a.one", "--timeout=60s"]).await.expect_success();
    tenant.gone("svixconnection", &tenant.name).await;
    assert!(tenant.svix.snapshot().event_types["a.one"].archived);
}

#[tokio::test]
async fn a_changed_token_secret_is_used_at_once() {
    Operator::shared().await;
    let control_plane = ControlPlane::shared().await;
    let tenant = TestNamespace::with_connection(control_plane, "token", |connection| connection).await;
    tenant.apply([event_type("a.one")]).await;
    tenant.all_ready(1).await;
    tenant.set_token("wrong-token-value").await;
    let message = tenant.wait_for_reason("svixconnection", &tenant.name, "AuthenticationFailed").await;
    assert!(!message.contains("wrong-token-value"), "{message}");
    control_plane.kubectl(&["delete", "secret", "-n", "svix-operator", &tenant.name]).await.expect_success();
    let message = tenant.wait_for_reason("svixconnection", &tenant.name, "TokenNotFound").await;
    assert!(message.contains(&format!("Secret svix-operator/{} is not there", tenant.name)), "{message}");
    tenant.apply([event_type("a.two")]).await;
    tenant.wait_for_reason("webhookeventtype", "a.two", "ConnectionNotReady").await;
    tenant.set_token(tenant.svix.token()).await;
    tenant.all_ready(2).await;
}

#[tokio::test]
async fn a_schema_in_a_config_map_is_followed() {
    Operator::shared().await;
    let tenant = TestNamespace::new(ControlPlane::shared().await, "schema").await;
    let reference = json!({"configMapKeyRef": {"name": "schemas", "key": "one"}});
    tenant.apply([event_type("a.one").with("schema", json!(null)).with("schemaFrom", reference)]).await;
    let message = tenant.wait_for_reason("webhookeventtype", "a.one", "SchemaSourceNotFound").await;
    assert!(message.contains(&format!("ConfigMap {}/schemas is not there", tenant.name)), "{message}");
    for schema in [json!({"title": "first"}), json!({"title": "second"})] {
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": {"one": schema.to_string()},
            "metadata": {"name": "schemas", "namespace": tenant.name},
        });
        tenant.apply_json(&[map]).await;
        eventually("the schema to be in Svix", Duration::from_secs(60), async || {
            let held = tenant.svix.snapshot();
            let found = held
                .event_types
                .get("a.one")
                .and_then(|kind| kind.schemas.as_ref().map(|all| all["1"].clone()));
            if found.as_ref() == Some(&schema) { Ok(()) } else { Err(format!("{found:?}")) }
        })
        .await;
    }
    tenant.all_ready(1).await;
}

#[tokio::test]
async fn changes_during_a_status_write_are_not_lost() {
    Operator::shared().await;
    // No resync may come to the rescue.
    let tenant = TestNamespace::with_connection(ControlPlane::shared().await, "busy", |connection| {
        connection.with("resyncInterval", "1h")
    })
    .await;
    let names: Vec<_> = (0..40).map(|i| format!("hook{i:02}")).collect();
    let event_types = [event_type("a.one")];
    let hooks = names.iter().map(|name| endpoint(name, &["a.one"]));
    tenant.apply(event_types.into_iter().chain(hooks)).await;

    let resource =
        ApiResource::from_gvk(&GroupVersionKind::gvk("svix-operator.dev", "v1alpha1", "WebhookEndpoint"));
    let api: Api<DynamicObject> =
        Api::namespaced_with(tenant.control_plane.client(), &tenant.name, &resource);
    // Each object is changed again and again while the operator is at work on it; half of them then go.
    futures::future::join_all(names.iter().enumerate().map(async |(index, name)| {
        for turn in 0..25 {
            let patch = json!({"spec": {"description": format!("turn {turn}")}});
            api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
        }
        if index % 2 == 1 {
            api.delete(name, &DeleteParams::default()).await.unwrap();
        }
    }))
    .await;

    tenant.all_ready(21).await;
    eventually("Svix to hold the last of each", Duration::from_secs(30), async || {
        let snapshot = tenant.svix.snapshot();
        let endpoints: Vec<_> = snapshot.applications["default"].endpoints.values().collect();
        let last = endpoints.iter().filter(|endpoint| endpoint.description == "turn 24").count();
        if (endpoints.len(), last) == (20, 20) {
            Ok(())
        } else {
            Err(format!("{} endpoints, {last} of them as last declared", endpoints.len()))
        }
    })
    .await;
}

#[tokio::test]
async fn a_part_of_a_schema_that_becomes_empty_stays_an_object() {
    Operator::shared().await;
    let tenant = TestNamespace::new(ControlPlane::shared().await, "empty").await;
    for properties in [json!({"a": {"type": "string"}}), json!({})] {
        let schema = json!({"type": "object", "properties": properties});
        let examples = json!([{"name": "one", "value": {"inner": properties}}]);
        // `kubectl apply --server-side`
        tenant.apply([event_type("a.one").with("schema", schema).with("examples", examples)]).await;
        let object = tenant.get("webhookeventtype", "a.one").await.unwrap();
        assert_eq!(object["spec"]["schema"]["properties"], properties);
        assert_eq!(object["spec"]["examples"][0]["value"]["inner"], properties);
    }
    tenant.all_ready(1).await;
}

#[tokio::test]
async fn a_busy_object_is_released_and_keeps_other_finalizers() {
    Operator::shared().await;
    let tenant = TestNamespace::new(ControlPlane::shared().await, "busy").await;
    tenant.apply([event_type("a.one"), endpoint("hook", &["a.one"])]).await;
    tenant.all_ready(2).await;
    let kind = GroupVersionKind::gvk("svix-operator.dev", "v1alpha1", "WebhookEndpoint");
    let kind = ApiResource::from_gvk(&kind);
    let api: Api<DynamicObject> = Api::namespaced_with(tenant.control_plane.client(), &tenant.name, &kind);
    let merge = async |metadata: Value| {
        let patch = json!({"metadata": metadata});
        api.patch("hook", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap()
    };
    let ours = tenant.get("webhookendpoint", "hook").await.unwrap()["metadata"]["finalizers"][0].clone();
    merge(json!({"finalizers": ["example.org/theirs", ours]})).await;
    let stop = AtomicBool::new(false);
    let others = async {
        let mut turn = 0;
        while !stop.load(Ordering::Relaxed) {
            turn += 1;
            merge(json!({"labels": {"turn": format!("{turn}")}})).await;
        }
    };
    let deleted = async {
        tenant.kubectl(&["delete", "webhookendpoint", "hook", "--wait=false"]).await.expect_success();
        eventually("our finalizer to be gone", Duration::from_secs(60), async || {
            let left = tenant.get("webhookendpoint", "hook").await?["metadata"]["finalizers"].clone();
            if left == json!(["example.org/theirs"]) { Ok(()) } else { Err(left.to_string()) }
        })
        .await;
        stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(others, deleted);
    assert!(tenant.svix.snapshot().applications["default"].endpoints.is_empty());
    merge(json!({"finalizers": null})).await;
    tenant.gone("webhookendpoint", "hook").await;
}
