//! The admission webhook's arguments, and the parts of it that run.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use kube::Client;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    admission::{
        Known,
        certificates::{Policy, ServingCertificate, files},
        server::{self, Limits},
    },
    api::parse_duration,
    controller::{
        CertificateConfig, keep_certificates,
        lease::{self, LeaseConfig},
    },
    telemetry::{Metrics, Readiness},
};

/// How admission is served.
#[derive(Debug, clap::Args)]
pub struct AdmissionArguments {
    /// Where the API server asks, over HTTPS.
    #[arg(long, env = "SVIX_OPERATOR_ADMISSION_LISTEN", value_name = "ADDR", default_value = "0.0.0.0:9443")]
    admission_listen: SocketAddr,

    /// Folder with tls.crt and tls.key, as cert-manager fills it. Left out: certificates are made and renewed here.
    #[arg(long, env = "SVIX_OPERATOR_TLS_CERT_DIR", value_name = "DIR")]
    tls_cert_dir: Option<PathBuf>,

    /// Secret that holds the certificates that are made here.
    #[arg(
        long,
        env = "SVIX_OPERATOR_TLS_SECRET",
        value_name = "NAME",
        default_value = "svix-operator-webhook-tls"
    )]
    tls_secret: String,

    /// ValidatingWebhookConfiguration whose caBundle is kept; "": none.
    #[arg(
        long,
        env = "SVIX_OPERATOR_WEBHOOK_CONFIGURATION",
        value_name = "NAME",
        default_value = "svix-operator"
    )]
    webhook_configuration: String,

    /// Service through which the API server calls; certificates are made for it.
    #[arg(
        long,
        env = "SVIX_OPERATOR_WEBHOOK_SERVICE",
        value_name = "NAME",
        default_value = "svix-operator-webhook"
    )]
    webhook_service: String,

    /// Further DNS name or IP address to make certificates for.
    #[arg(long, value_name = "NAME")]
    tls_name: Vec<String>,

    /// Life of a serving certificate; it is renewed when two thirds of it have passed.
    #[arg(long, value_name = "DURATION", default_value = "720h", value_parser = duration)]
    tls_lifetime: Duration,

    /// Life of an authority; the next is made when two thirds of it have passed.
    #[arg(long, value_name = "DURATION", default_value = "8760h", value_parser = duration)]
    ca_lifetime: Duration,

    /// Time from the publication of an authority until something is signed by it.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    ca_settle: Duration,

    /// Name of the Lease that decides which replica renews.
    #[arg(
        long,
        env = "SVIX_OPERATOR_WEBHOOK_LEASE",
        value_name = "NAME",
        default_value = "svix-operator-webhook"
    )]
    webhook_lease: String,

    /// Seconds after which another replica may take the Lease of one that is silent.
    #[arg(long, value_name = "SECONDS", default_value = "15", value_parser = clap::value_parser!(u64).range(3..=300))]
    webhook_lease_duration: u64,
}

pub fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text)
        .ok_or_else(|| "expected hours, minutes and seconds, such as 720h, 1h30m or 90s".to_owned())
}

/// The parts of the webhook that run.
pub struct Running {
    server: JoinHandle<Result<(), String>>,
    certificates: JoinHandle<Result<(), String>>,
}

impl Running {
    /// Waits until the process is told to stop, or until a part cannot go on; then ends the others.
    pub async fn ended(
        mut self,
        told: &CancellationToken,
        delay: Duration,
        stop: &CancellationToken,
    ) -> Result<ExitCode, String> {
        tokio::select! {
            () = told.cancelled() => tokio::time::sleep(delay).await,
            ended = &mut self.server => return Err(why(ended)),
            ended = &mut self.certificates => return Err(why(ended)),
        }
        stop.cancel();
        for part in [self.server, self.certificates] {
            part.await.map_err(|error| error.to_string())??;
        }
        tracing::info!("stopped");
        Ok(ExitCode::SUCCESS)
    }
}

fn why(ended: Result<Result<(), String>, tokio::task::JoinError>) -> String {
    match ended {
        Ok(Err(message)) => message,
        Ok(Ok(())) => "the webhook ended without being told to".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// Starts to serve, and to keep certificates. `known` is fed by the caller.
pub async fn start(
    arguments: &AdmissionArguments,
    client: Client,
    namespace: &str,
    known: Known,
    metrics: &Metrics,
    readiness: &Readiness,
    stop: CancellationToken,
) -> Result<Running, String> {
    if arguments.ca_lifetime < arguments.tls_lifetime * 2 {
        return Err("--ca-lifetime must be at least twice --tls-lifetime".to_owned());
    }
    let address = arguments.admission_listen;
    let listener =
        TcpListener::bind(address).await.map_err(|error| format!("cannot listen at {address}: {error}"))?;
    let serving = ServingCertificate::default();
    let gate = readiness.register_told("certificate", "there is none yet");
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
            let registered = readiness.register_told(
                "webhook configuration",
                "its caBundle does not trust the certificate that is served, yet; the holder of the Lease writes it",
            );
            let (serving, metrics, stop) = (serving.clone(), metrics.admission(), stop.clone());
            let kept = keep_certificates(client, config, serving, metrics, registered, stop);
            tokio::spawn(async move { kept.await.map_err(|error| error.to_string()) })
        }
    };
    let waiting = serving.clone();
    tokio::spawn(async move {
        waiting.wait().await;
        gate.ready();
    });
    let served = server::serve(listener, serving, known, metrics.admission(), Limits::default(), stop);
    let server =
        tokio::spawn(async move { served.await.map_err(|error| format!("cannot set up TLS: {error}")) });
    tracing::info!(%address, "admission webhook listens");
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
    let lasts = Duration::from_secs(arguments.webhook_lease_duration);
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
            lease_duration: lasts,
            // In client-go's proportions: 15 s, 10 s and 2 s.
            renew_deadline: lasts * 2 / 3,
            retry_period: lasts * 2 / 15,
            ..LeaseConfig::new(namespace, &arguments.webhook_lease, lease::identity(&pod))
        },
    }
}
