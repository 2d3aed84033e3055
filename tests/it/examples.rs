//! The examples work as they are: the manifests load without a problem, and each payload matches or not as its name says.

mod workflows;

use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::{Draft, Validator};
use serde_json::Value;
use svix_operator::api::WebhookEventType;
use svix_operator::manifests::{Loaded, load};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

fn load_without_problems(folder: &str) -> Loaded {
    let loaded = load(&examples().join(folder));
    let problems: Vec<String> =
        loaded.problems.iter().chain(&loaded.warnings).map(ToString::to_string).collect();
    assert_eq!(problems, [""; 0], "{folder}");
    assert_eq!(loaded.notes, [""; 0], "{folder}");
    loaded
}

fn schema(event_type: &WebhookEventType) -> Value {
    let spec = &event_type.spec;
    spec.schema
        .as_ref()
        .map(|schema| schema.to_value())
        .or_else(|| spec.schema_text.as_deref().map(|text| serde_json::from_str(text).unwrap()))
        .expect("an example with an inline schema")
}

#[test]
fn events_match_their_schemas() {
    let (quickstart, events) = (load_without_problems("quickstart"), load_without_problems("events"));
    assert_eq!(events.events.len(), 1);
    for event in &events.events {
        let spec = &event.object.spec;
        let mut kinds = quickstart.event_types.iter().map(|located| &located.object);
        let kind = kinds.find(|kind| kind.event_type_name() == spec.event_type).unwrap();
        let payload = serde_json::from_str(spec.payload().unwrap()).unwrap();
        assert!(validator(kind).is_valid(&payload), "{}: {payload}", event.origin.file);
    }
}

#[test]
fn an_event_type_without_a_schema_takes_any_payload() {
    let loaded = load_without_problems("any-payload");

    let [event_type] = &loaded.event_types[..] else { panic!("one event type") };
    let spec = &event_type.object.spec;
    assert!(spec.schema.is_none() && spec.schema_text.is_none() && spec.schema_from.is_none());
    let [endpoint] = &loaded.endpoints[..] else { panic!("one endpoint") };
    assert_eq!(endpoint.object.spec.event_types, [event_type.object.event_type_name()]);
}

fn validator(event_type: &WebhookEventType) -> Validator {
    jsonschema::options()
        .with_draft(Draft::Draft7)
        .should_validate_formats(true)
        .should_ignore_unknown_formats(false)
        .offline()
        .build(&schema(event_type))
        .unwrap_or_else(|error| panic!("{}: {error}", event_type.event_type_name()))
}

#[test]
fn manifests_load_without_a_problem() {
    for (folder, event_types) in [
        ("quickstart", ["order.placed", "order.shipped"]),
        ("software-heritage", ["origin.create", "origin.visit"]),
    ] {
        let loaded = load_without_problems(folder);
        let names: Vec<_> =
            loaded.event_types.iter().map(|located| located.object.event_type_name()).collect();
        assert_eq!(names, event_types);
        assert_eq!(loaded.endpoints.len(), 3, "{folder}");
        assert_eq!(loaded.connections.len(), 1, "{folder}");
        // The event types of an endpoint are declared with it, so that `dev` has nothing to wait for.
        for endpoint in &loaded.endpoints {
            assert!(endpoint.object.spec.event_types.iter().all(|name| names.contains(name)), "{folder}");
            let url = endpoint.object.spec.url.as_deref().unwrap();
            assert!(url.starts_with("https://hooks.example.org/"));
        }
        let with_channel = loaded.endpoints.iter().filter(|e| e.object.spec.channels.is_some()).count();
        assert!((1..loaded.endpoints.len()).contains(&with_channel), "{folder}: with and without a channel");
    }
}

#[test]
fn examples_of_event_types_match_their_schemas() {
    for event_type in ["quickstart", "software-heritage"]
        .into_iter()
        .flat_map(|folder| load_without_problems(folder).event_types)
    {
        let event_type = event_type.object;
        let validator = validator(&event_type);
        assert!(!event_type.spec.examples.is_empty(), "{}", event_type.event_type_name());
        for example in &event_type.spec.examples {
            let value = example.value.as_ref().map(|value| value.to_value());
            let value = value
                .or_else(|| serde_json::from_str(example.text.as_deref().unwrap()).ok())
                .expect("a payload");
            assert!(validator.is_valid(&value), "{}: {}", event_type.event_type_name(), example.name);
        }
    }
}

#[test]
fn payloads_match_as_their_names_say() {
    let event_types: Vec<_> = ["quickstart", "software-heritage"]
        .into_iter()
        .flat_map(|folder| load_without_problems(folder).event_types)
        .collect();
    let (mut matches, mut refusals) = (0, 0);
    for folder in fs::read_dir(examples().join("payloads")).unwrap() {
        let folder = folder.unwrap();
        let name = folder.file_name().into_string().unwrap();
        let event_type = event_types
            .iter()
            .find(|located| located.object.event_type_name() == name)
            .unwrap_or_else(|| panic!("payloads/{name}: no example declares that event type"));
        let validator = validator(&event_type.object);
        for file in fs::read_dir(folder.path()).unwrap() {
            let path = file.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap();
            let payload: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            let errors: Vec<String> =
                validator.iter_errors(&payload).map(|error| error.to_string()).collect();
            if stem.starts_with("match-") {
                assert_eq!(errors, [""; 0], "{}", path.display());
                matches += 1;
            } else {
                assert!(stem.starts_with("no-match-"), "{}", path.display());
                assert!(!errors.is_empty(), "{} matches", path.display());
                refusals += 1;
            }
        }
    }
    assert!(matches >= 6 && refusals >= 11, "{matches} that match, {refusals} that do not");
}

/// Compares what the schemas refuse with swh-webhooks 0.3.2.
#[test]
fn software_heritage_types_are_those_of_swh_webhooks() {
    let loaded = load_without_problems("software-heritage");
    let visit = schema(&loaded.event_types[1].object);
    assert_eq!(
        visit["required"],
        serde_json::json!(["origin_url", "visit_type", "visit_date", "visit_status", "snapshot_swhid"])
    );
    assert_eq!(
        visit["properties"]["visit_status"]["enum"],
        serde_json::json!(["created", "ongoing", "full", "partial", "not_found", "failed"])
    );
    assert_eq!(visit["properties"]["snapshot_swhid"]["type"], serde_json::json!(["string", "null"]));
    assert_eq!(visit["properties"]["snapshot_swhid"]["pattern"], "^swh:1:snp:[0-9a-f]{40}$");
    assert_eq!(schema(&loaded.event_types[0].object)["required"], serde_json::json!(["origin_url"]));
}
