//! Event types: from spec and what Svix holds to the next step.

use serde_json::{Map, Value};

use crate::api::{Action, Adoption, EventTypeNames, Reason, WebhookEventType};

use super::{
    Difference, ReconcileError, digest::Digest, ids, json_difference, quoted, schema_source, storable,
};

/// The version under which Svix keeps the schema that we own; others in Svix are left alone.
pub const SCHEMA_VERSION: &str = "1";

/// What an object declares.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// The name in Svix.
    pub name: String,
    /// The schema with its examples, as version `"1"` is to be.
    pub schema: Value,
    /// The digest of `schema`.
    pub schema_digest: Digest,
    /// The field of the spec that names the schema, for messages.
    pub schema_field: &'static str,
    /// The description; `None`: not ours to say.
    pub description: Option<String>,
    /// Whether deprecated; `None`: not ours to say.
    pub deprecated: Option<bool>,
    /// The group; `None`: not ours to say; `Some(None)`: none.
    pub group_name: Option<Option<String>>,
    /// The feature flag; `None`: not ours to say; `Some(None)`: none.
    pub feature_flag: Option<Option<String>>,
    /// The optional fields that the spec names, for status: what it stops naming later is set back.
    pub named: Vec<String>,
}

impl Desired {
    /// The digest of the content that a create writes, for the claim that is recorded before it.
    #[must_use]
    pub fn content_digest(&self) -> Digest {
        let description = self.description.as_deref().unwrap_or_default();
        content_digest(description, self.deprecated.unwrap_or(false), Some(self.schema_digest))
    }

    /// The same, with a field that the server ignores no longer ours to say: writing it again and again
    /// would change nothing.
    #[must_use]
    pub fn without(mut self, field: &str) -> Self {
        match field {
            "description" => self.description = None,
            "deprecated" => self.deprecated = None,
            "groupName" => self.group_name = None,
            "featureFlag" => self.feature_flag = None,
            _ => {}
        }
        self
    }
}

/// What Svix holds, as the mirror keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The name.
    pub name: String,
    /// The description.
    pub description: String,
    /// Whether archived.
    pub archived: bool,
    /// Whether deprecated.
    pub deprecated: bool,
    /// The digest of the schema of version `"1"`.
    pub schema_digest: Option<Digest>,
    /// The group.
    pub group_name: Option<String>,
    /// The feature flag.
    pub feature_flag: Option<String>,
}

impl Observed {
    /// The digest of what a create wrote, as [`Desired::content_digest`] has it.
    #[must_use]
    pub fn content_digest(&self) -> Digest {
        content_digest(&self.description, self.deprecated, self.schema_digest)
    }
}

/// Covers what every server keeps of a create; groups and feature flags are not known to all.
fn content_digest(description: &str, deprecated: bool, schema: Option<Digest>) -> Digest {
    let schema = schema.map(|digest| digest.to_string());
    Digest::of_json(&serde_json::json!([description, deprecated, schema]))
}

/// What has to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Nothing: Svix holds what is declared.
    InSync,
    /// It is not there: make it.
    Create,
    /// It is there, equal, and nobody's: take it without a write to Svix.
    Adopt,
    /// It is there and nobody's: take it, and change these fields.
    Overwrite(Vec<Difference>),
    /// It is archived: bring it back with these fields.
    Revive(Vec<Difference>),
    /// These fields differ: change them and no others.
    Change(Vec<Difference>),
    /// It must not be touched.
    Refuse(ReconcileError),
}

/// Builds what an object declares.
///
/// `schema` is the schema that the object names, wherever it is kept; `examples` are its parsed examples;
/// `owned` are the optional fields that an earlier spec named.
pub fn desired(
    object: &WebhookEventType,
    schema: Value,
    examples: Vec<Value>,
    names: EventTypeNames,
    owned: &[String],
) -> Result<Desired, ReconcileError> {
    let spec = &object.spec;
    let name = object.event_type_name();
    ids::check_event_type_name(&name, names).map_err(|problem| {
        let field =
            if spec.name.is_some() { "/spec/name" } else { "/metadata/name (spec.name is not given)" };
        ReconcileError::new(Reason::InvalidSpec, format!("{field}: {problem}"))
    })?;
    check_description(object)?;
    let was_named = |field: &str| owned.iter().any(|owned| owned == field);
    // A field that the spec stopped naming goes back to what Svix would have made of it.
    fn or_reset<T>(named: Option<T>, was_named: bool, default: T) -> Option<T> {
        named.or_else(|| was_named.then_some(default))
    }
    let schema = with_examples(schema, examples);
    let named = [
        ("description", spec.description.is_some()),
        ("deprecated", spec.deprecated.is_some()),
        ("groupName", spec.group_name.is_some()),
        ("featureFlag", spec.feature_flag.is_some()),
    ];
    Ok(Desired {
        schema_digest: Digest::of_json(&schema),
        schema_field: schema_source::field(object),
        schema,
        description: or_reset(spec.description.clone(), was_named("description"), String::new()),
        deprecated: or_reset(spec.deprecated, was_named("deprecated"), false),
        group_name: or_reset(spec.group_name.clone().map(Some), was_named("groupName"), None),
        feature_flag: or_reset(spec.feature_flag.clone().map(Some), was_named("featureFlag"), None),
        named: named.iter().filter(|(_, named)| *named).map(|(field, _)| (*field).to_owned()).collect(),
        name,
    })
}

/// Refuses a description that Svix can never store.
pub fn check_description(object: &WebhookEventType) -> Result<(), ReconcileError> {
    match object.spec.description.as_deref() {
        Some(text) if storable::has_nul(text) => {
            Err(ReconcileError::new(Reason::InvalidSpec, format!("/spec/description: {}", storable::NUL)))
        }
        _ => Ok(()),
    }
}

/// The schema with `examples` in it, where Svix looks for them. Examples that the object declares replace
/// those that the schema itself has.
fn with_examples(mut schema: Value, examples: Vec<Value>) -> Value {
    if let (Value::Object(map), false) = (&mut schema, examples.is_empty()) {
        map.insert("examples".to_owned(), Value::Array(examples));
    }
    schema
}

/// The fields in which Svix differs from what is declared; `archived` is not among them.
#[must_use]
pub fn differences(desired: &Desired, observed: &Observed) -> Vec<Difference> {
    // No `..`: a new field must be thought of here.
    let Desired {
        name: _,
        schema: _,
        schema_digest,
        schema_field: _,
        description,
        deprecated,
        group_name,
        feature_flag,
        named: _,
    } = desired;
    let mut found = Vec::new();
    if observed.schema_digest != Some(*schema_digest) {
        found.push(Difference {
            field: "schema",
            found: if observed.schema_digest.is_some() { "another schema".into() } else { "missing".into() },
            expected: "the one in the spec".into(),
        });
    }
    if let Some(expected) = description.as_ref().filter(|expected| **expected != observed.description) {
        found.push(Difference {
            field: "description",
            found: quoted(&observed.description),
            expected: quoted(expected),
        });
    }
    if let Some(expected) = deprecated.filter(|expected| *expected != observed.deprecated) {
        found.push(Difference {
            field: "deprecated",
            found: observed.deprecated.to_string(),
            expected: expected.to_string(),
        });
    }
    for (field, expected, observed) in [
        ("groupName", group_name, &observed.group_name),
        ("featureFlag", feature_flag, &observed.feature_flag),
    ] {
        if let Some(expected) = expected.as_ref().filter(|expected| *expected != observed) {
            let say = |value: &Option<String>| value.as_deref().map_or_else(|| "none".into(), quoted);
            found.push(Difference { field, found: say(observed), expected: say(expected) });
        }
    }
    found
}

/// Says in a difference of the schema where the schemas differ. `schemas` are those that Svix returned, by version;
/// without them the difference stays as it is.
#[must_use]
pub fn locate(
    mut differences: Vec<Difference>,
    desired: &Desired,
    schemas: Option<&Value>,
) -> Vec<Difference> {
    let found = schemas.and_then(|schemas| schemas.get(SCHEMA_VERSION));
    let schema = differences.iter_mut().find(|difference| difference.field == "schema");
    if let (Some(difference), Some(found)) = (schema, found)
        && let Some(first) = json_difference::first(found, &desired.schema)
    {
        let place = if first.pointer.is_empty() { "/" } else { &first.pointer };
        difference.found = format!("{} at {place}", first.found);
        difference.expected = first.expected;
    }
    differences
}

/// What has to be done, given what Svix holds and whether that is ours.
///
/// Event types carry no mark in Svix; `ours` is what Kubernetes records (status, or the claim made before
/// the first write). An archived event type is nobody's: Svix itself makes it anew on create. A schema that Svix would
/// refuse is not written.
#[must_use]
pub fn plan(desired: &Desired, observed: Option<&Observed>, ours: bool, adoption: Adoption) -> Step {
    let step = compare(desired, observed, ours, adoption);
    if !writes_schema(&step) {
        return step;
    }
    match schema_source::check_draft7(desired.schema_field, &desired.schema) {
        Ok(()) => step,
        Err(refusal) => Step::Refuse(refusal),
    }
}

fn writes_schema(step: &Step) -> bool {
    match step {
        Step::Create => true,
        Step::Overwrite(differences) | Step::Revive(differences) | Step::Change(differences) => {
            differences.iter().any(|difference| difference.field == "schema")
        }
        Step::InSync | Step::Adopt | Step::Refuse(_) => false,
    }
}

fn compare(desired: &Desired, observed: Option<&Observed>, ours: bool, adoption: Adoption) -> Step {
    let Some(observed) = observed else { return Step::Create };
    let differences = differences(desired, observed);
    match (observed.archived, ours, differences.is_empty()) {
        (true, ..) => Step::Revive(differences),
        (false, true, true) => Step::InSync,
        (false, true, false) => Step::Change(differences),
        (false, false, equal) => match adoption {
            // Who may not adopt is not told what is there.
            Adoption::Never => Step::Refuse(ReconcileError::new(
                Reason::NotOurs,
                format!(
                    "event type {} exists in Svix and was not made by this object, which may not adopt it (adoption: \
                     Never); delete it in Svix, or declare another name",
                    desired.name
                ),
            )),
            Adoption::Match | Adoption::Override if equal => Step::Adopt,
            Adoption::Override => Step::Overwrite(differences),
            Adoption::Match => Step::Refuse(ReconcileError::new(
                Reason::NotOurs,
                format!(
                    "event type {} exists in Svix, was not made by this object, and differs: {}. Make the spec equal to \
                     adopt it, set adoption: Override, or delete it in Svix",
                    desired.name,
                    super::describe(&differences)
                ),
            )),
        },
    }
}

/// What a step would do, for an object that is only compared; `None`: nothing.
#[must_use]
pub fn what_if(step: &Step) -> Option<(Action, &[Difference])> {
    match step {
        Step::InSync => None,
        Step::Create => Some((Action::Create, &[])),
        Step::Adopt => Some((Action::Adopt, &[])),
        Step::Overwrite(differences) => Some((Action::Adopt, differences)),
        Step::Revive(differences) => Some((Action::Revive, differences)),
        Step::Change(differences) => Some((Action::Change, differences)),
        Step::Refuse(_) => Some((Action::Refuse, &[])),
    }
}

/// The whole `schemas` value to write: what Svix holds, with our version replaced.
#[must_use]
pub fn merge_schemas(desired: &Desired, held: Option<&Value>) -> Value {
    let mut schemas = match held {
        Some(Value::Object(map)) => map.clone(),
        _ => Map::new(),
    };
    schemas.insert(SCHEMA_VERSION.to_owned(), desired.schema.clone());
    Value::Object(schemas)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn object(spec: Value) -> WebhookEventType {
        serde_json::from_value(json!({
            "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEventType",
            "metadata": {"name": "origin.create", "namespace": "ns"}, "spec": spec,
        }))
        .unwrap()
    }

    fn desire(spec: Value, owned: &[&str]) -> Desired {
        let object = object(spec);
        let schema = object.spec.schema.as_ref().unwrap().to_value();
        let owned: Vec<_> = owned.iter().map(ToString::to_string).collect();
        desired(&object, schema, vec![], EventTypeNames::Grouped, &owned).unwrap()
    }

    fn held(desired: &Desired) -> Observed {
        Observed {
            name: desired.name.clone(),
            description: desired.description.clone().unwrap_or_default(),
            archived: false,
            deprecated: false,
            schema_digest: Some(desired.schema_digest),
            group_name: None,
            feature_flag: None,
        }
    }

    #[test]
    fn what_is_not_there_is_made() {
        assert_eq!(plan(&desire(json!({"schema": {}}), &[]), None, false, Adoption::Match), Step::Create);
        assert_eq!(plan(&desire(json!({"schema": {}}), &[]), None, true, Adoption::Match), Step::Create);
    }

    #[test]
    fn what_is_ours_and_equal_is_left_alone_and_what_is_nobodys_and_equal_is_taken() {
        let desired = desire(json!({"schema": {"type": "object"}, "description": "d"}), &[]);
        assert_eq!(plan(&desired, Some(&held(&desired)), true, Adoption::Match), Step::InSync);
        assert_eq!(plan(&desired, Some(&held(&desired)), false, Adoption::Match), Step::Adopt);
    }

    #[test]
    fn what_is_not_ours_and_differs_is_never_touched() {
        let desired = desire(json!({"schema": {"type": "object"}, "description": "mine"}), &[]);
        let other = Observed { description: "theirs".into(), ..held(&desired) };
        let Step::Refuse(refusal) = plan(&desired, Some(&other), false, Adoption::Match) else {
            unreachable!()
        };
        assert_eq!(refusal.reason, Reason::NotOurs);
        assert!(refusal.message.contains(r#"description is "theirs" in Svix, declared "mine""#), "{refusal}");
    }

    #[test]
    fn what_is_not_ours_is_taken_as_far_as_the_adoption_goes() {
        let desired = desire(json!({"schema": {"type": "object"}, "description": "mine"}), &[]);
        let (equal, other) = (held(&desired), Observed { description: "theirs".into(), ..held(&desired) });
        let step = |observed: &Observed, adoption| plan(&desired, Some(observed), false, adoption);
        assert_eq!(step(&equal, Adoption::Override), Step::Adopt);
        assert!(matches!(step(&other, Adoption::Override), Step::Overwrite(fields) if fields.len() == 1));
        for observed in [&equal, &other] {
            let Step::Refuse(refusal) = step(observed, Adoption::Never) else { unreachable!() };
            assert!(!refusal.message.contains("theirs"), "who may not adopt is not told what is there");
        }
    }

    #[test]
    fn only_fields_that_the_spec_names_are_ours() {
        let desired = desire(json!({"schema": {}}), &[]);
        let touched = Observed {
            description: "by hand".into(),
            deprecated: true,
            group_name: Some("g".into()),
            feature_flag: Some("f".into()),
            ..held(&desired)
        };
        assert_eq!(plan(&desired, Some(&touched), true, Adoption::Match), Step::InSync);
    }

    #[test]
    fn a_field_that_the_spec_stops_naming_goes_back_to_the_default() {
        let desired =
            desire(json!({"schema": {}}), &["description", "deprecated", "groupName", "featureFlag"]);
        let before = Observed {
            description: "d".into(),
            deprecated: true,
            group_name: Some("g".into()),
            feature_flag: Some("f".into()),
            ..held(&desired)
        };
        let Step::Change(differences) = plan(&desired, Some(&before), true, Adoption::Match) else {
            unreachable!()
        };
        let fields: Vec<_> = differences.iter().map(|difference| difference.field).collect();
        assert_eq!(fields, ["description", "deprecated", "groupName", "featureFlag"]);
        assert_eq!(desired.named, Vec::<String>::new());
    }

    #[test]
    fn an_archived_one_is_brought_back() {
        let desired = desire(json!({"schema": {}}), &[]);
        let archived = Observed { archived: true, schema_digest: None, ..held(&desired) };
        let Step::Revive(differences) = plan(&desired, Some(&archived), false, Adoption::Match) else {
            unreachable!()
        };
        assert_eq!(differences[0].field, "schema");
    }

    #[test]
    fn a_schema_that_is_not_valid_as_draft_7_is_not_written() {
        let schema = json!({
            "$schema": "http://json-schema.org/draft-04/schema#", "maximum": 5, "exclusiveMaximum": true,
        });
        let desired = desire(json!({"schema": schema, "description": "d"}), &[]);
        let archived = Observed { archived: true, schema_digest: None, ..held(&desired) };
        for (observed, ours) in [(None, false), (Some(&archived), true)] {
            let Step::Refuse(refusal) = plan(&desired, observed, ours, Adoption::Override) else {
                unreachable!()
            };
            assert_eq!(refusal.reason, Reason::InvalidSchema);
            assert!(
                refusal
                    .message
                    .starts_with("/spec/schema/exclusiveMaximum: not valid as Draft 7, as which Svix"),
                "{refusal}"
            );
        }
        // A server that has it already accepted it.
        assert_eq!(plan(&desired, Some(&held(&desired)), true, Adoption::Match), Step::InSync);
        let other = Observed { description: "other".into(), ..held(&desired) };
        assert!(matches!(plan(&desired, Some(&other), true, Adoption::Match), Step::Change(_)));
    }

    #[test]
    fn other_versions_of_the_schema_are_kept() {
        let desired = desire(json!({"schema": {"a": 1}}), &[]);
        let held = json!({"1": {"old": true}, "2": {"kept": true}});
        assert_eq!(merge_schemas(&desired, Some(&held)), json!({"1": {"a": 1}, "2": {"kept": true}}));
        assert_eq!(merge_schemas(&desired, None), json!({"1": {"a": 1}}));
    }

    #[test]
    fn a_bound_that_svix_writes_in_another_way_is_no_difference() {
        let text = r#"{"properties": {"n": {"maximum": 1e16, "multipleOf": 1E-7, "minimum": -0.0}}}"#;
        let desired = desire(json!({"schema": serde_json::from_str::<Value>(text).unwrap()}), &[]);
        let stored = r#"{"properties": {"n": {"maximum": 10000000000000000, "minimum": 0.0, "multipleOf": 0.0000001}}}"#;
        let stored: Value = serde_json::from_str(stored).unwrap();
        let observed = Observed { schema_digest: Some(Digest::of_json(&stored)), ..held(&desired) };
        assert_eq!(differences(&desired, &observed), []);
    }

    #[test]
    fn a_difference_of_the_schema_can_be_located() {
        let desired = desire(json!({"schema": {"properties": {"n": {"maximum": 1}}}}), &[]);
        let other = Observed { schema_digest: Some(Digest::of_json(&json!({}))), ..held(&desired) };
        let found = json!({"1": {"properties": {"n": {"maximum": 2}}}});
        let located = locate(differences(&desired, &other), &desired, Some(&found));
        assert_eq!(
            crate::plan::describe(&located),
            "schema is 2 at /properties/n/maximum in Svix, declared 1"
        );
        let whole = locate(differences(&desired, &other), &desired, None);
        assert_eq!(whole[0].found, "another schema");
    }

    #[test]
    fn examples_go_into_the_schema() {
        let object = object(json!({"schema": {"type": "object"}}));
        let desired =
            desired(&object, json!({"type": "object"}), vec![json!({"a": 1})], EventTypeNames::Grouped, &[])
                .unwrap();
        assert_eq!(desired.schema, json!({"type": "object", "examples": [{"a": 1}]}));
    }

    #[test]
    fn a_description_that_svix_can_never_store_is_refused() {
        let object = object(json!({"schema": {}, "description": "a\0b"}));
        let refusal = desired(&object, json!({}), vec![], EventTypeNames::Any, &[]).unwrap_err();
        assert_eq!(refusal.reason, Reason::InvalidSpec);
        assert_eq!(refusal.message, format!("/spec/description: {}", storable::NUL));
    }

    #[test]
    fn a_bad_name_is_refused_with_the_field_it_comes_from() {
        let object = object(json!({"schema": {}, "name": "nodot"}));
        let refusal = desired(&object, json!({}), vec![], EventTypeNames::Grouped, &[]).unwrap_err();
        assert!(
            refusal.message.starts_with("/spec/name: found \"nodot\", expected `<group>.<event>`"),
            "{refusal}"
        );
        assert!(desired(&object, json!({}), vec![], EventTypeNames::Any, &[]).is_ok());
    }
}
