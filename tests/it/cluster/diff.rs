//! `diff --against cluster`: manifests compared with the objects in a cluster, with no more permissions than it names.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};
use svix_operator::manifests::yaml;

use crate::support::{
    control_plane::ControlPlane,
    objects::{Manifest, endpoint, event_type},
    operator::Operator,
    test_namespace::TestNamespace,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_svix-operator");

/// A ServiceAccount that may do what the page says that is needed. Returns its kubeconfig.
async fn reader(tenant: &TestNamespace<'_>) -> std::path::PathBuf {
    let name = format!("{}-diff", tenant.name);
    let subject = json!({"kind": "ServiceAccount", "name": "diff", "namespace": tenant.name});
    let group = "rbac.authorization.k8s.io";
    let role = json!({
        "apiVersion": format!("{group}/v1"), "kind": "ClusterRole", "metadata": {"name": name},
        "rules": [
            {
                "apiGroups": ["svix-operator.dev"], "verbs": ["list"],
                "resources": ["svixconnections", "webhookeventtypes", "webhookendpoints"],
            },
            {"apiGroups": [""], "verbs": ["get"], "resources": ["configmaps"]},
        ],
    });
    let binding = json!({
        "apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": name},
        "subjects": [subject], "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
    });
    tenant.apply_json(&[role, binding]).await;
    tenant.control_plane.kubeconfig_of(&tenant.name, "diff")
}

async fn diff(
    tenant: &TestNamespace<'_>,
    kubeconfig: &Path,
    manifests: &[Manifest],
    more: &[&str],
) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let documents = manifests.iter().map(|manifest| tenant.mine(manifest.clone()).0);
    let text: String = documents.map(|document| format!("---\n{}", yaml::write(&document))).collect();
    std::fs::write(folder.path().join("m.yaml"), text).unwrap();
    let mut command = Command::new(PROGRAM);
    command
        .current_dir(folder.path())
        .args(["diff", "m.yaml", "--against", "cluster", "--connection", &tenant.name])
        .args(["--namespace", &tenant.name, "--kubeconfig"])
        .arg(kubeconfig)
        .args(more)
        .env_remove("KUBECONFIG")
        .stdin(Stdio::null());
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn printed(output: &Output) -> (Option<i32>, String) {
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

fn text_in(config_map: &str) -> Manifest {
    let reference = json!({"configMapKeyRef": {"name": config_map, "key": "schema.json"}});
    event_type("a.text").with("schema", Value::Null).with("schemaFrom", reference)
}

#[tokio::test]
async fn manifests_are_compared_with_the_objects_in_a_cluster() {
    Operator::shared().await;
    let tenant = &TestNamespace::new(ControlPlane::shared().await, "diff").await;
    let kubeconfig = reader(tenant).await;
    let config_map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "schemas", "namespace": tenant.name},
        "data": {"schema.json": r#"{"type": "object", "title": "text"}"#},
    });
    let header =
        json!([{"name": "Authorization", "valueFrom": {"secretKeyRef": {"name": "hook", "key": "token"}}}]);
    let hook = || endpoint("hook", &["a.one"]).with("headers", header.clone());
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hook", "namespace": tenant.name},
        "stringData": {"token": "Bearer hunter2"},
    });
    tenant.apply_json(&[config_map, secret]).await;
    let objects = || vec![event_type("a.one"), text_in("schemas"), hook()];
    tenant.apply(objects().into_iter().chain([event_type("a.other")])).await;
    tenant.all_ready(4).await;
    let before = tenant.get("webhookendpoint", "hook").await.unwrap();

    let same = diff(tenant, &kubeconfig, &objects(), &[]).await;
    let changed = [
        event_type("a.one").with("schema", json!({"type": "object", "title": "new"})),
        text_in("schemas"),
        hook().with("url", "https://new.example.org/hook"),
        endpoint("second", &["a.one"]),
    ];
    let changed = diff(tenant, &kubeconfig, &changed, &["--show-foreign"]).await;

    assert_eq!(printed(&same), (Some(0), "no differences (3 compared)\n".to_owned()));
    let (code, text) = printed(&changed);
    let name = &tenant.name;
    let expected = [
        format!("change WebhookEndpoint {name}/hook"),
        "~ url: \"https://hooks.example.org/…\" → \"https://new.example.org/…\"".to_owned(),
        format!("create WebhookEndpoint {name}/second"),
        format!("change WebhookEventType {name}/a.one"),
        "~ schema/title: \"a.one\" → \"new\"".to_owned(),
        format!("not declared: WebhookEventType {name}/a.other"),
        "1 to create, 2 to change, 1 without differences".to_owned(),
    ];
    for line in expected {
        assert!(text.contains(&line), "{line:?} in\n{text}");
    }
    assert_eq!(code, Some(1));
    // Nothing was written, to the cluster or to Svix.
    let after = tenant.get("webhookendpoint", "hook").await.unwrap();
    assert_eq!(before["metadata"]["resourceVersion"], after["metadata"]["resourceVersion"]);
}

#[tokio::test]
async fn what_cannot_be_read_is_an_error() {
    Operator::shared().await;
    let tenant = &TestNamespace::new(ControlPlane::shared().await, "diff-weak").await;
    let nobody = tenant.control_plane.kubeconfig_of(&tenant.name, "nobody");

    let refused = diff(tenant, &nobody, &[event_type("a.one")], &[]).await;
    let missing = diff(tenant, Path::new("no-such-file"), &[event_type("a.one")], &[]).await;
    let context =
        diff(tenant, tenant.control_plane.kubeconfig(), &[event_type("a.one")], &["--context", "none"]).await;

    for (output, code, expected) in
        [(refused, 3, "cannot list SvixConnection"), (missing, 2, "no-such-file"), (context, 2, "none")]
    {
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), error.contains(expected)), (Some(code), true), "{error}");
    }
}
