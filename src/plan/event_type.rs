//! Event types: the next step, from the desired and the observed event type.

use std::{borrow::Cow, collections::BTreeSet, sync::Arc};

use serde_json::{Map, Value};

use crate::{
    api::{Action, Adoption, EventTypeNames, JsonPointer, Reason, WebhookEventType, WebhookEventTypeSpec},
    schema::Effort,
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
    /// The schema; `None`: the spec has none, and those in Svix are not managed.
    pub schema: Option<DesiredSchema>,
    /// The description.
    pub description: Option<String>,
    /// Whether deprecated.
    pub deprecated: Option<bool>,
    /// The group; `Some(None)`: none.
    pub group_name: Option<Option<String>>,
    /// The feature flags; empty: none.
    pub feature_flags: Option<BTreeSet<String>>,
    /// The field of the spec that contains the feature flags.
    pub feature_flags_field: Field,
    /// The optional fields that the spec names, for status: one that it stops naming is set back.
    pub named: Vec<Field>,
}

/// The schema that an object declares, with its examples, for version `"1"`.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredSchema {
    /// The schema.
    pub value: Arc<Value>,
    /// The digest of `value`.
    pub digest: Digest,
    /// The field of the spec that contains the schema.
    pub field: JsonPointer,
}

impl DesiredSchema {
    /// Refuses a schema that Svix will not accept, as [`schema_source::check_draft7`].
    ///
    /// # Errors
    /// What Svix would not accept, and where.
    pub fn check_accepted(&self, effort: &Effort) -> Result<(), ReconcileError> {
        schema_source::check_draft7(&self.field, &self.value, effort)
    }
}

impl Desired {
    /// The digest of the content that a create writes, for the claim that is recorded before it.
    #[must_use]
    pub fn content_digest(&self) -> Digest {
        let description = self.description.as_deref().unwrap_or_default();
        let schema = self.schema.as_ref().map(|schema| schema.digest);
        content_digest(description, self.deprecated.unwrap_or(false), schema)
    }

    /// The event type as it is created: a field that the spec does not name has Svix's default. An archived event type that
    /// is unarchived becomes this, and keeps nothing of its earlier life but schemas that are not managed.
    #[must_use]
    pub fn with_defaults(self) -> Self {
        Self {
            description: self.description.or_else(|| Some(String::new())),
            deprecated: self.deprecated.or(Some(false)),
            group_name: self.group_name.or(Some(None)),
            feature_flags: self.feature_flags.or_else(|| Some(BTreeSet::new())),
            ..self
        }
    }

    /// Stops managing a field, because the server ignores it: writing it again would change nothing.
    #[must_use]
    pub fn without(mut self, field: Field) -> Self {
        match field {
            Field::Description => self.description = None,
            Field::Deprecated => self.deprecated = None,
            Field::GroupName => self.group_name = None,
            Field::FeatureFlag | Field::FeatureFlags => self.feature_flags = None,
            // Every server knows it.
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
    /// The feature flags.
    pub feature_flags: BTreeSet<String>,
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
/// `schema` is the schema that the object names, wherever it is kept, if it names one; `examples` are its parsed examples;
/// `owned` are the optional fields that an earlier spec named.
pub fn desired(
    object: &WebhookEventType,
    schema: Option<Value>,
    examples: Vec<Value>,
    names: EventTypeNames,
    owned: &[Cow<'static, str>],
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
        feature_flags: _,
        deprecated: _,
        // Not written to Svix.
        format_assertion: _,
        payload_policy: _,
        compatibility: _,
        revision_history_limit: _,
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
    let schema = schema.map(|schema| with_examples(schema, examples)).map(|value| DesiredSchema {
        digest: Digest::of_json(&value),
        field: schema_source::field(object),
        value: Arc::new(value),
    });
    Ok(Desired {
        schema,
        description: or_reset(spec.description.clone(), was_named(Field::Description), String::new()),
        deprecated: or_reset(spec.deprecated, was_named(Field::Deprecated), false),
        group_name: or_reset(spec.group_name.clone().map(Some), was_named(Field::GroupName), None),
        feature_flags: or_reset(
            spec.feature_flags(),
            was_named(Field::FeatureFlag) || was_named(Field::FeatureFlags),
            BTreeSet::new(),
        ),
        feature_flags_field: feature_flags_field(spec, was_named(Field::FeatureFlags)),
        named: Field::ALL.iter().copied().filter(|field| is_named(spec, *field)).collect(),
        name,
    })
}

/// Refuses a description that Svix can never store.
pub fn check_description(object: &WebhookEventType) -> Result<(), ReconcileError> {
    let checked = object.spec.description.as_deref().map_or(Ok(()), storable::check_description);
    checked.map_err(|error| ReconcileError::at(Reason::InvalidSpec, "/spec/description", error))
}

/// Whether a spec names a field that it may leave out. A field that it stops naming is set back to Svix's default.
fn is_named(spec: &WebhookEventTypeSpec, field: Field) -> bool {
    match field {
        Field::Description => spec.description.is_some(),
        Field::Deprecated => spec.deprecated.is_some(),
        Field::GroupName => spec.group_name.is_some(),
        Field::FeatureFlag => spec.feature_flag.is_some(),
        Field::FeatureFlags => spec.feature_flags.is_some(),
        // One that the spec stops naming stays in Svix, and is not managed any more.
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

/// The field of the spec that contains the feature flags, or contained them.
fn feature_flags_field(spec: &WebhookEventTypeSpec, was_list: bool) -> Field {
    let is_list = spec.feature_flags.is_some() || (spec.feature_flag.is_none() && was_list);
    if is_list { Field::FeatureFlags } else { Field::FeatureFlag }
}

/// The schema with `examples` in it, where Svix reads them. Examples that the object declares replace
/// those that the schema itself has.
#[must_use]
pub fn with_examples(mut schema: Value, examples: Vec<Value>) -> Value {
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
        schema,
        description,
        deprecated,
        group_name,
        feature_flags,
        feature_flags_field,
        named: _,
    } = desired;
    let mut found = Vec::new();
    if schema.as_ref().is_some_and(|schema| observed.schema_digest != Some(schema.digest)) {
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
    if let Some(expected) = group_name.as_ref().filter(|expected| **expected != observed.group_name) {
        let display = |value: &Option<String>| value.as_deref().map_or_else(|| "none".into(), quoted);
        found.push(Difference {
            field: Field::GroupName,
            found: display(&observed.group_name),
            expected: display(expected),
        });
    }
    if let Some(expected) = feature_flags.as_ref().filter(|expected| **expected != observed.feature_flags) {
        let display = |flags: &BTreeSet<String>| match flags.len() {
            0 => "none".to_owned(),
            _ => flags.iter().map(|flag| quoted(flag)).collect::<Vec<_>>().join(", "),
        };
        found.push(Difference {
            field: *feature_flags_field,
            found: display(&observed.feature_flags),
            expected: display(expected),
        });
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
    if let (Some(difference), Some(found), Some(declared)) = (schema, found, &desired.schema)
        && let Some(first) = json_difference::first(found, &declared.value)
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
/// the first write to Svix). An archived event type has no owner: Svix itself creates it again on a POST. So it is compared
/// with what a create would write ([`Desired::with_defaults`]). `schemas` are the schemas in Svix by version, where they were
/// read: then a difference says where they differ. A step that writes the schema ([`writes_schema`]) is carried out only if
/// Svix accepts it ([`DesiredSchema::check_accepted`]).
#[must_use]
pub fn plan(
    desired: &Desired,
    observed: Option<&Observed>,
    schemas: Option<&Value>,
    is_ours: bool,
    adoption: Adoption,
) -> EventTypeStep {
    let Some(observed) = observed else { return EventTypeStep::Create };
    let located = |desired: &Desired| locate(differences(desired, observed), desired, schemas);
    if observed.archived {
        return EventTypeStep::Revive(located(&desired.clone().with_defaults()));
    }
    let differences = located(desired);
    match (is_ours, differences.is_empty()) {
        (true, true) => EventTypeStep::InSync,
        (true, false) => EventTypeStep::Change(differences),
        (false, equal) => match adoption {
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

/// Whether a step writes the schema.
#[must_use]
pub fn writes_schema(step: &EventTypeStep) -> bool {
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

/// The whole `schemas` value to write: the observed one, with our version replaced; `None`: no schema is declared.
#[must_use]
pub fn merge_schemas(desired: &Desired, observed: Option<&Value>) -> Option<Value> {
    let declared = desired.schema.as_ref()?;
    let mut schemas = match observed {
        Some(Value::Object(map)) => map.clone(),
        _ => Map::new(),
    };
    schemas.insert(SCHEMA_VERSION.to_owned(), (*declared.value).clone());
    Some(Value::Object(schemas))
}

#[cfg(test)]
mod tests;
