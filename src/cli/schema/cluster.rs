//! The published versions of an event type's schema in a cluster.

use kube::{Api, Client};

use crate::{
    api::WebhookEventType,
    cli::{
        exit::Exit,
        kubernetes::{Cluster, KubernetesArguments, NoCluster},
    },
    controller::{
        KubernetesError,
        revisions::{self, RevisionOwner},
    },
    plan::revision::{Published, Revision},
};

/// The cluster, and a namespace in it.
#[derive(Debug, clap::Args)]
pub struct ClusterArguments {
    #[command(flatten)]
    kubernetes: KubernetesArguments,

    /// The namespace of the event type. Default: that of the context.
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
}

/// Why the versions cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// There is no cluster.
    #[error(transparent)]
    NoCluster(#[from] NoCluster),
    /// There is no such event type.
    #[error("found no WebhookEventType {namespace}/{name}; --namespace names another namespace")]
    NoEventType {
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
    },
    /// There is no such revision.
    #[error("found no revision {number} of {event_type}, expected {known}")]
    NoRevision {
        /// The event type.
        event_type: String,
        /// The number.
        number: i64,
        /// The numbers that there are.
        known: String,
    },
    /// Only the digest of a revision is kept.
    #[error("the schema of revision {number} of {event_type} is not kept: it was too large")]
    NotKept {
        /// The event type.
        event_type: String,
        /// The number.
        number: i64,
    },
    /// The API server fails or refuses.
    #[error("cannot read {what}: {source}")]
    Api {
        /// What was to be read.
        what: String,
        /// Why not.
        source: KubernetesError,
    },
}

impl ClusterError {
    /// The exit code of the command.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Api { .. } => Exit::Failed,
            _ => Exit::Usage,
        }
    }
}

/// The history of an event type.
pub struct History {
    client: Client,
    uid: String,
    /// The namespace of the event type.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The number of the revision that Svix has, as status says it.
    pub present: Option<i64>,
    /// The revisions in their order.
    pub revisions: Vec<Revision>,
}

impl History {
    /// Reads the history of an event type, without the schemas.
    pub async fn read(arguments: &ClusterArguments, name: &str) -> Result<Self, ClusterError> {
        let Cluster { client, namespace, .. } = arguments.kubernetes.cluster().await?;
        let namespace = arguments.namespace.clone().unwrap_or(namespace);
        let event_types: Api<WebhookEventType> = Api::namespaced(client.clone(), &namespace);
        let failed =
            |what: String| move |source: kube::Error| ClusterError::Api { what, source: source.into() };
        let found = event_types.get_opt(name).await;
        let found =
            found.map_err(failed(format!("WebhookEventType {namespace}/{name}")))?.ok_or_else(|| {
                ClusterError::NoEventType { namespace: namespace.clone(), name: name.to_owned() }
            })?;
        let uid = found.metadata.uid.unwrap_or_default();
        let owner = RevisionOwner { namespace: &namespace, uid: &uid };
        let revisions = revisions::list(&client, owner).await;
        let revisions =
            revisions.map_err(failed(format!("the ControllerRevisions in namespace {namespace}")))?;
        let history = found.status.and_then(|status| status.schema_history);
        let present = history.and_then(|history| history.revision);
        Ok(Self { client, uid, namespace, name: name.to_owned(), present, revisions })
    }

    /// Reads what was published as a revision.
    pub async fn published(&self, number: i64) -> Result<Published, ClusterError> {
        let event_type = || format!("{}/{}", self.namespace, self.name);
        let Some(revision) = self.revisions.iter().find(|revision| revision.number == number) else {
            let known: Vec<_> = self.revisions.iter().map(|revision| revision.number.to_string()).collect();
            let known = match known.is_empty() {
                true => "none: no version is kept".to_owned(),
                false => format!("one of {}", known.join(", ")),
            };
            return Err(ClusterError::NoRevision { event_type: event_type(), number, known });
        };
        let owner = RevisionOwner { namespace: &self.namespace, uid: &self.uid };
        let published = revisions::published(&self.client, owner, &revision.name).await;
        let published = published.map_err(|source| ClusterError::Api {
            what: format!("ControllerRevision {}/{}", self.namespace, revision.name),
            source: source.into(),
        })?;
        published.ok_or_else(|| ClusterError::NotKept { event_type: event_type(), number })
    }
}
