//! What happens after the first apply, at its worst: two operators, namespaces and definitions that are deleted whole,
//! backups that are restored.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    control_plane::ControlPlane,
    objects::{Manifest, connection, endpoint, event, event_type},
    operator::{OPERATOR_NAMESPACE, Operator, install},
    test_namespace::TestNamespace,
    wait::eventually,
};

const PATIENCE: Duration = Duration::from_secs(90);
const OWNER: &str = "svix-operator.dev/owner";

/// A Secret in the tenant's namespace.
async fn secret(tenant: &TestNamespace<'_>, name: &str, key: &str, value: &str) {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "stringData": {key: value},
        "metadata": {"name": name, "namespace": tenant.name},
    });
    tenant.apply_json(&[secret]).await;
}

/// Another cluster with a connection to the same Svix.
async fn second_cluster(tenant: &TestNamespace<'_>, owner_id: &str) -> (ControlPlane, Operator) {
    let other = ControlPlane::start().await;
    install(&other).await;
    let token = json!({
        "apiVersion": "v1", "kind": "Secret", "stringData": {"token": tenant.svix.token()},
        "metadata": {"name": tenant.name, "namespace": OPERATOR_NAMESPACE},
    });
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": tenant.name}});
    let connection = connection(&tenant.svix.url())
        .named(&tenant.name)
        .with("ownerId", owner_id)
        .with("resyncInterval", "1s")
        .with("access", json!([everything()]))
        .with("tokenSecretRef", json!({"name": tenant.name, "key": "token"}));
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [namespace, token, connection.0]});
    other.kubectl_with(&["apply", "-f", "-"], &list.to_string()).await.expect_success();
    let operator = Operator::start(&other, &[]);
    operator.ready().await;
    (other, operator)
}

fn everything() -> Value {
    json!({"namespaces": {}, "applications": ["*"], "eventTypes": ["*"], "maxAdoption": "Override", "allowExpunge": true})
}

async fn apply(
    tenant: &TestNamespace<'_>,
    control_plane: &ControlPlane,
    manifests: impl IntoIterator<Item = Manifest>,
) {
    let items: Vec<_> = manifests.into_iter().map(|manifest| tenant.mine(manifest).0).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    control_plane.kubectl_with(&["apply", "--server-side", "-f", "-"], &list).await.expect_success();
}

/// Waits until an object in another cluster has this reason; answers its message.
async fn reason(
    tenant: &TestNamespace<'_>,
    control_plane: &ControlPlane,
    object: &str,
    reason: &str,
) -> String {
    eventually(&format!("{object} to be {reason}"), PATIENCE, async || {
        let arguments = ["get", "-n", &tenant.name, object, "-o", "json"];
        let found = control_plane.kubectl(&arguments).await;
        let found: Value = serde_json::from_str(&found.stdout).map_err(|_| found.stderr)?;
        let ready = found["status"]["conditions"]
            .as_array()
            .and_then(|all| all.last().cloned())
            .ok_or("no status")?;
        let present = found["status"]["observedGeneration"] == found["metadata"]["generation"];
        if present && ready["reason"] == reason {
            Ok(ready["message"].as_str().unwrap().to_owned())
        } else {
            Err(ready.to_string())
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_operators_settle_on_one_owner() {
    // Given two clusters with an operator each, on one Svix
    Operator::shared().await;
    let tenant = TestNamespace::with_connection(ControlPlane::shared().await, "claim", |it| {
        it.with("resyncInterval", "1s").with("ownerId", "first").with("access", json!([everything()]))
    })
    .await;
    let (second, _operator) = second_cluster(&tenant, "second").await;
    let hook = |url: &str| endpoint("hook", &["a.one"]).with("uid", "shared").with("url", url);
    tenant.apply([event_type("a.one"), hook("https://first.example.org/")]).await;
    tenant.all_ready(2).await;
    // When both declare one endpoint and one event type
    apply(&tenant, &second, [event_type("a.one"), hook("https://second.example.org/")]).await;
    // Then the first one has the endpoint, and the second says whose it is.
    let reported = reason(&tenant, &second, "webhookendpoint/hook", "NotOurs").await;
    assert!(reported.contains(&format!("first/{}/hook", tenant.name)), "{reported}");
    // An equal event type is both's.
    reason(&tenant, &second, "webhookeventtype/a.one", "InSync").await;
    let writes = async || {
        let calls = tenant.svix.calls();
        calls.iter().filter(|call| call.is_write() && call.status < 400).count()
    };
    let before = writes().await;
    let listings = |number: usize| {
        let svix = &tenant.svix;
        svix.clear_calls();
        eventually("some listings", PATIENCE, async move || {
            let calls = svix.calls();
            (calls.iter().filter(|call| call.operation == "event-type.list").count() >= number).then_some(())
        })
    };
    listings(8).await;
    assert_eq!(writes().await, 0, "{before} writes before");
    // When the first changes the event type that both declare, they disagree: it ends.
    tenant.apply([event_type("a.one").with("schema", json!({"type": "object", "title": "changed"}))]).await;
    eventually("one of them to leave it", Duration::from_secs(120), async || {
        let mut reasons = Vec::new();
        for control_plane in [tenant.control_plane, &second] {
            let arguments = [
                "get",
                "-n",
                &tenant.name,
                "webhookeventtype/a.one",
                "-o",
                "jsonpath={.status.conditions[-1:].reason}",
            ];
            reasons.push(control_plane.kubectl(&arguments).await.stdout);
        }
        if reasons.iter().any(|reason| reason == "Contested") { Ok(()) } else { Err(format!("{reasons:?}")) }
    })
    .await;
    listings(8).await;
    let calls = tenant.svix.calls();
    let late: Vec<_> = calls.iter().filter(|call| call.is_write()).collect();
    assert!(late.len() <= 2, "{late:?}");
    // When the first lets go of the endpoint, the second takes it by its id, without a delete.
    let id = tenant.svix.snapshot().endpoint("default", "shared").unwrap().id.clone();
    let kept = hook("https://first.example.org/").with("deletionPolicy", "Retain");
    tenant.apply([kept]).await;
    tenant.wait_for_reason("webhookendpoint", "hook", "InSync").await;
    tenant.kubectl(&["delete", "webhookendpoint", "hook"]).await.expect_success();
    let taking = hook("https://second.example.org/").with("adoption", "Override");
    apply(&tenant, &second, [taking.annotated("svix-operator.dev/adopt-id", &id)]).await;
    reason(&tenant, &second, "webhookendpoint/hook", "InSync").await;
    let found = tenant.svix.snapshot().endpoint("default", "shared").unwrap().clone();
    assert_eq!((found.id, found.url.as_str()), (id, "https://second.example.org/"));
    assert_eq!(found.metadata[OWNER], format!("second/{}/hook", tenant.name));
}

#[tokio::test]
async fn deleting_a_namespace_cleans_up_svix() {
    Operator::shared().await;
    let tenant = TestNamespace::new(ControlPlane::shared().await, "whole").await;
    secret(&tenant, "receiver", "token", "Bearer x").await;
    let headers =
        json!([{"name": "X-Key", "valueFrom": {"secretKeyRef": {"name": "receiver", "key": "token"}}}]);
    tenant
        .apply([
            event_type("a.one"),
            endpoint("headers", &["a.one"]).with("headers", headers),
            endpoint("key", &["a.one"]).with("signingSecret", json!({"toSecret": {"name": "key"}})),
            endpoint("waiting", &["b.nobody"]),
            event("sent", "a.one"),
        ])
        .await;
    eventually("what can be ready to be", PATIENCE, async || {
        let held = tenant.svix.snapshot();
        let uid = |name: &str| format!("test.{}.{name}", tenant.name);
        let both = ["headers", "key"]
            .iter()
            .all(|name| held.endpoint("default", &uid(name)).is_some_and(|it| !it.disabled));
        (both && tenant.get("secret", "key").await.is_ok()).then_some(())
    })
    .await;
    tenant
        .control_plane
        .kubectl(&["delete", "namespace", &tenant.name, "--timeout=80s"])
        .await
        .expect_success();
    let held = tenant.svix.snapshot();
    assert!(
        held.applications["default"].endpoints.is_empty(),
        "{:?}",
        held.applications["default"].endpoints
    );
    assert!(held.event_types["a.one"].archived);
}

#[tokio::test]
async fn deleted_definitions_can_be_applied_again() {
    let control_plane = ControlPlane::start().await;
    install(&control_plane).await;
    let operator = Operator::start(&control_plane, &[]);
    operator.ready().await;
    let tenant = TestNamespace::new(&control_plane, "crds").await;
    tenant.apply([event_type("a.one"), endpoint("hook", &["a.one"])]).await;
    tenant.all_ready(2).await;
    let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
    control_plane.kubectl(&["delete", "-f", crds, "--timeout=80s"]).await.expect_success();
    let held = tenant.svix.snapshot();
    assert!(held.event_types["a.one"].archived && held.applications["default"].endpoints.is_empty());
    control_plane.kubectl(&["apply", "--server-side", "-f", crds]).await.expect_success();
    control_plane
        .kubectl(&["wait", "--for=condition=Established", "--timeout=60s", "-f", crds])
        .await
        .expect_success();
    let reference = json!({"name": tenant.name, "key": "token"});
    let connection = connection(&tenant.svix.url()).named(&tenant.name).with("tokenSecretRef", reference);
    tenant.apply([connection, event_type("a.one"), endpoint("hook", &["a.one"])]).await;
    tenant.all_ready(2).await;
}

/// What a backup holds of objects: no status, no uid, and whatever else the API server gives.
fn backup(list: &str) -> Vec<Value> {
    let list: Value = serde_json::from_str(list).unwrap();
    let objects = list["items"].as_array().unwrap().iter().cloned();
    objects
        .map(|mut object| {
            object.as_object_mut().unwrap().remove("status");
            let metadata = object["metadata"].as_object_mut().unwrap();
            metadata.retain(|key, _| {
                ["name", "namespace", "labels", "annotations", "finalizers"].contains(&key.as_str())
            });
            object
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_backup_adopts_its_own_without_a_write() {
    Operator::shared().await;
    let tenant = TestNamespace::new(ControlPlane::shared().await, "backup").await;
    secret(&tenant, "team", "name", "a").await;
    let headers = json!([{"name": "X-Team", "valueFrom": {"secretKeyRef": {"name": "team", "key": "name"}}}]);
    let shared = endpoint("shared", &["a.one"]).with("uid", "shared");
    tenant
        .apply([
            event_type("a.one").with("description", "d"),
            endpoint("headers", &["a.one"]).with("headers", headers),
            endpoint("key", &["a.one"])
                .with("signingSecret", json!({"toSecret": {"name": "key"}, "rotateAfter": "720h"}))
                .annotated("svix-operator.dev/rotate-at", "long ago"),
            shared,
        ])
        .await;
    tenant.all_ready(4).await;
    let kinds = "webhookeventtypes,webhookendpoints,secrets";
    let saved = backup(&tenant.kubectl(&["get", kinds, "-o", "json"]).await.expect_success());

    // Into the same cluster, another namespace: the incumbents keep what they hold.
    let copy = tenant.control_plane.namespace("copy").await;
    let mut copies: Vec<_> = saved
        .iter()
        .cloned()
        .map(|mut object| {
            object["metadata"]["namespace"] = copy.name.as_str().into();
            object
        })
        .collect();
    // As tools for backups do: else the operator may have written the Secret of a key before the copy comes.
    copies.sort_by_key(|object| object["kind"] != "Secret");
    tenant.apply_json(&copies).await;
    let in_copy = |name: &str, expected: &'static str| {
        let arguments = ["get", "-n", &copy.name, name, "-o", "jsonpath={.status.conditions[-1:].reason}"]
            .map(str::to_owned);
        eventually(format!("{name} to be {expected}").leak(), PATIENCE, async move || {
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
            let found = ControlPlane::shared().await.kubectl(&arguments).await.stdout;
            if found == expected { Ok(()) } else { Err(found) }
        })
    };
    in_copy("webhookeventtype/a.one", "Conflict").await;
    in_copy("webhookendpoint/shared", "Conflict").await;
    in_copy("webhookendpoint/headers", "InSync").await;
    tenant
        .control_plane
        .kubectl(&["delete", "namespace", &copy.name, "--timeout=80s"])
        .await
        .expect_success();
    tenant.all_ready(4).await;

    // Into a new cluster: zero writes.
    let before = tenant.svix.snapshot();
    let other = ControlPlane::start().await;
    install(&other).await;
    let token = json!({
        "apiVersion": "v1", "kind": "Secret", "stringData": {"token": tenant.svix.token()},
        "metadata": {"name": tenant.name, "namespace": OPERATOR_NAMESPACE},
    });
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": tenant.name}});
    let connection =
        tenant.control_plane.kubectl(&["get", "svixconnection", &tenant.name, "-o", "json"]).await;
    let connection =
        backup(&json!({"items": [serde_json::from_str::<Value>(&connection.stdout).unwrap()]}).to_string());
    let items: Vec<_> = [namespace, token].into_iter().chain(connection).chain(saved).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    other.kubectl_with(&["apply", "-f", "-"], &list).await.expect_success();
    let key_before = tenant.get("secret", "key").await.unwrap()["data"].clone();
    tenant.svix.clear_calls();
    let operator = Operator::start(&other, &[]);
    operator.ready().await;
    for object in
        ["webhookeventtype/a.one", "webhookendpoint/headers", "webhookendpoint/key", "webhookendpoint/shared"]
    {
        reason(&tenant, &other, object, "InSync").await;
    }
    let writes: Vec<_> = tenant.svix.calls().into_iter().filter(|call| call.is_write()).collect();
    assert!(writes.is_empty(), "{writes:?}");
    assert_eq!(tenant.svix.snapshot(), before);
    let key =
        other.kubectl(&["get", "secret", "-n", &tenant.name, "key", "-o", "json"]).await.expect_success();
    let key: Value = serde_json::from_str(&key).unwrap();
    assert_eq!(key["data"], key_before, "the key is the same, and was not rotated");
    eventually("the Secret to belong to the endpoint", PATIENCE, async || {
        let path = "jsonpath={.metadata.ownerReferences[0].name}";
        let found = other.kubectl(&["get", "secret", "-n", &tenant.name, "key", "-o", path]).await.stdout;
        if found == "key" { Ok(()) } else { Err(found) }
    })
    .await;
}

#[tokio::test]
async fn kubectl_wait_waits_for_the_update() {
    Operator::shared().await;
    let tenant = TestNamespace::new(ControlPlane::shared().await, "wait").await;
    tenant.apply([event_type("a.one"), endpoint("hook", &["a.one"])]).await;
    tenant.all_ready(2).await;
    for round in 0..5 {
        let patch = json!({"spec": {"description": format!("round {round}")}}).to_string();
        for object in ["webhookeventtype/a.one", "webhookendpoint/hook"] {
            tenant.kubectl(&["patch", object, "--type=merge", "-p", &patch]).await.expect_success();
            tenant
                .kubectl(&["wait", "--for=condition=Ready", "--timeout=60s", object])
                .await
                .expect_success();
        }
        let held = tenant.svix.snapshot();
        let uid = format!("test.{}.hook", tenant.name);
        assert_eq!(held.event_types["a.one"].description, format!("round {round}"));
        assert_eq!(held.endpoint("default", &uid).unwrap().description, format!("round {round}"));
        let patch = json!({"spec": {"resyncInterval": format!("{}s", 30 + round)}}).to_string();
        let connection = format!("svixconnection/{}", tenant.name);
        tenant.kubectl(&["patch", &connection, "--type=merge", "-p", &patch]).await.expect_success();
        tenant
            .kubectl(&["wait", "--for=condition=Ready", "--timeout=60s", &connection])
            .await
            .expect_success();
    }
    tenant.apply([event("e", "a.one")]).await;
    tenant
        .kubectl(&["wait", "--for=condition=Ready", "--timeout=60s", "webhookevent/e"])
        .await
        .expect_success();
}

#[tokio::test]
async fn a_change_of_a_secret_reaches_svix_at_once() {
    Operator::shared().await;
    let tenant = TestNamespace::with_connection(ControlPlane::shared().await, "quick", |it| {
        it.with("resyncInterval", "1h")
    })
    .await;
    secret(&tenant, "receiver", "token", "first").await;
    let headers =
        json!([{"name": "X-Key", "valueFrom": {"secretKeyRef": {"name": "receiver", "key": "token"}}}]);
    tenant.apply([event_type("a.one"), endpoint("hook", &["a.one"]).with("headers", headers)]).await;
    tenant.all_ready(2).await;
    let uid = format!("test.{}.hook", tenant.name);
    for value in ["second", "third", "fourth"] {
        secret(&tenant, "receiver", "token", value).await;
        let written = std::time::Instant::now();
        eventually("the new value", Duration::from_secs(10), async || {
            (tenant.svix.snapshot().endpoint("default", &uid)?.headers["X-Key"] == value).then_some(())
        })
        .await;
        println!("a change of a Secret took {:?} to reach Svix", written.elapsed());
    }
    let object = tenant.get("webhookendpoint", "hook").await.unwrap().to_string();
    assert!(!object.contains("fourth"), "{object}");
}

#[tokio::test]
async fn an_operator_of_some_namespaces_looks_at_no_other() {
    let control_plane = ControlPlane::start().await;
    install(&control_plane).await;
    let (ours, other) =
        (TestNamespace::new(&control_plane, "ours").await, TestNamespace::new(&control_plane, "other").await);
    let also = control_plane.namespace("also").await;
    let namespaces = format!("{},{}", ours.name, also.name);
    let operator = Operator::start(&control_plane, &["--watch-namespaces", &namespaces]);
    operator.ready().await;
    for tenant in [&ours, &other] {
        tenant.apply([event_type("a.one"), endpoint("hook", &["a.one"])]).await;
    }
    ours.all_ready(2).await;
    let third =
        event_type("a.two").in_namespace(&also.name).with("connectionRef", json!({"name": ours.name}));
    ours.apply_json(&[third.0]).await;
    eventually("the other namespace of ours", PATIENCE, async || {
        ours.svix.snapshot().event_types.contains_key("a.two").then_some(())
    })
    .await;
    assert_eq!(other.get("webhookendpoint", "hook").await.unwrap()["status"], Value::Null);
    assert!(other.svix.snapshot().event_types.is_empty());
    // A watch that begins anew forgets nothing of another namespace.
    ours.kubectl(&["delete", "webhookendpoint", "hook", "--timeout=60s"]).await.expect_success();
    assert!(ours.svix.snapshot().event_types.contains_key("a.two"));
}

#[tokio::test]
async fn what_differs_from_what_is_observed_is_counted() {
    let control_plane = ControlPlane::start().await;
    install(&control_plane).await;
    let operator = Operator::start(&control_plane, &[]);
    operator.ready().await;
    let tenant = TestNamespace::new(&control_plane, "observed").await;
    tenant.apply([event_type("a.one").with("managementPolicy", "Observe")]).await;
    tenant.wait_for_reason("webhookeventtype", "a.one", "Differs").await;
    let metric = r#"svix_operator_differing_objects{kind="WebhookEventType"}"#;
    assert_eq!(operator.metric(metric).await, 1.0);
    tenant.apply([event_type("a.one").with("managementPolicy", "Manage")]).await;
    tenant.wait_for_reason("webhookeventtype", "a.one", "InSync").await;
    assert_eq!(operator.metric(metric).await, 0.0);
    // What nobody asks for is quiet: no status of it is left.
    let status = tenant.get("webhookeventtype", "a.one").await.unwrap()["status"].clone();
    assert!(status.get("difference").is_none(), "{status}");
}

#[tokio::test]
async fn a_refused_secret_is_reported_and_not_retried() {
    Operator::shared().await;
    let tenant = TestNamespace::new(ControlPlane::shared().await, "refused").await;
    let to = |labels: Value| json!({"toSecret": {"name": "key", "labels": labels}});
    let hook = endpoint("hook", &["a.one"]);
    tenant
        .apply([event_type("a.one"), hook.clone().with("signingSecret", to(json!({"app": "two words"})))])
        .await;
    let reported = tenant.wait_for_reason("webhookendpoint", "hook", "InvalidSpec").await;
    assert!(
        reported.starts_with("/spec/signingSecret/toSecret: ") && reported.contains("two words"),
        "{reported}"
    );
    // The user's own word on a label that is ours to give stands.
    let own = to(json!({"app.kubernetes.io/managed-by": "us"}));
    tenant.apply([hook.with("signingSecret", own)]).await;
    tenant.wait_for_reason("webhookendpoint", "hook", "InSync").await;
    let secret = tenant.get("secret", "key").await.unwrap();
    assert_eq!(secret["metadata"]["labels"]["app.kubernetes.io/managed-by"], "us");
}
