//! `svix-operator send`: checks the payload of one event as the gateway does, then sends it.

use std::{io, path::PathBuf, process::ExitCode};

use crate::{
    api::SvixConnectionSpec,
    catalogue::{Catalogue, CatalogueWriter, Judgement},
    gateway::{catalogue_source, message},
    manifests::{self, CatalogueSource, MissingConnection},
    plan::{
        self, channels,
        event::{Desired, Message},
    },
    schema::{self, Effort},
    svix::{Error, ErrorKind, SendMessage},
    telemetry::{self, LogFormat, Metrics},
};

use super::{
    exit::Exit,
    gateway::SourceArguments,
    payload_file,
    runtime::{self, Threads},
    svix_server::{SvixServerError, address, ca_bundle, client, failed, warnings},
};

/// Send one event, after checking its payload against the schema.
///
/// Prints the id that Svix assigned to the message. Exit codes: 0 sent, or sent before under the same --event-id; 1 the
/// payload does not match, the event type is not declared, or another event was sent under this --event-id; 2 wrong
/// arguments; 3 Svix failed or does not know the application.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  svix-operator send order.placed -f order.json --from manifests/ --dry-run
      order.placed: the payload matches; nothing is sent
  SVIX_TOKEN=... svix-operator send order.placed -f order.json --from-svix
      msg_36Jd0rXfqEvZbVh2lF4nQbM3c1T")]
pub struct Arguments {
    /// The event type.
    event_type: String,

    /// File that holds the payload, a JSON object; `-`: standard input.
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    file: PathBuf,

    /// Svix application (id or uid). Default: that of the connection in --from, else `default`.
    #[arg(long, value_name = "APP")]
    app: Option<String>,

    /// A channel of the event; can be given more than once.
    #[arg(long = "channel", value_name = "CHANNEL")]
    channels: Vec<String>,

    /// An id for the event. Svix is searched for it first: the same event is not sent again, another one is an error.
    #[arg(long, value_name = "ID")]
    event_id: Option<String>,

    #[command(flatten)]
    source: SourceArguments,

    /// Address of the Svix server. Default: SVIX_SERVER_URL, else that of the connection in --from, else that of the
    /// token's region.
    #[arg(long, env = "SVIX_URL", value_name = "URL")]
    svix_url: Option<String>,

    /// PEM file of certificates to trust in addition to the system's.
    #[arg(long, value_name = "FILE")]
    svix_ca: Option<PathBuf>,

    /// Check the payload, and send nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Sends, and returns the exit code.
pub fn run(arguments: Arguments) -> ExitCode {
    telemetry::init_logs(LogFormat::Text, "error");
    runtime::block_on(Threads::One, work(arguments), Exit::Usage.into())
}

#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("say where event types are declared: --from DIR, or --from-svix")]
    NoSource,
    #[error("--from: {} is not there; name a folder of manifests", .0.display())]
    NoFolder(PathBuf),
    #[error("--from: {0}; --connection names another one")]
    Connection(MissingConnection),
    #[error("--app: found {}, expected the id or uid of an application", plan::quoted(.0))]
    Application(String),
    #[error("{}: {source}", .file.display())]
    PayloadFile { file: PathBuf, source: io::Error },
    #[error("the payload: {0}")]
    PayloadText(#[from] std::str::Utf8Error),
    #[error("{}", .0.within("payload"))]
    Payload(schema::Violation),
    #[error(transparent)]
    Server(#[from] SvixServerError),
}

async fn work(mut arguments: Arguments) -> Result<ExitCode, SendError> {
    arguments.svix_url = address(arguments.svix_url);
    if !arguments.dry_run || arguments.source.from_svix {
        let warnings = warnings(arguments.svix_url.as_deref(), true);
        warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
    }
    if arguments.source.from.is_none() && !arguments.source.from_svix {
        return Err(SendError::NoSource);
    }
    let payload = payload_file::read(&arguments.file)
        .map_err(|source| SendError::PayloadFile { file: arguments.file.clone(), source })?;
    if let Err(error) = message::check_encoding(&payload) {
        eprintln!("/: {error}");
        return Ok(Exit::Found.into());
    }
    let (catalogue, metrics) = (Catalogue::default(), Metrics::default());
    let name = &arguments.source.connection;
    let mut connection: Option<SvixConnectionSpec> = None;
    let mut url = arguments.svix_url.clone();
    let mut ca = ca_bundle(arguments.svix_ca.as_deref())?;
    if let Some(dir) = &arguments.source.from {
        if !dir.exists() {
            return Err(SendError::NoFolder(dir.clone()));
        }
        let mut folder = CatalogueSource::new(catalogue.clone());
        let problems = folder.update(&manifests::load(dir));
        problems.iter().for_each(|problem| eprintln!("warning: {problem}"));
        // Without the connection's address and application, the event could go elsewhere.
        if let Some(missing) = folder.missing_connection(name) {
            return Err(SendError::Connection(missing));
        }
        connection = folder.connection(name).cloned();
        if url.is_none() {
            // The certificates of the connection are those of its server.
            url = connection.as_ref().and_then(|connection| connection.server_url.clone());
            ca = ca.or_else(|| connection.as_ref().and_then(|connection| connection.ca_bundle.clone()));
        }
    } else {
        let client = client(url.as_deref(), ca.as_deref(), metrics.clone())?;
        match catalogue_source::list(&client, arguments.source.payload_policy.into()).await {
            Ok(listing) => {
                catalogue_source::apply(&CatalogueWriter::new(catalogue.clone()), name, listing).await;
            }
            Err(error) => return Ok(failed(&error, &client, "", "")),
        }
    }
    let mut is_validated = true;
    match catalogue.judge_text(name, &arguments.event_type, &payload, &Effort::full()) {
        Judgement::Valid => {}
        Judgement::NotValidated => is_validated = false,
        Judgement::Invalid { policy, violations, more, .. } => {
            violations.iter().for_each(|violation| eprintln!("{violation}"));
            if more > 0 {
                eprintln!("and {more} more");
            }
            if policy == crate::api::PayloadPolicy::Enforce {
                return Ok(Exit::Found.into());
            }
            eprintln!("not refused: the event type's payloadPolicy is {}", policy.as_str());
        }
        Judgement::Undeclared => {
            let found = plan::quoted(&arguments.event_type);
            match catalogue.may_be_declared(name, &arguments.event_type) {
                true => eprintln!(
                    "/eventType: found {found}, whose schema cannot be read: correct the manifests that the warnings name"
                ),
                false => eprintln!(
                    "/eventType: found {found}, which nobody declares, expected a declared event type"
                ),
            }
            return Ok(Exit::Found.into());
        }
    }
    if arguments.dry_run {
        let what =
            if is_validated { "the payload matches" } else { "no schema is declared, so any payload passes" };
        println!("{}: {what}; nothing is sent", arguments.event_type);
        return Ok(Exit::Done.into());
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
        return Err(SendError::Application(application.to_owned()));
    }
    let payload_text = std::str::from_utf8(&payload)?;
    let event_id = arguments.event_id.as_deref();
    let message =
        SendMessage { event_type: &arguments.event_type, event_id, payload_text, channels: &channels };
    let client = client(url.as_deref(), ca.as_deref(), metrics)?;
    // Svix Cloud checks only for a day that an id is not used again, but it finds the message by its id after that, too.
    if let Some(event_id) = event_id {
        match client.get_message(application, event_id).await {
            Ok(Some(found)) => return sent_before(found, application, &message),
            Ok(None) => {}
            Err(error) => return Ok(failed(&error, &client, "", "")),
        }
    }
    match client.send_message(application, &message).await {
        Ok(id) => {
            println!("{id}");
            Ok(Exit::Done.into())
        }
        Err(Error { kind: ErrorKind::Conflict { .. }, .. }) if event_id.is_some() => {
            let event_id = event_id.unwrap_or_default();
            match client.get_message(application, event_id).await {
                Ok(Some(found)) => sent_before(found, application, &message),
                Ok(None) => {
                    eprintln!("error: Svix accepts no event with id {event_id}, and has none; try again");
                    Ok(Exit::Failed.into())
                }
                Err(error) => Ok(failed(&error, &client, "", "")),
            }
        }
        Err(Error { kind: ErrorKind::NotFound, .. }) => {
            let application = plan::quoted(application);
            eprintln!(
                "error: application {application} is not in Svix; an endpoint that names it creates it"
            );
            Ok(Exit::Failed.into())
        }
        Err(error) => Ok(failed(&error, &client, "", "")),
    }
}

/// Compares the message with the one that Svix has under its id. They are the same event if it was sent before, for example
/// if the response to an earlier attempt was lost.
fn sent_before(found: Message, application: &str, message: &SendMessage<'_>) -> Result<ExitCode, SendError> {
    let event_id = message.event_id.unwrap_or_default();
    let payload = schema::parse(message.payload_text.as_bytes()).map_err(SendError::Payload)?;
    let channels = (!message.channels.is_empty()).then(|| message.channels.iter().cloned().collect());
    let desired = Desired {
        application: application.to_owned(),
        event_id: event_id.to_owned(),
        event_type: message.event_type.to_owned(),
        payload,
        payload_text: message.payload_text.to_owned(),
        channels,
    };
    match plan::event::check_same(&desired, &found) {
        Ok(()) => {
            eprintln!("already sent: an event with id {event_id} is in Svix");
            println!("{}", found.id);
            Ok(Exit::Done.into())
        }
        Err(differs) => {
            eprintln!(
                "error: another event with id {event_id} is in Svix (message {}): {differs}. An id stands for one event: \
                 send it under another --event-id",
                found.id
            );
            Ok(Exit::Found.into())
        }
    }
}
