//! The cluster that commands use: `--kubeconfig` and `--context`, as kubectl has them.

use std::path::PathBuf;

use kube::{
    Config,
    config::{InferConfigError, KubeConfigOptions, Kubeconfig, KubeconfigError},
};

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
    #[error("no cluster: {0}; set KUBECONFIG or --kubeconfig")]
    Kubeconfig(#[from] KubeconfigError),
    /// There is no configuration at all.
    #[error("no cluster: {0}; set KUBECONFIG or --kubeconfig")]
    Infer(#[from] InferConfigError),
}

impl KubernetesArguments {
    /// Returns the configuration of a client.
    pub async fn config(&self) -> Result<Config, NoCluster> {
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        Ok(match (&self.kubeconfig, &self.context) {
            (Some(path), _) => Config::from_custom_kubeconfig(Kubeconfig::read_from(path)?, &options).await?,
            (None, Some(_)) => Config::from_kubeconfig(&options).await?,
            (None, None) => Config::infer().await?,
        })
    }
}
