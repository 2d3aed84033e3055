#![allow(clippy::unwrap_used)]
use std::collections::BTreeMap;

use serde_json::{json, value::RawValue};

use super::*;
use crate::{
    export::{options::Layout, selection::Selection},
    plan::digest::Digest,
};

fn options() -> Options {
    Options {
        namespace: Some("team".to_owned()),
        connection: "other".to_owned(),
        owner_id: None,
        with_secrets: false,
        secret_urls: false,
        plain_headers: Vec::new(),
        archived: false,
        portable: false,
        selection: Selection::default(),
        layout: Layout::File,
    }
}

fn event_type(name: &str, schemas: &[(&str, &str)]) -> EventTypeText {
    let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
    let schemas: BTreeMap<_, _> =
        schemas.iter().map(|(version, text)| ((*version).to_owned(), raw(text))).collect();
    let digest = |text: &RawValue| Digest::of_json(&serde_json::from_str(text.get()).unwrap());
    let observed = Observed {
        name: name.to_owned(),
        description: String::new(),
        archived: false,
        deprecated: false,
        schema_digest: schemas.get("1").map(|text| digest(text)),
        group_name: None,
        feature_flags: [].into(),
    };
    EventTypeText { observed, schemas }
}

fn export(found: &EventTypeText) -> Exported {
    super::export(found, &options(), &Checker::new().unwrap()).unwrap()
}

fn notes(exported: &Exported) -> Vec<String> {
    exported.limitations.iter().map(ToString::to_string).collect()
}

#[test]
fn a_name_is_in_the_spec_where_the_object_has_another() {
    let plain = export(&event_type("a.one", &[]));
    let encoded = export(&event_type("UserCreated", &[]));

    let reference = json!({"name": "other"});
    assert_eq!(plain.manifest["metadata"], json!({"name": "a.one", "namespace": "team"}));
    assert_eq!(plain.manifest["spec"], json!({"connectionRef": reference}));
    assert_eq!(encoded.manifest["metadata"]["name"], "x--zuserzcreated");
    assert_eq!(encoded.manifest["spec"], json!({"connectionRef": reference, "name": "UserCreated"}));
    assert!(needs_any_names("UserCreated") && !needs_any_names("a.one"));
}

#[test]
fn a_schema_is_yaml_where_yaml_keeps_it() {
    let yaml = export(&event_type("a.one", &[("1", r#"{"maximum":9223372036854775807}"#)]));
    let text = export(&event_type("a.one", &[("1", r#"{"maximum":1.10,"enum":[null]}"#)]));

    assert_eq!(yaml.manifest["spec"]["schema"], json!({"maximum": i64::MAX}));
    let expected = "{\n  \"maximum\": 1.10,\n  \"enum\": [\n    null\n  ]\n}";
    assert_eq!(text.manifest["spec"]["schemaText"], expected);
    assert_eq!((notes(&yaml), notes(&text)), (Vec::new(), Vec::new()));
}

#[test]
fn a_schema_that_cannot_be_declared_is_left_out() {
    let large = format!(r#"{{"title":"{}"}}"#, "t".repeat(MAX_SCHEMA_TEXT));
    for schema in ["true", r#"{"$ref":"https://a.example/x.json"}"#, r#"{"pattern":"("}"#, &large] {
        let exported = export(&event_type("a.one", &[("1", schema)]));

        let notes = notes(&exported);
        assert!(notes.len() == 1 && notes[0].starts_with("/schemas/1: not in the manifest"), "{notes:?}");
        let spec = exported.manifest["spec"].as_object().unwrap();
        assert!(!spec.contains_key("schema") && !spec.contains_key("schemaText"));
    }
    assert_eq!(notes(&export(&event_type("a.one", &[("1", "null")]))), [""; 0]);
}

#[test]
fn other_versions_are_named() {
    let exported = export(&event_type("a.one", &[("2", "{}"), ("draft", "{}")]));
    assert!(notes(&exported)[0].starts_with("/schemas: versions 2, draft are not in the manifest"));
}

#[test]
fn one_flag_and_several_have_their_fields() {
    let mut found = event_type("a.one", &[]);
    found.observed.feature_flags = ["b".to_owned()].into();
    assert_eq!(export(&found).manifest["spec"]["featureFlag"], "b");
    found.observed.feature_flags = ["b".to_owned(), ".".to_owned()].into();
    assert_eq!(export(&found).manifest["spec"]["featureFlags"], json!([".", "b"]));
}

#[test]
fn values_that_are_too_long_are_left_out() {
    let mut found = event_type("a.one", &[]);
    found.observed.description = "d".repeat(MAX_DESCRIPTION + 1);
    found.observed.group_name = Some("a b".to_owned());
    found.observed.feature_flags = (0..26).map(|index| format!("f{index}")).collect();

    let exported = export(&found);

    let fields: Vec<_> =
        notes(&exported).iter().map(|note| note.split(':').next().unwrap().to_owned()).collect();
    assert_eq!(fields, ["/description", "/groupName", "/featureFlags"]);
    assert_eq!(exported.manifest["spec"], json!({"connectionRef": {"name": "other"}}));
}

#[test]
fn an_archived_one_is_only_observed() {
    let mut found = event_type("a.one", &[]);
    found.observed.archived = true;

    let exported = export(&found);

    assert_eq!(exported.manifest["spec"]["managementPolicy"], "Observe");
    assert!(notes(&exported)[0].starts_with("/archived: "));
}
