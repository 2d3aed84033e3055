//! Turns the content of a folder into the objects that a [`ManifestRunner`](super::ManifestRunner) reconciles.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};

use crate::{
    api::{DEFAULT_CONNECTION, SecretKeyRef, SvixConnection, SvixConnectionSpec},
    engine::{Object, ObjectKey},
    plan::secrets::SecretData,
};

use super::{
    connections::FolderConnections,
    host::{KeptNamespaces, References, with_meta},
    loaded::Loaded,
    problem::Located,
};

/// Marks the connection that was added, in memory only: it is no state of the folder, so it is never kept.
const ADDED_ANNOTATION: &str = "svix-operator.dev/added-by-dev";

/// The one server that all objects go to.
#[derive(Clone, Copy, Debug)]
pub struct Server<'a> {
    /// Its address.
    pub url: &'a str,
    /// Its token.
    pub token: &'a str,
    /// The source of the token, as messages name it; `None`: the Secret that the connection names.
    pub token_source: Option<&'a str>,
    /// Whether it is the embedded server, which needs no budget and no certificates.
    pub is_embedded: bool,
}

/// The objects that a folder declares, and their references.
#[derive(Debug)]
pub struct DesiredState {
    /// The objects.
    pub objects: Vec<Object>,
    /// The token, ConfigMaps, Secrets and namespaces that they refer to.
    pub references: References,
    /// Whether a connection named `default` was added, since nothing in the folder is or can be a connection.
    pub adds_connection: bool,
}

impl DesiredState {
    /// The desired state of a folder. Every connection goes to the one server. Objects of the `previous` state whose
    /// manifest is broken now stay as they were: a mistake in a file deletes nothing.
    ///
    /// A connection is added only to a folder in which nothing can be one, and not in place of one that is being deleted.
    /// Otherwise it would permit what the one in the folder forbids.
    #[must_use]
    pub fn new(mut loaded: Loaded, server: &Server<'_>, previous: Vec<Object>) -> Self {
        let has_no_connections = FolderConnections::new(&loaded).is_empty();
        let references = references(&mut loaded, server);
        let mut declared = connections(&mut loaded.connections, server);
        declared.extend(each(&mut loaded.event_types, |object| Object::EventType(Arc::new(object))));
        declared.extend(each(&mut loaded.endpoints, |object| Object::Endpoint(Arc::new(object))));
        declared.extend(each(&mut loaded.events, |object| Object::Event(Arc::new(object))));
        let mut keys: BTreeSet<ObjectKey> = declared.iter().map(Object::key).collect();
        let mut objects = previous;
        objects.retain(|object| !is_added(object));
        let had_connection =
            objects.iter().any(|object| object.key() == ObjectKey::connection(DEFAULT_CONNECTION));
        objects.retain(|object| {
            !object.is_deleting() && !keys.contains(&object.key()) && keeps_previous(&loaded, object)
        });
        keys.extend(objects.iter().map(Object::key));
        let adds_connection = has_no_connections && !had_connection;
        if adds_connection {
            objects.push(default_connection(server));
        }
        objects.append(&mut declared);
        Self { objects, references, adds_connection }
    }
}

/// Whether an object is the connection that was added to a folder without connections.
pub(super) fn is_added(object: &Object) -> bool {
    object.meta().annotations.as_ref().is_some_and(|annotations| annotations.contains_key(ADDED_ANNOTATION))
}

fn keeps_previous(loaded: &Loaded, object: &Object) -> bool {
    let key = object.key();
    let namespace = Some(&*key.namespace).filter(|namespace| !namespace.is_empty());
    loaded.keeps_previous(key.kind.as_str(), namespace, &key.name)
}

fn each<T>(located: &mut Vec<Located<T>>, object: impl Fn(T) -> Object) -> Vec<Object> {
    std::mem::take(located).into_iter().map(|located| object(located.object)).collect()
}

fn connections(located: &mut Vec<Located<SvixConnection>>, server: &Server<'_>) -> Vec<Object> {
    each(located, |mut connection| {
        connection.spec.server_url = Some(server.url.to_owned());
        if server.is_embedded {
            connection.spec.ca_bundle = None;
            connection.spec.requests_per_second = Some(0);
        }
        Object::Connection(Arc::new(connection))
    })
}

/// The connection of a folder that declares none.
fn default_connection(server: &Server<'_>) -> Object {
    let spec = SvixConnectionSpec {
        server_url: Some(server.url.to_owned()),
        token_secret_ref: SecretKeyRef { name: "svix-token".to_owned(), key: "token".to_owned() },
        owner_id: "dev".to_owned(),
        requests_per_second: server.is_embedded.then_some(0),
        ..SvixConnectionSpec::default()
    };
    with_meta(Object::Connection(Arc::new(SvixConnection::new(DEFAULT_CONNECTION, spec))), |meta| {
        meta.annotations = Some(BTreeMap::from([(ADDED_ANNOTATION.to_owned(), String::new())]));
    })
}

/// Takes the references of objects out of the folder's content.
fn references(loaded: &mut Loaded, server: &Server<'_>) -> References {
    let broken = loaded.problems.iter().filter_map(|problem| problem.object.as_ref());
    let broken_namespaces =
        broken.filter(|object| object.kind == "Namespace").map(|object| object.name.clone()).collect();
    let kept_namespaces = match loaded.may_lack_objects() {
        true => KeptNamespaces::All,
        false => KeptNamespaces::Named(broken_namespaces),
    };
    let namespaces = std::mem::take(&mut loaded.namespaces).into_iter().map(|located| {
        let ObjectMeta { name, labels, .. } = located.object.metadata;
        (name.unwrap_or_default(), labels.unwrap_or_default())
    });
    References {
        token: server.token.to_owned(),
        token_source: server.token_source.map(ToOwned::to_owned),
        config_maps: loaded.config_map_texts(),
        secrets: std::mem::take(&mut loaded.secrets)
            .into_iter()
            .map(|located| secret(located.object))
            .collect(),
        namespaces: namespaces.collect(),
        kept_namespaces,
        histories: loaded.histories.take().unwrap_or_default(),
    }
}

fn secret(secret: Secret) -> ((String, String), SecretData) {
    let ObjectMeta { name, namespace, labels, annotations, .. } = secret.metadata;
    let data: BTreeMap<_, _> = secret.data.into_iter().flatten().map(|(key, bytes)| (key, bytes.0)).collect();
    // Other content is another version, as in a cluster. It does not leave this process.
    let resource_version = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, format!("{data:?}").as_bytes());
    let secret = SecretData {
        resource_version: resource_version.to_string(),
        data,
        labels: labels.unwrap_or_default(),
        annotations: annotations.unwrap_or_default(),
        owners: Vec::new(),
    };
    ((namespace.unwrap_or_default(), name.unwrap_or_default()), secret)
}
