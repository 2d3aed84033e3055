//! The objects in a cluster, as manifests.

use kube::{
    Api, Client, Config,
    api::{DynamicObject, ListParams},
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
    core::{ApiResource, GroupVersionKind},
};

use crate::{
    api::GROUP,
    manifests::{self, Input, Loaded},
};

/// The cluster.
#[derive(Debug, clap::Args)]
pub struct ClusterArguments {
    /// The kubeconfig file, for --against cluster. Default: as kubectl finds it.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<std::path::PathBuf>,

    /// The context of the kubeconfig.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,

    /// Only objects of this namespace. Default: all.
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
}

/// Why the objects cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// There is no usable kubeconfig.
    #[error("no cluster: {0}; set KUBECONFIG or --kubeconfig")]
    NoCluster(#[from] KubeconfigError),
    /// No configuration at all.
    #[error("no cluster: {0}; set KUBECONFIG or --kubeconfig")]
    Infer(#[from] kube::config::InferConfigError),
    /// The client cannot be created.
    #[error("cannot make a Kubernetes client: {0}")]
    Client(#[source] kube::Error),
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

/// Returns a client of the cluster.
async fn client(arguments: &ClusterArguments) -> Result<Client, ClusterError> {
    let options = KubeConfigOptions { context: arguments.context.clone(), ..KubeConfigOptions::default() };
    let config = match (&arguments.kubeconfig, &arguments.context) {
        (Some(path), _) => Config::from_custom_kubeconfig(Kubeconfig::read_from(path)?, &options).await?,
        (None, Some(_)) => Config::from_kubeconfig(&options).await?,
        (None, None) => Config::infer().await?,
    };
    Client::try_from(config).map_err(ClusterError::Client)
}

/// Returns the objects of a cluster as if they were manifests: their specs, without what others add.
pub async fn load(arguments: &ClusterArguments) -> Result<Loaded, ClusterError> {
    let client = client(arguments).await?;
    let mut items = Vec::new();
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
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => parameters = parameters.continue_token(&token),
                None => break,
            }
        }
    }
    let texts = items.iter().map(|item| format!("---\n{item}\n")).collect();
    Ok(manifests::load_all(&[Input::Text { name: "cluster".to_owned(), text: texts }]))
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
