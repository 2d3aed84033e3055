//! The arguments that commands with a gateway share, and what is built from them.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use tokio::{sync::watch, task::JoinError};
use tokio_util::sync::CancellationToken;

use crate::{
    api::{ChannelEncoding, DEFAULT_CONNECTION, PayloadPolicy, SvixConnectionSpec},
    catalogue::Catalogue,
    gateway::{self, Limits, Scope, Surface, Undeclared, catalogue_source},
    manifests::{
        self, CatalogueSource,
        watch::{FolderWatch, WatchError},
    },
    telemetry::{Gate, Metrics},
};

use super::svix_server::{SvixServerError, ca_bundle, client};

/// Why a command with a gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// There is no address of a Svix server.
    #[error("--svix-url: expected the address of the Svix server")]
    NoUrl,
    /// The Svix server's address, token or certificates are not usable.
    #[error(transparent)]
    Server(#[from] SvixServerError),
    /// The folder of manifests cannot be watched.
    #[error(transparent)]
    Folder(#[from] WatchError),
    /// Reading the folder of manifests panicked.
    #[error("--from: cannot read {}: {source}; see the log of svix-operator", .dir.display())]
    Load {
        /// The folder.
        dir: PathBuf,
        /// The panic.
        source: JoinError,
    },
}

/// Where event types are declared.
#[derive(Debug, clap::Args)]
#[group(id = "source", required = false, multiple = false, args = ["from", "from_svix"])]
pub struct SourceArguments {
    /// Take event types from this folder of manifests, or from this file.
    #[arg(long, value_name = "DIR")]
    pub from: Option<PathBuf>,

    /// Take event types from Svix, with the token in SVIX_TOKEN or SVIX_AUTH_TOKEN.
    #[arg(long)]
    pub from_svix: bool,

    /// Name of the SvixConnection whose event types are used.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_CONNECTION)]
    pub connection: String,

    /// How channels are written in Svix. Default: the channelEncoding of the connection in the cluster or in --from,
    /// otherwise when-needed.
    #[arg(long, value_enum, value_name = "ENCODING")]
    pub channel_encoding: Option<Encoding>,

    /// payloadPolicy of event types from Svix, which have none of their own.
    #[arg(long, value_enum, value_name = "POLICY", default_value = "enforce", requires = "from_svix")]
    pub payload_policy: Policy,
}

/// How the gateway is run.
#[derive(Debug, clap::Args)]
pub struct GatewayArguments {
    /// Address on which the gateway listens.
    #[arg(long, env = "SVIX_OPERATOR_GATEWAY_ADDR", value_name = "ADDR", default_value = "127.0.0.1:8071")]
    pub listen: SocketAddr,

    /// Address of the Svix server. Default: SVIX_SERVER_URL. In a cluster, the gateway runs only if one of them is set.
    #[arg(long, env = "SVIX_URL", value_name = "URL")]
    pub svix_url: Option<String>,

    /// PEM file of certificates to trust in addition to those of the system.
    #[arg(long, value_name = "FILE")]
    pub svix_ca: Option<PathBuf>,

    /// What to do with messages whose event type is not declared.
    #[arg(long, value_enum, value_name = "POLICY", default_value = "refuse")]
    pub undeclared: UndeclaredArgument,

    /// Whose operations of Svix's API are forwarded.
    #[arg(long, value_enum, value_name = "SURFACE", default_value = "open-source")]
    pub surface: SurfaceArgument,

    /// Forward only the creation of messages.
    #[arg(long)]
    pub only_sending: bool,

    /// Forward changes of event types, too. The sending of examples is then rejected, because an example could be replaced
    /// between its validation and its delivery.
    #[arg(long, conflicts_with_all = ["from_svix", "only_sending"])]
    pub allow_event_type_writes: bool,

    /// Maximum size of a payload in bytes.
    #[arg(long, value_name = "BYTES", default_value = "1048576", value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    pub max_payload: u32,

    /// Maximum number of concurrent requests; further ones get a 503. One address has at most three quarters of them, and one
    /// token of an address at most three quarters of that.
    #[arg(long, value_name = "N", default_value = "768", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_in_flight: u32,

    /// Seconds until Svix has to respond.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = clap::value_parser!(u64).range(1..=600))]
    pub upstream_timeout: u64,

    /// Seconds that requests in flight have to complete after SIGTERM.
    #[arg(long, value_name = "SECONDS", default_value = "25", value_parser = clap::value_parser!(u64).range(0..=600))]
    pub grace: u64,

    /// Seconds between two listings of the event types with --from-svix.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = clap::value_parser!(u64).range(1..=86400))]
    pub refresh: u64,
}

/// `channelEncoding` on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Encoding {
    /// Map only channels that Svix does not accept.
    WhenNeeded,
    /// Map only channels that Svix Cloud does not accept.
    WhenNeededOnCloud,
    /// Map every channel, as swh-webhooks does.
    Always,
}

impl From<Encoding> for ChannelEncoding {
    fn from(encoding: Encoding) -> Self {
        match encoding {
            Encoding::WhenNeeded => Self::WhenNeeded,
            Encoding::WhenNeededOnCloud => Self::WhenNeededOnCloud,
            Encoding::Always => Self::Always,
        }
    }
}

/// `payloadPolicy` on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Policy {
    /// Reject payloads that do not match.
    Enforce,
    /// Accept them with a warning.
    Warn,
    /// Accept and count them.
    Audit,
}

/// [`Undeclared`] on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum UndeclaredArgument {
    /// Reject them.
    Refuse,
    /// Forward them to Svix without validation.
    Pass,
}

/// [`Surface`] on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum SurfaceArgument {
    /// Those of the open-source server.
    OpenSource,
    /// Those of Svix Cloud.
    Cloud,
}

impl From<SurfaceArgument> for Surface {
    fn from(surface: SurfaceArgument) -> Self {
        match surface {
            SurfaceArgument::OpenSource => Self::OpenSource,
            SurfaceArgument::Cloud => Self::Cloud,
        }
    }
}

impl From<Policy> for PayloadPolicy {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::Enforce => Self::Enforce,
            Policy::Warn => Self::Warn,
            Policy::Audit => Self::Audit,
        }
    }
}

impl From<UndeclaredArgument> for Undeclared {
    fn from(undeclared: UndeclaredArgument) -> Self {
        match undeclared {
            UndeclaredArgument::Refuse => Self::Refuse,
            UndeclaredArgument::Pass => Self::Pass,
        }
    }
}

impl SourceArguments {
    /// Returns how channels are written, given the connection that a folder declares.
    pub fn encoding(&self, connection: Option<&SvixConnectionSpec>) -> ChannelEncoding {
        match self.channel_encoding {
            Some(encoding) => encoding.into(),
            None => connection.map(SvixConnectionSpec::channel_encoding).unwrap_or_default(),
        }
    }
}

impl GatewayArguments {
    /// Returns the gateway's options.
    pub fn options(
        &self,
        source: &SourceArguments,
        channel_encoding: watch::Receiver<ChannelEncoding>,
    ) -> Result<gateway::Options, GatewayError> {
        let svix_url = self.svix_url.clone().ok_or(GatewayError::NoUrl)?;
        Ok(gateway::Options {
            listen: self.listen,
            svix_url,
            ca_bundle: ca_bundle(self.svix_ca.as_deref())?,
            connection: source.connection.clone(),
            channel_encoding,
            undeclared: self.undeclared.into(),
            scope: Scope { surface: self.surface.into(), only_sending: self.only_sending },
            allow_event_type_writes: self.allow_event_type_writes,
            limits: Limits {
                max_payload: usize::try_from(self.max_payload).unwrap_or(usize::MAX),
                max_in_flight: usize::try_from(self.max_in_flight).unwrap_or(usize::MAX),
                upstream_timeout: Duration::from_secs(self.upstream_timeout),
                grace: Duration::from_secs(self.grace),
                ..Limits::default()
            },
            ..gateway::Options::new("")
        })
    }
}

/// Returns the message for a gateway that cannot start. `flag` is the one that sets the address.
pub fn start_error(error: &gateway::StartError, flag: &str) -> String {
    match error {
        gateway::StartError::Listen { .. } => format!("{error}; {flag} sets another address"),
        gateway::StartError::Upstream(_) => error.to_string(),
    }
}

/// Reads a folder into the catalogue.
type Load = Box<dyn FnMut() + Send>;

/// Keeps the catalogue in sync with a folder or with Svix, until `stop`. Opens the gate after the first load. Returns how
/// channels are written.
pub async fn start_feed(
    source: &SourceArguments,
    gateway: &GatewayArguments,
    catalogue: Catalogue,
    metrics: Metrics,
    gate: Gate,
    stop: CancellationToken,
) -> Result<watch::Receiver<ChannelEncoding>, GatewayError> {
    let (encoding_tx, encoding) = watch::channel(source.encoding(None));
    let Some(dir) = source.from.clone() else {
        let client =
            client(gateway.svix_url.as_deref(), ca_bundle(gateway.svix_ca.as_deref())?.as_deref(), metrics)?;
        let (connection, policy) = (source.connection.clone(), source.payload_policy.into());
        let interval = Duration::from_secs(gateway.refresh);
        tokio::spawn(async move {
            let ready = move || gate.ready();
            catalogue_source::follow(client, catalogue, connection, policy, interval, ready, stop).await;
            drop(encoding_tx);
        });
        return Ok(encoding);
    };
    // The watch starts before the first load, so that no change between them is missed.
    let mut watch = FolderWatch::start(&dir)?;
    let mut folder = CatalogueSource::new(catalogue);
    let folder_path = dir.clone();
    let connection = source.connection.clone();
    let explicit = source.channel_encoding.is_some();
    let load = move || {
        for problem in folder.update(&manifests::load(&folder_path)) {
            tracing::warn!("{problem}");
        }
        if !explicit {
            let encoding = folder.connection(&connection).map(SvixConnectionSpec::channel_encoding);
            encoding_tx.send_replace(encoding.unwrap_or_default());
        }
    };
    // Reading files blocks, and compiling schemas takes long. One reading follows the other, since the source is moved.
    let on_another_thread = |mut load: Load| {
        tokio::task::spawn_blocking(move || {
            load();
            load
        })
    };
    let mut load = on_another_thread(Box::new(load))
        .await
        .map_err(|source| GatewayError::Load { dir: dir.clone(), source })?;
    gate.ready();
    tokio::spawn(async move {
        while stop.run_until_cancelled(watch.changed()).await == Some(true) {
            match on_another_thread(load).await {
                Ok(returned) => load = returned,
                Err(error) => {
                    tracing::error!(%error, "the load of the folder panicked; its changes are no longer followed");
                    break;
                }
            }
        }
        drop(watch);
    });
    Ok(encoding)
}
