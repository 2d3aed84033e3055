//! Reads from a document the parts that every kind has, and the kinds of Kubernetes that are used here.

use std::collections::BTreeMap;

use base64::Engine as _;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Map, Value};

use crate::{
    api::JsonPointer,
    plan::object_name::{is_namespace, is_subdomain},
};

use super::{
    messages,
    problem::{ObjectId, Violation},
};

/// The fields that metadata has in Kubernetes.
const METADATA_FIELDS: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field).and_then(Value::as_str)
}

/// A document that is not an object of Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotAnObject {
    #[error("not a Kubernetes object: found a list, expected apiVersion, kind and metadata")]
    List,
    #[error("not a Kubernetes object: found a plain value, expected apiVersion, kind and metadata")]
    Scalar,
    #[error("not a Kubernetes object: apiVersion and kind must be given, as text")]
    WithoutKind,
}

/// The type of an object, as it gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TypeMeta<'a> {
    /// The API group; empty: the core group.
    pub(super) group: &'a str,
    pub(super) version: &'a str,
    pub(super) kind: &'a str,
}

/// Returns group, version and kind.
pub(super) fn type_meta(object: &Value) -> Result<TypeMeta<'_>, NotAnObject> {
    match object {
        Value::Object(_) => {}
        Value::Array(_) => return Err(NotAnObject::List),
        _ => return Err(NotAnObject::Scalar),
    }
    let (Some(api), Some(kind)) = (text(object, "apiVersion"), text(object, "kind")) else {
        return Err(NotAnObject::WithoutKind);
    };
    let (group, version) = api.split_once('/').unwrap_or(("", api));
    Ok(TypeMeta { group, version, kind })
}

/// Returns the object's own name, if it has one.
pub(super) fn id_of(object: &Value, kind: &str, namespaced: bool) -> Option<ObjectId> {
    let metadata = object.get("metadata")?;
    let name = text(metadata, "name").filter(|name| !name.is_empty())?.to_owned();
    let namespace = text(metadata, "namespace").filter(|namespace| !namespace.is_empty());
    let namespace = namespaced.then(|| namespace.unwrap_or("default").to_owned());
    Some(ObjectId { kind: kind.to_owned(), namespace, name })
}

/// Checks `metadata` as an API server does.
pub(super) fn check_metadata(object: &Value, namespaced: bool) -> Vec<Violation> {
    const METADATA: JsonPointer = JsonPointer::from_static("/metadata");
    let mut out = Vec::new();
    let mut refuse = |pointer: JsonPointer, message: String| out.push(Violation { pointer, message });
    let not_text =
        |found: &Value| format!("found {}, expected text: put it in quotes", messages::found(found));
    let empty = Map::new();
    let metadata = match object.get("metadata") {
        Some(Value::Object(metadata)) => metadata,
        None | Some(Value::Null) => &empty,
        // The schema of our kinds reports it as well; the kinds of Kubernetes have no schema here.
        Some(other) => {
            refuse(METADATA, format!("found {}, expected an object", messages::found(other)));
            return out;
        }
    };
    let name = METADATA.child("name");
    match metadata.get("name") {
        Some(Value::String(text)) if is_subdomain(text) => {}
        Some(found @ Value::String(_)) => refuse(
            name,
            format!(
                "found {}, expected at most 253 lower-case letters, digits, - and ., beginning and ending with a letter or digit",
                messages::found(found)
            ),
        ),
        Some(other) if !other.is_null() => refuse(name, not_text(other)),
        _ if metadata.contains_key("generateName") => {
            refuse(name, "missing: generateName needs a cluster; write a name".into());
        }
        _ => refuse(name, "missing, expected text: add it".into()),
    }
    let namespace = METADATA.child("namespace");
    match metadata.get("namespace") {
        None | Some(Value::Null) => {}
        Some(Value::String(text)) if text.is_empty() || !namespaced || is_namespace(text) => {}
        Some(other) if !other.is_string() => refuse(namespace, not_text(other)),
        Some(other) => refuse(
            namespace,
            format!(
                "found {}, expected at most 63 lower-case letters, digits and -, beginning and ending with a letter or digit",
                messages::found(other)
            ),
        ),
    }
    for field in ["labels", "annotations"] {
        match metadata.get(field) {
            None | Some(Value::Null) => {}
            Some(Value::Object(entries)) => {
                for (key, value) in entries.iter().filter(|(_, value)| !value.is_string()) {
                    refuse(METADATA.child(field).child(key), not_text(value));
                }
            }
            Some(other) => {
                refuse(METADATA.child(field), format!("found {}, expected an object", messages::found(other)))
            }
        }
    }
    for field in metadata.keys().filter(|field| !METADATA_FIELDS.contains(&field.as_str())) {
        let message = match messages::closest(field, METADATA_FIELDS) {
            Some(meant) => format!("there is no such field; did you mean {meant}?"),
            None => "there is no such field".into(),
        };
        refuse(METADATA.child(field), message);
    }
    out
}

/// Returns the metadata that a file can set; the rest is the API server's, also in the output of `kubectl get -o yaml`.
pub(super) fn metadata(object: &Value, id: &ObjectId) -> ObjectMeta {
    let strings = |field: &str| {
        let entries = object.get("metadata")?.get(field)?.as_object()?;
        let entries =
            entries.iter().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
        Some(entries.collect::<BTreeMap<_, _>>()).filter(|entries| !entries.is_empty())
    };
    ObjectMeta {
        name: Some(id.name.clone()),
        namespace: id.namespace.clone(),
        labels: strings("labels"),
        annotations: strings("annotations"),
        ..ObjectMeta::default()
    }
}

/// Reads a ConfigMap without its `binaryData`: a schema is text.
pub(super) fn config_map(object: &Value, metadata: ObjectMeta) -> Result<ConfigMap, Vec<Violation>> {
    let mut violations = unknown_fields(object, &["data", "binaryData", "immutable"]);
    let data = strings(object, "data", &mut violations);
    if violations.is_empty() {
        Ok(ConfigMap { metadata, data: Some(data), ..ConfigMap::default() })
    } else {
        Err(violations)
    }
}

/// Reads a Secret, with `stringData` merged over `data`. Messages never contain a value.
pub(super) fn secret(object: &Value, metadata: ObjectMeta) -> Result<Secret, Vec<Violation>> {
    let mut violations = unknown_fields(object, &["data", "stringData", "immutable", "type"]);
    let mut data = BTreeMap::new();
    for (key, value) in strings(object, "data", &mut violations) {
        let compact: String = value.split_ascii_whitespace().collect();
        match base64::engine::general_purpose::STANDARD.decode(compact) {
            Ok(bytes) => {
                data.insert(key, ByteString(bytes));
            }
            Err(_) => violations.push(Violation::new(
                JsonPointer::ROOT.child("data").child(&key),
                "not base64 (the value is not shown): encode it, or write it under stringData",
            )),
        }
    }
    for (key, value) in strings(object, "stringData", &mut violations) {
        data.insert(key, ByteString(value.into_bytes()));
    }
    let type_ = text(object, "type").map(ToOwned::to_owned);
    if violations.is_empty() {
        Ok(Secret { metadata, data: Some(data), type_, ..Secret::default() })
    } else {
        Err(violations)
    }
}

fn unknown_fields(object: &Value, fields: &[&str]) -> Vec<Violation> {
    let known = |key: &str| ["apiVersion", "kind", "metadata"].contains(&key) || fields.contains(&key);
    let keys = object.as_object().into_iter().flatten().map(|(key, _)| key).filter(|key| !known(key));
    let message = format!("there is no such field; known here: {}", fields.join(", "));
    keys.map(|key| Violation::new(JsonPointer::ROOT.child(key), message.clone())).collect()
}

/// Reads a map from text to text. Messages contain no value: it may be a Secret's.
fn strings(object: &Value, field: &str, violations: &mut Vec<Violation>) -> BTreeMap<String, String> {
    let pointer = JsonPointer::ROOT.child(field);
    let entries = match object.get(field) {
        None | Some(Value::Null) => return BTreeMap::new(),
        Some(Value::Object(entries)) => entries,
        Some(_) => {
            violations.push(Violation::new(pointer, "expected an object of texts"));
            return BTreeMap::new();
        }
    };
    let mut out = BTreeMap::new();
    for (key, value) in entries {
        match value {
            Value::String(text) => {
                out.insert(key.clone(), text.clone());
            }
            Value::Null => {
                out.insert(key.clone(), String::new());
            }
            _ => violations.push(Violation::new(
                pointer.child(key),
                "found something else than text (not shown): put it in quotes, or after |",
            )),
        }
    }
    out
}
