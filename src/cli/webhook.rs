//! `svix-operator webhook`: the sidecar. In a cluster it serves the admission webhook, the gateway in front of Svix's API,
//! or both; outside of a cluster it serves the gateway.

mod admission;

use std::{collections::BTreeSet, net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use kube::Client;
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{
    admission::Known,
    api::ChannelEncoding,
    catalogue::Directory,
    controller::{feed_connections, feed_event_types, feed_namespaces},
    gateway::{Gateway, StartError},
    telemetry::{self, LogFormat, Metrics, Readiness},
};

use super::{
    gateway::{GatewayArguments, GatewayError, SourceArguments, start_error, start_feed},
    runtime::{Threads, block_on, stop_on_signals},
};

/// Reject events that do not match their schema: when they are created in a cluster, and on their way to Svix.
///
/// In a cluster, this command serves the admission webhook and, with --svix-url, the gateway. With --from or --from-svix
/// it needs no cluster and serves only the gateway. Configure a Svix SDK with the gateway's address in place of Svix's: a
/// message whose payload matches the schema of its event type is forwarded unchanged, with the caller's own token; any
/// other message gets a 422. Exit codes: 0 stopped by SIGTERM or SIGINT, 1 cannot start or continue, 2 wrong arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  svix-operator webhook --from manifests/ --svix-url https://api.eu.svix.com
      a gateway on 127.0.0.1:8071 that validates messages by the schemas in a folder
  SVIX_TOKEN=... svix-operator webhook --from-svix --svix-url https://api.eu.svix.com --only-sending
      a gateway that validates by the schemas in Svix, and forwards only messages")]
pub struct Arguments {
    #[command(flatten, next_help_heading = "Event types (default: those of the cluster)")]
    source: SourceArguments,

    #[command(flatten, next_help_heading = "Gateway")]
    gateway: GatewayArguments,

    /// Do not serve the admission webhook, for example in the Pod of a producer of events.
    #[arg(long, help_heading = "Admission")]
    no_admission: bool,

    #[command(flatten, next_help_heading = "Admission")]
    admission: admission::AdmissionArguments,

    /// Namespaces that the operator watches, separated by commas; objects in others get a warning. Default: all.
    #[arg(
        long,
        env = "SVIX_OPERATOR_WATCH_NAMESPACES",
        value_name = "NAMESPACES",
        value_delimiter = ',',
        help_heading = "Admission"
    )]
    watch_namespaces: Vec<String>,

    /// Namespace of the certificates' Secret, of the Lease and of the Service. Default: the namespace of the Pod.
    #[arg(long, env = "SVIX_OPERATOR_NAMESPACE", value_name = "NAMESPACE", help_heading = "Process")]
    namespace: Option<String>,

    /// Address of /livez, /readyz and /metrics. Default: `0.0.0.0:8080` in a Pod and when event types come from a cluster,
    /// otherwise a free port of 127.0.0.1, which is in the log.
    #[arg(long, env = "SVIX_OPERATOR_HEALTH_ADDR", value_name = "ADDR", help_heading = "Process")]
    health_addr: Option<SocketAddr>,

    /// Time between SIGTERM and the end of admission, until API servers have stopped calling this replica.
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "5s",
        value_parser = admission::duration,
        help_heading = "Process"
    )]
    shutdown_delay: Duration,

    /// Format of the log.
    #[arg(
        long,
        env = "SVIX_OPERATOR_LOG_FORMAT",
        value_enum,
        default_value = "json",
        help_heading = "Process"
    )]
    log_format: LogFormat,
}

impl Arguments {
    /// Returns the namespaces that are watched; `None` means all.
    fn watched(&self) -> Option<Arc<BTreeSet<String>>> {
        let names: BTreeSet<_> =
            self.watch_namespaces.iter().filter(|name| !name.is_empty()).cloned().collect();
        (!names.is_empty()).then(|| Arc::new(names))
    }

    fn in_cluster(&self) -> bool {
        self.source.from.is_none() && !self.source.from_svix
    }

    /// Returns the health address: probes come from outside a Pod; on a workstation a fixed port might be in use.
    fn health_addr(&self, in_pod: bool) -> SocketAddr {
        self.health_addr.unwrap_or(match in_pod || self.in_cluster() {
            true => SocketAddr::from(([0, 0, 0, 0], 8080)),
            false => SocketAddr::from(([127, 0, 0, 1], 0)),
        })
    }
}

/// Runs until SIGTERM or SIGINT. Requests in flight are completed.
pub fn run(arguments: Arguments) -> ExitCode {
    if arguments.in_cluster() && arguments.no_admission && arguments.gateway.svix_url.is_none() {
        eprintln!("error: nothing to serve: --no-admission without --svix-url");
        return ExitCode::from(2);
    }
    if !arguments.in_cluster() && arguments.gateway.svix_url.is_none() {
        eprintln!("error: --svix-url: expected the address of the Svix server to forward to");
        return ExitCode::from(2);
    }
    telemetry::init_logs(arguments.log_format, "info");
    block_on(Threads::Many, work(arguments), ExitCode::FAILURE)
}

/// Why the sidecar cannot start or continue.
#[derive(Debug, thiserror::Error)]
enum WebhookError {
    #[error("cannot listen to signals: {0}")]
    Signals(#[source] std::io::Error),
    #[error(
        "no cluster: {0}; run inside a Pod, or set KUBECONFIG. Without a cluster, specify where event types are declared: \
         --from DIR or --from-svix"
    )]
    NoCluster(#[source] kube::config::InferConfigError),
    #[error("cannot create a Kubernetes client: {0}")]
    Client(#[source] kube::Error),
    #[error(transparent)]
    Setup(#[from] GatewayError),
    #[error("{}", start_error(.0, "--listen"))]
    Gateway(#[source] StartError),
    #[error(transparent)]
    Admission(#[from] admission::AdmissionError),
    #[error("cannot serve health at {address}: {source}; --health-addr sets another address")]
    Health { address: SocketAddr, source: std::io::Error },
}

async fn work(arguments: Arguments) -> Result<ExitCode, WebhookError> {
    let shutdown = stop_on_signals().map_err(WebhookError::Signals)?;
    let (metrics, readiness) = (Metrics::default(), Readiness::default());
    let known = Known { namespaces: arguments.watched(), ..Known::default() };
    let ended = CancellationToken::new();
    let (encoding, cluster) = if arguments.in_cluster() {
        let (client, namespace) = connect(arguments.namespace.as_deref()).await?;
        let encoding = start_watches(&arguments, &client, &known, &readiness);
        (encoding, Some((client, namespace)))
    } else {
        let gate = readiness.register("event types");
        let feed = (known.catalogue.clone(), metrics.clone(), gate, shutdown.clone());
        (start_feed(&arguments.source, &arguments.gateway, feed.0, feed.1, feed.2, feed.3)?, None)
    };
    let gateway = if arguments.gateway.svix_url.is_some() {
        let options = arguments.gateway.options(&arguments.source, encoding)?;
        let started =
            Gateway::start(options, known.catalogue.clone(), metrics.clone(), shutdown.clone()).await;
        let gateway = started.map_err(WebhookError::Gateway)?;
        tracing::info!(gateway = %gateway.address(), "the gateway listens");
        Some(gateway)
    } else {
        None
    };
    let stop = CancellationToken::new();
    let admission = match cluster {
        Some((client, namespace)) if !arguments.no_admission => {
            let parts = (known, &metrics, &readiness, stop.clone());
            Some(
                admission::start(
                    &arguments.admission,
                    client,
                    &namespace,
                    parts.0,
                    parts.1,
                    parts.2,
                    parts.3,
                )
                .await?,
            )
        }
        _ => None,
    };
    let health_addr = arguments.health_addr(std::env::var_os("KUBERNETES_SERVICE_HOST").is_some());
    let (health, _) = telemetry::serve(health_addr, readiness, metrics, ended.clone())
        .await
        .map_err(|source| WebhookError::Health { address: health_addr, source })?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %health, "serving");
    let code = match admission {
        Some(admission) => {
            admission.wait(&shutdown, arguments.shutdown_delay, &stop).await.map_err(WebhookError::from)
        }
        None => {
            shutdown.cancelled().await;
            Ok(ExitCode::SUCCESS)
        }
    };
    // If admission could not continue, the gateway completes its requests in flight as well.
    shutdown.cancel();
    if let Some(gateway) = gateway {
        gateway.stopped().await;
    }
    ended.cancel();
    tracing::info!("stopped");
    code
}

async fn connect(namespace: Option<&str>) -> Result<(Client, String), WebhookError> {
    let config = kube::Config::infer().await.map_err(WebhookError::NoCluster)?;
    let namespace = namespace.map_or_else(|| config.default_namespace.clone(), str::to_owned);
    let client = Client::try_from(config).map_err(WebhookError::Client)?;
    Ok((client, namespace))
}

/// Keeps the known state in sync with the cluster, until the process ends. Returns how the gateway's connection writes
/// channels.
fn start_watches(
    arguments: &Arguments,
    client: &Client,
    known: &Known,
    readiness: &Readiness,
) -> watch::Receiver<ChannelEncoding> {
    let [connections_gate, namespaces_gate, event_types_gate] =
        ["svixconnections", "namespaces", "webhookeventtypes"].map(|name| readiness.register(name));
    let directory = known.directory.clone();
    let explicit = arguments.source.channel_encoding.is_some();
    let (encoding_tx, encoding) = watch::channel(arguments.source.encoding(None));
    // Event types are watched last. Messages are forwarded as soon as event types are loaded, and the connections say how to
    // write their channels; connections and namespaces together decide whose schema is used.
    let (connections_tx, connections_listed) = oneshot::channel();
    let (namespaces_tx, namespaces_listed) = oneshot::channel();
    let connections = {
        let (directory, connection) = (directory.clone(), arguments.source.connection.clone());
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
    let event_types =
        feed_event_types(client.clone(), known.catalogue.clone(), directory.clone(), move || {
            event_types_gate.ready();
        });
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
        tokio::spawn(follow_encoding(directory, arguments.source.connection.clone(), encoding_tx));
    }
    encoding
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

    use clap::Parser as _;
    use hyper::{Request, Response};
    use kube::client::Body;
    use serde_json::json;
    use tokio::sync::Notify;

    use super::*;

    #[derive(clap::Parser)]
    struct Program {
        #[command(flatten)]
        arguments: Arguments,
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

    #[test]
    fn health_has_a_free_port_outside_of_pods() {
        let health = |arguments: &[&str], in_pod| {
            let all = [&["webhook", "--svix-url", "http://127.0.0.1:9"], arguments].concat();
            Program::parse_from(all).arguments.health_addr(in_pod).to_string()
        };
        assert_eq!(health(&["--from-svix"], false), "127.0.0.1:0");
        assert_eq!(health(&["--from-svix"], true), "0.0.0.0:8080");
        assert_eq!(health(&[], false), "0.0.0.0:8080");
        assert_eq!(health(&["--from-svix", "--health-addr", "127.0.0.1:7"], true), "127.0.0.1:7");
    }

    #[tokio::test]
    async fn messages_wait_for_the_channel_encoding() {
        let release = Arc::new(Notify::new());
        let arguments = Program::parse_from(["webhook", "--svix-url", "http://127.0.0.1:9"]).arguments;
        let (known, readiness) = (Known::default(), Readiness::default());
        let encoding = start_watches(&arguments, &slow_connections(release.clone()), &known, &readiness);
        // The gateway responds with 503 until the catalogue is loaded.
        let early = tokio::time::timeout(Duration::from_millis(500), known.catalogue.wait_loaded()).await;
        assert!(early.is_err(), "messages are forwarded with the encoding {:?}", *encoding.borrow());
        release.notify_one();
        known.catalogue.wait_loaded().await;
        assert_eq!(*encoding.borrow(), ChannelEncoding::Always);
    }
}
