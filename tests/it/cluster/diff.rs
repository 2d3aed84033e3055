//! `diff --against cluster`: manifests compared with the objects in a cluster, with no more permissions than it names.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};
use svix_operator::manifests::yaml;

use crate::support::{
    control_plane::ControlPlane,
    harness::PATIENCE,
    objects::{Manifest, endpoint, event_type},
    operator::Operator,
    test_namespace::TestNamespace,
    wait::eventually,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_svix-operator");

/// A ServiceAccount that may do what the page says that is needed. Returns its kubeconfig.
async fn reader(tenant: &TestNamespace<'_>) -> std::path::PathBuf {
    permitted(tenant, "diff", &[]).await
}

/// A ServiceAccount that may do that, and more. Returns its kubeconfig.
async fn permitted(tenant: &TestNamespace<'_>, account: &str, more: &[Value]) -> std::path::PathBuf {
    let name = format!("{}-{account}", tenant.name);
    let subject = json!({"kind": "ServiceAccount", "name": account, "namespace": tenant.name});
    let group = "rbac.authorization.k8s.io";
    let rules = [
        json!({
            "apiGroups": ["svix-operator.dev"], "verbs": ["list"],
            "resources": ["svixconnections", "webhookeventtypes", "webhookendpoints"],
        }),
        json!({"apiGroups": [""], "verbs": ["get"], "resources": ["configmaps"]}),
    ];
    let rules = [&rules[..], more].concat();
    let role = json!({
        "apiVersion": format!("{group}/v1"), "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules,
    });
    let binding = json!({
        "apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": name},
        "subjects": [subject], "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
    });
    tenant.apply_json(&[role, binding]).await;
    tenant.control_plane.kubeconfig_of(&tenant.name, account)
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
async fn schemas_are_compared_with_kept_versions() {
    Operator::shared().await;
    let tenant = &TestNamespace::new(ControlPlane::shared().await, "diff-all").await;
    let revisions =
        json!({"apiGroups": ["apps"], "verbs": ["get", "list"], "resources": ["controllerrevisions"]});
    let with_history = permitted(tenant, "history", &[revisions]).await;
    let without = reader(tenant).await;
    let changed = |amount: Value, action: &str| {
        let schema = json!({"type": "object", "properties": {"amount": amount}});
        let compatibility = json!({"action": action, "against": "All"});
        event_type("a.one").with("schema", schema).with("compatibility", compatibility)
    };
    for (number, amount) in [(1, json!({"type": "integer"})), (2, json!({"type": "number"}))] {
        tenant.apply([changed(amount, "Warn")]).await;
        eventually("the version to be kept", PATIENCE, async || {
            let object = tenant.get("webhookeventtype", "a.one").await?;
            let history = &object["status"]["schemaHistory"];
            if history["revision"] == number { Ok(()) } else { Err(object["status"].to_string()) }
        })
        .await;
    }

    // Safe for those who know the last version, and not for those who know the first one.
    let positive = json!({"type": "number", "minimum": 0});
    let warned = diff(tenant, &with_history, &[changed(positive.clone(), "Warn")], &[]).await;
    let refused = diff(tenant, &with_history, &[changed(positive.clone(), "Enforce")], &[]).await;
    let unread = diff(tenant, &without, &[changed(positive, "Enforce")], &[]).await;

    for (output, code, expected) in [
        (warned, 1, "it permits a payload that its revision 1 refused"),
        (refused, 4, "it permits a payload that its revision 1 refused"),
        (unread, 1, "not decided whether the schema breaks every version that is kept"),
    ] {
        let (found, text) = printed(&output);
        assert_eq!((found, text.contains(expected)), (Some(code), true), "{text}");
        assert!(!text.contains("last version only"), "{text}");
    }
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
