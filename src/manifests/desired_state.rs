//! From a folder to the objects that a [`Session`](super::Session) keeps up.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::{
    api::{DEFAULT_CONNECTION, SecretKeyRef, SvixConnection, SvixConnectionSpec},
    engine::{Object, ObjectKey},
    plan::secrets::SecretData,
};

use super::{Loaded, References};

/// The one server that everything goes to.
#[derive(Clone, Copy, Debug)]
pub struct Server<'a> {
    /// Its address.
    pub url: &'a str,
    /// Its token.
    pub token: &'a str,
    /// Whether it is the embedded one, which needs no budget and no certificates.
    pub ours: bool,
}

/// What a folder declares, as it is reconciled here.
#[derive(Debug)]
pub struct Declaration {
    /// The objects.
    pub objects: Vec<Object>,
    /// What they refer to.
    pub references: References,
    /// Whether the connection named `default` was made up, since the folder has none.
    pub made_up: bool,
}

/// The objects of a folder as they are reconciled here: every connection goes to the one server.
#[must_use]
pub fn declared(loaded: Loaded, server: &Server<'_>, before: Vec<Object>) -> Declaration {
    let mut objects = Vec::new();
    let mut has_default = false;
    // An object that was good and is now broken stays as it was: a slip of the pen deletes nothing.
    for object in before.into_iter().filter(|object| !object.is_deleting()) {
        let key = object.key();
        let namespace = Some(&*key.namespace).filter(|namespace| !namespace.is_empty());
        if loaded.may_lack_objects() || loaded.is_broken(key.kind.as_str(), namespace, &key.name) {
            has_default |= key == ObjectKey::connection(DEFAULT_CONNECTION);
            objects.push(object);
        }
    }
    let kept: BTreeSet<_> = objects.iter().map(Object::key).collect();
    let mut add = |object: Object| {
        let key = object.key();
        if kept.contains(&key) {
            objects.retain(|kept| kept.key() != key);
        }
        objects.push(object);
    };
    for declared in loaded.connections {
        let mut connection = declared.object;
        connection.spec.server_url = Some(server.url.to_owned());
        if server.ours {
            connection.spec.ca_bundle = None;
            connection.spec.requests_per_second = Some(0);
        }
        has_default |= connection.metadata.name.as_deref() == Some(DEFAULT_CONNECTION);
        add(Object::Connection(Arc::new(connection)));
    }
    if !has_default {
        let spec = SvixConnectionSpec {
            server_url: Some(server.url.to_owned()),
            token_secret_ref: SecretKeyRef { name: "svix-token".to_owned(), key: "token".to_owned() },
            owner_id: "dev".to_owned(),
            requests_per_second: server.ours.then_some(0),
            ..SvixConnectionSpec::default()
        };
        add(Object::Connection(Arc::new(SvixConnection::new(DEFAULT_CONNECTION, spec))));
    }
    for declared in loaded.event_types {
        add(Object::EventType(Arc::new(declared.object)));
    }
    for declared in loaded.endpoints {
        add(Object::Endpoint(Arc::new(declared.object)));
    }
    for declared in loaded.events {
        add(Object::Event(Arc::new(declared.object)));
    }
    let mut config_maps = HashMap::new();
    for map in loaded.config_maps.into_iter().map(|declared| declared.object) {
        let (namespace, name) =
            (map.metadata.namespace.unwrap_or_default(), map.metadata.name.unwrap_or_default());
        for (key, text) in map.data.unwrap_or_default() {
            config_maps.insert((namespace.clone(), name.clone(), key), text);
        }
    }
    let secrets = loaded.secrets.into_iter().map(|declared| {
        let ObjectMeta { name, namespace, labels, annotations, .. } = declared.object.metadata;
        let data: BTreeMap<_, _> =
            declared.object.data.into_iter().flatten().map(|(key, bytes)| (key, bytes.0)).collect();
        // Another content is another version, as in a cluster. It is told to nobody but this process.
        let resource_version = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, format!("{data:?}").as_bytes());
        let secret = SecretData {
            resource_version: resource_version.to_string(),
            data,
            labels: labels.unwrap_or_default(),
            annotations: annotations.unwrap_or_default(),
            owners: Vec::new(),
        };
        ((namespace.unwrap_or_default(), name.unwrap_or_default()), secret)
    });
    let namespaces = loaded.namespaces.into_iter().map(|declared| {
        let ObjectMeta { name, labels, .. } = declared.object.metadata;
        (name.unwrap_or_default(), labels.unwrap_or_default())
    });
    let references = References {
        token: server.token.to_owned(),
        config_maps,
        secrets: secrets.collect(),
        namespaces: namespaces.collect(),
    };
    Declaration { objects, references, made_up: !has_default }
}
