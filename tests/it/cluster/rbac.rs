//! The permissions in examples/install/rbac.yaml are enough, and none of them is too many.

use std::time::Duration;

use serde_json::json;

use crate::support::{
    control_plane::ControlPlane,
    objects::{endpoint, event, event_type},
    operator::{OPERATOR_NAMESPACE, Operator, free_address, install_definitions, kubeconfig_of},
    sidecar::{Sidecar, metric_at_least},
    test_namespace::TestNamespace,
    wait::eventually,
};

const RBAC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/install/rbac.yaml");
const WEBHOOK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/install/webhook.yaml");

#[tokio::test]
async fn the_permissions_in_the_example_are_enough() {
    let control_plane = ControlPlane::start().await;
    install_definitions(&control_plane).await;
    control_plane.kubectl(&["apply", "--server-side", "-f", RBAC]).await.expect_success();
    let tenant = TestNamespace::new(&control_plane, "rbac").await;
    let operator = Operator::start_with(&control_plane, &kubeconfig_of(&control_plane, "svix-operator"), &[]);
    operator.ready().await;

    // Everything that it does: make, take a schema from elsewhere, follow it, change, tell, use a new token,
    // release; and an event that goes after its time.
    let map = |schema: &str| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": {"schema.json": schema},
            "metadata": {"name": "schemas", "namespace": tenant.name},
        })
    };
    let reference = json!({"configMapKeyRef": {"name": "schemas", "key": "schema.json"}});
    tenant.apply_json(&[map(r#"{"type": "object"}"#)]).await;
    tenant
        .apply([
            event_type("a.one").with("schema", json!(null)).with("schemaFrom", reference),
            endpoint("hook", &["a.one"]),
        ])
        .await;
    tenant.all_ready(2).await;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "stringData": {"token": "hunter2"},
        "metadata": {"name": "receiver", "namespace": tenant.name},
    });
    tenant.apply_json(&[secret]).await;
    let headers =
        json!([{"name": "X-Key", "valueFrom": {"secretKeyRef": {"name": "receiver", "key": "token"}}}]);
    let keyed = endpoint("keyed", &["a.one"])
        .with("headers", headers)
        .with("signingSecret", json!({"toSecret": {"name": "key"}}));
    tenant.apply([keyed.clone()]).await;
    tenant.wait_for_reason("webhookendpoint", "keyed", "InSync").await;
    tenant.apply([keyed.annotated("svix-operator.dev/rotate-at", "now")]).await;
    eventually("the key to be replaced", Duration::from_secs(60), async || {
        let found = tenant.get("webhookendpoint", "keyed").await?;
        if found["status"]["lastHandledRotateAt"] == "now" {
            Ok(())
        } else {
            Err(found["status"].to_string())
        }
    })
    .await;
    tenant.apply([event("e", "a.one").with("application", "other").with("ttlAfterFinished", "0s")]).await;
    tenant.gone("webhookevent", "e").await;
    tenant.apply_json(&[map("no JSON")]).await;
    tenant.wait_for_reason("webhookeventtype", "a.one", "InvalidSchema").await;
    tenant.apply_json(&[map(r#"{"type": "object", "required": ["a"]}"#)]).await;
    tenant.all_ready(3).await;
    eventually("Events of it", Duration::from_secs(30), async || {
        let events = tenant.kubectl(&["get", "events"]).await.expect_success();
        if events.contains("Created") && events.contains("InvalidSchema") { Ok(()) } else { Err(events) }
    })
    .await;
    tenant.set_token("wrong").await;
    tenant.wait_for_reason("svixconnection", &tenant.name, "AuthenticationFailed").await;
    tenant.set_token(tenant.svix.token()).await;
    tenant.wait_for_reason("svixconnection", &tenant.name, "Connected").await;
    tenant.kubectl(&["delete", "webhookeventtypes,webhookendpoints", "--all"]).await.expect_success();
    control_plane.kubectl(&["delete", "svixconnection", &tenant.name]).await.expect_success();

    operator.signal("TERM");
    operator.ended(Duration::from_secs(10)).await;
    assert_eq!(operator.refused(), Vec::<String>::new());
    let log = operator.log_text();
    assert!(log.contains("stopped"), "{log}");
}

#[tokio::test]
async fn secrets_can_be_allowed_in_some_namespaces_only() {
    // Given an operator that may read Secrets in one namespace, and nowhere else
    let control_plane = ControlPlane::start().await;
    install_definitions(&control_plane).await;
    control_plane.kubectl(&["apply", "--server-side", "-f", RBAC]).await.expect_success();
    control_plane.kubectl(&["delete", "clusterrolebinding", "svix-operator-secrets"]).await.expect_success();
    let (allowed, not) = (
        TestNamespace::new(&control_plane, "allowed").await,
        TestNamespace::new(&control_plane, "not").await,
    );
    let account = format!("{OPERATOR_NAMESPACE}:svix-operator");
    allowed
        .kubectl(&[
            "create",
            "rolebinding",
            "secrets",
            "--clusterrole=svix-operator-secrets",
            "--serviceaccount",
            &account,
        ])
        .await
        .expect_success();
    let operator = Operator::start_with(&control_plane, &kubeconfig_of(&control_plane, "svix-operator"), &[])
        .that_may_be_refused();
    operator.ready().await;
    // When endpoints in both take a header from a Secret and write their key to one
    let headers =
        json!([{"name": "X-Key", "valueFrom": {"secretKeyRef": {"name": "receiver", "key": "token"}}}]);
    let hook = endpoint("hook", &["a.one"])
        .with("headers", headers)
        .with("signingSecret", json!({"toSecret": {"name": "key"}}));
    for tenant in [&allowed, &not] {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "stringData": {"token": "hunter2"},
            "metadata": {"name": "receiver", "namespace": tenant.name},
        });
        tenant.apply_json(&[secret]).await;
        tenant.apply([event_type("a.one"), hook.clone(), endpoint("plain", &["a.one"])]).await;
    }
    // Then it works in the one, and in the other it is told what is missing; what needs no Secret goes on.
    allowed.all_ready(3).await;
    assert!(allowed.get("secret", "key").await.is_ok());
    let reported = not.wait_for_reason("webhookendpoint", "hook", "SecretNotReadable").await;
    assert!(
        reported.contains("docs/security.md") && reported.contains(&format!("Secret {}/", not.name)),
        "{reported}"
    );
    not.wait_for_reason("webhookendpoint", "plain", "InSync").await;
    assert!(!operator.refused().is_empty(), "what is refused is told in the log");
    assert!(not.svix.snapshot().endpoint("default", &format!("test.{}.hook", not.name)).is_none());
}

#[tokio::test]
async fn the_example_permissions_are_enough() {
    let control_plane = ControlPlane::start().await;
    install_definitions(&control_plane).await;
    control_plane.kubectl(&["apply", "--server-side", "-f", RBAC]).await.expect_success();
    let tenant = TestNamespace::new(&control_plane, "rbac").await;
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": {"schema.json": "{}"},
        "metadata": {"name": "schemas", "namespace": tenant.name},
    });
    tenant.apply_json(&[map]).await;
    let reference = json!({"configMapKeyRef": {"name": "schemas", "key": "schema.json"}});
    let two = ["first", "second"].map(|name| {
        let from = event_type(name).with("schema", json!(null)).with("schemaFrom", reference.clone());
        from.with("name", "a.one")
    });
    tenant.apply(two).await;
    // With the configuration in force, no event type could be made: no Service leads anywhere here.
    control_plane.kubectl(&["apply", "-f", WEBHOOK]).await.expect_success();

    let account = kubeconfig_of(&control_plane, "svix-operator-webhook");
    let lives = ["--tls-lifetime", "3s", "--ca-lifetime", "9s", "--ca-settle", "1s"];
    let sidecar =
        Sidecar::with_kubeconfig(&control_plane, &account, OPERATOR_NAMESPACE, free_address(), &lives);
    sidecar.process.ready().await;
    tenant.kubectl(&["delete", "webhookeventtype", "first"]).await.expect_success();
    let reloads = "svix_operator_certificate_reloads_total{result=\"ok\"}";
    metric_at_least(&sidecar, reloads, 4.0, Duration::from_secs(60)).await;
    let path = "jsonpath={.webhooks[*].clientConfig.caBundle}";
    let get = ["get", "validatingwebhookconfiguration", "svix-operator", "-o", path];
    let bundles = control_plane.kubectl(&get).await.expect_success();
    assert_eq!(bundles.split_whitespace().count(), 3, "{bundles}");

    sidecar.process.signal("TERM");
    sidecar.process.ended(Duration::from_secs(10)).await;
    assert_eq!(sidecar.process.refused(), Vec::<String>::new());
    let log = sidecar.process.log_text();
    assert!(log.contains("stopped") && !log.contains("cannot be read"), "{log}");
}
