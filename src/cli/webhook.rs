//! `svix-operator webhook`: the sidecar. The gateway in front of Svix's API, with health and metrics.

use std::{net::SocketAddr, process::ExitCode};

use crate::{
    catalogue::Catalogue,
    gateway::Gateway,
    telemetry::{self, LogFormat, Metrics, Readiness},
};

use super::gateway::{GatewayArguments, SourceArguments, start_feed};

/// Refuse events that do not match their schema, in front of Svix's own API.
///
/// Point a Svix SDK at the gateway's address in place of Svix's. A message whose payload matches its event type's
/// schema goes on to Svix as it is, with the caller's own token; one that does not is answered 422.
/// Exit codes: 0 stopped by SIGTERM or SIGINT, 1 it could not begin, 2 wrong arguments.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    source: SourceArguments,

    #[command(flatten)]
    gateway: GatewayArguments,

    /// Where /livez, /readyz and /metrics are served.
    #[arg(
        long = "health",
        alias = "health-addr",
        env = "SVIX_OPERATOR_HEALTH_ADDR",
        value_name = "ADDR",
        default_value = "0.0.0.0:8080"
    )]
    health: SocketAddr,

    /// Form of the log.
    #[arg(long, env = "SVIX_OPERATOR_LOG_FORMAT", value_enum, default_value = "json")]
    log_format: LogFormat,
}

/// Runs until SIGTERM or SIGINT; requests in flight end first.
pub fn run(arguments: Arguments) -> ExitCode {
    telemetry::init_logs(arguments.log_format, "info");
    super::block_on(super::Threads::Many, work(arguments), ExitCode::FAILURE)
}

async fn work(arguments: Arguments) -> Result<ExitCode, String> {
    let Arguments { source, gateway, health, log_format: _ } = arguments;
    let stop = super::run::stop_on_signals()?;
    let metrics = Metrics::default();
    let readiness = Readiness::default();
    let gate = readiness.register("event types");
    let ended = tokio_util::sync::CancellationToken::new();
    let (health, _) = telemetry::serve(health, readiness, metrics.clone(), ended.clone())
        .await
        .map_err(|error| format!("cannot listen at {health}: {error}"))?;
    let catalogue = Catalogue::default();
    let encoding = start_feed(&source, &gateway, catalogue.clone(), metrics.clone(), gate, stop.clone())?;
    let options = gateway.options(&source, encoding)?;
    let gateway =
        Gateway::start(options, catalogue, metrics, stop.clone()).await.map_err(|error| error.to_string())?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"), gateway = %gateway.address(), %health, "the gateway listens"
    );
    stop.cancelled().await;
    tracing::info!("stopping: requests in flight end first");
    gateway.stopped().await;
    ended.cancel();
    Ok(ExitCode::SUCCESS)
}
