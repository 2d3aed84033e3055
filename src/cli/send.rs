//! `svix-operator send`: one event, judged here as the gateway judges it, then sent.

use std::{io::Read as _, path::PathBuf, process::ExitCode};

use crate::{
    api::SvixConnectionSpec,
    catalogue::{Catalogue, Judgement},
    files::{self, Feed},
    gateway::feed,
    plan::{self, channels},
    schema::MAX_PAYLOAD_BYTES,
    svix::SendMessage,
    telemetry::{self, LogFormat, Metrics},
};

use super::gateway::{SourceArguments, ca_bundle, client};

/// Send one event, once its payload is found to match its schema.
///
/// Exit codes: 0 sent, 1 the payload does not match or nobody declares the event type, 2 wrong arguments,
/// 3 Svix failed.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The event type.
    event_type: String,

    /// File that holds the payload, a JSON object; `-`: standard input.
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    file: PathBuf,

    /// Svix application (id or uid). Default: as the connection in --from says, else `default`.
    #[arg(long, value_name = "APP")]
    app: Option<String>,

    /// A channel of the event; may be given more than once.
    #[arg(long = "channel", value_name = "CHANNEL")]
    channels: Vec<String>,

    /// An id of your choosing: Svix takes a second event of the same id for the same event.
    #[arg(long, value_name = "ID")]
    event_id: Option<String>,

    #[command(flatten)]
    source: SourceArguments,

    /// Address of the Svix server. Default: as the connection in --from says, else the token's region.
    #[arg(long, env = "SVIX_URL", value_name = "URL")]
    svix_url: Option<String>,

    /// PEM file of certificates to trust beside the system's.
    #[arg(long, value_name = "FILE")]
    svix_ca: Option<PathBuf>,

    /// Judge the payload, and send nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Sends, and answers the exit code.
pub fn run(arguments: Arguments) -> ExitCode {
    telemetry::init_logs(LogFormat::Text, "error");
    super::block_on(super::Threads::One, work(arguments), ExitCode::from(2))
}

/// Svix failed.
const SVIX_FAILED: u8 = 3;

async fn work(arguments: Arguments) -> Result<ExitCode, String> {
    if arguments.source.from.is_none() && !arguments.source.from_svix {
        return Err("say where event types are declared: --from DIR, or --from-svix".to_owned());
    }
    let payload = payload(&arguments.file)?;
    let (catalogue, metrics) = (Catalogue::default(), Metrics::default());
    let name = &arguments.source.connection;
    let mut connection: Option<SvixConnectionSpec> = None;
    let mut url = arguments.svix_url.clone();
    let mut ca = ca_bundle(arguments.svix_ca.as_deref())?;
    if let Some(dir) = &arguments.source.from {
        std::fs::metadata(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        let mut feed = Feed::new(catalogue.clone());
        feed.take(&files::load(dir)).iter().for_each(|line| eprintln!("warning: {line}"));
        connection = feed.connection(name).cloned();
        if url.is_none() {
            // The folder's certificates are those of the folder's server.
            url = connection.as_ref().and_then(|connection| connection.server_url.clone());
            ca = ca.or_else(|| connection.as_ref().and_then(|connection| connection.ca_bundle.clone()));
        }
    } else {
        let client = client(url.as_deref(), ca.as_deref(), metrics.clone())?;
        match feed::list(&client, arguments.source.payload_policy.into()).await {
            Ok(listed) => feed::take(&catalogue, name, listed),
            Err(error) => return Ok(failed(&error)),
        }
    }
    match catalogue.judge_text(name, &arguments.event_type, &payload) {
        Judgement::Valid => {}
        Judgement::Invalid { policy, violations, more } => {
            violations.iter().for_each(|violation| eprintln!("{violation}"));
            if more > 0 {
                eprintln!("and {more} more");
            }
            if policy == crate::api::PayloadPolicy::Enforce {
                return Ok(ExitCode::FAILURE);
            }
            eprintln!("not refused: the event type's payloadPolicy is {}", policy.as_str());
        }
        Judgement::Undeclared => {
            eprintln!(
                "/eventType: found {}, which nobody declares, expected a declared event type",
                plan::quoted(&arguments.event_type)
            );
            return Ok(ExitCode::FAILURE);
        }
    }
    if arguments.dry_run {
        println!("{}: the payload matches; nothing is sent", arguments.event_type);
        return Ok(ExitCode::SUCCESS);
    }
    let encoding = arguments.source.encoding(connection.as_ref());
    let channels: Vec<String> =
        arguments.channels.iter().map(|channel| channels::encode(channel, encoding)).collect();
    let application = match (&arguments.app, &connection) {
        (Some(app), _) => app.as_str(),
        (None, Some(connection)) => connection.default_application(),
        (None, None) => "default",
    };
    if !plan::ids::is_name(application) {
        return Err(format!(
            "--app: found {}, expected the id or uid of an application",
            plan::quoted(application)
        ));
    }
    let payload_text = std::str::from_utf8(&payload).map_err(|error| format!("the payload: {error}"))?;
    let event_id = arguments.event_id.as_deref();
    let message =
        SendMessage { event_type: &arguments.event_type, event_id, payload_text, channels: &channels };
    let client = client(url.as_deref(), ca.as_deref(), metrics)?;
    match client.send_message(application, &message).await {
        Ok(id) => {
            println!("{id}");
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Ok(failed(&error)),
    }
}

fn failed(error: &crate::svix::Error) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(SVIX_FAILED)
}

/// The payload's bytes, no more of them than are judged and one.
fn payload(file: &std::path::Path) -> Result<Vec<u8>, String> {
    let most = u64::try_from(MAX_PAYLOAD_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let read = if file.as_os_str() == "-" {
        std::io::stdin().lock().take(most).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(most).read_to_end(&mut bytes))
    };
    read.map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(bytes)
}
