//! Arguments that the commands with a gateway share, and what they come to.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    api::{ChannelEncoding, DEFAULT_CONNECTION, PayloadPolicy, SvixConnectionSpec},
    catalogue::Catalogue,
    gateway::{self, Limits, Undeclared, catalogue_source},
    manifests::{self, Feed, watch::FolderWatch},
    svix::{Budget, Client, ClientOptions},
    telemetry::{Gate, Metrics},
};

/// Where event types are declared.
#[derive(Debug, clap::Args)]
#[group(id = "source", required = false, multiple = false, args = ["from", "from_svix"])]
pub struct SourceArguments {
    /// Event types are those that this folder of manifests (or one file) declares.
    #[arg(long, value_name = "DIR")]
    pub from: Option<PathBuf>,

    /// Event types are those in Svix, read with the token in SVIX_TOKEN.
    #[arg(long)]
    pub from_svix: bool,

    /// The SvixConnection whose event types count.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_CONNECTION)]
    pub connection: String,

    /// How channels are written in Svix. Default: as the connection in the cluster or in --from says, else
    /// when-needed.
    #[arg(long, value_enum, value_name = "ENCODING")]
    pub channel_encoding: Option<Encoding>,

    /// payloadPolicy of event types that come from Svix, where they have none.
    #[arg(long, value_enum, value_name = "POLICY", default_value = "enforce", requires = "from_svix")]
    pub payload_policy: Policy,
}

/// How the gateway is run.
#[derive(Debug, clap::Args)]
pub struct GatewayArguments {
    /// Where the gateway listens.
    #[arg(long, env = "SVIX_OPERATOR_GATEWAY_ADDR", value_name = "ADDR", default_value = "127.0.0.1:8071")]
    pub listen: SocketAddr,

    /// Address of the Svix server. In a cluster: without one there is no gateway.
    #[arg(long, env = "SVIX_URL", value_name = "URL")]
    pub svix_url: Option<String>,

    /// PEM file of certificates to trust beside the system's.
    #[arg(long, value_name = "FILE")]
    pub svix_ca: Option<PathBuf>,

    /// What happens to an event whose type nobody declares.
    #[arg(long, value_enum, value_name = "WHAT", default_value = "refuse")]
    pub undeclared: UndeclaredArgument,

    /// Pass on nothing but the creation of messages.
    #[arg(long)]
    pub only_sending: bool,

    /// Most bytes of a payload.
    #[arg(long, value_name = "BYTES", default_value = "1048576", value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    pub max_payload: u32,

    /// Most requests at once; one more is answered 503 at once.
    #[arg(long, value_name = "N", default_value = "1024", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_in_flight: u32,

    /// Seconds that Svix may take to answer.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = clap::value_parser!(u64).range(1..=600))]
    pub upstream_timeout: u64,

    /// Seconds that requests in flight may take to end after SIGTERM.
    #[arg(long, value_name = "SECONDS", default_value = "25", value_parser = clap::value_parser!(u64).range(0..=600))]
    pub grace: u64,

    /// Seconds between two readings of the event types with --from-svix.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = clap::value_parser!(u64).range(1..=86400))]
    pub refresh: u64,
}

/// `channelEncoding` on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Encoding {
    /// Only channels that Svix does not take are mapped.
    WhenNeeded,
    /// Every channel is mapped, as swh-webhooks does.
    Always,
}

/// `payloadPolicy` on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Policy {
    /// Refuse what does not match.
    Enforce,
    /// Let it pass and say so.
    Warn,
    /// Let it pass and count it.
    Audit,
}

/// [`Undeclared`] on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum UndeclaredArgument {
    /// It is refused.
    Refuse,
    /// It goes on to Svix, unjudged.
    Pass,
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
    fn from(what: UndeclaredArgument) -> Self {
        match what {
            UndeclaredArgument::Refuse => Self::Refuse,
            UndeclaredArgument::Pass => Self::Pass,
        }
    }
}

impl SourceArguments {
    /// How channels are written, given the connection that a folder declares.
    pub fn encoding(&self, connection: Option<&SvixConnectionSpec>) -> ChannelEncoding {
        match self.channel_encoding {
            Some(Encoding::WhenNeeded) => ChannelEncoding::WhenNeeded,
            Some(Encoding::Always) => ChannelEncoding::Always,
            None => connection.map(SvixConnectionSpec::channel_encoding).unwrap_or_default(),
        }
    }
}

impl GatewayArguments {
    /// The gateway's options.
    pub fn options(
        &self,
        source: &SourceArguments,
        channel_encoding: watch::Receiver<ChannelEncoding>,
    ) -> Result<gateway::Options, String> {
        let svix_url = self.svix_url.clone().ok_or("--svix-url: expected the address of the Svix server")?;
        Ok(gateway::Options {
            listen: self.listen,
            svix_url,
            ca_bundle: ca_bundle(self.svix_ca.as_deref())?,
            connection: source.connection.clone(),
            channel_encoding,
            undeclared: self.undeclared.into(),
            only_sending: self.only_sending,
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

/// The certificates in a file, as text.
pub fn ca_bundle(file: Option<&Path>) -> Result<Option<String>, String> {
    file.map(|file| std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display())))
        .transpose()
}

/// The token in the environment.
pub fn token() -> Result<String, String> {
    let token = std::env::var("SVIX_TOKEN").unwrap_or_default();
    if token.trim().is_empty() {
        return Err(
            "the token of the Svix server is expected in the environment variable SVIX_TOKEN".to_owned()
        );
    }
    Ok(token.trim().to_owned())
}

/// A client of the server.
pub fn client(server_url: Option<&str>, ca_bundle: Option<&str>, metrics: Metrics) -> Result<Client, String> {
    server_url.map_or(Ok(()), check_url)?;
    let token = token()?;
    let timeout = Duration::from_secs(15);
    let options = ClientOptions { server_url, token: &token, ca_bundle, timeout };
    Client::new(&options, Arc::new(Budget::new(None)), metrics).map_err(|error| error.to_string())
}

/// Refuses an address that no Svix server can have.
pub fn check_url(url: &str) -> Result<(), String> {
    let expected = "expected an http or https URL such as https://api.eu.svix.com";
    let parsed = url::Url::parse(url);
    match parsed.as_ref().map(|url| (url.scheme(), url.host_str())) {
        Ok(("http" | "https", Some(_))) => Ok(()),
        // One that cannot be read may hold a credential all the same.
        Ok((scheme, _)) => Err(format!("--svix-url: found scheme {scheme:?}, {expected}")),
        Err(error) => Err(format!("--svix-url: found no URL ({error}), {expected}")),
    }
}

/// Where a server is, for messages: no path, no user.
pub fn origin(url: &str) -> String {
    url::Url::parse(url).map_or_else(|_| "(no URL)".to_owned(), |url| url.origin().ascii_serialization())
}

/// Why a gateway cannot start, with the flag that says where it listens.
pub fn start_error(error: &gateway::StartError, flag: &str) -> String {
    match error {
        gateway::StartError::Listen { .. } => format!("{error}; {flag} names another address"),
        gateway::StartError::Upstream(_) => error.to_string(),
    }
}

/// Keeps the catalogue in step with a folder or with Svix, until `stop`; opens the gate once it is.
pub fn start_feed(
    source: &SourceArguments,
    gateway: &GatewayArguments,
    catalogue: Catalogue,
    metrics: Metrics,
    gate: Gate,
    stop: CancellationToken,
) -> Result<watch::Receiver<ChannelEncoding>, String> {
    let (told, encoding) = watch::channel(source.encoding(None));
    let Some(dir) = source.from.clone() else {
        let client =
            client(gateway.svix_url.as_deref(), ca_bundle(gateway.svix_ca.as_deref())?.as_deref(), metrics)?;
        let (connection, policy) = (source.connection.clone(), source.payload_policy.into());
        let interval = Duration::from_secs(gateway.refresh);
        tokio::spawn(async move {
            let ready = move || gate.ready();
            catalogue_source::follow(client, catalogue, connection, policy, interval, ready, stop).await;
            drop(told);
        });
        return Ok(encoding);
    };
    // Watched before it is read, so that no change falls between.
    let mut watch = FolderWatch::start(&dir).map_err(|error| error.to_string())?;
    let mut feed = Feed::new(catalogue);
    let connection = source.connection.clone();
    let explicit = source.channel_encoding.is_some();
    let mut take = move || {
        for line in feed.take(&manifests::load(&dir)) {
            tracing::warn!("{line}");
        }
        if !explicit {
            let encoding = feed.connection(&connection).map(SvixConnectionSpec::channel_encoding);
            told.send_replace(encoding.unwrap_or_default());
        }
    };
    take();
    gate.ready();
    tokio::spawn(async move {
        while stop.run_until_cancelled(watch.changed()).await == Some(true) {
            // Reading files waits for the disk.
            match tokio::task::spawn_blocking(move || {
                take();
                take
            })
            .await
            {
                Ok(back) => take = back,
                Err(error) => {
                    tracing::error!(%error, "reading the folder panicked; its changes are not followed any more");
                    break;
                }
            }
        }
        drop(watch);
    });
    Ok(encoding)
}
