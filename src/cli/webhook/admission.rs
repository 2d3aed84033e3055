//! The arguments of the admission webhook, and its tasks.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use kube::Client;
use tokio::{
    net::TcpListener,
    task::{JoinError, JoinHandle},
};
use tokio_util::sync::CancellationToken;

use crate::{
    admission::{
        Known,
        certificates::{Policy, ServingCertificate, files},
        server::{self, Limits, ReviewTurns},
    },
    api::parse_duration,
    cli::runtime::ControlThread,
    controller::{
        CertificateConfig, keep_certificates,
        lease::{self, LeaseConfig, LeaseError},
    },
    memory::MemoryBudget,
    telemetry::{Metrics, Readiness},
};

/// Arguments of the admission webhook.
#[derive(Debug, clap::Args)]
pub struct AdmissionArguments {
    /// Address on which the admission webhook listens, with HTTPS.
    #[arg(long, env = "SVIX_OPERATOR_ADMISSION_LISTEN", value_name = "ADDR", default_value = "0.0.0.0:9443")]
    admission_listen: SocketAddr,

    /// Folder with tls.crt and tls.key, such as a mounted Secret of cert-manager. Default: the webhook creates and renews
    /// its own certificates.
    #[arg(long, env = "SVIX_OPERATOR_TLS_CERT_DIR", value_name = "DIR")]
    tls_cert_dir: Option<PathBuf>,

    /// Secret for the certificates that the webhook creates.
    #[arg(
        long,
        env = "SVIX_OPERATOR_TLS_SECRET",
        value_name = "NAME",
        default_value = "svix-operator-webhook-tls"
    )]
    tls_secret: String,

    /// ValidatingWebhookConfiguration whose caBundle the webhook manages; "" means none.
    #[arg(
        long,
        env = "SVIX_OPERATOR_WEBHOOK_CONFIGURATION",
        value_name = "NAME",
        default_value = "svix-operator"
    )]
    webhook_configuration: String,

    /// Service through which the API server calls the webhook; certificates are created for its names.
    #[arg(
        long,
        env = "SVIX_OPERATOR_WEBHOOK_SERVICE",
        value_name = "NAME",
        default_value = "svix-operator-webhook"
    )]
    webhook_service: String,

    /// Additional DNS name or IP address for the certificates.
    #[arg(long, value_name = "NAME")]
    tls_name: Vec<String>,

    /// Lifetime of a serving certificate, which is renewed after two thirds of it.
    #[arg(long, value_name = "DURATION", default_value = "720h", value_parser = duration)]
    tls_lifetime: Duration,

    /// Lifetime of a certificate authority; the next one is created after two thirds of it.
    #[arg(long, value_name = "DURATION", default_value = "8760h", value_parser = duration)]
    ca_lifetime: Duration,

    /// Time between the publication of an authority and its first use.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    ca_settle: Duration,

    /// Name of the Lease whose holder renews certificates.
    #[arg(
        long,
        env = "SVIX_OPERATOR_WEBHOOK_LEASE",
        value_name = "NAME",
        default_value = "svix-operator-webhook"
    )]
    webhook_lease: String,

    /// Seconds after which another replica may take over a Lease that is not renewed.
    #[arg(long, value_name = "SECONDS", default_value = "15", value_parser = clap::value_parser!(u64).range(3..=300))]
    webhook_lease_duration: u64,
}

/// A text that is not a duration.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("expected hours, minutes and seconds, such as 720h, 1h30m or 90s")]
pub struct InvalidDuration;

/// Parses a duration on the command line.
pub fn duration(text: &str) -> Result<Duration, InvalidDuration> {
    parse_duration(text).ok_or(InvalidDuration)
}

/// Why the admission webhook cannot start or continue.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    /// The lifetimes contradict each other.
    #[error("--ca-lifetime must be at least twice --tls-lifetime")]
    Lifetimes,
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// TLS cannot be set up.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The Lease is not configured correctly.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// A task ended without a request to do so.
    #[error("the admission webhook ended unexpectedly")]
    Ended,
    /// A task panicked.
    #[error("a task of the admission webhook failed: {0}")]
    Panicked(#[from] JoinError),
}

/// A running admission webhook.
pub struct Running {
    server: JoinHandle<Result<(), AdmissionError>>,
    certificates: JoinHandle<Result<(), AdmissionError>>,
}

impl Running {
    /// Waits for `shutdown` and then for `delay`, and stops all tasks with `stop`. Returns early if a task cannot continue.
    pub async fn wait(
        mut self,
        shutdown: &CancellationToken,
        delay: Duration,
        stop: &CancellationToken,
    ) -> Result<ExitCode, AdmissionError> {
        tokio::select! {
            () = shutdown.cancelled() => tokio::time::sleep(delay).await,
            ended = &mut self.server => return Err(ended?.err().unwrap_or(AdmissionError::Ended)),
            ended = &mut self.certificates => return Err(ended?.err().unwrap_or(AdmissionError::Ended)),
        }
        stop.cancel();
        for task in [self.server, self.certificates] {
            task.await??;
        }
        tracing::info!("stopped");
        Ok(ExitCode::SUCCESS)
    }
}

/// Starts the server and the management of certificates. The caller keeps `known` up to date, and `memory` is that of all
/// servers of the process.
pub async fn start(
    arguments: &AdmissionArguments,
    (client, namespace): (Client, &str),
    (known, memory): (Known, MemoryBudget),
    metrics: &Metrics,
    readiness: &Readiness,
    stop: CancellationToken,
    control: &ControlThread,
) -> Result<Running, AdmissionError> {
    if arguments.ca_lifetime < arguments.tls_lifetime * 2 {
        return Err(AdmissionError::Lifetimes);
    }
    let address = arguments.admission_listen;
    let listener =
        TcpListener::bind(address).await.map_err(|source| AdmissionError::Listen { address, source })?;
    let serving = ServingCertificate::default();
    let gate = readiness.register_with_message("certificate", "there is none yet");
    let certificates = match arguments.tls_cert_dir.clone() {
        Some(folder) => {
            let (serving, metrics, stop) = (serving.clone(), metrics.admission(), stop.clone());
            tokio::spawn(async move {
                stop.run_until_cancelled(files::follow(folder, serving, metrics, files::POLL)).await;
                Ok(())
            })
        }
        None => {
            let config = certificate_config(arguments, namespace);
            let registered = readiness.register_with_message(
                "webhook configuration",
                "its caBundle does not trust the serving certificate yet; the holder of the Lease writes it",
            );
            let (serving, metrics, stop) = (serving.clone(), metrics.admission(), stop.clone());
            let kept = keep_certificates(client, config, serving, metrics, registered, stop);
            control.runtime().spawn(async move { Ok(kept.await?) })
        }
    };
    let waiting = serving.clone();
    tokio::spawn(async move {
        waiting.wait().await;
        gate.ready();
    });
    let limits = Limits::default();
    let turns = ReviewTurns::new(&limits).sharing(memory);
    let watched = turns.clone();
    readiness.watch("reviews", "no small review had a turn", move || watched.without_turn());
    let served = server::serve_in_turns(listener, serving, known, metrics.admission(), limits, turns, stop);
    let server = tokio::spawn(async move { Ok(served.await?) });
    tracing::info!(%address, "the admission webhook listens");
    Ok(Running { server, certificates })
}

fn certificate_config(arguments: &AdmissionArguments, namespace: &str) -> CertificateConfig {
    let service = &arguments.webhook_service;
    let mut names: Vec<_> = ["svc", "svc.cluster.local"]
        .map(|end| format!("{service}.{namespace}.{end}"))
        .into_iter()
        .chain(arguments.tls_name.iter().cloned())
        .collect();
    names.dedup();
    let pod = std::env::var("POD_NAME")
        .or_else(|_| std::env::var("HOSTNAME"))
        .unwrap_or_else(|_| "local".to_owned());
    let lease_duration = Duration::from_secs(arguments.webhook_lease_duration);
    CertificateConfig {
        namespace: namespace.to_owned(),
        secret: arguments.tls_secret.clone(),
        configuration: Some(arguments.webhook_configuration.clone()).filter(|name| !name.is_empty()),
        names,
        policy: Policy {
            authority: arguments.ca_lifetime,
            serving: arguments.tls_lifetime,
            settle: arguments.ca_settle,
        },
        lease: LeaseConfig {
            lease_duration,
            // In the proportions of client-go: 15 s, 10 s and 2 s.
            renew_deadline: lease_duration * 2 / 3,
            retry_period: lease_duration * 2 / 15,
            ..LeaseConfig::new(namespace, &arguments.webhook_lease, lease::identity(&pod))
        },
    }
}
