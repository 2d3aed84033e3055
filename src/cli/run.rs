//! `svix-operator run`: the controller in a cluster.

use std::{net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use kube::{Api, Client};
use tokio_util::sync::CancellationToken;

use crate::{
    api::{SvixConnection, WebhookEndpoint, WebhookEvent, WebhookEventType},
    controller::{
        KubernetesHost,
        lease::{self, LeaderElection, LeaseConfig},
        watch_config_maps, watch_endpoint_secrets, watch_in, watch_kind, watch_namespaces, watch_secrets,
    },
    engine::{Engine, Kind, Options},
    telemetry::{self, LogFormat, Metrics, ObjectCount, Readiness},
};

use super::runtime::{Threads, block_on, stop_on_signals};

/// Reconcile the resources of a cluster into Svix.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Namespace of the Secrets with the tokens, and of the Lease. Default: the operator's own.
    #[arg(long, env = "SVIX_OPERATOR_NAMESPACE", value_name = "NAMESPACE")]
    namespace: Option<String>,

    /// Namespaces whose event types, endpoints and events are reconciled, separated by commas. Default: all.
    #[arg(long, env = "SVIX_OPERATOR_WATCH_NAMESPACES", value_name = "NAMESPACES", value_delimiter = ',')]
    watch_namespaces: Option<Vec<String>>,

    /// Where /livez, /readyz and /metrics are served.
    #[arg(long, env = "SVIX_OPERATOR_HEALTH_ADDR", value_name = "ADDR", default_value = "0.0.0.0:8080")]
    health_addr: SocketAddr,

    /// Most objects of one connection that are worked on at once.
    #[arg(long, env = "SVIX_OPERATOR_CONCURRENCY", value_name = "N", default_value = "32", value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: u16,

    /// Seconds that a call to Svix may take.
    #[arg(long, env = "SVIX_OPERATOR_CALL_TIMEOUT", value_name = "SECONDS", default_value = "15", value_parser = clap::value_parser!(u64).range(1..=300))]
    call_timeout: u64,

    /// Name of the Lease that decides which replica works.
    #[arg(long, env = "SVIX_OPERATOR_LEASE", value_name = "NAME", default_value = "svix-operator")]
    lease: String,

    /// Work without a Lease: for a single process that nobody else can stand in for.
    #[arg(long, env = "SVIX_OPERATOR_NO_LEADER_ELECTION")]
    no_leader_election: bool,

    /// Seconds after which another replica may take the Lease of one that is silent.
    #[arg(long, value_name = "SECONDS", default_value = "15", value_parser = clap::value_parser!(u64).range(3..=300))]
    lease_duration: u64,

    /// Form of the log.
    #[arg(long, env = "SVIX_OPERATOR_LOG_FORMAT", value_enum, default_value = "json")]
    log_format: LogFormat,
}

/// Runs until SIGTERM or SIGINT, or until the Lease is lost.
pub fn run(arguments: Arguments) -> ExitCode {
    telemetry::init_logs(arguments.log_format, "info");
    block_on(Threads::Many, work(arguments), ExitCode::FAILURE)
}

async fn work(arguments: Arguments) -> Result<ExitCode, String> {
    let stop = stop_on_signals().map_err(|error| format!("cannot listen to signals: {error}"))?;
    let metrics = Metrics::default();
    let readiness = Readiness::default();
    let gates = ["svixconnections", "webhookeventtypes", "webhookendpoints", "webhookevents", "namespaces"]
        .map(|name| readiness.register(name));
    let [connections_in, event_types_in, endpoints_in, events_in, namespaces_in] = gates;
    let (address, _) =
        telemetry::serve(arguments.health_addr, readiness.clone(), metrics.clone(), CancellationToken::new())
            .await
            .map_err(|error| format!("cannot listen at {}: {error}", arguments.health_addr))?;

    let config = kube::Config::infer().await.map_err(|error| {
        format!("no cluster: {error}; run inside a Pod, or set KUBECONFIG. Without a cluster there is `svix-operator dev`")
    })?;
    let namespace = arguments.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    let client =
        Client::try_from(config).map_err(|error| format!("cannot make a Kubernetes client: {error}"))?;
    let pod = std::env::var("POD_NAME")
        .or_else(|_| std::env::var("HOSTNAME"))
        .unwrap_or_else(|_| "local".to_owned());
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %namespace, health = %address, "starting");

    let host = KubernetesHost::new(client.clone(), namespace.clone(), pod.clone());
    let only = arguments.watch_namespaces.clone().filter(|namespaces| !namespaces.is_empty());
    let options = Options {
        concurrency: usize::from(arguments.concurrency),
        call_timeout: Duration::from_secs(arguments.call_timeout),
        namespaces: only.clone().map(|namespaces| namespaces.into_iter().collect()),
        ..Options::default()
    };
    let engine = Engine::new(host, options, metrics.clone());
    let counted = Arc::downgrade(&engine);
    metrics.on_scrape(move || match counted.upgrade() {
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

    // Caches are filled by every replica, so that one that takes over starts at once.
    let watches = [
        tokio::spawn(watch_kind::<SvixConnection, _>(
            Api::all(client.clone()),
            None,
            engine.clone(),
            move || connections_in.ready(),
        )),
        tokio::spawn(watch_in::<WebhookEventType, _>(
            client.clone(),
            only.clone(),
            engine.clone(),
            move || {
                event_types_in.ready();
            },
        )),
        tokio::spawn(watch_in::<WebhookEndpoint, _>(
            client.clone(),
            only.clone(),
            engine.clone(),
            move || {
                endpoints_in.ready();
            },
        )),
        tokio::spawn(watch_in::<WebhookEvent, _>(client.clone(), only.clone(), engine.clone(), move || {
            events_in.ready();
        })),
        tokio::spawn(watch_namespaces(client.clone(), engine.clone(), move || namespaces_in.ready())),
        tokio::spawn(watch_endpoint_secrets(client.clone(), engine.clone())),
        tokio::spawn(watch_secrets(client.clone(), engine.clone(), namespace.clone())),
        tokio::spawn(watch_config_maps(client.clone(), engine.clone())),
    ];
    let code = lead(&arguments, client, &namespace, &pod, engine, metrics, readiness, stop).await;
    watches.iter().for_each(tokio::task::JoinHandle::abort);
    code
}

#[allow(clippy::too_many_arguments)]
async fn lead(
    arguments: &Arguments,
    client: Client,
    namespace: &str,
    pod: &str,
    engine: Arc<Engine<KubernetesHost>>,
    metrics: Metrics,
    readiness: Readiness,
    stop: CancellationToken,
) -> Result<ExitCode, String> {
    let leadership = if arguments.no_leader_election {
        None
    } else {
        let duration = Duration::from_secs(arguments.lease_duration);
        let config = LeaseConfig {
            lease_duration: duration,
            // In client-go's proportions: 15 s, 10 s and 2 s.
            renew_deadline: duration * 2 / 3,
            retry_period: duration * 2 / 15,
            ..LeaseConfig::new(namespace, &arguments.lease, lease::identity(pod))
        };
        let election = LeaderElection::new(client, config).map_err(|error| error.to_string())?;
        tokio::select! {
            () = stop.cancelled() => return Ok(ExitCode::SUCCESS),
            leadership = election.acquire() => Some(leadership),
        }
    };
    // What is not listed yet would look as if nobody declared it.
    while !readiness.missing().is_empty() {
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
    }
    metrics.leading(true);
    let term = leadership.as_ref().map(lease::Leadership::term);
    let lost = async {
        match &term {
            Some(term) => {
                term.lost().await;
            }
            None => std::future::pending().await,
        }
    };
    let mut working = tokio::spawn(engine.clone().run(stop.clone()));
    let lost = tokio::select! {
        _ = lost => true,
        _ = &mut working => false,
    };
    metrics.leading(false);
    if lost {
        // Nothing may be written from here on: another replica may have begun.
        engine.abort();
        let _ = working.await;
        return Err("the lease is lost; this process ends, and a new one waits for its turn".to_owned());
    }
    if let Some(leadership) = leadership
        && let Err(error) = leadership.release().await
    {
        tracing::warn!(%error, "cannot release the lease; it runs out by itself");
    }
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}
