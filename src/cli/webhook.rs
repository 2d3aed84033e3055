//! `svix-operator webhook`: the sidecar. In a cluster it serves the admission webhook, the gateway in front of Svix's API,
//! or both; outside of a cluster it serves the gateway.

mod admission;
mod cluster;

use std::{collections::BTreeSet, net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;

use crate::{
    admission::{Known, SchemaHistory},
    controller::revisions::ClusterHistory,
    gateway::{self, Gateway, StartError},
    memory::{self, MemoryBudget},
    telemetry::{self, LogFormat, Metrics, Readiness},
};

use super::{
    exit::Exit,
    gateway::{GatewayArguments, GatewayError, SourceArguments, start_error, start_feed},
    runtime::{ControlError, ControlThread, Threads, block_on},
    signals::{SignalError, shutdown_on_signals},
    svix_server::{address, warnings},
};

use cluster::{ClusterError, connect, start_watches, watch_endpoints};

/// Reject events that do not match their schema: when they are created in a cluster, and on their way to Svix.
///
/// In a cluster, this command serves the admission webhook and, with --svix-url, the gateway. With --from or --from-svix
/// it needs no cluster and serves only the gateway. Configure a Svix SDK with the gateway's address in place of Svix's: a
/// message whose payload matches the schema of its event type is forwarded unchanged, with the caller's own token; any
/// other message gets a 422. Exit codes: 0 stopped by SIGTERM or SIGINT, 2 wrong arguments, or it
/// cannot start, 3 it cannot continue.
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
pub fn run(mut arguments: Arguments) -> ExitCode {
    arguments.gateway.svix_url = address(arguments.gateway.svix_url);
    if arguments.in_cluster() && arguments.no_admission && arguments.gateway.svix_url.is_none() {
        eprintln!("error: nothing to serve: --no-admission without --svix-url");
        return Exit::Usage.into();
    }
    if !arguments.in_cluster() && arguments.gateway.svix_url.is_none() {
        eprintln!("error: --svix-url: expected the address of the Svix server to forward to");
        return Exit::Usage.into();
    }
    telemetry::init_logs(arguments.log_format, "info");
    let warnings = warnings(arguments.gateway.svix_url.as_deref(), arguments.source.from_svix);
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let command = async {
        work(arguments).await.or_else(|error| {
            eprintln!("error: {error}");
            Ok::<_, WebhookError>(error.exit().into())
        })
    };
    block_on(Threads::Many, command, Exit::Usage.into())
}

/// Why the sidecar cannot start or continue.
#[derive(Debug, thiserror::Error)]
enum WebhookError {
    #[error(transparent)]
    Signals(#[from] SignalError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Setup(#[from] GatewayError),
    #[error("{}", start_error(.0, "--listen"))]
    Gateway(#[source] StartError),
    #[error(transparent)]
    Admission(#[from] admission::AdmissionError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("the thread for health and the Lease failed: {0}")]
    Panicked(#[from] JoinError),
    #[error("cannot serve health at {address}: {source}; --health-addr sets another address")]
    Health { address: SocketAddr, source: std::io::Error },
}

impl WebhookError {
    fn exit(&self) -> Exit {
        match self {
            Self::Panicked(_) | Self::Admission(admission::AdmissionError::Panicked(_)) => Exit::Failed,
            _ => Exit::Usage,
        }
    }
}

async fn work(arguments: Arguments) -> Result<ExitCode, WebhookError> {
    let shutdown = shutdown_on_signals()?;
    let (metrics, readiness) = (Metrics::default(), Readiness::default());
    let control = ControlThread::start()?;
    readiness.watch_workers();
    let known = Known { namespaces: arguments.watched(), ..Known::default() };
    let ended = CancellationToken::new();
    // The gateway and the webhook share it.
    let memory = MemoryBudget::new(memory::SMALL_TOTAL_OF_SIDECAR, memory::LARGE_TOTAL);
    let (encoding, cluster) = if arguments.in_cluster() {
        let (client, namespace) = connect(arguments.namespace.as_deref()).await?;
        let encoding = start_watches(&arguments.source, &client, &known, &readiness);
        if !arguments.no_admission {
            watch_endpoints(&client, &known);
        }
        (encoding, Some((client, namespace)))
    } else {
        let gate = readiness.register("event types");
        let feed = (known.catalogue.clone(), metrics.clone(), gate, shutdown.clone());
        let feed = start_feed(&arguments.source, &arguments.gateway, feed.0, feed.1, feed.2, feed.3);
        // A folder is read on a thread that does not end before it has.
        match shutdown.run_until_cancelled(feed).await {
            Some(encoding) => (encoding?, None),
            None => return Ok(ExitCode::SUCCESS),
        }
    };
    let gateway = if arguments.gateway.svix_url.is_some() {
        let options = arguments.gateway.options(&arguments.source, encoding)?;
        let options = gateway::Options { memory: memory.clone(), ..options };
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
        Some((reviewing, namespace)) if !arguments.no_admission => {
            // A client works on the runtime on which it is created.
            let configured = arguments.namespace.clone();
            let (client, _) = control.run(async move { connect(configured.as_deref()).await }).await??;
            let history: Arc<dyn SchemaHistory> = Arc::new(ClusterHistory(reviewing));
            let known = Known { history: Some(history), ..known };
            let parts = ((known, memory), &metrics, &readiness, stop.clone());
            Some(
                admission::start(
                    &arguments.admission,
                    (client, &namespace),
                    parts.0,
                    parts.1,
                    parts.2,
                    parts.3,
                    &control,
                )
                .await?,
            )
        }
        _ => None,
    };
    let health_addr = arguments.health_addr(std::env::var_os("KUBERNETES_SERVICE_HOST").is_some());
    let (health, _) = control
        .run(telemetry::serve(health_addr, readiness, metrics, ended.clone()))
        .await?
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

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Program {
        #[command(flatten)]
        arguments: Arguments,
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
}
