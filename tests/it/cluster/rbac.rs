//! The permissions in examples/install/rbac.yaml are enough, and none of them is too many.

use std::{path::PathBuf, time::Duration};

use serde_json::json;
use svix_operator::embedded::Options;

use crate::support::{
    control_plane::ControlPlane,
    objects::{endpoint, event, event_type},
    operator::{OPERATOR_NAMESPACE, Operator, install},
    tenant::Tenant,
    wait::eventually,
};

const RBAC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/install/rbac.yaml");

/// A kubeconfig of the operator's ServiceAccount.
fn kubeconfig_of_operator(control_plane: &ControlPlane) -> PathBuf {
    let text = std::fs::read_to_string(control_plane.kubeconfig()).unwrap();
    let user = format!("    as: system:serviceaccount:{OPERATOR_NAMESPACE}:svix-operator\n    token: ");
    let text = text.replacen("    token: ", &user, 1);
    let path = control_plane.dir().join("operator.kubeconfig");
    std::fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn the_permissions_in_the_example_are_enough() {
    let control_plane = ControlPlane::start().await;
    install(&control_plane).await;
    control_plane.kubectl(&["apply", "--server-side", "-f", RBAC]).await.expect_success();
    let tenant = Tenant::new(&control_plane, "rbac").await;
    let operator = Operator::start_with(&control_plane, &kubeconfig_of_operator(&control_plane), &[]);
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
    tenant.apply([event("e", "a.one").with("application", "other").with("ttlAfterFinished", "0s")]).await;
    tenant.gone("webhookevent", "e").await;
    tenant.apply_json(&[map("no JSON")]).await;
    tenant.reason("webhookeventtype", "a.one", "InvalidSchema").await;
    tenant.apply_json(&[map(r#"{"type": "object", "required": ["a"]}"#)]).await;
    tenant.all_ready(2).await;
    eventually("Events of it", Duration::from_secs(30), async || {
        let events = tenant.kubectl(&["get", "events"]).await.expect_success();
        if events.contains("Created") && events.contains("InvalidSchema") { Ok(()) } else { Err(events) }
    })
    .await;
    tenant.set_token("wrong").await;
    tenant.reason("svixconnection", &tenant.name, "AuthenticationFailed").await;
    tenant.set_token(Options::default().token.as_str()).await;
    tenant.reason("svixconnection", &tenant.name, "Connected").await;
    tenant.kubectl(&["delete", "webhookeventtypes,webhookendpoints", "--all"]).await.expect_success();
    control_plane.kubectl(&["delete", "svixconnection", &tenant.name]).await.expect_success();

    operator.signal("TERM");
    operator.ended(Duration::from_secs(10)).await;
    let log = operator.log_text();
    let refused: Vec<_> = log.lines().filter(|line| line.to_lowercase().contains("forbidden")).collect();
    assert!(refused.is_empty(), "{refused:#?}");
    assert!(log.contains("stopped"), "{log}");
}
