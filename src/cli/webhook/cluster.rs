//! The cluster as the source of event types: the client, and the watches that keep the known state in sync.

use kube::Client;
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
};

use crate::{
    admission::Known,
    api::ChannelEncoding,
    catalogue::{CatalogueWriter, Directory},
    cli::{
        gateway::SourceArguments,
        kubeconfig::{self, NoClient},
    },
    controller::{feed_connections, feed_endpoints, feed_event_types, feed_namespaces},
    telemetry::Readiness,
};

/// Why the cluster cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No configuration was found.
    #[error(
        "no cluster: {}; run inside a Pod, or set KUBECONFIG. Without a cluster, specify where event types are declared: \
         --from DIR or --from-svix",
        kubeconfig::describe_inferred(.0)
    )]
    NoCluster(#[source] kube::config::InferConfigError),
    /// The client cannot be created.
    #[error("no cluster: {0}")]
    Client(#[from] NoClient),
}

/// Returns a client of the cluster, and the namespace of this process unless another one is given.
pub async fn connect(namespace: Option<&str>) -> Result<(Client, String), ClusterError> {
    let config = kube::Config::infer().await.map_err(ClusterError::NoCluster)?;
    let namespace = namespace.map_or_else(|| config.default_namespace.clone(), str::to_owned);
    let client = kubeconfig::client(config)?;
    Ok((client, namespace))
}

/// Keeps the known state in sync with the cluster, until the process ends. Returns how the gateway's connection writes
/// channels.
pub fn start_watches(
    source: &SourceArguments,
    client: &Client,
    known: &Known,
    readiness: &Readiness,
) -> watch::Receiver<ChannelEncoding> {
    let [connections_gate, namespaces_gate, event_types_gate] =
        ["svixconnections", "namespaces", "webhookeventtypes"].map(|name| readiness.register(name));
    let directory = known.directory.clone();
    let explicit = source.channel_encoding.is_some();
    let (encoding_tx, encoding) = watch::channel(source.encoding(None));
    // Event types are watched last. Messages are forwarded as soon as event types are loaded, and the connections say how to
    // write their channels; connections and namespaces together decide whose schema is used.
    let (connections_tx, connections_listed) = oneshot::channel();
    let (namespaces_tx, namespaces_listed) = oneshot::channel();
    let connections = {
        let (directory, connection) = (directory.clone(), source.connection.clone());
        let encoding_tx = (!explicit).then(|| encoding_tx.clone());
        feed_connections(client.clone(), directory.clone(), move || {
            if let Some(encoding_tx) = encoding_tx {
                encoding_tx.send_replace(encoding_of(&directory, &connection));
            }
            // The receiver is dropped only when the process ends.
            let _ = connections_tx.send(());
            connections_gate.ready();
        })
    };
    let namespaces = feed_namespaces(client.clone(), directory.clone(), move || {
        let _ = namespaces_tx.send(());
        namespaces_gate.ready();
    });
    let event_types = feed_event_types(
        client.clone(),
        CatalogueWriter::new(known.catalogue.clone()),
        directory.clone(),
        known.namespaces.clone(),
        move || event_types_gate.ready(),
    );
    let _: [JoinHandle<()>; 3] = [
        tokio::spawn(connections),
        tokio::spawn(namespaces),
        tokio::spawn(async move {
            if connections_listed.await.is_ok() && namespaces_listed.await.is_ok() {
                event_types.await;
            }
        }),
    ];
    if !explicit {
        tokio::spawn(follow_encoding(directory, source.connection.clone(), encoding_tx));
    }
    encoding
}

/// Keeps the endpoints that receive events up to date, which only admission needs.
pub fn watch_endpoints(client: &Client, known: &Known) {
    tokio::spawn(feed_endpoints(client.clone(), known.endpoints.clone(), known.namespaces.clone()));
}

fn encoding_of(directory: &Directory, connection: &str) -> ChannelEncoding {
    directory.connection(connection).map(|spec| spec.channel_encoding()).unwrap_or_default()
}

async fn follow_encoding(
    directory: Directory,
    connection: String,
    encoding_tx: watch::Sender<ChannelEncoding>,
) {
    let mut changes = directory.watch_connections();
    loop {
        // While a connection is deleted and created again, its encoding stays.
        if directory.connection(&connection).is_some() {
            encoding_tx.send_replace(encoding_of(&directory, &connection));
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{sync::Arc, time::Duration};

    use clap::Parser as _;
    use hyper::{Request, Response};
    use kube::client::Body;
    use serde_json::json;
    use tokio::sync::Notify;

    use super::*;

    #[derive(clap::Parser)]
    struct Program {
        #[command(flatten)]
        source: SourceArguments,
    }

    /// An API server with a connection that always encodes channels, and without event types. It lists connections only
    /// after `release` is notified.
    fn slow_connections(release: Arc<Notify>) -> Client {
        let service = tower::service_fn(move |request: Request<Body>| {
            let release = release.clone();
            async move {
                let (path, watch) = (request.uri().path(), request.uri().query().unwrap_or_default());
                if watch.contains("watch=true") {
                    std::future::pending::<()>().await;
                }
                let mut items = Vec::new();
                if path.ends_with("svixconnections") {
                    release.notified().await;
                    items.push(json!({
                        "apiVersion": "svix-operator.dev/v1alpha1", "kind": "SvixConnection",
                        "metadata": {"name": "default", "resourceVersion": "1"},
                        "spec": {
                            "tokenSecretRef": {"name": "a", "key": "b"}, "ownerId": "c",
                            "channelEncoding": "Always",
                        },
                    }));
                }
                let list = json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items});
                Ok::<_, std::convert::Infallible>(Response::new(Body::from(list.to_string().into_bytes())))
            }
        });
        Client::new(service, "default")
    }

    #[tokio::test]
    async fn messages_wait_for_the_channel_encoding() {
        let release = Arc::new(Notify::new());
        let source = Program::parse_from(["webhook"]).source;
        let (known, readiness) = (Known::default(), Readiness::default());
        let encoding = start_watches(&source, &slow_connections(release.clone()), &known, &readiness);
        // The gateway responds with 503 until the catalogue is loaded.
        let early = tokio::time::timeout(Duration::from_millis(500), known.catalogue.wait_loaded()).await;
        assert!(early.is_err(), "messages are forwarded with the encoding {:?}", *encoding.borrow());
        release.notify_one();
        known.catalogue.wait_loaded().await;
        assert_eq!(*encoding.borrow(), ChannelEncoding::Always);
    }
}
