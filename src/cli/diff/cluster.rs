//! The objects in a cluster, as manifests.
//!
//! Needs `list` on the three kinds, and `get` on the ConfigMaps that schemas are in. Without `get` on Namespaces, their labels
//! are not known; without `get` and `list` on ControllerRevisions, a schema is not compared with earlier versions.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{
    Api, Client,
    api::{DynamicObject, ListParams},
    core::{ApiResource, GroupVersionKind},
};

use crate::{
    api::GROUP,
    cli::kubernetes::{KubernetesArguments, NoCluster},
    controller::revisions::{self, RevisionOwner},
    manifests::{self, Histories, History, Input, Loaded, Located, Origin},
    plan::compatibility::{self, RevisionReader},
};

/// The cluster.
#[derive(Debug, clap::Args)]
pub struct ClusterArguments {
    #[command(flatten)]
    kubernetes: KubernetesArguments,

    /// Only objects of this namespace. Default: all.
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
}

/// Why the objects cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// There is no cluster.
    #[error(transparent)]
    NoCluster(#[from] NoCluster),
    /// The API server fails or refuses.
    #[error("cannot list {kind}: {source}")]
    List {
        /// The kind.
        kind: &'static str,
        /// Why not.
        source: kube::Error,
    },
}

impl ClusterError {
    /// Whether the API server failed, rather than the configuration.
    pub fn is_api(&self) -> bool {
        matches!(self, Self::List { .. })
    }
}

/// The uids of event types, by namespace and name.
type Uids = BTreeMap<(String, String), String>;

/// Returns the objects of a cluster as if they were manifests: their specs, without what others add. What the manifests refer
/// to and do not contain is in the cluster already, and is added to them: connections, ConfigMaps and Namespaces, and the
/// published versions of schemas.
pub async fn load(arguments: &ClusterArguments, declared: &mut Loaded) -> Result<Loaded, ClusterError> {
    let client = arguments.kubernetes.cluster().await?.client;
    let (mut items, mut uids) = (Vec::new(), Uids::new());
    for (kind, group, version, plural) in [
        ("SvixConnection", GROUP, "v1alpha1", "svixconnections"),
        ("WebhookEventType", GROUP, "v1alpha1", "webhookeventtypes"),
        ("WebhookEndpoint", GROUP, "v1alpha1", "webhookendpoints"),
    ] {
        let resource =
            ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
        let api: Api<DynamicObject> = match &arguments.namespace {
            Some(namespace) if kind != "SvixConnection" => {
                Api::namespaced_with(client.clone(), namespace, &resource)
            }
            _ => Api::all_with(client.clone(), &resource),
        };
        let mut parameters = ListParams::default().limit(500);
        loop {
            let page = api.list(&parameters).await.map_err(|source| ClusterError::List { kind, source })?;
            items.extend(page.items.iter().map(|object| manifest(kind, group, version, object)));
            if kind == "WebhookEventType" {
                uids.extend(page.items.into_iter().filter_map(|object| {
                    let metadata = object.metadata;
                    Some(((metadata.namespace?, metadata.name?), metadata.uid?))
                }));
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => parameters = parameters.continue_token(&token),
                None => break,
            }
        }
    }
    let texts = items.iter().map(|item| format!("---\n{item}\n")).collect();
    let mut base = manifests::load_all(&[Input::Text { name: "cluster".to_owned(), text: texts }]);
    add_config_maps(&client, &mut base, declared).await?;
    add_namespaces(&client, &mut base, declared).await;
    let names: BTreeSet<_> =
        declared.connections.iter().map(|located| located.object.metadata.name.clone()).collect();
    let others = base.connections.iter().filter(|located| !names.contains(&located.object.metadata.name));
    declared.connections.extend(others.cloned());
    declared.histories = Some(histories(&client, &uids, &base, declared).await);
    Ok(base)
}

/// Reads the published versions of the event types whose schema changes, where a policy asks for them.
async fn histories(client: &Client, uids: &Uids, base: &Loaded, declared: &Loaded) -> Histories {
    let before: BTreeMap<_, _> = base
        .event_types
        .iter()
        .map(|located| &located.object)
        .map(|object| ((object.metadata.namespace.as_ref(), object.metadata.name.as_ref()), &object.spec))
        .collect();
    let mut histories = Histories::new();
    for object in declared.event_types.iter().map(|located| &located.object) {
        let (namespace, name) = (object.metadata.namespace.as_ref(), object.metadata.name.as_ref());
        let (Some(before), Some(namespace), Some(name)) = (before.get(&(namespace, name)), namespace, name)
        else {
            continue;
        };
        let mut connections = declared.connections.iter().map(|located| &located.object);
        let connection = connections.find(|it| it.metadata.name.as_deref() == Some(object.connection_name()));
        let policies = compatibility::policies(object, connection.map(|connection| &connection.spec));
        // The text of a ConfigMap may have changed.
        let has_config_map = before.schema_from.is_some() || object.spec.schema_from.is_some();
        let is_same = before.schema == object.spec.schema
            && before.schema_text == object.spec.schema_text
            && !has_config_map;
        let full_name = (namespace.clone(), name.clone());
        if let Some(uid) = uids.get(&full_name)
            && !is_same
            && compatibility::needs_history(&policies)
        {
            let history = history(client, RevisionOwner { namespace, uid }).await;
            histories.insert(full_name, history);
        }
    }
    histories
}

/// Reads the published versions of an event type, the last one first, as far as they are compared at once.
async fn history(client: &Client, owner: RevisionOwner<'_>) -> History {
    let read = async {
        let mut reader = RevisionReader::new(revisions::list(client, owner).await?);
        while let Some(revision) = reader.next_revision() {
            let published = revisions::published(client, owner, &revision.name).await?;
            reader.add(published);
        }
        Ok(reader.into_revisions())
    };
    match read.await {
        Ok(versions) => History::Versions(versions),
        Err(error) => History::Unread(revisions::unreadable(owner.namespace, &error).to_string()),
    }
}

fn origin() -> Origin {
    Origin { file: "cluster".into(), line: 1 }
}

/// Reads the ConfigMaps that schemas are in. One that does not exist is missing on the side that refers to it.
async fn add_config_maps(
    client: &Client,
    base: &mut Loaded,
    declared: &mut Loaded,
) -> Result<(), ClusterError> {
    let all = base.event_types.iter().chain(&declared.event_types).map(|located| &located.object);
    let needed: BTreeSet<(String, String)> = all
        .filter_map(|object| {
            let source = object.spec.schema_from.as_ref()?;
            Some((object.metadata.namespace.clone()?, source.config_map_key_ref.name.clone()))
        })
        .collect();
    for (namespace, name) in needed {
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
        let failed = |source| ClusterError::List { kind: "ConfigMap", source };
        let Some(object) = api.get_opt(&name).await.map_err(failed)? else { continue };
        let is_declared = declared.config_maps.iter().any(|located| {
            let metadata = &located.object.metadata;
            metadata.namespace.as_ref() == Some(&namespace) && metadata.name.as_ref() == Some(&name)
        });
        if !is_declared {
            declared.config_maps.push(Located { object: object.clone(), origin: origin() });
        }
        base.config_maps.push(Located { object, origin: origin() });
    }
    Ok(())
}

/// Reads the namespaces of the objects, whose labels the access rules of connections select. One that cannot be read has no
/// labels that are known, as for the operator.
async fn add_namespaces(client: &Client, base: &mut Loaded, declared: &mut Loaded) {
    let event_types = base.event_types.iter().chain(&declared.event_types);
    let endpoints = base.endpoints.iter().chain(&declared.endpoints);
    let names: BTreeSet<String> = event_types
        .filter_map(|located| located.object.metadata.namespace.clone())
        .chain(endpoints.filter_map(|located| located.object.metadata.namespace.clone()))
        .collect();
    let api: Api<Namespace> = Api::all(client.clone());
    for name in names {
        let Ok(Some(object)) = api.get_opt(&name).await else { continue };
        let mut namespaces = declared.namespaces.iter().map(|located| &located.object.metadata);
        if namespaces.all(|metadata| metadata.name.as_ref() != Some(&name)) {
            declared.namespaces.push(Located { object: object.clone(), origin: origin() });
        }
        base.namespaces.push(Located { object, origin: origin() });
    }
}

fn manifest(kind: &str, group: &str, version: &str, object: &DynamicObject) -> serde_json::Value {
    let metadata = &object.metadata;
    let annotations = metadata.annotations.iter().flatten();
    // The operator's own records are not part of a manifest.
    let annotations: std::collections::BTreeMap<_, _> = annotations
        .filter(|(key, _)| *key != crate::api::CLAIM_ANNOTATION && !key.starts_with("kubectl.kubernetes.io/"))
        .collect();
    serde_json::json!({
        "apiVersion": format!("{group}/{version}"),
        "kind": kind,
        "metadata": {
            "name": metadata.name,
            "namespace": metadata.namespace,
            "labels": metadata.labels,
            "annotations": annotations,
        },
        "spec": object.data.get("spec").cloned().unwrap_or_default(),
    })
}
