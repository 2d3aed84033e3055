//! One document's object: what it is, and its parts that every kind has.

use std::collections::BTreeMap;

use base64::Engine as _;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Map, Value};

use super::check::Violation;
use super::{ObjectId, messages, yaml::join};

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

/// Group, version and kind; `Err` says what is missing.
pub(super) fn kind_of(object: &Value) -> Result<(&str, &str, &str), String> {
    if !object.is_object() {
        let found = match object {
            Value::Array(_) => "a list",
            _ => "a plain value",
        };
        return Err(format!(
            "not a Kubernetes object: found {found}, expected apiVersion, kind and metadata"
        ));
    }
    let (Some(api), Some(kind)) = (text(object, "apiVersion"), text(object, "kind")) else {
        return Err("not a Kubernetes object: apiVersion and kind must be given, as text".into());
    };
    let (group, version) = api.split_once('/').unwrap_or(("", api));
    Ok((group, version, kind))
}

/// Whom the object names itself, as far as it does.
pub(super) fn id_of(object: &Value, kind: &str, namespaced: bool) -> Option<ObjectId> {
    let metadata = object.get("metadata")?;
    let name = text(metadata, "name").filter(|name| !name.is_empty())?.to_owned();
    let namespace = text(metadata, "namespace").filter(|namespace| !namespace.is_empty());
    let namespace = namespaced.then(|| namespace.unwrap_or("default").to_owned());
    Some(ObjectId { kind: kind.to_owned(), namespace, name })
}

/// Checks `metadata` as an API server does.
pub(super) fn check_metadata(object: &Value, namespaced: bool) -> Vec<Violation> {
    let mut out = Vec::new();
    let mut refuse = |pointer: String, message: String| out.push(Violation { pointer, message });
    let empty = Map::new();
    let metadata = match object.get("metadata") {
        Some(Value::Object(metadata)) => metadata,
        None | Some(Value::Null) => &empty,
        // The schema of our kinds says so itself; for the others it is said here.
        Some(other) => {
            refuse("/metadata".into(), format!("found {}, expected an object", messages::found(other)));
            return out;
        }
    };
    match metadata.get("name") {
        Some(Value::String(name)) if is_subdomain(name) => {}
        Some(Value::String(name)) => refuse(
            "/metadata/name".into(),
            format!(
                "found {}, expected at most 253 lower-case letters, digits, - and ., beginning and ending with a letter or digit",
                messages::found(&Value::from(name.as_str()))
            ),
        ),
        Some(other) if !other.is_null() => refuse(
            "/metadata/name".into(),
            format!("found {}, expected text: put it in quotes", messages::found(other)),
        ),
        _ if metadata.contains_key("generateName") => {
            refuse("/metadata/name".into(), "missing: generateName needs a cluster; write a name".into())
        }
        _ => refuse("/metadata/name".into(), "missing, expected text: add it".into()),
    }
    match metadata.get("namespace") {
        None | Some(Value::Null) => {}
        Some(Value::String(name)) if name.is_empty() || !namespaced || is_label(name) => {}
        Some(other) if !other.is_string() => refuse(
            "/metadata/namespace".into(),
            format!("found {}, expected text: put it in quotes", messages::found(other)),
        ),
        Some(other) => refuse(
            "/metadata/namespace".into(),
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
                    let message =
                        format!("found {}, expected text: put it in quotes", messages::found(value));
                    refuse(join(&format!("/metadata/{field}"), key), message);
                }
            }
            Some(other) => refuse(
                format!("/metadata/{field}"),
                format!("found {}, expected an object", messages::found(other)),
            ),
        }
    }
    for field in metadata.keys().filter(|field| !METADATA_FIELDS.contains(&field.as_str())) {
        let message = match messages::closest(field, METADATA_FIELDS) {
            Some(meant) => format!("there is no such field; did you mean {meant}?"),
            None => "there is no such field".into(),
        };
        refuse(join("/metadata", field), message);
    }
    out
}

/// The metadata that a file can set; the rest is the API server's, also in what `kubectl get -o yaml` wrote.
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

/// A ConfigMap. `binaryData` is left out: a schema is text.
pub(super) fn config_map(object: &Value, metadata: ObjectMeta) -> Result<ConfigMap, Vec<Violation>> {
    let mut violations = unknown_fields(object, &["data", "binaryData", "immutable"]);
    let data = strings(object, "data", &mut violations);
    if violations.is_empty() {
        Ok(ConfigMap { metadata, data: Some(data), ..ConfigMap::default() })
    } else {
        Err(violations)
    }
}

/// A Secret with `stringData` folded into `data`, where it wins. Messages never show a value.
pub(super) fn secret(object: &Value, metadata: ObjectMeta) -> Result<Secret, Vec<Violation>> {
    let mut violations = unknown_fields(object, &["data", "stringData", "immutable", "type"]);
    let mut data = BTreeMap::new();
    for (key, value) in strings(object, "data", &mut violations) {
        let compact: String = value.split_ascii_whitespace().collect();
        match base64::engine::general_purpose::STANDARD.decode(compact) {
            Ok(bytes) => {
                data.insert(key, ByteString(bytes));
            }
            Err(_) => violations.push(Violation {
                pointer: join("/data", &key),
                message: "not base64 (the value is not shown): encode it, or write it under stringData"
                    .into(),
            }),
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
    keys.map(|key| Violation { pointer: join("", key), message: message.clone() }).collect()
}

/// A map from text to text. No value is shown: it may be a Secret's.
fn strings(object: &Value, field: &str, violations: &mut Vec<Violation>) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let mut refuse =
        |pointer: String, message: &str| violations.push(Violation { pointer, message: message.into() });
    match object.get(field) {
        None | Some(Value::Null) => {}
        Some(Value::Object(entries)) => {
            for (key, value) in entries {
                match value {
                    Value::String(text) => {
                        out.insert(key.clone(), text.clone());
                    }
                    Value::Null => {
                        out.insert(key.clone(), String::new());
                    }
                    _ => refuse(
                        join(&format!("/{field}"), key),
                        "found something else than text (not shown): put it in quotes, or after |",
                    ),
                }
            }
        }
        Some(_) => refuse(format!("/{field}"), "expected an object of texts"),
    }
    out
}

/// RFC 1123 subdomain, as Kubernetes names are.
fn is_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_label_of_any_length)
}

/// RFC 1123 label, as namespaces are.
fn is_label(name: &str) -> bool {
    name.len() <= 63 && is_label_of_any_length(name)
}

fn is_label_of_any_length(label: &str) -> bool {
    let inner = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    !label.is_empty()
        && label.bytes().all(|byte| inner(&byte))
        && !label.starts_with('-')
        && !label.ends_with('-')
}
