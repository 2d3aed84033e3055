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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    // No `..`: a new field of the spec must be handled here.
    let WebhookEventTypeSpec {
        name: _,
        description: _,
        schema: _,
        schema_text: _,
        schema_from: _,
        examples: _,
        group_name: _,
        feature_flag: _,
        deprecated: _,
        // Not written to Svix.
        format_assertion: _,
        payload_policy: _,
        deletion_policy: _,
        adoption: _,
        management_policy: _,
        suspend: _,
        connection_ref: _,
    } = spec;
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
    // No `..`: a new field must be handled here.
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
mod tests;
