//! Checks what an API server checks before it stores one of our resources: the CRD's schema (unknown fields included,
//! as with `kubectl --validate=strict`), list types, and the CEL rules.

mod conform;
mod describe;
mod list_types;
mod rules;
mod storable;

use std::collections::HashSet;

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

use crate::api::{self, JsonPointer};

use super::problem::Violation;

/// Checks objects of our kinds. Create it once, and use it for many.
pub struct Checker {
    kinds: Vec<Kind>,
}

struct Kind {
    name: String,
    schema: Value,
    validator: Validator,
}

/// The schema of a CRD cannot be compiled, which is a defect of this program.
#[derive(Debug, thiserror::Error)]
#[error("the schema of {kind} cannot be compiled: {source}")]
pub struct CheckerError {
    /// The kind.
    pub kind: String,
    /// Why not.
    pub source: Box<jsonschema::ValidationError<'static>>,
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
                    .map_err(|error| CheckerError { kind: name.clone(), source: Box::new(error) })?;
                Ok(Kind { name, schema, validator })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { kinds })
    }

    /// Returns all violations of an object, in the order of the fields; none for a kind that is not ours.
    #[must_use]
    pub fn check(&self, kind: &str, object: &Value) -> Vec<Violation> {
        let Some(kind) = self.kinds.iter().find(|candidate| candidate.name == kind) else {
            return Vec::new();
        };
        let mut errors: Vec<_> = kind.validator.iter_errors(object).collect();
        // Of several rules that one value violates, the first one here says what to write instead.
        errors.sort_by_key(describe::rank);
        let mut violations: Vec<Violation> = Vec::new();
        for error in errors {
            add_new(&mut violations, describe::violations(&error, &kind.schema));
        }
        list_types::check(&kind.schema, object, &JsonPointer::ROOT, &mut violations);
        let fields = fields(&violations);
        violations.extend(rules::check(&kind.name, &kind.schema, object, |field| fields.contains(field)));
        violations.extend(storable::check(&kind.name, object));
        violations.sort();
        violations.dedup();
        violations
    }
}

fn fields(violations: &[Violation]) -> HashSet<JsonPointer> {
    violations.iter().map(|violation| violation.pointer.clone()).collect()
}

/// Adds the violations in fields that have none yet.
fn add_new(known: &mut Vec<Violation>, violations: Vec<Violation>) {
    let fields = fields(known);
    known.extend(violations.into_iter().filter(|violation| !fields.contains(&violation.pointer)));
}

/// Returns the structural schema as a JSON Schema that refuses unknown fields.
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

#[cfg(test)]
mod tests;
