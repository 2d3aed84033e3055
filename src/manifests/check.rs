//! What an API server checks before it stores one of our resources: the CRD's schema (unknown fields
//! included, as `kubectl --validate=strict` has it), list types, and the CEL rules.
//!
//! The CEL rules are written out in `rules` below: kube's `cel` feature would evaluate them, but brings an
//! ANTLR runtime and seven more crates for a handful of rules. A test fails when a CRD has a rule that is not
//! known there. Rules about changes (`oldSelf`) do not apply: a folder has no past.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{Draft, ValidationError, Validator};
use serde_json::{Map, Value, json};

use super::{messages, yaml::join};
use crate::api::{self, RESERVED_METADATA_PREFIX, SigningSecret, SvixConnectionSpec, WebhookEventSpec};
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
        violations.extend(rules(&kind.name, object));
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

/// Where an object holds U+0000 that would be stored in Svix. Texts that hold JSON are the plan's to read.
fn nul_places(kind: &str, spec: &Value) -> Vec<String> {
    let fields: &[&str] = match kind {
        "WebhookEventType" => &["description", "schema", "examples"],
        "WebhookEndpoint" => &["description", "metadata", "channels"],
        _ => &[],
    };
    let place = |field: &&str| Some(format!("/spec/{field}{}", storable::find_nul(spec.get(field)?)?));
    fields.iter().filter_map(place).collect()
}

/// The CRDs' CEL rules that speak of one state of an object.
fn rules(kind: &str, object: &Value) -> Vec<Violation> {
    let mut out = Vec::new();
    let Some(spec) = object.get("spec") else { return out };
    let has = |object: &Value, field: &str| object.get(field).is_some_and(|value| !value.is_null());
    let mut refuse =
        |pointer: String, message: &str| out.push(Violation { pointer, message: message.into() });
    for field in ["defaultApplication", "application", "uid", "eventId"] {
        let text = spec.get(field).and_then(Value::as_str).unwrap_or_default();
        if ["app_", "ep_", "msg_"].iter().any(|prefix| text.starts_with(prefix)) {
            refuse(format!("/spec/{field}"), "a uid in Svix must not start with app_, ep_ or msg_");
        }
    }
    for pointer in nul_places(kind, spec) {
        refuse(pointer, storable::NUL);
    }
    match kind {
        "WebhookEventType" => {
            let sources = ["schema", "schemaText", "schemaFrom"];
            if sources.iter().filter(|field| has(spec, field)).count() != 1 {
                refuse("/spec".into(), "exactly one of schema, schemaText and schemaFrom must be given");
            }
            let examples = spec.get("examples").and_then(Value::as_array);
            for (index, example) in examples.into_iter().flatten().enumerate() {
                if has(example, "value") == has(example, "text") {
                    refuse(format!("/spec/examples/{index}"), "exactly one of value and text must be given");
                }
            }
        }
        "WebhookEndpoint" => {
            if has(spec, "url") == has(spec, "urlFrom") {
                refuse("/spec".into(), "exactly one of url and urlFrom must be given");
            }
            for (index, header) in
                spec.get("headers").and_then(Value::as_array).into_iter().flatten().enumerate()
            {
                if has(header, "value") == has(header, "valueFrom") {
                    let pointer = format!("/spec/headers/{index}");
                    refuse(pointer, "exactly one of value and valueFrom must be given");
                }
            }
            if let Some(signing) = spec.get("signingSecret").filter(|signing| signing.is_object()) {
                signing_secret(signing, &mut refuse);
            }
            for (key, _) in spec.get("metadata").and_then(Value::as_object).into_iter().flatten() {
                if key.starts_with(RESERVED_METADATA_PREFIX) {
                    refuse(
                        join("/spec/metadata", key),
                        "metadata keys that start with svix-operator.dev/ are reserved",
                    );
                }
            }
        }
        "WebhookEvent" => {
            if has(spec, "payload") == has(spec, "payloadText") {
                refuse("/spec".into(), "exactly one of payload and payloadText must be given");
            }
            // The rule is the accessor's: what it cannot read, the CRD refuses.
            let ttl = spec.get("ttlAfterFinished").and_then(Value::as_str).is_some();
            let parsed = serde_json::from_value::<WebhookEventSpec>(spec.clone());
            let most = std::time::Duration::from_secs(8760 * 3600);
            if ttl && parsed.is_ok_and(|spec| spec.ttl_after_finished().is_none_or(|ttl| ttl > most)) {
                refuse(
                    "/spec/ttlAfterFinished".into(),
                    "ttlAfterFinished must be between 0s and 8760h, such as 24h",
                );
            }
        }
        "SvixConnection" => {
            for (rule, access) in
                spec.get("access").and_then(Value::as_array).into_iter().flatten().enumerate()
            {
                let requirements = access.pointer("/namespaces/matchExpressions").and_then(Value::as_array);
                for (index, requirement) in requirements.into_iter().flatten().enumerate() {
                    let operator = requirement.get("operator").and_then(Value::as_str).unwrap_or_default();
                    let values = requirement
                        .get("values")
                        .and_then(Value::as_array)
                        .is_some_and(|all| !all.is_empty());
                    if ["In", "NotIn"].contains(&operator) != values {
                        refuse(
                            format!("/spec/access/{rule}/namespaces/matchExpressions/{index}"),
                            "In and NotIn need values, Exists and DoesNotExist take none",
                        );
                    }
                }
            }
            // The rule is the accessor's: what it cannot read, the CRD refuses.
            let interval = spec.get("resyncInterval").and_then(Value::as_str).is_some();
            let parsed = serde_json::from_value::<SvixConnectionSpec>(spec.clone());
            if interval && parsed.is_ok_and(|spec| spec.resync_interval().is_none()) {
                refuse(
                    "/spec/resyncInterval".into(),
                    "resyncInterval must be between 1s and 168h, such as 10m",
                );
            }
        }
        _ => {}
    }
    out
}

/// The rules about `signingSecret`. The durations' rules are the accessors': what they cannot read, the CRD refuses.
fn signing_secret(signing: &Value, refuse: &mut impl FnMut(String, &str)) {
    let has = |field: &str| signing.get(field).is_some_and(|value| !value.is_null());
    if has("fromSecret") == has("toSecret") {
        refuse("/spec/signingSecret".into(), "exactly one of fromSecret and toSecret must be given");
    }
    if has("rotateAfter") && !has("toSecret") {
        refuse(
            "/spec/signingSecret".into(),
            "rotateAfter needs toSecret: a key that comes from a Secret is replaced by changing the Secret",
        );
    }
    let Ok(parsed) = serde_json::from_value::<SigningSecret>(signing.clone()) else { return };
    if has("rotateAfter") && parsed.rotate_after().is_none() {
        refuse(
            "/spec/signingSecret/rotateAfter".into(),
            "rotateAfter must be between 1h and 87600h, such as 720h",
        );
    }
    if parsed.grace_period().is_none() {
        refuse(
            "/spec/signingSecret/gracePeriod".into(),
            "gracePeriod must be between 0s and 168h, such as 24h",
        );
    }
}

#[cfg(test)]
mod tests;
