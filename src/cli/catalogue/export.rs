//! `svix-operator catalogue export`: the event types of manifests or of Svix as an OpenAPI or AsyncAPI document.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use crate::{
    api::DEFAULT_CONNECTION,
    cli::{
        exit::Exit,
        runtime::{self, Threads},
        svix_server::{SvixServerError, address, ca_bundle, client, origin, warnings},
        terminal,
    },
    interchange::{EventType, asyncapi, declared, openapi},
    manifests::{self, Input, NoManifests},
    svix::{Client, Error},
    telemetry::{self, LogFormat, Metrics},
};

/// Write event types as an OpenAPI 3.1 or AsyncAPI 3.0 document.
///
/// Prints a document with the event types of manifests, or of a Svix server. `catalogue import` reads the OpenAPI document back
/// into the same event types. Exit codes: 0 every event type is in it; 1 some are left out; 2 wrong arguments, or no event
/// types; 3 Svix failed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  svix-operator catalogue export manifests/ > openapi.yaml
      the event types in manifests as OpenAPI 3.1
  SVIX_TOKEN=... svix-operator catalogue export --from-svix --format asyncapi > asyncapi.yaml
      the event types in Svix as AsyncAPI 3.0")]
pub struct Arguments {
    /// Folders and files of manifests.
    #[arg(value_name = "PATH", required_unless_present = "from_svix", conflicts_with = "from_svix")]
    paths: Vec<PathBuf>,

    /// Take the event types from Svix, with the token in SVIX_TOKEN or SVIX_AUTH_TOKEN.
    #[arg(long)]
    from_svix: bool,

    /// Name of the SvixConnection whose event types are taken from manifests.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_CONNECTION)]
    connection: String,

    /// The specification to write.
    #[arg(long, value_enum, default_value = "openapi")]
    format: Format,

    /// Title of the document.
    #[arg(long, value_name = "TEXT", default_value = "Webhooks")]
    title: String,

    /// Version of the document.
    #[arg(long, value_name = "VERSION", default_value = "1.0.0")]
    api_version: String,

    /// Format of the output.
    #[arg(short, long, value_enum, default_value = "yaml")]
    output: Output,

    /// Address of the Svix server. Default: SVIX_SERVER_URL, else that of the token's region.
    #[arg(long, env = "SVIX_URL", value_name = "URL")]
    svix_url: Option<String>,

    /// PEM file of certificates to trust in addition to the system's.
    #[arg(long, value_name = "FILE")]
    svix_ca: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// OpenAPI 3.1, with `webhooks`.
    Openapi,
    /// AsyncAPI 3.0.
    Asyncapi,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// YAML.
    Yaml,
    /// JSON.
    Json,
}

#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error("{} is not there; name a folder of manifests", .0.display())]
    NoFolder(PathBuf),
    #[error(transparent)]
    NoManifests(#[from] NoManifests),
    #[error("no WebhookEventType of connection {0:?}; --connection names another one")]
    NoEventTypes(String),
    #[error(transparent)]
    Server(#[from] SvixServerError),
}

/// Exports, and returns the exit code.
pub fn run(arguments: Arguments) -> ExitCode {
    telemetry::init_logs(LogFormat::Text, "error");
    runtime::block_on(Threads::One, work(arguments), Exit::Usage.into())
}

async fn work(arguments: Arguments) -> Result<ExitCode, ExportError> {
    let (mut event_types, left_out) = if arguments.from_svix {
        let url = address(arguments.svix_url.clone());
        let ca = ca_bundle(arguments.svix_ca.as_deref())?;
        warnings(url.as_deref(), true).iter().for_each(|warning| eprintln!("warning: {warning}"));
        let client = client(url.as_deref(), ca.as_deref(), Metrics::default())?;
        match list(&client).await {
            Ok(event_types) => (event_types, 0),
            Err(error) => {
                eprintln!("error: {}: {error}", origin(client.server_url()));
                return Ok(Exit::Failed.into());
            }
        }
    } else {
        from_manifests(&arguments)?
    };
    event_types.sort_by(|one, other| one.name.cmp(&other.name));
    let info = openapi::Info { title: arguments.title, version: arguments.api_version };
    let document = match arguments.format {
        Format::Openapi => openapi::write(&info, &event_types),
        Format::Asyncapi => asyncapi::write(&info, &event_types),
    };
    terminal::print(|out| match arguments.output {
        Output::Yaml => out.write_all(manifests::yaml::write(&document).as_bytes()),
        Output::Json => writeln!(out, "{document:#}"),
    });
    Ok(if left_out > 0 { Exit::Found.into() } else { Exit::Done.into() })
}

/// The event types of manifests, and how many are left out.
fn from_manifests(arguments: &Arguments) -> Result<(Vec<EventType>, usize), ExportError> {
    if let Some(path) = arguments.paths.iter().find(|path| !path.exists()) {
        return Err(ExportError::NoFolder(path.clone()));
    }
    let inputs: Vec<_> = arguments.paths.iter().cloned().map(Input::Path).collect();
    let loaded = manifests::load_all(&inputs);
    loaded.expect_manifests(arguments.paths.first().map_or(Path::new(""), PathBuf::as_path))?;
    let texts = loaded.config_map_texts();
    let mut left_out = loaded.problems.len();
    loaded.problems.iter().for_each(|problem| eprintln!("{problem}"));
    let mut event_types: Vec<EventType> = Vec::new();
    for located in &loaded.event_types {
        let object = &located.object;
        if object.connection_name() != arguments.connection {
            continue;
        }
        match declared::of_object(object, &texts) {
            Ok(event_type) if event_types.iter().any(|other| other.name == event_type.name) => {
                left_out += 1;
                eprintln!(
                    "{}: left out: another object declares event type {}",
                    located.origin, event_type.name
                );
            }
            Ok(event_type) => event_types.push(event_type),
            Err(error) => {
                left_out += 1;
                eprintln!("{}: left out: {error}", located.origin);
            }
        }
    }
    if event_types.is_empty() && left_out == 0 {
        return Err(ExportError::NoEventTypes(arguments.connection.clone()));
    }
    Ok((event_types, left_out))
}

/// The event types of a Svix server that are not archived.
async fn list(client: &Client) -> Result<Vec<EventType>, Error> {
    let mut event_types = Vec::new();
    let mut from: Option<String> = None;
    loop {
        let page = client.list_event_type_documents(from.as_deref()).await?;
        let present = page.items.into_iter().filter(|document| !document.observed.archived);
        event_types
            .extend(present.map(|document| declared::of_svix(document.observed, document.schemas.as_ref())));
        match page.next {
            Some(next) => from = Some(next),
            None => return Ok(event_types),
        }
    }
}
