//! kubeconform, strictly, on every rendering, every example and every kustomization, with the schemas that a real API server publishes: its
//! own kinds, and ours from the definitions. What a pipeline without a cluster would see.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use super::{cluster, kustomized, objects, rendered, value_sets};
use crate::support::{
    control_plane::{ControlPlane, Finished},
    go_programs::GoPrograms,
    operator::install_definitions,
};

fn kubeconform() -> PathBuf {
    let programs = GoPrograms {
        name: "kubeconform",
        module: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kubeconform"),
        packages: &["github.com/yannh/kubeconform/cmd/kubeconform"],
        programs: &["kubeconform"],
        sources: &[],
        link_flags: "-s -w".to_owned(),
        takes: "half a minute",
        without_go: "the tests of the chart need kubeconform: install Go (https://go.dev/dl) so that it can be built",
        instead: "",
    };
    programs.build_or_cached().unwrap_or_else(|why| panic!("no kubeconform: {why}")).join("kubeconform")
}

/// A published schema as kubeconform is to read it: what has fields has no others, and what the API server takes in
/// more than one form may have each.
fn strict(schema: &mut Value) {
    if let Value::Object(map) = schema {
        match map.get("format").and_then(Value::as_str) {
            Some("int-or-string") => {
                map.insert("type".to_owned(), json!(["string", "integer"]));
            }
            // Kubernetes' formats are not JSON Schema's.
            Some(_) => {
                map.remove("format");
            }
            // None, or a field of that name.
            None => {}
        }
        let open = map.get("x-kubernetes-preserve-unknown-fields").is_some_and(|it| it == true);
        if map.get("properties").is_some_and(Value::is_object)
            && !map.contains_key("additionalProperties")
            && !open
        {
            map.insert("additionalProperties".to_owned(), false.into());
        }
        map.values_mut().for_each(strict);
    } else if let Value::Array(list) = schema {
        list.iter_mut().for_each(strict);
    }
}

/// The definitions that one refers to, over others too.
fn needed(all: &Value, name: &str, found: &mut BTreeSet<String>) {
    fn references(schema: &Value, found: &mut Vec<String>) {
        match schema {
            Value::Object(map) => {
                let name = map.get("$ref").and_then(Value::as_str);
                found.extend(name.and_then(|it| it.strip_prefix("#/definitions/")).map(str::to_owned));
                map.values().for_each(|inside| references(inside, found));
            }
            Value::Array(list) => list.iter().for_each(|inside| references(inside, found)),
            _ => {}
        }
    }
    if found.insert(name.to_owned()) {
        let mut next = Vec::new();
        references(&all[name], &mut next);
        next.iter().for_each(|name| needed(all, name, found));
    }
}

/// Writes a schema for each kind that the API server knows.
async fn write_schemas(control_plane: &ControlPlane, folder: &Path) {
    let text = control_plane.kubectl(&["get", "--raw", "/openapi/v2"]).await.expect_success();
    let mut all = serde_json::from_str::<Value>(&text).unwrap()["definitions"].take();
    strict(&mut all);
    let quantity = &mut all["io.k8s.apimachinery.pkg.api.resource.Quantity"];
    quantity["type"] = json!(["string", "number"]);
    for (name, schema) in all.as_object().unwrap() {
        for kind in schema["x-kubernetes-group-version-kind"].as_array().into_iter().flatten() {
            let part = |name: &str| kind[name].as_str().unwrap().to_lowercase();
            let (group, version) = (part("group"), part("version"));
            let group = if group.is_empty() { &version } else { &group };
            let mut used = BTreeSet::new();
            needed(&all, name, &mut used);
            let definitions: serde_json::Map<_, _> =
                used.into_iter().map(|name| (name.clone(), all[&name].clone())).collect();
            let file = folder.join(format!("{}-{group}-{version}.json", part("kind")));
            let schema =
                json!({"$ref": format!("#/definitions/{name}"), "definitions": Value::from(definitions)});
            std::fs::write(file, schema.to_string()).unwrap();
        }
    }
}

fn judged(program: &Path, schemas: &Path, objects: &[Value]) -> Finished {
    let mut input = tempfile::tempfile().unwrap();
    for object in objects {
        std::io::Write::write_all(&mut input, format!("---\n{object}\n").as_bytes()).unwrap();
    }
    std::io::Seek::rewind(&mut input).unwrap();
    let location = format!(
        "{}/{{{{.ResourceKind}}}}-{{{{.Group}}}}-{{{{.ResourceAPIVersion}}}}.json",
        schemas.display()
    );
    let output = Command::new(program)
        .args(["-strict", "-summary", "-schema-location", &location, "-"])
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output();
    output.unwrap().into()
}

/// The folders below one that kustomize builds something from.
fn kustomizations_in(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            kustomizations_in(&path, found);
        } else if path.ends_with("kustomization.yaml") {
            let text = std::fs::read_to_string(&path).unwrap();
            // A component is built where it is taken in.
            if objects(&text)[0]["kind"] == "Kustomization" {
                found.push(folder.display().to_string());
            }
        }
    }
}

/// The kustomization that Flux makes of a folder that has none: everything in it, but for what the source leaves out.
fn as_flux_makes_it(declared: &Value, source: &Value) -> tempfile::TempDir {
    let made = tempfile::tempdir().unwrap();
    let path = declared["spec"]["path"].as_str().unwrap().trim_start_matches("./");
    let ignored = source["spec"]["ignore"].as_str().unwrap();
    let mut resources = Vec::new();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap() {
        let name = entry.as_ref().unwrap().file_name().into_string().unwrap();
        if !ignored.lines().any(|line| line == format!("/{path}/{name}")) {
            std::fs::copy(entry.unwrap().path(), made.path().join(&name)).unwrap();
            resources.push(name);
        }
    }
    assert!(!resources.is_empty(), "{path}");
    let kustomization = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
        "namespace": declared["spec"]["targetNamespace"], "resources": resources,
    });
    std::fs::write(made.path().join("kustomization.yaml"), kustomization.to_string()).unwrap();
    made
}

#[tokio::test]
async fn kubeconform_takes_every_rendering_and_every_example() {
    let program = tokio::task::spawn_blocking(kubeconform).await.unwrap();
    let control_plane = &ControlPlane::start().await;
    install_definitions(control_plane).await;
    let schemas = tempfile::tempdir().unwrap();
    // The kinds of new definitions are published a moment later.
    let ours = schemas.path().join("webhookevent-svix-operator.dev-v1alpha1.json");
    crate::support::wait::eventually(
        "our kinds to be published",
        crate::support::harness::PATIENCE,
        async || {
            write_schemas(control_plane, schemas.path()).await;
            ours.exists().then_some(())
        },
    )
    .await;

    let mut sets = Vec::new();
    for (set, arguments) in value_sets() {
        sets.push((set, objects(&rendered(&arguments).await)));
    }
    let mut examples = Vec::new();
    cluster::examples_in(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples"), &mut examples);
    for example in examples {
        let text = std::fs::read_to_string(&example).unwrap();
        sets.push((example.display().to_string(), objects(&text)));
    }
    let mut folders = Vec::new();
    kustomizations_in(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples"), &mut folders);
    assert!(folders.len() > 2, "{folders:?}");
    for folder in folders {
        let objects = kustomized(control_plane, &folder).await;
        sets.push((format!("kustomize build {folder}"), objects));
    }
    let flux = kustomized(control_plane, "examples/flux").await;
    let source = flux.iter().find(|it| it["kind"] == "GitRepository").unwrap();
    for declared in flux.iter().filter(|it| it["kind"] == "Kustomization") {
        let made = as_flux_makes_it(declared, source);
        let objects = kustomized(control_plane, made.path().to_str().unwrap()).await;
        let namespace = &declared["spec"]["targetNamespace"];
        assert!(objects.iter().all(|it| namespace.is_null() || &it["metadata"]["namespace"] == namespace));
        sets.push((format!("what Flux makes of {}", declared["spec"]["path"]), objects));
    }
    let mut taken = 0;
    for (set, mut objects) in sets {
        // Other people's kinds are held against their own types; kustomize's are read by kustomize.
        objects.retain(|object| {
            object["apiVersion"].as_str().is_some_and(|it| !it.starts_with("kustomize.config.k8s.io/"))
                && !cluster::is_foreign(object)
        });
        let stated = judged(&program, schemas.path(), &objects);
        assert!(stated.success, "{set}: {}{}", stated.stdout, stated.stderr);
        taken += objects.len();
    }
    assert!(taken > 100, "{taken} objects");
    // It would see a field that nobody knows, in a kind of ours and in another.
    for (wrong, named) in [
        (
            json!({"apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEndpoint", "metadata": {"name": "a"},
            "spec": {"eventTypes": ["a.b"], "url": "https://a.example", "chanels": []}}),
            "chanels",
        ),
        (
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"prots": []}}),
            "prots",
        ),
    ] {
        let stated = judged(&program, schemas.path(), &[wrong]);
        assert!(!stated.success && stated.stdout.contains(named), "{}{}", stated.stdout, stated.stderr);
    }
}
