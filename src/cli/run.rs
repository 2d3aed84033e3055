//! `svix-operator run`: the controller in a cluster.

use std::{net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use kube::{Api, Client};
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    api::{SvixConnection, WebhookEndpoint, WebhookEvent, WebhookEventType},
    controller::{
        KubernetesHost,
        lease::{self, LeaderElection, Leadership, LeaseConfig, LeaseError},
        watch_config_maps, watch_endpoint_secrets, watch_in, watch_kind, watch_namespaces, watch_secrets,
    },
    engine::{Engine, Kind, Options},
    telemetry::{self, Gate, LogFormat, Metrics, ObjectCount, Readiness},
};

use super::{
    exit::Exit,
    kubeconfig::{self, NoClient},
    runtime::{self, ControlError, ControlThread, Threads},
    signals::{SignalError, shutdown_on_signals},
};

/// Reconcile the resources of a cluster into Svix.
///
/// Exit codes: 0 stopped by SIGTERM or SIGINT, 2 wrong arguments, or it cannot start, 3 the Lease is lost.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  KUBECONFIG=dev.kubeconfig svix-operator run --namespace svix-operator --log-format text
      outside of a cluster, for development; in a cluster, the chart runs it")]
pub struct Arguments {
    /// Namespace of the Secrets with the tokens, and of the Lease. Default: the operator's own.
    #[arg(long, env = "SVIX_OPERATOR_NAMESPACE", value_name = "NAMESPACE")]
    namespace: Option<String>,

    /// Namespaces whose event types, endpoints and events are reconciled, separated by commas. Default: all.
    #[arg(long, env = "SVIX_OPERATOR_WATCH_NAMESPACES", value_name = "NAMESPACES", value_delimiter = ',')]
    watch_namespaces: Option<Vec<String>>,

    /// Address at which /livez, /readyz and /metrics are served.
    #[arg(long, env = "SVIX_OPERATOR_HEALTH_ADDR", value_name = "ADDR", default_value = "0.0.0.0:8080")]
    health_addr: SocketAddr,

    /// Maximum number of objects of one connection that are reconciled at once.
    #[arg(long, env = "SVIX_OPERATOR_CONCURRENCY", value_name = "N", default_value = "32", value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: u16,

    /// Seconds that a call to Svix may take.
    #[arg(long, env = "SVIX_OPERATOR_CALL_TIMEOUT", value_name = "SECONDS", default_value = "15", value_parser = clap::value_parser!(u64).range(1..=300))]
    call_timeout: u64,

    /// Name of the Lease that determines the leader among the replicas.
    #[arg(long, env = "SVIX_OPERATOR_LEASE", value_name = "NAME", default_value = "svix-operator")]
    lease: String,

    /// Work without a Lease: for a single process without standby replicas.
    #[arg(long, env = "SVIX_OPERATOR_NO_LEADER_ELECTION")]
    no_leader_election: bool,

    /// Seconds after which another replica may take a Lease that is not renewed.
    #[arg(long, value_name = "SECONDS", default_value = "15", value_parser = clap::value_parser!(u64).range(3..=300))]
    lease_duration: u64,

    /// Format of the log.
    #[arg(long, env = "SVIX_OPERATOR_LOG_FORMAT", value_enum, default_value = "json")]
    log_format: LogFormat,
}

/// Runs until SIGTERM or SIGINT, or until the Lease is lost.
pub fn run(arguments: Arguments) -> ExitCode {
    telemetry::init_logs(arguments.log_format, "info");
    let command = async {
        work(arguments).await.or_else(|error| {
            eprintln!("error: {error}");
            Ok::<_, RunError>(error.exit().into())
        })
    };
    runtime::block_on(Threads::Many, command, Exit::Usage.into())
}

#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Signals(#[from] SignalError),
    #[error("cannot listen at {address}: {source}")]
    Health { address: SocketAddr, source: std::io::Error },
    #[error(
        "no cluster: {}; run inside a Pod, or set KUBECONFIG. Without a cluster there is `svix-operator dev`",
        kubeconfig::describe_inferred(.0)
    )]
    NoCluster(#[source] kube::config::InferConfigError),
    #[error("no cluster: {0}")]
    Client(#[from] NoClient),
    #[error(transparent)]
    Lease(#[from] LeaseError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("a part of this process failed: {0}")]
    Panicked(#[from] JoinError),
    #[error("the lease is lost; this process ends, and a new one waits for its turn")]
    LeaseLost,
}

impl RunError {
    fn exit(&self) -> Exit {
        match self {
            Self::Signals(_)
            | Self::Health { .. }
            | Self::NoCluster(_)
            | Self::Client(_)
            | Self::Control(_) => Exit::Usage,
            Self::Lease(_) | Self::Panicked(_) | Self::LeaseLost => Exit::Failed,
        }
    }
}

async fn work(arguments: Arguments) -> Result<ExitCode, RunError> {
    let shutdown = shutdown_on_signals()?;
    let metrics = Metrics::default();
    let readiness = Readiness::default();
    let gates = KINDS.map(|name| readiness.register(name));
    let control = ControlThread::start()?;
    readiness.watch_workers();
    let health =
        telemetry::serve(arguments.health_addr, readiness.clone(), metrics.clone(), CancellationToken::new());
    let (address, _) = control
        .run(health)
        .await?
        .map_err(|source| RunError::Health { address: arguments.health_addr, source })?;

    let config = kube::Config::infer().await.map_err(RunError::NoCluster)?;
    let namespace = arguments.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    let client = kubeconfig::client(config.clone())?;
    // A client works on the runtime on which it is created.
    let lease_client = control.run(async move { kubeconfig::client(config) }).await??;
    let pod = std::env::var("POD_NAME")
        .or_else(|_| std::env::var("HOSTNAME"))
        .unwrap_or_else(|_| "local".to_owned());
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %namespace, health = %address, "starting");

    let host = KubernetesHost::new(client.clone(), namespace.clone(), pod.clone());
    let watched = arguments.watch_namespaces.clone().filter(|namespaces| !namespaces.is_empty());
    let options = Options {
        concurrency: usize::from(arguments.concurrency),
        call_timeout: Duration::from_secs(arguments.call_timeout),
        namespaces: watched.clone().map(|namespaces| namespaces.into_iter().collect()),
        ..Options::default()
    };
    let engine = Engine::new(host, options, metrics.clone());
    count_objects(&metrics, &engine);
    let watches = start_watches(&client, &engine, &namespace, watched, gates);
    let replica = Replica { engine, metrics, readiness, shutdown, control };
    let code = replica.run(&arguments, lease_client, &namespace, &pod).await;
    watches.iter().for_each(JoinHandle::abort);
    code
}

/// Reports the objects and the length of the queue at each scrape of the metrics.
fn count_objects(metrics: &Metrics, engine: &Arc<Engine<KubernetesHost>>) {
    let engine = Arc::downgrade(engine);
    metrics.on_scrape(move || match engine.upgrade() {
        None => (Vec::new(), (0, 0)),
        Some(engine) => {
            let count = |kind: Kind| {
                let count = engine.count(kind);
                let (ready, not_ready, unknown) = (count.ready, count.not_ready, count.unknown);
                let differing = engine.count_differing(kind);
                ObjectCount { kind: kind.as_str(), ready, not_ready, unknown, differing }
            };
            (Kind::ALL.map(count).into(), engine.depth())
        }
    });
}

/// Readiness waits for the first list of each of these.
const KINDS: [&str; 5] =
    ["svixconnections", "webhookeventtypes", "webhookendpoints", "webhookevents", "namespaces"];

/// Fills the caches. Every replica does that, so that one that takes over the Lease starts at once.
fn start_watches(
    client: &Client,
    engine: &Arc<Engine<KubernetesHost>>,
    namespace: &str,
    watched: Option<Vec<String>>,
    gates: [Gate; KINDS.len()],
) -> [JoinHandle<()>; 8] {
    let [connections, event_types, endpoints, events, namespaces] = gates.map(|gate| move || gate.ready());
    let (client, engine) = (|| client.clone(), || engine.clone());
    let secrets_in = namespace.to_owned();
    [
        tokio::spawn(watch_kind::<SvixConnection, _>(Api::all(client()), None, engine(), connections)),
        tokio::spawn(watch_in::<WebhookEventType, _>(client(), watched.clone(), engine(), event_types)),
        tokio::spawn(watch_in::<WebhookEndpoint, _>(client(), watched.clone(), engine(), endpoints)),
        tokio::spawn(watch_in::<WebhookEvent, _>(client(), watched, engine(), events)),
        tokio::spawn(watch_namespaces(client(), engine(), namespaces)),
        tokio::spawn(watch_endpoint_secrets(client(), engine())),
        tokio::spawn(watch_secrets(client(), engine(), secrets_in)),
        tokio::spawn(watch_config_maps(client(), engine())),
    ]
}

/// One of the replicas, which works while it is the leader.
struct Replica {
    engine: Arc<Engine<KubernetesHost>>,
    metrics: Metrics,
    readiness: Readiness,
    shutdown: CancellationToken,
    /// Where the Lease is renewed.
    control: ControlThread,
}

impl Replica {
    /// Waits for the Lease, then reconciles until the shutdown, or until the Lease is lost.
    async fn run(
        self,
        arguments: &Arguments,
        client: Client,
        namespace: &str,
        pod: &str,
    ) -> Result<ExitCode, RunError> {
        let leadership = match arguments.no_leader_election {
            true => None,
            false => {
                let election = LeaderElection::new(client, lease_config(arguments, namespace, pod))?;
                tokio::select! {
                    () = self.shutdown.cancelled() => return Ok(ExitCode::SUCCESS),
                    leadership = self.control.run(async move { election.acquire().await }) => Some(leadership?),
                }
            }
        };
        self.caches_filled().await;
        self.metrics.leading(true);
        let is_lost = self.reconcile(leadership.as_ref()).await?;
        if is_lost {
            return Err(RunError::LeaseLost);
        }
        if let Some(leadership) = leadership
            && let Err(error) = self.control.run(leadership.release()).await?
        {
            tracing::warn!(%error, "cannot release the lease; it runs out by itself");
        }
        tracing::info!("stopped");
        Ok(ExitCode::SUCCESS)
    }

    /// Waits for the first lists: an object that is not listed yet would be taken for one that nobody declares.
    async fn caches_filled(&self) {
        while !self.readiness.not_passed().is_empty() {
            tokio::select! {
                () = self.shutdown.cancelled() => break,
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
        }
    }

    /// Runs the engine. Returns whether the Lease was lost.
    async fn reconcile(&self, leadership: Option<&Leadership>) -> Result<bool, JoinError> {
        // Known before the engine ends: that it ended because of the Lease can be noticed first.
        let aborted = CancellationToken::new();
        let lost = async {
            match leadership.map(Leadership::term) {
                Some(term) => {
                    let (engine, aborted) = (self.engine.clone(), aborted.clone());
                    self.control
                        .run(async move {
                            term.lost().await;
                            aborted.cancel();
                            // Nothing is written from here on: another replica can have begun.
                            engine.abort();
                        })
                        .await
                }
                None => std::future::pending().await,
            }
        };
        let mut working = tokio::spawn(self.engine.clone().run(self.shutdown.clone()));
        let is_lost = tokio::select! {
            // The Lease counts even if both are over.
            biased;
            lost = lost => {
                lost?;
                self.metrics.leading(false);
                let _ = working.await;
                true
            }
            ended = &mut working => {
                self.metrics.leading(false);
                ended?;
                aborted.is_cancelled()
            }
        };
        Ok(is_lost)
    }
}

fn lease_config(arguments: &Arguments, namespace: &str, pod: &str) -> LeaseConfig {
    let lease_duration = Duration::from_secs(arguments.lease_duration);
    LeaseConfig {
        lease_duration,
        // In the proportions of client-go: 15 s, 10 s and 2 s.
        renew_deadline: lease_duration * 2 / 3,
        retry_period: lease_duration * 2 / 15,
        ..LeaseConfig::new(namespace, &arguments.lease, lease::identity(pod))
    }
}
