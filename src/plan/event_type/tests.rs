#![allow(clippy::unwrap_used)]
use std::borrow::Cow;

use serde_json::json;

use super::*;

fn object(spec: Value) -> WebhookEventType {
    serde_json::from_value(json!({
        "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEventType",
        "metadata": {"name": "origin.create", "namespace": "ns"}, "spec": spec,
    }))
    .unwrap()
}

fn desire(spec: Value, owned: &[&'static str]) -> Desired {
    let object = object(spec);
    let schema = object.spec.schema.as_ref().map(crate::api::JsonObject::to_value);
    let owned: Vec<_> = owned.iter().copied().map(Cow::Borrowed).collect();
    desired(&object, schema, vec![], EventTypeNames::Grouped, &owned).unwrap()
}

fn observed(desired: &Desired) -> Observed {
    Observed {
        name: desired.name.clone(),
        description: desired.description.clone().unwrap_or_default(),
        archived: false,
        deprecated: false,
        schema_digest: desired.schema.as_ref().map(|schema| schema.digest),
        group_name: None,
        feature_flags: BTreeSet::new(),
    }
}

#[test]
fn a_missing_event_type_is_created() {
    assert_eq!(
        plan(&desire(json!({"schema": {}}), &[]), None, None, false, Adoption::Match),
        EventTypeStep::Create
    );
    assert_eq!(
        plan(&desire(json!({"schema": {}}), &[]), None, None, true, Adoption::Match),
        EventTypeStep::Create
    );
}

#[test]
fn an_equal_event_type_is_left_alone_or_adopted() {
    let desired = desire(json!({"schema": {"type": "object"}, "description": "d"}), &[]);
    assert_eq!(plan(&desired, Some(&observed(&desired)), None, true, Adoption::Match), EventTypeStep::InSync);
    assert_eq!(plan(&desired, Some(&observed(&desired)), None, false, Adoption::Match), EventTypeStep::Adopt);
}

#[test]
fn one_that_is_not_ours_and_differs_is_refused() {
    let desired = desire(json!({"schema": {"type": "object"}, "description": "mine"}), &[]);
    let other = Observed { description: "theirs".into(), ..observed(&desired) };
    let EventTypeStep::Refuse(error) = plan(&desired, Some(&other), None, false, Adoption::Match) else {
        unreachable!()
    };
    assert_eq!(error.reason, Reason::NotOurs);
    assert!(error.message.contains(r#"description is "theirs" in Svix, declared "mine""#), "{error}");
}

#[test]
fn adoption_decides_how_far_one_is_taken_over() {
    let desired = desire(json!({"schema": {"type": "object"}, "description": "mine"}), &[]);
    let (equal, other) =
        (observed(&desired), Observed { description: "theirs".into(), ..observed(&desired) });
    let step = |observed: &Observed, adoption| plan(&desired, Some(observed), None, false, adoption);
    assert_eq!(step(&equal, Adoption::Override), EventTypeStep::Adopt);
    assert!(
        matches!(step(&other, Adoption::Override), EventTypeStep::Overwrite(fields) if fields.len() == 1)
    );
    for observed in [&equal, &other] {
        let EventTypeStep::Refuse(error) = step(observed, Adoption::Never) else { unreachable!() };
        assert!(!error.message.contains("theirs"), "an object that may not adopt it learns nothing of it");
    }
}

#[test]
fn only_fields_that_the_spec_names_are_ours() {
    let desired = desire(json!({"schema": {}}), &[]);
    let touched = Observed {
        description: "by hand".into(),
        deprecated: true,
        group_name: Some("g".into()),
        feature_flags: ["f".into()].into(),
        ..observed(&desired)
    };
    assert_eq!(plan(&desired, Some(&touched), None, true, Adoption::Match), EventTypeStep::InSync);
}

#[test]
fn a_field_that_is_no_longer_named_is_reset() {
    let desired = desire(json!({"schema": {}}), &["description", "deprecated", "groupName", "featureFlag"]);
    let before = Observed {
        description: "d".into(),
        deprecated: true,
        group_name: Some("g".into()),
        feature_flags: ["f".into()].into(),
        ..observed(&desired)
    };
    let EventTypeStep::Change(differences) = plan(&desired, Some(&before), None, true, Adoption::Match)
    else {
        unreachable!()
    };
    let fields: Vec<_> = differences.iter().map(|difference| difference.field).collect();
    assert_eq!(fields, [Field::Description, Field::Deprecated, Field::GroupName, Field::FeatureFlag]);
    assert_eq!(desired.named, Vec::<Field>::new());
}

#[test]
fn an_archived_event_type_is_revived() {
    let desired = desire(json!({"schema": {}}), &[]);
    let archived = Observed { archived: true, schema_digest: None, ..observed(&desired) };
    let EventTypeStep::Revive(differences) = plan(&desired, Some(&archived), None, false, Adoption::Match)
    else {
        unreachable!()
    };
    assert_eq!(differences[0].field, Field::Schema);
}

#[test]
fn other_versions_of_the_schema_are_kept() {
    let desired = desire(json!({"schema": {"a": 1}}), &[]);
    let observed = json!({"1": {"old": true}, "2": {"kept": true}});
    assert_eq!(merge_schemas(&desired, Some(&observed)), Some(json!({"1": {"a": 1}, "2": {"kept": true}})));
    assert_eq!(merge_schemas(&desired, None), Some(json!({"1": {"a": 1}})));
}

#[test]
fn examples_go_into_the_schema() {
    let object = object(json!({"schema": {"type": "object"}}));
    let desired = desired(
        &object,
        Some(json!({"type": "object"})),
        vec![json!({"a": 1})],
        EventTypeNames::Grouped,
        &[],
    )
    .unwrap();
    assert_eq!(*desired.schema.unwrap().value, json!({"type": "object", "examples": [{"a": 1}]}));
}

#[test]
fn an_invalid_name_is_refused_with_its_field() {
    let object = object(json!({"schema": {}, "name": "nodot"}));
    let error = desired(&object, Some(json!({})), vec![], EventTypeNames::Grouped, &[]).unwrap_err();
    assert!(error.message.starts_with("/spec/name: found \"nodot\", expected `<group>.<event>`"), "{error}");
    assert_eq!(error.field, Some("/spec/name".into()));
    assert!(desired(&object, Some(json!({})), vec![], EventTypeNames::Any, &[]).is_ok());
}

#[test]
fn a_name_from_metadata_is_refused_at_metadata() {
    let mut object = object(json!({"schema": {}}));
    object.metadata.name = Some("nodot".into());

    let error = desired(&object, Some(json!({})), vec![], EventTypeNames::Grouped, &[]).unwrap_err();

    assert_eq!(error.field, Some("/metadata/name".into()));
    assert!(error.message.starts_with("/metadata/name (spec.name is not given): found "), "{error}");
}

#[test]
fn each_optional_field_can_be_named_and_left_out() {
    let full = json!({
        "schema": {}, "description": "d", "deprecated": true, "groupName": "g", "featureFlag": "f",
    });
    let mut desired = desire(full, &[]);
    let named = [Field::Description, Field::Deprecated, Field::GroupName, Field::FeatureFlag];
    assert_eq!(desired.named, named);
    assert_eq!(Field::names(&desired.named), ["description", "deprecated", "groupName", "featureFlag"]);

    for field in named {
        desired = desired.without(field);
    }

    let reset = desire(json!({"schema": {}}), &[]);
    assert_eq!(Desired { named: vec![], ..desired }, reset);
}

#[test]
fn feature_flags_are_compared_as_a_set() {
    let desired = desire(json!({"schema": {}, "featureFlags": ["b", "a"]}), &[]);
    let with = |flags: &[&str]| Observed {
        feature_flags: flags.iter().map(ToString::to_string).collect(),
        ..observed(&desired)
    };

    assert_eq!(differences(&desired, &with(&["a", "b"])), []);
    let [one] = &differences(&desired, &with(&["a"]))[..] else { unreachable!() };
    assert_eq!(
        (one.field, one.found.as_str(), one.expected.as_str()),
        (Field::FeatureFlags, r#""a""#, r#""a", "b""#,)
    );
    // A spec with one flag does not accept a second one, which would show the event type to others.
    let single = desire(json!({"schema": {}, "featureFlag": "a"}), &[]);
    let [more] = &differences(&single, &with(&["a", "b"]))[..] else { unreachable!() };
    assert_eq!(more.field, Field::FeatureFlag);
    assert_eq!(differences(&single, &with(&["a"])), []);
}

#[test]
fn flags_that_are_no_longer_named_are_reset() {
    let before =
        |desired: &Desired| Observed { feature_flags: ["a".into(), "b".into()].into(), ..observed(desired) };
    for (owned, field) in [("featureFlag", Field::FeatureFlag), ("featureFlags", Field::FeatureFlags)] {
        let desired = desire(json!({"schema": {}}), &[owned]);
        let [reset] = &differences(&desired, &before(&desired))[..] else { unreachable!() };
        assert_eq!((reset.field, reset.expected.as_str()), (field, "none"));
    }
    // From one form to the other, without a change.
    let list = desire(json!({"schema": {}, "featureFlags": ["a", "b"]}), &["featureFlag"]);
    assert_eq!(differences(&list, &before(&list)), []);
    let untouched = desire(json!({"schema": {}}), &[]);
    assert_eq!(differences(&untouched, &before(&untouched)), []);
}

#[test]
fn a_schema_that_is_not_valid_as_draft_7_is_not_written() {
    let schema = json!({
        "$schema": "http://json-schema.org/draft-04/schema#", "maximum": 5, "exclusiveMaximum": true,
    });
    let desired = desire(json!({"schema": schema, "description": "d"}), &[]);
    let archived = Observed { archived: true, schema_digest: None, ..observed(&desired) };
    for (before, is_ours) in [(None, false), (Some(&archived), true)] {
        assert!(writes_schema(&plan(&desired, before, None, is_ours, Adoption::Override)));
        let error =
            desired.schema.as_ref().unwrap().check_accepted(&crate::schema::Effort::full()).unwrap_err();
        assert_eq!(error.reason, Reason::InvalidSchema);
        assert_eq!(error.field, Some("/spec/schema/exclusiveMaximum".into()));
        assert!(error.detail().starts_with("not valid as Draft 7, as which Svix"), "{error}");
    }
    // A server that has it already accepted it.
    assert_eq!(plan(&desired, Some(&observed(&desired)), None, true, Adoption::Match), EventTypeStep::InSync);
    let other = Observed { description: "other".into(), ..observed(&desired) };
    let step = plan(&desired, Some(&other), None, true, Adoption::Match);
    assert!(matches!(step, EventTypeStep::Change(_)) && !writes_schema(&step));
}

#[test]
fn an_equal_bound_in_another_notation_is_no_difference() {
    let text = r#"{"properties": {"n": {"maximum": 1e16, "multipleOf": 1E-7, "minimum": -0.0}}}"#;
    let desired = desire(json!({"schema": serde_json::from_str::<Value>(text).unwrap()}), &[]);
    let stored =
        r#"{"properties": {"n": {"maximum": 10000000000000000, "minimum": 0.0, "multipleOf": 0.0000001}}}"#;
    let stored: Value = serde_json::from_str(stored).unwrap();

    let observed = Observed { schema_digest: Some(Digest::of_json(&stored)), ..observed(&desired) };

    assert_eq!(differences(&desired, &observed), []);
}

#[test]
fn a_difference_of_the_schema_can_be_located() {
    let desired = desire(json!({"schema": {"properties": {"n": {"maximum": 1}}}}), &[]);
    let other = Observed { schema_digest: Some(Digest::of_json(&json!({}))), ..observed(&desired) };
    let found = json!({"1": {"properties": {"n": {"maximum": 2}}}});

    let located = locate(differences(&desired, &other), &desired, Some(&found));
    let whole = locate(differences(&desired, &other), &desired, None);

    assert_eq!(crate::plan::describe(&located), "schema is 2 at /properties/n/maximum in Svix, declared 1");
    assert_eq!(whole[0].found, "another schema");
}

#[test]
fn a_description_that_svix_can_never_store_is_refused() {
    let object = object(json!({"schema": {}, "description": "a\0b"}));

    let error = desired(&object, Some(json!({})), vec![], EventTypeNames::Any, &[]).unwrap_err();

    assert_eq!(error.reason, Reason::InvalidSpec);
    assert_eq!(error.message, format!("/spec/description: {}", storable::NUL));
}

fn without_schema(spec: Value) -> Desired {
    desired(&object(spec), None, vec![], EventTypeNames::Grouped, &[]).unwrap()
}

#[test]
fn schemas_in_svix_are_not_compared_without_one() {
    let desired = without_schema(json!({"description": "d"}));
    let theirs =
        Observed { schema_digest: Some(Digest::of_json(&json!({"type": "object"}))), ..observed(&desired) };

    for adoption in [Adoption::Match, Adoption::Override] {
        assert_eq!(plan(&desired, Some(&theirs), None, false, adoption), EventTypeStep::Adopt);
    }
    assert_eq!(plan(&desired, Some(&theirs), None, true, Adoption::Match), EventTypeStep::InSync);
    assert_eq!(plan(&desired, None, None, false, Adoption::Match), EventTypeStep::Create);
    assert_eq!(merge_schemas(&desired, Some(&json!({"1": {}}))), None);
}

#[test]
fn what_was_created_without_a_schema_is_recognized() {
    let desired = without_schema(json!({"description": "d"}));

    assert_eq!(desired.content_digest(), observed(&desired).content_digest());
}

#[test]
fn a_revival_sets_what_the_spec_does_not_name_to_defaults() {
    let earlier = |desired: &Desired| Observed {
        archived: true,
        description: "earlier".into(),
        deprecated: true,
        group_name: Some("earlier".into()),
        feature_flags: ["earlier".to_owned()].into(),
        ..observed(desired)
    };
    for desired in [desire(json!({"schema": {}}), &[]), without_schema(json!({}))] {
        for is_ours in [false, true] {
            let step = plan(&desired, Some(&earlier(&desired)), None, is_ours, Adoption::Match);

            let EventTypeStep::Revive(differences) = step else { unreachable!() };
            let fields: Vec<_> = differences.iter().map(|difference| difference.field).collect();
            assert_eq!(fields, [Field::Description, Field::Deprecated, Field::GroupName, Field::FeatureFlag]);
        }
    }
    // What the spec names is compared with that.
    let named = desire(json!({"schema": {}, "description": "earlier", "groupName": "earlier"}), &[]);
    let EventTypeStep::Revive(differences) =
        plan(&named, Some(&earlier(&named)), None, false, Adoption::Match)
    else {
        unreachable!()
    };
    let fields: Vec<_> = differences.iter().map(|difference| difference.field).collect();
    assert_eq!(fields, [Field::Deprecated, Field::FeatureFlag]);
}
