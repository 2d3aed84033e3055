//! The releases of the schemas of GitHub's webhooks, `@octokit/webhooks-schemas`, event type by event type.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::packages;

const PACKAGE: &str = "@octokit/webhooks-schemas";
/// All releases that have schemas.
const RELEASES: [&str; 18] = [
    "3.69.1", "3.69.3", "3.77.1", "4.1.0", "4.13.0", "5.5.1", "5.8.0", "6.7.0", "6.10.0", "6.11.0", "7.0.2",
    "7.0.3", "7.1.0", "7.3.1", "7.4.0", "7.5.0", "7.5.1", "7.6.1",
];

/// A release, and the schema of each event type.
pub struct Release {
    pub version: String,
    pub event_types: BTreeMap<String, Value>,
}

/// Installs all releases, oldest first. `None`: they cannot be had.
pub async fn releases() -> Option<Vec<Release>> {
    let mut releases = Vec::new();
    for version in RELEASES {
        let folder = packages::npm(PACKAGE, version).await?;
        let text = std::fs::read_to_string(folder.join("schema.json")).unwrap();
        releases.push(Release {
            version: version.to_owned(),
            event_types: event_types(&serde_json::from_str(&text).unwrap()),
        });
    }
    Some(releases)
}

/// Takes the schema of each event type out of the one document that a release has.
pub fn event_types(document: &Value) -> BTreeMap<String, Value> {
    let definitions = document["definitions"].as_object().unwrap();
    let names = definitions.keys().filter(|name| name.contains('$'));
    names.map(|name| (name.replace('$', "."), alone(definitions, name))).collect()
}

/// Returns a definition with those that it refers to.
fn alone(definitions: &Map<String, Value>, name: &str) -> Value {
    let mut used = BTreeSet::new();
    let mut unseen = vec![name.to_owned()];
    while let Some(name) = unseen.pop() {
        if used.insert(name.clone()) {
            references(&definitions[&name], &mut unseen);
        }
    }
    let used: Map<_, _> = used.into_iter().map(|name| (name.clone(), definitions[&name].clone())).collect();
    json!({"$ref": format!("#/definitions/{name}"), "definitions": used})
}

fn references(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            let reference = map.get("$ref").and_then(Value::as_str);
            found.extend(reference.and_then(|it| it.strip_prefix("#/definitions/")).map(str::to_owned));
            map.values().for_each(|inner| references(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| references(inner, found)),
        _ => {}
    }
}
