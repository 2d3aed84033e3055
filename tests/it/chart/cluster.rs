//! What a real API server says of what the chart renders, strictly: no field that it does not know, no value that it
//! does not take, no pod that Pod Security would refuse.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{chart, objects, rendered, value_sets};
use crate::support::{
    control_plane::ControlPlane,
    operator::{OPERATOR_NAMESPACE, install_definitions},
    tools::tool,
};

/// Whether the test's API server has no such kind. Those are held against their own Go types.
pub fn is_foreign(object: &Value) -> bool {
    let version = object["apiVersion"].as_str().unwrap();
    ["monitoring.coreos.com/", "cert-manager.io/", "argoproj.io/"]
        .iter()
        .any(|group| version.starts_with(group))
        || version.contains(".fluxcd.io/")
}

/// Holds objects of other people's kinds against their own types.
pub async fn strictly(objects: &[&Value]) {
    let known: Vec<_> =
        objects.iter().filter(|it| !it["apiVersion"].as_str().unwrap().starts_with("argoproj.io")).collect();
    tool("strict", None, &[], &json!(known).to_string()).await.expect_success();
}

/// As an administrator would try it out; answers the API server's warnings.
async fn tried(control_plane: &ControlPlane, objects: &[&Value]) -> Result<String, String> {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
    let arguments =
        ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", "-"];
    let stated = control_plane.kubectl_with(&arguments, &list).await;
    if stated.success { Ok(stated.stderr) } else { Err(stated.stderr) }
}

/// The manifests below a folder, but for Argo CD's test data (objects with a status) and for patches.
pub fn examples_in(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("resource_customizations") {
            examples_in(&path, found);
        } else if path.extension().is_some_and(|it| it == "yaml") && !path.ends_with("component/gateway.yaml")
        {
            found.push(path);
        }
    }
}

async fn make_namespace(control_plane: &ControlPlane, name: &str) {
    control_plane.kubectl(&["create", "namespace", name]).await.expect_success();
}

#[tokio::test]
async fn an_api_server_accepts_every_rendering() {
    let control_plane = &ControlPlane::start().await;
    install_definitions(control_plane).await;
    for namespace in ["team-a", "team-b", "shop", "argocd", "flux-system"] {
        make_namespace(control_plane, namespace).await;
    }
    let label = ["label", "namespace", OPERATOR_NAMESPACE, "pod-security.kubernetes.io/warn=restricted"];
    control_plane.kubectl(&label).await.expect_success();

    for (set, arguments) in value_sets() {
        let objects = objects(&rendered(&arguments).await);
        let (foreign, ours): (Vec<_>, Vec<_>) = objects.iter().partition(|object| is_foreign(object));
        strictly(&foreign).await;
        let warnings = tried(control_plane, &ours).await.unwrap_or_else(|why| panic!("{set}: {why}"));
        // A pod on the node's network is no restricted pod, and says so.
        let expected = if set == "issuer" { "would violate PodSecurity" } else { "" };
        assert!(warnings.contains(expected), "{set}: {warnings}");
        assert!(!expected.is_empty() || warnings.is_empty(), "{set}: {warnings}");
    }
    let mut examples = Vec::new();
    examples_in(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples"), &mut examples);
    assert!(examples.len() > 20, "{examples:?}");
    for example in examples {
        let text = std::fs::read_to_string(&example).unwrap();
        let objects: Vec<_> =
            objects(&text).into_iter().filter(|object| object["apiVersion"].is_string()).collect();
        // What kustomize reads, and no API server; `gitops` has it read.
        let kustomize =
            |it: &&Value| it["apiVersion"].as_str().unwrap().starts_with("kustomize.config.k8s.io/");
        let objects: Vec<_> = objects.iter().filter(|object| !kustomize(object)).collect();
        for namespace in objects.iter().filter_map(|object| object["metadata"]["namespace"].as_str()) {
            // It may be there already.
            control_plane.kubectl(&["create", "namespace", namespace]).await;
        }
        let (foreign, ours): (Vec<&Value>, Vec<&Value>) =
            objects.into_iter().partition(|object| is_foreign(object));
        strictly(&foreign).await;
        if !ours.is_empty() {
            let tried = tried(control_plane, &ours).await;
            tried.unwrap_or_else(|why| panic!("{}: {why}", example.display()));
        }
    }
}

#[tokio::test]
async fn with_named_namespaces_nothing_is_allowed_elsewhere() {
    let control_plane = &ControlPlane::start().await;
    install_definitions(control_plane).await;
    for namespace in ["team-a", "team-b", "team-c"] {
        make_namespace(control_plane, namespace).await;
    }
    let objects = chart("named-namespaces").await;
    let roles: Vec<_> =
        objects.iter().filter(|object| object["apiVersion"].as_str().unwrap().starts_with("rbac.")).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": roles}).to_string();
    control_plane.kubectl_with(&["apply", "--server-side", "-f", "-"], &list).await.expect_success();

    let account = format!("--as=system:serviceaccount:{OPERATOR_NAMESPACE}:svix-operator");
    let may = async |verb: &str, resource: &str, namespace: &str| {
        let mut arguments = vec!["auth", "can-i", verb, resource, &account];
        match namespace {
            "" => arguments.push("--all-namespaces"),
            namespace => arguments.extend(["--namespace", namespace]),
        }
        control_plane.kubectl(&arguments).await.stdout.trim() == "yes"
    };
    let kinds = ["webhookendpoints.svix-operator.dev", "webhookevents.svix-operator.dev", "configmaps"];
    for kind in kinds {
        for (namespace, allowed) in [("team-a", true), ("team-b", true), ("team-c", false), ("", false)] {
            // The webhook, in the same pod, reads schemas everywhere.
            let allowed = allowed || kind == "configmaps";
            assert_eq!(may("list", kind, namespace).await, allowed, "{kind} in {namespace:?}");
        }
    }
    for (namespace, allowed) in
        [("team-a", false), ("team-b", true), ("team-c", false), ("", false), (OPERATOR_NAMESPACE, true)]
    {
        assert_eq!(may("get", "secrets", namespace).await, allowed, "secrets in {namespace:?}");
    }
    assert!(may("patch", "secrets", "team-b").await && !may("patch", "secrets", OPERATOR_NAMESPACE).await);
    assert!(
        may("watch", "svixconnections.svix-operator.dev", "").await && may("watch", "namespaces", "").await
    );
    assert!(may("create", "events.events.k8s.io", "default").await, "about connections");
    for (verb, resource) in [
        ("update", "webhookendpoints.svix-operator.dev"),
        ("create", "webhookendpoints.svix-operator.dev"),
        ("delete", "webhookendpoints.svix-operator.dev"),
        ("delete", "secrets"),
        ("create", "pods"),
        ("impersonate", "users"),
        ("bind", "clusterroles.rbac.authorization.k8s.io"),
    ] {
        assert!(!may(verb, resource, "team-b").await, "{verb} {resource}");
    }
}
