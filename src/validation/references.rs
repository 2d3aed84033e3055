//! What objects refer to, as far as it was read, and endpoints that two objects declare.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::{
    admission::Known,
    api::{
        DEFAULT_CONNECTION, JsonPointer, SecretKeyRef, SecretUse, SvixConnectionSpec, WebhookEndpoint,
        WebhookEventType,
    },
    engine::Kind,
    manifests::{ConfigMapTexts, Loaded, Located, Origin, SecretValues},
    plan::{
        ids,
        schema_source::{self, Source},
        suggest,
    },
    schema::Effort,
};

use super::finding::{Keyed, Rule, Severity, Unplaced, id_of};

/// Checks all objects.
pub(super) fn check(loaded: &Loaded, texts: &ConfigMapTexts, known: &Known) -> Vec<Unplaced> {
    let mut findings = Vec::new();
    config_maps(loaded, texts, &mut findings);
    secrets(loaded, &mut findings);
    event_types(loaded, known, &mut findings);
    same_endpoints(&loaded.endpoints, known, &mut findings);
    findings
}

fn unplaced(object: &impl Keyed, severity: Severity, pointer: JsonPointer, message: String) -> Unplaced {
    Unplaced { key: object.key(), severity, rule: Rule::Reference, pointer, message }
}

/// Schemas in ConfigMaps that were read.
fn config_maps(loaded: &Loaded, texts: &ConfigMapTexts, findings: &mut Vec<Unplaced>) {
    let names: HashSet<_> = loaded
        .config_maps
        .iter()
        .map(|map| (map.object.metadata.namespace.as_deref(), map.object.metadata.name.as_deref()))
        .collect();
    for event_type in &loaded.event_types {
        let object = &event_type.object;
        let Ok(Source::ConfigMap(reference)) = schema_source::schema_text(object) else { continue };
        if !names.contains(&(object.metadata.namespace.as_deref(), Some(reference.name.as_str()))) {
            continue;
        }
        findings.extend(schema_in_config_map(object, &reference.name, &reference.key, texts));
    }
}

fn schema_in_config_map(
    object: &WebhookEventType,
    name: &str,
    key: &str,
    texts: &ConfigMapTexts,
) -> Vec<Unplaced> {
    let field = schema_source::field(object);
    let namespace = object.metadata.namespace.clone().unwrap_or_default();
    let Some(text) = texts.get(&(namespace, name.to_owned(), key.to_owned())) else {
        let message =
            format!("ConfigMap {name:?} has no key {key:?}, expected the text of a schema: add the key");
        return vec![unplaced(object, Severity::Error, field, message)];
    };
    let errors = match schema_source::parse_schema(object, text) {
        Err(error) => vec![error],
        Ok(schema) => match schema_source::validate_all(object, schema.to_value(), &Effort::full()) {
            Ok(_) => Vec::new(),
            Err((first, others)) => std::iter::once(first).chain(others).collect(),
        },
    };
    errors
        .into_iter()
        .map(|error| {
            let pointer = error.field.clone().unwrap_or_else(|| field.clone());
            unplaced(object, Severity::Error, pointer, error.detail().to_owned())
        })
        .collect()
}

/// Secrets that were read, and lack the key that an endpoint names.
fn secrets(loaded: &Loaded, findings: &mut Vec<Unplaced>) {
    let secrets = SecretValues::of(loaded);
    for endpoint in &loaded.endpoints {
        let object = &endpoint.object;
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        for (purpose, reference) in object.spec.secret_sources() {
            let SecretKeyRef { name, key } = reference;
            if secrets.secret(namespace, name).is_some() && secrets.get(namespace, reference).is_none() {
                let message = format!("Secret {name:?} has no key {key:?}: add the key, or name another one");
                findings.push(unplaced(object, Severity::Error, field_of(purpose), message));
            }
        }
    }
}

/// The field that names the key of a Secret.
fn field_of(purpose: SecretUse<'_>) -> JsonPointer {
    match purpose {
        SecretUse::Url => JsonPointer::from_static("/spec/urlFrom/secretKeyRef/key"),
        SecretUse::Header { index, .. } => {
            JsonPointer::from_static("/spec/headers").index(index).join("/valueFrom/secretKeyRef/key")
        }
        SecretUse::SigningKey => JsonPointer::from_static("/spec/signingSecret/fromSecret/key"),
    }
}

/// Event types that endpoints and events name, through connections that were not read; admission warns of the others.
fn event_types(loaded: &Loaded, known: &Known, findings: &mut Vec<Unplaced>) {
    if loaded.may_lack(Kind::EventType.as_str()) {
        return;
    }
    let mut by_connection: BTreeMap<&str, HashSet<String>> = BTreeMap::new();
    for event_type in &loaded.event_types {
        let object = &event_type.object;
        by_connection.entry(object.connection_name()).or_default().insert(object.event_type_name());
    }
    let undeclared = |connection: &str, name: &str| {
        if known.directory.connection(connection).is_some() {
            return None;
        }
        let declared = by_connection.get(connection);
        if declared.is_some_and(|names| names.contains(name)) {
            return None;
        }
        let meant = suggest::closest(name, declared.into_iter().flatten().map(String::as_str));
        let meant = meant.map(|meant| format!("; did you mean {meant:?}?")).unwrap_or_default();
        Some(format!(
            "no WebhookEventType that was read declares {name:?} through connection {connection:?}{meant}"
        ))
    };
    // Endpoints alone are most likely kept apart from the event types; an event alone cannot be checked.
    let endpoints = if loaded.event_types.is_empty() { &[][..] } else { &loaded.endpoints };
    for endpoint in endpoints {
        let object = &endpoint.object;
        for (index, name) in object.spec.event_types.iter().enumerate() {
            let pointer = JsonPointer::from_static("/spec/eventTypes").index(index);
            let message = undeclared(object.connection_name(), name);
            findings.extend(message.map(|message| unplaced(object, Severity::Warning, pointer, message)));
        }
    }
    for event in &loaded.events {
        let object = &event.object;
        let message = undeclared(object.connection_name(), &object.spec.event_type);
        findings.extend(message.map(|message| {
            let message = format!("{message}; its payload was not checked");
            unplaced(object, Severity::Warning, "/spec/eventType".into(), message)
        }));
    }
}

/// Endpoints that are one endpoint in Svix.
fn same_endpoints(endpoints: &[Located<WebhookEndpoint>], known: &Known, findings: &mut Vec<Unplaced>) {
    let mut first: HashMap<(String, String, String), (&WebhookEndpoint, &Origin)> = HashMap::new();
    for Located { object, origin } in endpoints {
        let connection = object.connection_name().to_owned();
        let settings = known.directory.connection(&connection);
        // Stands for a connection that was not read.
        let defaults =
            SvixConnectionSpec { owner_id: DEFAULT_CONNECTION.to_owned(), ..SvixConnectionSpec::default() };
        let settings = settings.as_deref().unwrap_or(&defaults);
        let application = object.spec.application(settings).to_owned();
        let uid = object.spec.uid.clone().unwrap_or_else(|| {
            let key = object.key();
            ids::default_uid(&settings.owner_id, &key.namespace, &key.name)
        });
        match first.entry((connection, application, uid)) {
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert((object, origin));
            }
            std::collections::hash_map::Entry::Occupied(entry) => {
                let (_, application, uid) = entry.key();
                let (other, place) = entry.get();
                let message = format!(
                    "{} at {place} declares endpoint {uid:?} of application {application:?}, too: one of the two waits \
                     until the other is deleted; give one of them another uid",
                    id_of(&other.key()),
                );
                let (key, pointer) = (object.key(), "/spec/uid".into());
                let (severity, rule) = (Severity::Warning, Rule::Ownership);
                findings.push(Unplaced { key, severity, rule, pointer, message });
            }
        }
    }
}
