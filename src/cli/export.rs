//! `svix-operator export`: an environment in Svix as manifests.

use std::{io::Write as _, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use indicatif::{ProgressBar, ProgressStyle};
use strum::VariantNames as _;

use crate::{
    api::DEFAULT_CONNECTION,
    export::{
        self, ExportError,
        files::{Files, FilesError, REPORT},
        limitation::Effect,
        options::{Layout, Options},
        selection::{Selection, Selector},
    },
    plan::{
        object_name::{is_namespace, is_subdomain},
        printable,
    },
    svix::{Budget, Client, ClientOptions, Error},
    telemetry::{self, LogFormat, Metrics},
};

use super::{
    exit::Exit,
    runtime::{self, Threads},
    signals::{SignalError, shutdown_on_signals},
    svix_server::{self, SvixServerError},
    terminal,
};

/// Notes that are printed; the others are in the file.
const PRINTED_NOTES: usize = 20;

/// Write the event types and endpoints of a Svix environment as manifests.
///
/// The operator adopts what is exported: it writes its mark to each endpoint and nothing else. Nothing is written to Svix. DIR gets
/// the manifests, kustomization.yaml, and not-exported.md with what manifests cannot say. Without --with-secrets, no manifest has a
/// signing key, an address with a credential, or the value of a header other than those of --plain-header. Exit codes: 0 exported; 2 wrong arguments, or DIR
/// cannot be written; 3 Svix failed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  SVIX_TOKEN=... svix-operator export --svix-url https://api.eu.svix.com --output manifests
      12 event types and 30 endpoints (ownerId svix-operator) in manifests
  svix-operator export --output acme --layout object --select 'application=acme-*' --select owner=
      the endpoints of some applications that no operator has, in a file each")]
pub struct Arguments {
    /// Folder for the manifests: a new or an empty one.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    /// Write to a folder that has files: those of the same names are replaced, and none is removed.
    #[arg(long)]
    overwrite: bool,

    /// How manifests are divided into files: one for all, one for each object, or one for each application.
    #[arg(
        long,
        value_name = "LAYOUT",
        default_value = "application",
        value_parser = PossibleValuesParser::new(Layout::VARIANTS).try_map(|text| text.parse::<Layout>())
    )]
    layout: Layout,

    /// Export only what matches: application=PATTERN, event-type=PATTERN, endpoint=PATTERN (uid or id) or owner=PATTERN (empty:
    /// no owner), where * stands for any text. Several of a field are alternatives.
    #[arg(long, value_name = "FIELD=PATTERN")]
    select: Vec<Selector>,

    /// Export archived event types, too, with managementPolicy: Observe.
    #[arg(long)]
    include_archived: bool,

    /// Export signing keys, headers, and addresses with credentials, as Secrets in files of their own.
    #[arg(long)]
    with_secrets: bool,

    /// Name of a header whose value is no credential, and is written into the endpoint; can be given more than once.
    #[arg(long = "plain-header", value_name = "NAME")]
    plain_headers: Vec<String>,

    /// Take every address from a Secret, not only those with a user, a password or a credential in the query.
    #[arg(long)]
    urls_as_secrets: bool,

    /// Write manifests for another environment: without ids of this one.
    #[arg(long)]
    portable: bool,

    /// Namespace of the objects. Default: none, so that `kubectl apply` chooses it. Endpoints of the owner keep theirs.
    #[arg(short, long, value_name = "NAMESPACE", value_parser = namespace)]
    namespace: Option<String>,

    /// Name of the SvixConnection.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_CONNECTION, value_parser = connection)]
    connection: String,

    /// `ownerId` of the connection, whose endpoints are exported as they were declared. Default: the owner that has the most
    /// endpoints, else svix-operator. Endpoints of other owners are not exported.
    #[arg(long, value_name = "ID", value_parser = owner_id)]
    owner_id: Option<String>,

    /// Address of the Svix server. Default: SVIX_SERVER_URL, else that of the token's region.
    #[arg(long, env = "SVIX_URL", value_name = "URL")]
    svix_url: Option<String>,

    /// PEM file of certificates to trust in addition to the system's.
    #[arg(long, value_name = "FILE")]
    svix_ca: Option<PathBuf>,

    /// Most requests per second; 0: no limit.
    #[arg(long, value_name = "N", default_value = "0")]
    requests_per_second: u32,
}

/// A name that an object cannot have.
#[derive(Debug, thiserror::Error)]
#[error("expected {0}")]
struct InvalidName(&'static str);

fn namespace(text: &str) -> Result<String, InvalidName> {
    let expected = "at most 63 lower-case letters, digits and -, beginning and ending with a letter or digit";
    if is_namespace(text) { Ok(text.to_owned()) } else { Err(InvalidName(expected)) }
}

fn connection(text: &str) -> Result<String, InvalidName> {
    let expected = "the name of an object: lower-case letters, digits, - and .";
    if is_subdomain(text) { Ok(text.to_owned()) } else { Err(InvalidName(expected)) }
}

fn owner_id(text: &str) -> Result<String, InvalidName> {
    let is_valid = (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if is_valid { Ok(text.to_owned()) } else { Err(InvalidName("1 to 63 letters, digits, - and _")) }
}

#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(transparent)]
    Server(#[from] SvixServerError),
    #[error("--output: {0}")]
    Files(#[from] FilesError),
    #[error(transparent)]
    Signal(#[from] SignalError),
    #[error(transparent)]
    Export(ExportError),
    #[error("interrupted; nothing was written")]
    Interrupted,
}

/// Exports, and returns the exit code.
pub fn run(arguments: Arguments) -> ExitCode {
    telemetry::init_logs(LogFormat::Text, "error");
    runtime::block_on(Threads::One, work(arguments), Exit::Usage.into())
}

async fn work(arguments: Arguments) -> Result<ExitCode, CommandError> {
    let url = svix_server::address(arguments.svix_url.clone());
    let warnings = svix_server::warnings(url.as_deref(), true);
    warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
    let client = client(url.as_deref(), &arguments)?;
    let options = options(&arguments);
    let mut files = Files::new(&arguments.output, options.layout, arguments.overwrite)?;
    let shutdown = shutdown_on_signals()?;
    let bar = Bar::new();
    let exported = tokio::select! {
        exported = export::export(&client, &options, &mut files, &bar) => exported,
        () = shutdown.cancelled() => return Err(CommandError::Interrupted),
    };
    bar.0.finish_and_clear();
    let report = match exported {
        Ok(report) => report,
        Err(ExportError::Svix(error)) => return Ok(failed(&error, &client)),
        Err(ExportError::Files(error)) => return Err(error.into()),
        Err(error) => return Err(CommandError::Export(error)),
    };
    files.finish(&report.page())?;
    terminal::print(|out| {
        writeln!(out, "{} in {}", report.summary(), arguments.output.display())?;
        let notes = report.notes_with(Effect::NotExported).chain(report.notes_with(Effect::PartLeftOut));
        for note in notes.take(PRINTED_NOTES) {
            let effect = match note.limitation.effect() {
                Effect::NotExported => "not exported",
                Effect::PartLeftOut => "note",
            };
            writeln!(out, "{effect}: {}", printable(&note.to_string()))?;
        }
        if report.notes.len() > PRINTED_NOTES {
            let more = report.notes.len() - PRINTED_NOTES;
            writeln!(out, "and {more} more in {}", arguments.output.join(REPORT).display())?;
        }
        Ok(())
    });
    Ok(Exit::Done.into())
}

fn client(url: Option<&str>, arguments: &Arguments) -> Result<Client, SvixServerError> {
    url.map_or(Ok(()), svix_server::check_url)?;
    let token = svix_server::token()?.value;
    let ca_bundle = svix_server::ca_bundle(arguments.svix_ca.as_deref())?;
    let options = ClientOptions {
        server_url: url,
        token: &token,
        ca_bundle: ca_bundle.as_deref(),
        timeout: Duration::from_secs(30),
    };
    let budget = Budget::new(Some(arguments.requests_per_second));
    Ok(Client::new(&options, Arc::new(budget), Metrics::default())?)
}

fn options(arguments: &Arguments) -> Options {
    Options {
        namespace: arguments.namespace.clone(),
        connection: arguments.connection.clone(),
        owner_id: arguments.owner_id.clone(),
        with_secrets: arguments.with_secrets,
        secret_urls: arguments.urls_as_secrets,
        plain_headers: arguments.plain_headers.iter().map(|name| name.to_ascii_lowercase()).collect(),
        archived: arguments.include_archived,
        portable: arguments.portable,
        selection: Selection::new(arguments.select.clone()),
        layout: arguments.layout,
    }
}

fn failed(error: &Error, client: &Client) -> ExitCode {
    svix_server::failed(error, client, "; nothing was written", "")
}

/// The progress on standard error, if that is a terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        Self(ProgressBar::new_spinner())
    }
}

impl export::Progress for Bar {
    fn begin(&self, step: &'static str, items: Option<usize>) {
        let template = match items {
            Some(_) => "{msg} {wide_bar} {pos}/{len} {eta}",
            None => "{spinner} {msg} {pos}",
        };
        self.0.reset();
        if let Some(items) = items {
            self.0.set_length(u64::try_from(items).unwrap_or(u64::MAX));
        }
        // Without a style it is drawn in the default one.
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
        self.0.set_message(step);
    }

    fn advance(&self, items: usize) {
        self.0.inc(u64::try_from(items).unwrap_or(0));
    }
}
