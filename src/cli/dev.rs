//! `svix-operator dev`: reconciles a folder of manifests, without a cluster.

mod console;
mod error;
mod front;
mod lines;
mod sample;
mod server;
mod traffic;
mod workspace;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{
    embedded::HeaderNames,
    engine::{EventRecord, Object, Options},
    manifests::{
        Deliveries, Interrupted, ManifestRunner, References, Settling, report::Report, watch::FolderWatch,
    },
    telemetry::{self, LogFormat, Metrics},
};

use super::{
    exit::Exit,
    gateway::SurfaceArgument,
    runtime::{self, ControlThread, Threads},
    signals::shutdown_on_signals_of,
    svix_server, terminal,
};

use console::Output;
use error::DevError;
use front::GatewayFront;
use lines::Lines;
use server::SvixServer;
use workspace::{Workspace, warn};

/// The interval at which the state of all objects is read: it also changes without an edit, such as by drift in Svix.
const REFRESH: Duration = Duration::from_millis(500);
/// The time after an edit at which changes are printed even if objects have not settled.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(5);

/// Keep Svix in sync with a folder of manifests, without a cluster.
///
/// Starts an embedded Svix on loopback, unless --svix-url names a server, and reconciles the manifests in DIR, then
/// each change of them. With --svix-url, all connections use that server, whatever serverUrl they have. Ports are random
/// unless --listen and --gateway set them. --once prints the table, or the JSON document, on standard output, and
/// warnings and errors on standard error. Exit codes: 0 all objects are in sync; with --once, 1 some are not, or Svix
/// differs from an object that is observed or suspended; 2 it could not start, or with --once, DIR contains no manifest
/// of ours.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  svix-operator dev manifests/
      reconcile an embedded Svix, with the gateway in front of it
  SVIX_TOKEN=... svix-operator dev manifests/ --once --svix-url https://api.eu.svix.com
      KIND               NAMESPACE   NAME           STATE     SVIX            REASON
      WebhookEventType   shop        order.placed   in sync   order.placed    InSync
      WebhookEndpoint    shop        orders         in sync   default/ep_2b…  InSync
      2 objects: 2 in sync")]
pub struct Arguments {
    /// Folder of manifests (YAML or JSON), or one file.
    dir: PathBuf,

    /// Reconcile once, print the state of all objects on standard output, and exit.
    #[arg(long)]
    once: bool,

    /// Seconds that --once waits until all objects have settled.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,

    /// Use this Svix server, with the token in SVIX_TOKEN or SVIX_AUTH_TOKEN, instead of the embedded one. The serverUrl of connections is
    /// ignored.
    #[arg(long, value_name = "URL")]
    svix_url: Option<String>,

    /// Address at which the embedded Svix listens; port 0: a free port.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", conflicts_with = "svix_url")]
    listen: SocketAddr,

    /// Token of the embedded Svix. Default: another random one in each run, which is printed. Not used with --svix-url.
    #[arg(
        long,
        env = "SVIX_OPERATOR_DEV_TOKEN",
        value_name = "TOKEN",
        value_parser = embedded_token,
        hide_env_values = true
    )]
    token: Option<String>,

    /// Sign deliveries of the embedded Svix with the header names of Standard Webhooks (webhook-id, webhook-timestamp,
    /// webhook-signature) instead of svix-id, svix-timestamp and svix-signature.
    #[arg(long, conflicts_with = "svix_url")]
    standard_webhooks: bool,

    /// Address at which the gateway listens, which checks events before it sends them to Svix; port 0: a free port.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", conflicts_with = "once")]
    gateway: SocketAddr,

    /// Whose operations of Svix's API the gateway forwards; for a server of --svix-url that is Svix Cloud.
    #[arg(
        long,
        value_enum,
        value_name = "SURFACE",
        default_value = "open-source",
        requires = "svix_url",
        conflicts_with = "once"
    )]
    surface: SurfaceArgument,

    /// Maximum number of objects that are reconciled at once.
    #[arg(long, value_name = "N", default_value = "32", value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: u16,

    /// Format of the report.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

/// A token that cannot be printed in a shell command as it is.
#[derive(Debug, thiserror::Error)]
#[error("expected one or more letters, digits, `-`, `.`, `_`, `~`, `+`, `/` and `=`")]
struct InvalidToken;

fn embedded_token(text: &str) -> Result<String, InvalidToken> {
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_valid) { Ok(text.to_owned()) } else { Err(InvalidToken) }
}

/// Runs until everything has settled (`--once`), or until SIGINT or SIGTERM.
pub fn run(arguments: Arguments) -> ExitCode {
    // Events are printed for people; the log is for errors.
    telemetry::init_logs(LogFormat::Text, "error");
    runtime::block_on(Threads::One, work(arguments), Exit::Usage.into())
}

async fn work(arguments: Arguments) -> Result<ExitCode, DevError> {
    if !arguments.dir.exists() {
        return Err(DevError::NoFolder(arguments.dir));
    }
    // The folder is first read on this thread, and can be large.
    let control = ControlThread::start()?;
    let shutdown = shutdown_on_signals_of(&control)?;
    let header_names = match arguments.standard_webhooks {
        true => HeaderNames::StandardWebhooks,
        false => HeaderNames::Svix,
    };
    let server =
        SvixServer::start(arguments.svix_url.as_deref(), arguments.listen, arguments.token, header_names)
            .await?;
    if server.embedded.is_none() {
        svix_server::warnings(None, true).iter().for_each(|warning| eprintln!("warning: {warning}"));
    }
    // Starts before the first reading, so that no change is missed.
    let watch = (!arguments.once).then(|| FolderWatch::start(&arguments.dir)).transpose()?;
    let lines: Arc<Lines> = Arc::default();
    let printed = (!arguments.once && arguments.output == Output::Table).then(|| lines.clone());
    let runner = start_runner(usize::from(arguments.concurrency), printed.clone());
    if let (Some(embedded), Some(lines)) = (&server.embedded, printed.clone()) {
        embedded.on_delivery(move |attempt| traffic::add_attempt(&lines, &attempt));
    }
    let front = match arguments.once {
        true => None,
        false => {
            let surface = arguments.surface.into();
            Some(GatewayFront::start(arguments.gateway, &server.url, surface, printed, &shutdown).await?)
        }
    };
    let mut workspace = Workspace::new(arguments.dir, server, runner, front, shutdown.clone());

    match workspace.read_folder() {
        Err(Interrupted) if arguments.once => return Err(workspace.interrupted()),
        Err(Interrupted) => {
            workspace.stop().await;
            return Ok(Exit::Done.into());
        }
        Ok(Err(error)) if arguments.once => return Err(error.into()),
        Ok(result) => warn(result),
    }
    // Only --once waits for deliveries: a receiver that is down must not delay the first table.
    let deliveries = if arguments.once { Deliveries::Awaited } else { Deliveries::Ignored };
    let mut settling = Settling::new(Duration::from_secs(arguments.timeout), deliveries);
    settling.wait(workspace.runner(), &shutdown).await;
    let report = workspace.report();
    console::print_report(&report, arguments.output);
    let code = match arguments.once && !report.all_in_sync() {
        true => Exit::Found.into(),
        false => Exit::Done.into(),
    };

    if let Some(watch) = watch {
        // The report contains what the lines until now say.
        drop(lines.take());
        if arguments.output == Output::Table {
            workspace.print_addresses();
            workspace.print_watching();
        }
        follow(&mut workspace, watch, &lines, report, arguments.output, &shutdown).await?;
    }
    workspace.stop().await;
    Ok(code)
}

/// Starts the engine. A line for each Event is added to `lines`.
fn start_runner(concurrency: usize, lines: Option<Arc<Lines>>) -> ManifestRunner {
    let on_event = move |object: &Object, record: &EventRecord| {
        if let Some(lines) = &lines {
            lines.add(&format!("  {} {}: {}", record.reason, object.key(), record.message));
        }
    };
    // Addresses that are never reached are warned of as the folder is read.
    let settle = Duration::from_millis(300);
    let options = Options { concurrency, settle, warns_of_unreachable: false, ..Options::default() };
    ManifestRunner::start(References::default(), options, Metrics::default(), on_event)
}

/// Reconciles each change of the folder, and prints what changes, until `shutdown`.
async fn follow(
    workspace: &mut Workspace,
    mut watch: FolderWatch,
    lines: &Lines,
    mut previous: Report,
    output: Output,
    shutdown: &CancellationToken,
) -> Result<(), DevError> {
    let mut refresh = interval(REFRESH);
    refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !terminal::is_closed() {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            is_watching = watch.changed() => workspace.folder_changed(is_watching).await?,
            () = lines.added() => {
                console::print_lines(lines);
                continue;
            }
            _ = refresh.tick() => {}
        }
        // Also while the folder was read.
        if shutdown.is_cancelled() {
            return Ok(());
        }
        // While objects settle, further edits are reconciled at once, and lines are printed, but not while an edit is read.
        let mut settling = Settling::new(SETTLE_TIMEOUT, Deliveries::Ignored);
        loop {
            tokio::select! {
                () = settling.wait(workspace.runner(), shutdown) => break,
                is_watching = watch.changed() => {
                    workspace.folder_changed(is_watching).await?;
                    settling.restart();
                }
                () = lines.added() => console::print_lines(lines),
            }
        }
        console::print_lines(lines);
        let report = workspace.report();
        if report != previous {
            console::print_changes(&previous, &report, output);
            previous = report;
        }
    }
    Ok(())
}
