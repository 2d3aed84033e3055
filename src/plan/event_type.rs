//! Event types: the next step, from the desired and the observed event type.

use serde_json::{Map, Value};

use crate::api::{
    Action, Adoption, EventTypeNames, JsonPointer, Reason, WebhookEventType, WebhookEventTypeSpec,
};

use super::{
    Difference, Field, ReconcileError, digest::Digest, ids, json_difference, quoted, schema_source, storable,
};

/// The version under which Svix keeps the schema that we own; other versions are left as they are.
pub const SCHEMA_VERSION: &str = "1";

/// The event type that an object declares. An optional field that is `None` is not managed.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// The name in Svix.
    pub name: String,
    /// The schema with its examples, for version `"1"`.
    pub schema: Value,
    /// The digest of `schema`.
    pub schema_digest: Digest,
    /// The field of the spec that contains the schema.
    pub schema_field: JsonPointer,
    /// The description.
    pub description: Option<String>,
    /// Whether deprecated.
    pub deprecated: Option<bool>,
    /// The group; `Some(None)`: none.
    pub group_name: Option<Option<String>>,
    /// The feature flag; `Some(None)`: none.
    pub feature_flag: Option<Option<String>>,
    /// The optional fields that the spec names, for status: one that it stops naming is set back.
    pub named: Vec<Field>,
}

impl Desired {
    /// The digest of the content that a create writes, for the claim that is recorded before it.
    #[must_use]
    pub fn content_digest(&self) -> Digest {
        let description = self.description.as_deref().unwrap_or_default();
        content_digest(description, self.deprecated.unwrap_or(false), Some(self.schema_digest))
    }

    /// Stops managing a field, because the server ignores it: writing it again would change nothing.
    #[must_use]
    pub fn without(mut self, field: Field) -> Self {
        match field {
            Field::Description => self.description = None,
            Field::Deprecated => self.deprecated = None,
            Field::GroupName => self.group_name = None,
            Field::FeatureFlag => self.feature_flag = None,
            // An event type cannot be without it.
            Field::Schema
            // Fields of endpoints.
            | Field::Uid
            | Field::Url
            | Field::EventTypes
            | Field::Channels
            | Field::ThrottleRate
            | Field::Disabled
            | Field::Metadata
            | Field::Headers
            | Field::SigningSecret => {}
        }
        self
    }
}

/// An event type in Svix, as the mirror keeps it.
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
    /// The digest of the content that a create wrote, as in [`Desired::content_digest`].
    #[must_use]
    pub fn content_digest(&self) -> Digest {
        content_digest(&self.description, self.deprecated, self.schema_digest)
    }
}

/// Covers the fields that every server keeps of a create; not all know groups and feature flags.
fn content_digest(description: &str, deprecated: bool, schema: Option<Digest>) -> Digest {
    let schema = schema.map(|digest| digest.to_string());
    Digest::of_json(&serde_json::json!([description, deprecated, schema]))
}

/// The next step for an event type.
#[derive(Clone, Debug, PartialEq)]
pub enum EventTypeStep {
    /// Nothing: it is as declared.
    InSync,
    /// It does not exist: create it.
    Create,
    /// It exists, is equal, and has no owner: take it over without a write to Svix.
    Adopt,
    /// It exists and has no owner: take it over, and change these fields.
    Overwrite(Vec<Difference>),
    /// It is archived: revive it, and change these fields.
    Revive(Vec<Difference>),
    /// These fields differ: change them and no others.
    Change(Vec<Difference>),
    /// It must not be changed.
    Refuse(ReconcileError),
}

/// Builds the event type that an object declares.
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
    ids::check_event_type_name(&name, names).map_err(|error| match &spec.name {
        Some(_) => ReconcileError::at(Reason::InvalidSpec, "/spec/name", error),
        None => {
            let detail = format_args!("(spec.name is not given): {error}");
            ReconcileError::in_sentence(Reason::InvalidSpec, "/metadata/name", detail)
        }
    })?;
    check_description(object)?;
    let was_named = |field: Field| owned.iter().any(|owned| owned == field.as_str());
    // A field that the spec stopped naming goes back to Svix's default.
    fn or_reset<T>(named: Option<T>, was_named: bool, default: T) -> Option<T> {
        named.or_else(|| was_named.then_some(default))
    }
    let schema = with_examples(schema, examples);
    Ok(Desired {
        schema_digest: Digest::of_json(&schema),
        schema_field: schema_source::field(object),
        schema,
        description: or_reset(spec.description.clone(), was_named(Field::Description), String::new()),
        deprecated: or_reset(spec.deprecated, was_named(Field::Deprecated), false),
        group_name: or_reset(spec.group_name.clone().map(Some), was_named(Field::GroupName), None),
        feature_flag: or_reset(spec.feature_flag.clone().map(Some), was_named(Field::FeatureFlag), None),
        named: Field::ALL.iter().copied().filter(|field| is_named(spec, *field)).collect(),
        name,
    })
}

/// Refuses a description that Svix can never store.
pub fn check_description(object: &WebhookEventType) -> Result<(), ReconcileError> {
    match object.spec.description.as_deref() {
        Some(text) if storable::has_nul(text) => {
            Err(ReconcileError::at(Reason::InvalidSpec, "/spec/description", storable::NUL))
        }
        _ => Ok(()),
    }
}

/// Whether a spec names a field that it may leave out. A field that it stops naming is set back to Svix's default.
fn is_named(spec: &WebhookEventTypeSpec, field: Field) -> bool {
    match field {
        Field::Description => spec.description.is_some(),
        Field::Deprecated => spec.deprecated.is_some(),
        Field::GroupName => spec.group_name.is_some(),
        Field::FeatureFlag => spec.feature_flag.is_some(),
        // Always managed.
        Field::Schema => false,
        // Fields of endpoints.
        Field::Uid
        | Field::Url
        | Field::EventTypes
        | Field::Channels
        | Field::ThrottleRate
        | Field::Disabled
        | Field::Metadata
        | Field::Headers
        | Field::SigningSecret => false,
    }
}

/// The schema with `examples` in it, where Svix reads them. Examples that the object declares replace
/// those that the schema itself has.
fn with_examples(mut schema: Value, examples: Vec<Value>) -> Value {
    if let (Value::Object(map), false) = (&mut schema, examples.is_empty()) {
        map.insert("examples".to_owned(), Value::Array(examples));
    }
    schema
}

/// Returns the fields that differ; `archived` is not among them.
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
            field: Field::Schema,
            found: if observed.schema_digest.is_some() { "another schema".into() } else { "missing".into() },
            expected: "the one in the spec".into(),
        });
    }
    if let Some(expected) = description.as_ref().filter(|expected| **expected != observed.description) {
        found.push(Difference {
            field: Field::Description,
            found: quoted(&observed.description),
            expected: quoted(expected),
        });
    }
    if let Some(expected) = deprecated.filter(|expected| *expected != observed.deprecated) {
        found.push(Difference {
            field: Field::Deprecated,
            found: observed.deprecated.to_string(),
            expected: expected.to_string(),
        });
    }
    for (field, expected, observed) in [
        (Field::GroupName, group_name, &observed.group_name),
        (Field::FeatureFlag, feature_flag, &observed.feature_flag),
    ] {
        if let Some(expected) = expected.as_ref().filter(|expected| *expected != observed) {
            let display = |value: &Option<String>| value.as_deref().map_or_else(|| "none".into(), quoted);
            found.push(Difference { field, found: display(observed), expected: display(expected) });
        }
    }
    found
}

/// Adds to a difference of the schema where the schemas differ. `schemas` are those that Svix returned, by version;
/// without them the difference stays as it is.
#[must_use]
pub fn locate(
    mut differences: Vec<Difference>,
    desired: &Desired,
    schemas: Option<&Value>,
) -> Vec<Difference> {
    let found = schemas.and_then(|schemas| schemas.get(SCHEMA_VERSION));
    let schema = differences.iter_mut().find(|difference| difference.field == Field::Schema);
    if let (Some(difference), Some(found)) = (schema, found)
        && let Some(first) = json_difference::first(found, &desired.schema)
    {
        let place = if first.pointer.is_empty() { "/" } else { &first.pointer };
        difference.found = format!("{} at {place}", first.found);
        difference.expected = first.expected;
    }
    differences
}

/// Returns the next step, given the observed event type and whether it is ours.
///
/// Event types carry no mark in Svix; `is_ours` comes from Kubernetes (status, or the claim that was written before
/// the first write to Svix). An archived event type has no owner: Svix itself creates it again on a POST. A schema that
/// Svix would refuse is not written. `schemas` are the schemas in Svix by version, where they were read: then a
/// difference says where they differ.
#[must_use]
pub fn plan(
    desired: &Desired,
    observed: Option<&Observed>,
    schemas: Option<&Value>,
    is_ours: bool,
    adoption: Adoption,
) -> EventTypeStep {
    let step = compare(desired, observed, schemas, is_ours, adoption);
    if !writes_schema(&step) {
        return step;
    }
    match schema_source::check_draft7(&desired.schema_field, &desired.schema) {
        Ok(()) => step,
        Err(error) => EventTypeStep::Refuse(error),
    }
}

fn writes_schema(step: &EventTypeStep) -> bool {
    match step {
        EventTypeStep::Create => true,
        EventTypeStep::Overwrite(differences)
        | EventTypeStep::Revive(differences)
        | EventTypeStep::Change(differences) => {
            differences.iter().any(|difference| difference.field == Field::Schema)
        }
        EventTypeStep::InSync | EventTypeStep::Adopt | EventTypeStep::Refuse(_) => false,
    }
}

fn compare(
    desired: &Desired,
    observed: Option<&Observed>,
    schemas: Option<&Value>,
    is_ours: bool,
    adoption: Adoption,
) -> EventTypeStep {
    let Some(observed) = observed else { return EventTypeStep::Create };
    let differences = locate(differences(desired, observed), desired, schemas);
    match (observed.archived, is_ours, differences.is_empty()) {
        (true, ..) => EventTypeStep::Revive(differences),
        (false, true, true) => EventTypeStep::InSync,
        (false, true, false) => EventTypeStep::Change(differences),
        (false, false, equal) => match adoption {
            // The message shows nothing of an event type to an object that may not adopt it.
            Adoption::Never => EventTypeStep::Refuse(ReconcileError::new(
                Reason::NotOurs,
                format!(
                    "event type {} exists in Svix and was not made by this object, which may not adopt it (adoption: \
                     Never); delete it in Svix, or declare another name",
                    desired.name
                ),
            )),
            Adoption::Match | Adoption::Override if equal => EventTypeStep::Adopt,
            Adoption::Override => EventTypeStep::Overwrite(differences),
            Adoption::Match => EventTypeStep::Refuse(ReconcileError::new(
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

/// The action that a step would be, for an object that is only compared; `None`: none.
#[must_use]
pub fn what_if(step: &EventTypeStep) -> Option<(Action, &[Difference])> {
    match step {
        EventTypeStep::InSync => None,
        EventTypeStep::Create => Some((Action::Create, &[])),
        EventTypeStep::Adopt => Some((Action::Adopt, &[])),
        EventTypeStep::Overwrite(differences) => Some((Action::Adopt, differences)),
        EventTypeStep::Revive(differences) => Some((Action::Revive, differences)),
        EventTypeStep::Change(differences) => Some((Action::Change, differences)),
        EventTypeStep::Refuse(_) => Some((Action::Refuse, &[])),
    }
}

/// The whole `schemas` value to write: the observed one, with our version replaced.
#[must_use]
pub fn merge_schemas(desired: &Desired, observed: Option<&Value>) -> Value {
    let mut schemas = match observed {
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

    fn observed(desired: &Desired) -> Observed {
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
        assert_eq!(
            plan(&desired, Some(&observed(&desired)), None, true, Adoption::Match),
            EventTypeStep::InSync
        );
        assert_eq!(
            plan(&desired, Some(&observed(&desired)), None, false, Adoption::Match),
            EventTypeStep::Adopt
        );
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
            assert!(
                !error.message.contains("theirs"),
                "an object that may not adopt it learns nothing of it"
            );
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
            ..observed(&desired)
        };
        assert_eq!(plan(&desired, Some(&touched), None, true, Adoption::Match), EventTypeStep::InSync);
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
        let EventTypeStep::Revive(differences) =
            plan(&desired, Some(&archived), None, false, Adoption::Match)
        else {
            unreachable!()
        };
        assert_eq!(differences[0].field, Field::Schema);
    }

    #[test]
    fn a_schema_that_is_not_valid_as_draft_7_is_not_written() {
        let schema = json!({
            "$schema": "http://json-schema.org/draft-04/schema#", "maximum": 5, "exclusiveMaximum": true,
        });
        let desired = desire(json!({"schema": schema, "description": "d"}), &[]);
        let archived = Observed { archived: true, schema_digest: None, ..observed(&desired) };
        for (before, is_ours) in [(None, false), (Some(&archived), true)] {
            let EventTypeStep::Refuse(error) = plan(&desired, before, None, is_ours, Adoption::Override)
            else {
                unreachable!()
            };
            assert_eq!(error.reason, Reason::InvalidSchema);
            assert_eq!(error.field, Some("/spec/schema/exclusiveMaximum".into()));
            assert!(error.detail().starts_with("not valid as Draft 7, as which Svix"), "{error}");
        }
        // A server that has it already accepted it.
        assert_eq!(
            plan(&desired, Some(&observed(&desired)), None, true, Adoption::Match),
            EventTypeStep::InSync
        );
        let other = Observed { description: "other".into(), ..observed(&desired) };
        assert!(matches!(
            plan(&desired, Some(&other), None, true, Adoption::Match),
            EventTypeStep::Change(_)
        ));
    }

    #[test]
    fn a_bound_that_svix_writes_in_another_way_is_no_difference() {
        let text = r#"{"properties": {"n": {"maximum": 1e16, "multipleOf": 1E-7, "minimum": -0.0}}}"#;
        let desired = desire(json!({"schema": serde_json::from_str::<Value>(text).unwrap()}), &[]);
        let stored = r#"{"properties": {"n": {"maximum": 10000000000000000, "minimum": 0.0, "multipleOf": 0.0000001}}}"#;
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

        assert_eq!(
            crate::plan::describe(&located),
            "schema is 2 at /properties/n/maximum in Svix, declared 1"
        );
        assert_eq!(whole[0].found, "another schema");
    }

    #[test]
    fn a_description_that_svix_can_never_store_is_refused() {
        let object = object(json!({"schema": {}, "description": "a\0b"}));

        let error = desired(&object, json!({}), vec![], EventTypeNames::Any, &[]).unwrap_err();

        assert_eq!(error.reason, Reason::InvalidSpec);
        assert_eq!(error.message, format!("/spec/description: {}", storable::NUL));
    }

    #[test]
    fn other_versions_of_the_schema_are_kept() {
        let desired = desire(json!({"schema": {"a": 1}}), &[]);
        let observed = json!({"1": {"old": true}, "2": {"kept": true}});
        assert_eq!(merge_schemas(&desired, Some(&observed)), json!({"1": {"a": 1}, "2": {"kept": true}}));
        assert_eq!(merge_schemas(&desired, None), json!({"1": {"a": 1}}));
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
    fn an_invalid_name_is_refused_with_its_field() {
        let object = object(json!({"schema": {}, "name": "nodot"}));
        let error = desired(&object, json!({}), vec![], EventTypeNames::Grouped, &[]).unwrap_err();
        assert!(
            error.message.starts_with("/spec/name: found \"nodot\", expected `<group>.<event>`"),
            "{error}"
        );
        assert_eq!(error.field, Some("/spec/name".into()));
        assert!(desired(&object, json!({}), vec![], EventTypeNames::Any, &[]).is_ok());
    }

    #[test]
    fn a_name_from_metadata_is_refused_at_metadata() {
        let mut object = object(json!({"schema": {}}));
        object.metadata.name = Some("nodot".into());

        let error = desired(&object, json!({}), vec![], EventTypeNames::Grouped, &[]).unwrap_err();

        assert_eq!(error.field, Some("/metadata/name".into()));
        assert!(error.message.starts_with("/metadata/name (spec.name is not given): found "), "{error}");
    }

    #[test]
    fn each_optional_field_is_named_once_the_spec_has_it_and_can_be_left_out() {
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
}
