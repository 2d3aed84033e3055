//! The Helm chart, with the real helm and on a real API server.

mod argo_controller;
mod argo_sync;
mod cluster;
mod gitops;
mod install;
mod kubeconform;
mod monitoring;
mod permissions;
mod rendering;
mod upgrade;
mod walkthrough;

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize as _;
use serde_json::Value;

use crate::support::{control_plane::ControlPlane, tools::tool};

const CHART: &str = "charts/svix-operator";

/// Text of a file of the project.
fn file(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The sets of values that the chart is tried with: `ci/*-values.yaml`, and none at all.
fn value_sets() -> BTreeMap<String, Vec<String>> {
    let folder = format!("{CHART}/ci");
    let entries = std::fs::read_dir(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(&folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut sets: BTreeMap<_, _> = names
        .map(|name| {
            let set = name.strip_suffix("-values.yaml").expect("a name that chart-testing knows").to_owned();
            (set, vec!["--values".to_owned(), format!("{folder}/{name}")])
        })
        .collect();
    assert!(sets.len() > 4, "{sets:?}");
    sets.insert("default".to_owned(), Vec::new());
    sets
}

/// What `helm template` makes of the chart, for a release `svix-operator` in a namespace of the same name.
async fn rendered(arguments: &[String]) -> String {
    let mut all = vec!["template", "svix-operator", CHART, "--namespace", "svix-operator"];
    all.extend(arguments.iter().map(String::as_str));
    tool("helm", None, &all, "").await.expect_success()
}

/// The objects of a rendering, or of any YAML.
fn objects(text: &str) -> Vec<Value> {
    let documents = serde_yaml::Deserializer::from_str(text).map(|part| Value::deserialize(part).unwrap());
    documents.filter(|object| !object.is_null()).collect()
}

/// What a kustomization comes to, which is the same by kustomize as by what kubectl brings along.
async fn kustomized(control_plane: &ControlPlane, folder: &str) -> Vec<Value> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder).display().to_string();
    let by_kubectl = control_plane.kubectl(&["kustomize", &path]).await.expect_success();
    let by_kustomize = tool("kustomize", None, &["build", &path], "").await.expect_success();
    assert_eq!(by_kubectl, by_kustomize, "{folder}");
    objects(&by_kustomize)
}

/// The objects of a set, by kind and name.
async fn chart(set: &str) -> Vec<Value> {
    objects(&rendered(&value_sets()[set]).await)
}

fn named<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let mut found = objects.iter().filter(|it| it["kind"] == kind && it["metadata"]["name"] == name);
    found.next().unwrap_or_else(|| panic!("no {kind} {name}"))
}
