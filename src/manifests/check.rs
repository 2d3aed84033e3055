//! What an API server checks before it stores one of our resources: the CRD's schema (unknown fields
//! included, as `kubectl --validate=strict` has it), list types, and the CEL rules.
//!
//! The CEL rules are `validate` of each spec in `api`: kube's `cel` feature would evaluate them, but brings an
//! ANTLR runtime and seven more crates for a handful of rules. Rules about changes (`oldSelf`) do not apply: a folder
//! has no past.

mod conform;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{Draft, ValidationError, Validator};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use conform::conform;

use super::{messages, yaml::join};
use crate::api::{self, SvixConnectionSpec, WebhookEndpointSpec, WebhookEventSpec, WebhookEventTypeSpec};
use crate::plan::storable;

/// Something that an API server would refuse.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// JSON Pointer of the field.
    pub pointer: String,
    /// What was found, what is expected, and what to do.
    pub message: String,
}

/// Checks objects of our kinds; made once and used for many.
pub struct Checker {
    kinds: Vec<Kind>,
}

struct Kind {
    name: String,
    schema: Value,
    validator: Validator,
}

/// The CRDs cannot be used to check with, which is a defect of this program.
#[derive(Debug, thiserror::Error)]
#[error("the schema of {kind} cannot be compiled: {reason}")]
pub struct CheckerError {
    /// The kind.
    pub kind: String,
    /// Why not.
    pub reason: String,
}

impl Checker {
    /// Compiles the CRDs' schemas.
    pub fn new() -> Result<Self, CheckerError> {
        let kinds = api::crds()
            .iter()
            .map(|crd| {
                let name = crd.spec.names.kind.clone();
                let schema =
                    crd.spec.versions.first().and_then(|version| version.schema.as_ref()).map(|schema| {
                        serde_json::to_value(&schema.open_api_v3_schema).unwrap_or(Value::Bool(true))
                    });
                let mut schema = schema.unwrap_or(Value::Bool(true));
                // The schema of a CRD leaves these to the API server.
                if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
                    for (field, value) in
                        [("apiVersion", "string"), ("kind", "string"), ("metadata", "object")]
                    {
                        let mut property = json!({ "type": value });
                        property["x-kubernetes-preserve-unknown-fields"] = Value::Bool(true);
                        properties.insert(field.into(), property);
                    }
                }
                let validator = jsonschema::options()
                    .with_draft(Draft::Draft7)
                    .should_validate_formats(true)
                    .offline()
                    .build(&strict(&schema))
                    .map_err(|error| CheckerError { kind: name.clone(), reason: error.to_string() })?;
                Ok(Kind { name, schema, validator })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { kinds })
    }

    /// The kinds that can be checked.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.kinds.iter().map(|kind| kind.name.as_str())
    }

    /// Everything that is wrong with an object, in order of the fields; nothing for a kind that is not ours.
    #[must_use]
    pub fn check(&self, kind: &str, object: &Value) -> Vec<Violation> {
        let Some(kind) = self.kinds.iter().find(|candidate| candidate.name == kind) else {
            return Vec::new();
        };
        let mut violations = Vec::new();
        for error in kind.validator.iter_errors(object) {
            violations.extend(in_words(&error, &kind.schema));
        }
        list_types(&kind.schema, object, "", &mut violations);
        violations.extend(rules(kind, object));
        violations.extend(not_storable(&kind.name, object));
        violations.sort();
        violations.dedup();
        violations
    }
}

/// The structural schema as a JSON Schema that refuses unknown fields.
fn strict(schema: &Value) -> Value {
    let Value::Object(schema) = schema else { return schema.clone() };
    let mut out = Map::new();
    let nullable = schema.get("nullable") == Some(&Value::Bool(true));
    for (key, value) in schema {
        let value = match key.as_str() {
            "properties" => Value::Object(
                value.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), strict(v))).collect(),
            ),
            "items" | "additionalProperties" => strict(value),
            "type" if nullable => json!([value, "null"]),
            "enum" if nullable => {
                Value::Array(value.as_array().into_iter().flatten().cloned().chain([Value::Null]).collect())
            }
            _ => value.clone(),
        };
        out.insert(key.clone(), value);
    }
    let open = schema.contains_key("additionalProperties")
        || schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    if schema.contains_key("properties") && !open {
        out.insert("additionalProperties".into(), Value::Bool(false));
    }
    Value::Object(out)
}

/// The part of a structural schema that speaks of a pointer.
fn part_of<'a>(schema: &'a Value, pointer: &str) -> Option<&'a Value> {
    pointer.split('/').skip(1).try_fold(schema, |schema, part| {
        schema
            .get("items")
            .or_else(|| schema.get("properties")?.get(part))
            .or_else(|| schema.get("additionalProperties"))
    })
}

fn in_words(error: &ValidationError<'_>, schema: &Value) -> Vec<Violation> {
    let pointer = error.instance_path().as_str().to_owned();
    let address = ["/spec/url", "/spec/serverUrl"].contains(&pointer.as_str());
    // The value of a header can be a credential.
    let hidden = pointer.starts_with("/spec/headers/") && pointer.ends_with("/value");
    let found = match error.instance().as_ref() {
        Value::String(text) if address => messages::host_only(text),
        Value::String(_) if hidden => "a value (not shown)".to_owned(),
        value => messages::found(value),
    };
    let message = match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let known =
                part_of(schema, &pointer).and_then(|part| part.get("properties")).and_then(Value::as_object);
            let known: Vec<&str> = known.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
            let unknown = |field: &String| Violation {
                pointer: join(&pointer, field),
                message: match messages::closest(field, known.iter().copied()) {
                    Some(meant) => format!("there is no such field; did you mean {meant}?"),
                    None => format!("there is no such field; known here: {}", known.join(", ")),
                },
            };
            return unexpected.iter().map(unknown).collect();
        }
        ValidationErrorKind::Required { property } => {
            let field = property.as_str().unwrap_or_default();
            let pointer = join(&pointer, field);
            let part = part_of(schema, &pointer);
            let kind = part.and_then(|part| part.get("type")).and_then(Value::as_str).unwrap_or("a value");
            let message = format!("missing, expected {}: add it", messages::kind(kind));
            return vec![Violation { pointer, message }];
        }
        ValidationErrorKind::Type { kind } => {
            let expected = match kind {
                TypeKind::Single(kind) => messages::kind(&kind.to_string()).to_owned(),
                TypeKind::Multiple(kinds) => {
                    let names: Vec<String> = kinds.iter().map(|kind| kind.to_string()).collect();
                    let names = names.iter().filter(|name| *name != "null").map(|name| messages::kind(name));
                    names.collect::<Vec<_>>().join(" or ")
                }
            };
            let scalar = !error.instance().is_array() && !error.instance().is_object();
            let hint = if expected == "text" && scalar { ": put it in quotes" } else { "" };
            format!("found {found}, expected {expected}{hint}")
        }
        ValidationErrorKind::Enum { options } => {
            let options = options.as_array().into_iter().flatten().filter_map(Value::as_str);
            format!("found {found}, expected one of {}", options.collect::<Vec<_>>().join(", "))
        }
        ValidationErrorKind::Pattern { pattern } => {
            let expected = messages::pattern(pattern)
                .map_or_else(|| format!("text that matches {pattern}"), ToOwned::to_owned);
            format!("found {found}, expected {expected}")
        }
        ValidationErrorKind::Format { format } => format!("found {found}, expected a {format}"),
        ValidationErrorKind::MinLength { limit: 1 } => {
            "found an empty text, expected one character or more".into()
        }
        ValidationErrorKind::MinLength { limit } => {
            format!("found {found}, expected at least {limit} characters")
        }
        ValidationErrorKind::MaxLength { limit } => {
            format!("found {found}, expected at most {limit} characters")
        }
        ValidationErrorKind::MinItems { limit } => format!("found {found}, expected {limit} or more"),
        ValidationErrorKind::MaxItems { limit } => format!("found {found}, expected at most {limit}"),
        ValidationErrorKind::MaxProperties { limit } => {
            format!("found {found}, expected at most {limit} keys")
        }
        ValidationErrorKind::Minimum { limit } => format!("found {found}, expected {} or more", plain(limit)),
        ValidationErrorKind::Maximum { limit } => format!("found {found}, expected {} or less", plain(limit)),
        other => format!("found {found}, which the rule `{}` refuses", other.keyword()),
    };
    vec![Violation { pointer, message }]
}

/// A limit without the `.0` that the CRD's number type adds.
fn plain(limit: &Value) -> String {
    limit.to_string().trim_end_matches(".0").to_owned()
}

/// `x-kubernetes-list-type`: a set has no equal items, a map no items with equal keys.
fn list_types(schema: &Value, value: &Value, pointer: &str, out: &mut Vec<Violation>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let part = schema.get("properties").and_then(|properties| properties.get(key));
                if let Some(part) = part.or_else(|| schema.get("additionalProperties")) {
                    list_types(part, value, &join(pointer, key), out);
                }
            }
        }
        Value::Array(items) => {
            let keys: Option<Vec<&str>> = match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
                Some("set") => Some(Vec::new()),
                Some("map") => schema
                    .get("x-kubernetes-list-map-keys")
                    .and_then(Value::as_array)
                    .map(|keys| keys.iter().filter_map(Value::as_str).collect()),
                _ => None,
            };
            let identity = |item: &Value| match &keys {
                Some(keys) if !keys.is_empty() => keys.iter().map(|key| item.get(key).cloned()).collect(),
                _ => vec![Some(item.clone())],
            };
            let mut seen = std::collections::HashMap::new();
            for (index, item) in items.iter().enumerate() {
                let here = join(pointer, &index.to_string());
                if keys.is_some() {
                    let identity = identity(item);
                    let text = serde_json::to_string(&identity).unwrap_or_default();
                    if let Some(first) = seen.insert(text, index) {
                        let what = match identity.as_slice() {
                            [Some(value)] => messages::found(value),
                            _ => "the same keys".into(),
                        };
                        let message =
                            format!("found {what} again, as in item {first}: each may be there once");
                        out.push(Violation { pointer: here.clone(), message });
                    }
                }
                if let Some(part) = schema.get("items") {
                    list_types(part, item, &here, out);
                }
            }
        }
        _ => {}
    }
}

/// Texts with U+0000 that would be stored in Svix. The plan reads texts that contain JSON.
fn not_storable(kind: &str, object: &Value) -> Vec<Violation> {
    let fields: &[&str] = match kind {
        "WebhookEventType" => &["description", "schema", "examples"],
        "WebhookEndpoint" => &["description", "metadata", "channels"],
        _ => &[],
    };
    let Some(spec) = object.get("spec") else { return Vec::new() };
    let violation = |field: &&str| {
        let pointer = format!("/spec/{field}{}", storable::find_nul(spec.get(field)?)?);
        Some(Violation { pointer, message: storable::NUL.to_owned() })
    };
    fields.iter().filter_map(violation).collect()
}

/// The violations of the CRDs' CEL rules about one state of an object.
fn rules(kind: &Kind, object: &Value) -> Vec<Violation> {
    fn validate<T: DeserializeOwned>(
        spec: Value,
        validate: fn(&T) -> Vec<api::Violation>,
    ) -> Vec<api::Violation> {
        serde_json::from_value(spec).map(|spec| validate(&spec)).unwrap_or_default()
    }
    let Some(schema) = part_of(&kind.schema, "/spec") else { return Vec::new() };
    let Some(spec) = object.get("spec").map(|spec| conform(schema, spec)) else { return Vec::new() };
    let violations = match kind.name.as_str() {
        "SvixConnection" => validate(spec, SvixConnectionSpec::validate),
        "WebhookEventType" => validate(spec, WebhookEventTypeSpec::validate),
        "WebhookEndpoint" => validate(spec, WebhookEndpointSpec::validate),
        "WebhookEvent" => validate(spec, WebhookEventSpec::validate),
        _ => Vec::new(),
    };
    let violation =
        |api::Violation { field, rule }| Violation { pointer: field.to_string(), message: rule.to_string() };
    violations.into_iter().map(violation).collect()
}

#[cfg(test)]
mod tests;
