//! `svix-operator webhook`: the sidecar. In a cluster the admission webhook, and beside it or alone the gateway in
//! front of Svix's API; outside of one the gateway.

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
    gateway::Gateway,
    telemetry::{self, LogFormat, Metrics, Readiness},
};

use super::gateway::{GatewayArguments, SourceArguments, start_error, start_feed};

/// Refuse events that do not match their schema: when they are stored in a cluster, and on their way to Svix.
///
/// In a cluster, it serves the admission webhook and, with --svix-url, the gateway. With --from or --from-svix it
/// needs no cluster and is the gateway alone. Point a Svix SDK at the gateway's address in place of Svix's: a
/// message whose payload matches the schema of its event type goes on as it is, with the caller's own token; one
/// that does not is answered 422. Exit codes: 0 stopped by SIGTERM or SIGINT, 1 it could not begin or go on,
/// 2 wrong arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  svix-operator webhook --from manifests/ --svix-url https://api.eu.svix.com
      a gateway on 127.0.0.1:8071 that judges messages by the schemas in a folder
  SVIX_TOKEN=... svix-operator webhook --from-svix --svix-url https://api.eu.svix.com --only-sending
      one that judges by the schemas in Svix, and passes on nothing but messages")]
pub struct Arguments {
    #[command(flatten, next_help_heading = "Event types (default: those of the cluster)")]
    source: SourceArguments,

    #[command(flatten, next_help_heading = "Gateway")]
    gateway: GatewayArguments,

    /// Serve no admission webhook, as beside a producer of events.
    #[arg(long, help_heading = "Admission")]
    no_admission: bool,

    #[command(flatten, next_help_heading = "Admission")]
    admission: admission::AdmissionArguments,

    /// Namespaces that the operator watches, separated by commas: objects elsewhere get a warning. Default: all.
    #[arg(
        long,
        env = "SVIX_OPERATOR_WATCH_NAMESPACES",
        value_name = "NAMESPACES",
        value_delimiter = ',',
        help_heading = "Admission"
    )]
    watch_namespaces: Vec<String>,

    /// Namespace of the certificates' Secret, of the Lease and of the Service. Default: its own.
    #[arg(long, env = "SVIX_OPERATOR_NAMESPACE", value_name = "NAMESPACE", help_heading = "Process")]
    namespace: Option<String>,

    /// Where /livez, /readyz and /metrics are served. Default: in a Pod, and wherever event types come from a cluster,
    /// `0.0.0.0:8080`, else a free port of 127.0.0.1, which the log tells.
    #[arg(long, env = "SVIX_OPERATOR_HEALTH_ADDR", value_name = "ADDR", help_heading = "Process")]
    health_addr: Option<SocketAddr>,

    /// Time between SIGTERM and the end of admission: so long it takes until nobody asks this replica any more.
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "5s",
        value_parser = admission::duration,
        help_heading = "Process"
    )]
    shutdown_delay: Duration,

    /// Form of the log.
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
    /// The namespaces that are watched; `None`: all.
    fn watched(&self) -> Option<Arc<BTreeSet<String>>> {
        let names: BTreeSet<_> =
            self.watch_namespaces.iter().filter(|name| !name.is_empty()).cloned().collect();
        (!names.is_empty()).then(|| Arc::new(names))
    }

    fn in_cluster(&self) -> bool {
        self.source.from.is_none() && !self.source.from_svix
    }

    /// Where health is served: probes come from outside a Pod, and at a desk nobody else's port is taken.
    fn health_addr(&self, in_pod: bool) -> SocketAddr {
        self.health_addr.unwrap_or(match in_pod || self.in_cluster() {
            true => SocketAddr::from(([0, 0, 0, 0], 8080)),
            false => SocketAddr::from(([127, 0, 0, 1], 0)),
        })
    }
}

/// Runs until SIGTERM or SIGINT; requests in flight end first.
pub fn run(arguments: Arguments) -> ExitCode {
    if arguments.in_cluster() && arguments.no_admission && arguments.gateway.svix_url.is_none() {
        eprintln!("error: nothing to serve: --no-admission without --svix-url");
        return ExitCode::from(2);
    }
    if !arguments.in_cluster() && arguments.gateway.svix_url.is_none() {
        eprintln!(
            "error: --svix-url: expected the address of the Svix server that the gateway stands in front of"
        );
        return ExitCode::from(2);
    }
    telemetry::init_logs(arguments.log_format, "info");
    super::runtime::block_on(super::runtime::Threads::Many, work(arguments), ExitCode::FAILURE)
}

async fn work(arguments: Arguments) -> Result<ExitCode, String> {
    let told = super::signals::shutdown_on_signals().map_err(|error| error.to_string())?;
    let (metrics, readiness) = (Metrics::default(), Readiness::default());
    let known = Known { namespaces: arguments.watched(), ..Known::default() };
    let ended = CancellationToken::new();
    let (encoding, cluster) = if arguments.in_cluster() {
        let (client, namespace) = connect(arguments.namespace.as_deref()).await?;
        let encoding = start_watches(&arguments, &client, &known, &readiness);
        (encoding, Some((client, namespace)))
    } else {
        let gate = readiness.register("event types");
        let feed = (known.catalogue.clone(), metrics.clone(), gate, told.clone());
        (start_feed(&arguments.source, &arguments.gateway, feed.0, feed.1, feed.2, feed.3)?, None)
    };
    let gateway = if arguments.gateway.svix_url.is_some() {
        let options = arguments.gateway.options(&arguments.source, encoding)?;
        let started = Gateway::start(options, known.catalogue.clone(), metrics.clone(), told.clone()).await;
        let gateway = started.map_err(|error| start_error(&error, "--listen"))?;
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
    let (health, _) =
        telemetry::serve(health_addr, readiness, metrics, ended.clone()).await.map_err(|error| {
            format!("health cannot be served at {health_addr}: {error}; --health-addr names another address")
        })?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %health, "serving");
    let code = match admission {
        Some(admission) => admission.ended(&told, arguments.shutdown_delay, &stop).await,
        None => {
            told.cancelled().await;
            Ok(ExitCode::SUCCESS)
        }
    };
    // Also when admission could not go on: the gateway's requests in flight end first.
    told.cancel();
    if let Some(gateway) = gateway {
        gateway.stopped().await;
    }
    ended.cancel();
    tracing::info!("stopped");
    code
}

async fn connect(namespace: Option<&str>) -> Result<(Client, String), String> {
    let config = kube::Config::infer().await.map_err(|error| {
        format!(
            "no cluster: {error}; run inside a Pod, or set KUBECONFIG. Without a cluster, say where event types are \
             declared: --from DIR, or --from-svix"
        )
    })?;
    let namespace = namespace.map_or_else(|| config.default_namespace.clone(), str::to_owned);
    let client =
        Client::try_from(config).map_err(|error| format!("cannot make a Kubernetes client: {error}"))?;
    Ok((client, namespace))
}

/// Keeps what is known in step with the cluster, for ever. Answers how the gateway's connection writes channels.
fn start_watches(
    arguments: &Arguments,
    client: &Client,
    known: &Known,
    readiness: &Readiness,
) -> watch::Receiver<ChannelEncoding> {
    let [connections_in, namespaces_in, event_types_in] =
        ["svixconnections", "namespaces", "webhookeventtypes"].map(|name| readiness.register(name));
    let directory = known.directory.clone();
    let explicit = arguments.source.channel_encoding.is_some();
    let (told, encoding) = watch::channel(arguments.source.encoding(None));
    // Event types come after the connections: once they are loaded messages pass, and must be written right. And after
    // the namespaces: by both is decided whose schema counts.
    let (connections_known, known_now) = oneshot::channel();
    let (namespaces_known, labels_now) = oneshot::channel();
    let connections = {
        let (directory, connection) = (directory.clone(), arguments.source.connection.clone());
        let told = (!explicit).then(|| told.clone());
        feed_connections(client.clone(), directory.clone(), move || {
            if let Some(told) = told {
                told.send_replace(encoding_of(&directory, &connection));
            }
            // Nobody listens only when everything ends.
            let _ = connections_known.send(());
            connections_in.ready();
        })
    };
    let namespaces = feed_namespaces(client.clone(), directory.clone(), move || {
        let _ = namespaces_known.send(());
        namespaces_in.ready();
    });
    let event_types =
        feed_event_types(client.clone(), known.catalogue.clone(), directory.clone(), move || {
            event_types_in.ready();
        });
    let _: [JoinHandle<()>; 3] = [
        tokio::spawn(connections),
        tokio::spawn(namespaces),
        tokio::spawn(async move {
            if known_now.await.is_ok() && labels_now.await.is_ok() {
                event_types.await;
            }
        }),
    ];
    if !explicit {
        tokio::spawn(follow_encoding(directory, arguments.source.connection.clone(), told));
    }
    encoding
}

fn encoding_of(directory: &Directory, connection: &str) -> ChannelEncoding {
    directory.connection(connection).map(|spec| spec.channel_encoding()).unwrap_or_default()
}

async fn follow_encoding(directory: Directory, connection: String, told: watch::Sender<ChannelEncoding>) {
    let mut changes = directory.watch_connections();
    loop {
        // A connection that is made again is away for a moment only.
        if directory.connection(&connection).is_some() {
            told.send_replace(encoding_of(&directory, &connection));
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

    /// An API server with a connection that writes channels always, and no event types. It answers about connections
    /// only when told to.
    fn slow_connections(told: Arc<Notify>) -> Client {
        let service = tower::service_fn(move |request: Request<Body>| {
            let told = told.clone();
            async move {
                let (path, watch) = (request.uri().path(), request.uri().query().unwrap_or_default());
                if watch.contains("watch=true") {
                    std::future::pending::<()>().await;
                }
                let mut items = Vec::new();
                if path.ends_with("svixconnections") {
                    told.notified().await;
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
    fn at_a_desk_health_takes_nobodys_port() {
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
    async fn no_message_passes_before_it_is_known_how_its_connection_writes_channels() {
        let told = Arc::new(Notify::new());
        let arguments = Program::parse_from(["webhook", "--svix-url", "http://127.0.0.1:9"]).arguments;
        let (known, readiness) = (Known::default(), Readiness::default());
        let encoding = start_watches(&arguments, &slow_connections(told.clone()), &known, &readiness);
        // The gateway answers 503 for as long as the catalogue is not loaded.
        let early = tokio::time::timeout(Duration::from_millis(500), known.catalogue.wait_loaded()).await;
        assert!(early.is_err(), "messages pass with channels written as {:?}", *encoding.borrow());
        told.notify_one();
        known.catalogue.wait_loaded().await;
        assert_eq!(*encoding.borrow(), ChannelEncoding::Always);
    }
}
