//! kubeconform, strictly, on every rendering and every example, with the schemas that a real API server publishes: its
//! own kinds, and ours from the definitions. What a pipeline without a cluster would see.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use super::{cluster, objects, rendered, value_sets};
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
        crate::support::world::PATIENCE,
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
    let mut taken = 0;
    for (set, mut objects) in sets {
        // Other people's kinds are held against their own types; kustomize's are read by kustomize.
        objects.retain(|object| {
            object["apiVersion"].as_str().is_some_and(|it| !it.starts_with("kustomize.config.k8s.io/"))
                && !cluster::is_foreign(object)
        });
        let said = judged(&program, schemas.path(), &objects);
        assert!(said.success, "{set}: {}{}", said.stdout, said.stderr);
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
        let said = judged(&program, schemas.path(), &[wrong]);
        assert!(!said.success && said.stdout.contains(named), "{}{}", said.stdout, said.stderr);
    }
}
