//! The cluster that commands use: `--kubeconfig` and `--context`, as kubectl has them.

use std::path::PathBuf;

use kube::{
    Client, Config,
    config::{InferConfigError, KubeConfigOptions, Kubeconfig, KubeconfigError},
};

use super::kubeconfig::{self, NoClient};

/// The cluster.
#[derive(Debug, Default, clap::Args)]
pub struct KubernetesArguments {
    /// The kubeconfig file. Default: as kubectl finds it, from KUBECONFIG or in the home folder; in a Pod, its service
    /// account.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// The context of the kubeconfig. Default: its current one.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

/// Why there is no cluster.
#[derive(Debug, thiserror::Error)]
pub enum NoCluster {
    /// There is no usable kubeconfig.
    #[error("no cluster: {}; set KUBECONFIG or --kubeconfig", kubeconfig::describe(.0))]
    Kubeconfig(#[from] KubeconfigError),
    /// There is no configuration at all.
    #[error("no cluster: {}; set KUBECONFIG or --kubeconfig", kubeconfig::describe_inferred(.0))]
    Infer(#[from] InferConfigError),
    /// The client cannot be created.
    #[error("no cluster: {0}")]
    Client(#[from] NoClient),
}

/// A cluster that can be used.
pub struct Cluster {
    /// The client.
    pub client: Client,
    /// The address, for messages.
    pub url: String,
    /// The namespace of the context.
    pub namespace: String,
}

impl KubernetesArguments {
    /// Returns the cluster. Nothing is called yet.
    pub async fn cluster(&self) -> Result<Cluster, NoCluster> {
        let config = self.config().await?;
        let (url, namespace) = (config.cluster_url.to_string(), config.default_namespace.clone());
        Ok(Cluster { client: kubeconfig::client(config)?, url, namespace })
    }

    async fn config(&self) -> Result<Config, NoCluster> {
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        Ok(match (&self.kubeconfig, &self.context) {
            (Some(path), _) => Config::from_custom_kubeconfig(Kubeconfig::read_from(path)?, &options).await?,
            (None, Some(_)) => Config::from_kubeconfig(&options).await?,
            (None, None) => Config::infer().await?,
        })
    }
}
