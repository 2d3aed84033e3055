//! One mistake is one finding: each field of each example with a wrong value, through `validate`.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use serde_json::{Value, json};
use svix_operator::manifests::{files, read_text, yaml};

const PROGRAM: &str = env!("CARGO_BIN_EXE_svix-operator");

/// Values that most fields do not accept.
fn wrong_values() -> [Value; 9] {
    let long = "x".repeat(70_000);
    [
        json!(""),
        json!(" "),
        json!(7),
        json!(true),
        json!(null),
        json!("KEY=value"),
        json!("\"quoted\""),
        json!([]),
        json!(long),
    ]
}

/// Returns the pointers of all values that are neither lists nor objects.
fn leaves(value: &Value, pointer: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(key, member)| {
            leaves(member, &format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")), found);
        }),
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, item)| leaves(item, &format!("{pointer}/{index}"), found));
        }
        _ => found.push(pointer.to_owned()),
    }
}

/// Returns the objects of the examples that this program has rules for.
fn examples() -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let texts = files(&root).unwrap().into_iter().map(|path| read_text(&path).unwrap());
    let documents = texts.flat_map(|text| yaml::documents(&text).filter_map(Result::ok).collect::<Vec<_>>());
    let is_ours = |object: &Value| {
        let group = object["apiVersion"].as_str().unwrap_or_default();
        group.starts_with("svix-operator.dev/")
            || ["ConfigMap", "Secret"].map(Value::from).contains(&object["kind"])
    };
    documents.map(|document| document.value).filter(is_ours).collect()
}

#[test]
fn each_wrong_value_is_one_finding() {
    let folder = tempfile::tempdir().unwrap();
    let mut changes = BTreeMap::new();
    for example in examples() {
        let mut pointers = Vec::new();
        leaves(&example, "", &mut pointers);
        for pointer in pointers {
            for value in wrong_values() {
                let name = format!("c{}.json", changes.len());
                let mut object = example.clone();
                // So that no two objects declare the same.
                object["metadata"]["namespace"] = json!(format!("n{}", changes.len()));
                object["metadata"]["name"] =
                    json!(format!("{}-{}", example["metadata"]["name"].as_str().unwrap(), changes.len()));
                let shown: String = value.to_string().chars().take(20).collect();
                *object.pointer_mut(&pointer).unwrap() = value;
                fs::write(folder.path().join(&name), object.to_string()).unwrap();
                changes.insert(name, format!("{} {pointer} = {shown}", example["kind"]));
            }
        }
    }

    let output =
        Command::new(PROGRAM).args(["validate", ".", "-o", "json"]).current_dir(&folder).output().unwrap();

    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut by_field: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for finding in report["findings"].as_array().unwrap() {
        let part = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        let file = part("file").rsplit('/').next().unwrap().to_owned();
        by_field.entry((file, part("pointer"))).or_default().push(format!(
            "{}: {}",
            part("severity"),
            part("message")
        ));
    }
    let doubled: Vec<_> = by_field.iter().filter(|(_, messages)| messages.len() > 1).collect();
    let lines: Vec<_> = doubled
        .iter()
        .map(|((file, pointer), messages)| {
            format!("{}\n  {pointer}: {messages:#?}", changes.get(file).unwrap_or(file))
        })
        .collect();
    assert!(
        changes.len() > 1000 && by_field.len() > changes.len() / 2,
        "{} {}",
        changes.len(),
        by_field.len()
    );
    assert!(lines.is_empty(), "{} of {}:\n{}", lines.len(), by_field.len(), lines.join("\n"));
}
