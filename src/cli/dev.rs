//! `svix-operator dev`: a folder of manifests kept in step with Svix, without a cluster.

mod lines;
mod sample;
mod traffic;

use std::{
    collections::HashSet,
    io::{BufWriter, IsTerminal as _, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    api::{ChannelEncoding, DEFAULT_CONNECTION, Reason, SvixConnectionSpec},
    catalogue::Catalogue,
    embedded::{self, EmbeddedSvix},
    engine::{EventRecord, Object, Options},
    gateway::{self, Gateway},
    manifests::{
        self, Feed, References, Session, View,
        table::{Report, Row, State, Style},
        watch::FolderWatch,
    },
    telemetry::{self, LogFormat, Metrics},
};

use super::{
    runtime::{Threads, block_on},
    signals::shutdown_on_signals,
};

use lines::Lines;

/// How long a folder must have had nothing to do before it counts as settled.
const QUIET: Duration = Duration::from_millis(100);
/// How often to look whether it has.
const LOOK: Duration = Duration::from_millis(10);

/// Keep Svix in step with a folder of manifests, without a cluster.
///
/// Starts an embedded Svix on loopback, unless --svix-url names a server; reconciles the manifests in DIR and
/// then each change of them. With --svix-url all connections go to that server, whatever serverUrl the folder says.
/// Ports are random unless --listen and --gateway name them. --once prints the table, or the JSON document, on
/// standard output, and warnings and errors on standard error. Exit codes: 0 all in step; with --once 1 not all in
/// step, or Svix differs from what is only compared; 2 it could not begin, or with --once nothing in DIR is ours.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  svix-operator dev manifests/
      keep an embedded Svix in step, with the gateway in front of it
  SVIX_TOKEN=... svix-operator dev manifests/ --once --svix-url https://api.eu.svix.com
      bring a server of your own in step, and exit")]
pub struct Arguments {
    /// Folder of manifests (YAML or JSON), or one file.
    dir: PathBuf,

    /// Settle, print how everything stands on standard output, and exit.
    #[arg(long)]
    once: bool,

    /// Seconds that --once waits for everything to settle.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,

    /// Use this Svix server, with the token in SVIX_TOKEN, in place of the embedded one; the folder's serverUrl does
    /// not count.
    #[arg(long, value_name = "URL")]
    svix_url: Option<String>,

    /// Where the embedded Svix listens; port 0: a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", conflicts_with = "svix_url")]
    listen: SocketAddr,

    /// Sign deliveries of the embedded Svix with the header names of Standard Webhooks (webhook-id, webhook-timestamp,
    /// webhook-signature) in place of svix-id, svix-timestamp and svix-signature.
    #[arg(long, conflicts_with = "svix_url")]
    standard_webhooks: bool,

    /// Where the gateway listens, which checks events before they go to Svix; port 0: a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", conflicts_with = "once")]
    gateway: SocketAddr,

    /// Most objects that are worked on at once.
    #[arg(long, value_name = "N", default_value = "32", value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: u16,

    /// Form of the report.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// For people.
    Table,
    /// For programs: one JSON document.
    Json,
}

/// Runs until everything is settled (`--once`), or until SIGINT or SIGTERM.
pub fn run(arguments: Arguments) -> ExitCode {
    // What happens is printed as it is for people; the log is for what is amiss.
    telemetry::init_logs(LogFormat::Text, "error");
    block_on(Threads::One, work(arguments), ExitCode::from(2))
}

/// The Svix that objects are reconciled into.
struct Server {
    url: String,
    token: String,
    embedded: Option<EmbeddedSvix>,
}

impl Server {
    async fn new(arguments: &Arguments) -> Result<Self, String> {
        if let Some(url) = &arguments.svix_url {
            let token = std::env::var("SVIX_TOKEN").unwrap_or_default();
            if token.trim().is_empty() {
                return Err(
                    "--svix-url needs the server's token in the environment variable SVIX_TOKEN".to_owned()
                );
            }
            super::svix_server::check_url(url).map_err(|error| error.to_string())?;
            return Ok(Self { url: url.clone(), token: token.trim().to_owned(), embedded: None });
        }
        let options = embedded::Options {
            listen: arguments.listen,
            record_calls: false,
            delivery: embedded::DeliveryOptions {
                header_names: match arguments.standard_webhooks {
                    true => embedded::HeaderNames::StandardWebhooks,
                    false => embedded::HeaderNames::Svix,
                },
                ..embedded::DeliveryOptions::default()
            },
            ..embedded::Options::default()
        };
        let svix = EmbeddedSvix::start(options)
            .await
            .map_err(|error| format!("the embedded Svix cannot listen at {}: {error}", arguments.listen))?;
        Ok(Self { url: svix.url(), token: svix.token().to_owned(), embedded: Some(svix) })
    }
}

async fn work(arguments: Arguments) -> Result<ExitCode, String> {
    if !arguments.dir.exists() {
        return Err(format!("{} is not there; name a folder of manifests", arguments.dir.display()));
    }
    let stop = shutdown_on_signals().map_err(|error| error.to_string())?;
    let server = Server::new(&arguments).await?;
    // Before the first reading: a change after it is then never missed.
    let mut folder = match arguments.once {
        true => None,
        false => Some(FolderWatch::start(&arguments.dir).map_err(|error| error.to_string())?),
    };
    let lines: Arc<Lines> = Arc::default();
    let said = lines.clone();
    let show_lines = !arguments.once && arguments.output == Output::Table;
    let tell = move |object: &Object, note: &EventRecord| {
        if show_lines {
            said.say(&format!("  {} {}: {}", note.reason, object.key(), note.message));
        }
    };
    if let Some(embedded) = server.embedded.as_ref().filter(|_| show_lines) {
        let said = lines.clone();
        embedded.on_delivery(move |tried| traffic::tried(&said, &tried));
    }
    let options = Options {
        concurrency: usize::from(arguments.concurrency),
        settle: Duration::from_millis(300),
        ..Options::default()
    };
    let session = Session::start(References::default(), options, Metrics::default(), tell);

    let mut front = match arguments.once {
        true => None,
        false => Some(Front::start(&arguments, &server, show_lines.then(|| lines.clone()), &stop).await?),
    };
    let adjusted = |row, object: &Object| {
        with_token(traffic::with_deliveries(row, object, server.embedded.as_ref()), &server)
    };
    let mut view = View::default();
    match take(&arguments.dir, &server, &session, front.as_mut(), &mut view) {
        Some(message) if arguments.once => return Err(message),
        empty => warn(empty),
    }
    // Only one that exits waits for deliveries: a receiver that is down must not hold up the first table.
    settle(&session, Duration::from_secs(arguments.timeout), arguments.once, &stop).await;
    let mut before = view.report(&session.objects(), adjusted);
    let code = if before.all_in_sync() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    print(&before, arguments.output);

    // The report says how everything stands; from here on each change is told.
    drop(lines.take());
    if let Some(watch) = &mut folder {
        announce(&server, &arguments, front.as_ref(), &session);
        let mut look = tokio::time::interval(Duration::from_millis(500));
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                changed = watch.changed() => {
                    if !changed {
                        return Err(format!("{} cannot be watched any more", arguments.dir.display()));
                    }
                    warn(take(&arguments.dir, &server, &session, front.as_mut(), &mut view));
                }
                () = lines.added() => {
                    say(&lines);
                    continue;
                }
                // What comes by itself, such as drift in Svix, is shown as it comes.
                _ = look.tick() => {}
            }
            // Nothing waits for what settles: not another edit, and not what there is to say.
            let until = Instant::now() + Duration::from_secs(5);
            let mut settled = std::pin::pin!(settle(&session, Duration::from_secs(5), false, &stop));
            loop {
                tokio::select! {
                    () = &mut settled => break,
                    changed = watch.changed() => {
                        if !changed {
                            break;
                        }
                        warn(take(&arguments.dir, &server, &session, front.as_mut(), &mut view));
                        let left = until.saturating_duration_since(Instant::now());
                        settled.set(settle(&session, left, false, &stop));
                    }
                    () = lines.added() => say(&lines),
                }
            }
            say(&lines);
            let now = view.report(&session.objects(), adjusted);
            if now != before {
                print_changes(&before, &now, arguments.output);
                before = now;
            }
        }
    }
    if let Some(front) = front {
        front.gateway.stopped().await;
    }
    session.stop().await;
    if let Some(embedded) = server.embedded {
        embedded.shutdown().await;
    }
    Ok(if arguments.once { code } else { ExitCode::SUCCESS })
}

/// The gateway in front of the server, and what feeds it.
struct Front {
    gateway: Gateway,
    feed: Feed,
    encoding: watch::Sender<ChannelEncoding>,
}

impl Front {
    async fn start(
        arguments: &Arguments,
        server: &Server,
        lines: Option<Arc<Lines>>,
        stop: &CancellationToken,
    ) -> Result<Self, String> {
        let catalogue = Catalogue::default();
        let (encoding, told) = watch::channel(ChannelEncoding::default());
        let options = gateway::Options {
            listen: arguments.gateway,
            channel_encoding: told,
            undeclared_advice: " in the folder",
            listener: lines
                .map(|lines| gateway::Listener::new(move |report| traffic::passed(&lines, &report))),
            limits: gateway::Limits { grace: Duration::from_secs(2), ..gateway::Limits::default() },
            ..gateway::Options::new(server.url.as_str())
        };
        let gateway = Gateway::start(options, catalogue.clone(), Metrics::default(), stop.clone())
            .await
            .map_err(|error| super::gateway::start_error(&error, "--gateway"))?;
        Ok(Self { gateway, feed: Feed::new(catalogue), encoding })
    }

    /// Takes in the folder. What is wrong with it is told of the objects.
    fn take(&mut self, loaded: &manifests::Loaded) {
        let _ = self.feed.take(loaded);
        let connection = self.feed.connection(DEFAULT_CONNECTION);
        self.encoding.send_replace(connection.map(SvixConnectionSpec::channel_encoding).unwrap_or_default());
    }
}

fn warn(message: Option<String>) {
    message.iter().for_each(|message| eprintln!("warning: {message}"));
}

/// Reads the folder and declares what it holds. Answers what to say when nothing in it is ours.
fn take(
    dir: &Path,
    server: &Server,
    session: &Session,
    front: Option<&mut Front>,
    view: &mut View,
) -> Option<String> {
    // Here and not on a thread of its own, whose heap would stay: ten thousand objects are read in half a
    // second, and nothing that others wait for runs on this one.
    let loaded = manifests::load(dir);
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
    }
    if let Some(front) = front {
        front.take(&loaded);
    }
    view.read(&loaded);
    let empty = loaded.nothing_of_ours(dir);
    let place = manifests::Server { url: &server.url, token: &server.token, ours: server.embedded.is_some() };
    let declaration = manifests::declared(loaded, &place, session.objects());
    view.declared(&declaration);
    session.declare(declaration.objects, declaration.references);
    session.look_again();
    empty
}

/// Waits until everything has settled, at most so long; `deliveries`: those of events, too.
async fn settle(session: &Session, most: Duration, deliveries: bool, stop: &CancellationToken) {
    let end = Instant::now() + most;
    let mut quiet_since: Option<Instant> = None;
    while Instant::now() < end && !stop.is_cancelled() {
        // The queue first: looking at ten thousand objects a hundred times a second would be the most of the work.
        let idle = if deliveries { session.idle() } else { session.idle_but_for_events() };
        let quiet = idle && {
            let objects = session.objects();
            if objects.iter().all(|object| object.ready() == Some(true) && !object.is_deleting()) {
                return;
            }
            // A connection has a driver of its own, which the queue knows nothing of.
            let connecting = objects.iter().any(|object| {
                matches!(object, Object::Connection(_))
                    && !matches!(manifests::state(object), State::InSync | State::Differs | State::Problem)
            });
            let counts = |object: &&Object| deliveries || !matches!(object, Object::Event(_));
            !connecting
                && !objects
                    .iter()
                    .filter(counts)
                    .any(|object| object.is_deleting() || object.ready().is_none())
        };
        if !quiet {
            quiet_since = None;
        } else if quiet_since.get_or_insert_with(Instant::now).elapsed() >= QUIET {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Prints what there is to say.
fn say(lines: &Lines) {
    lines.take().iter().for_each(|line| println!("{line}"));
}

/// The token of a server of one's own is in no Secret.
fn with_token(row: Row, server: &Server) -> Row {
    if server.embedded.is_some() || row.reason != Reason::AuthenticationFailed.as_str() {
        return row;
    }
    let said = row.message.split("; correct key ").next().unwrap_or_default();
    Row { message: format!("{said}; correct the token in the environment variable SVIX_TOKEN"), ..row }
}

fn print(report: &Report, output: Output) {
    write(|out| match output {
        Output::Table => report.write_table(out, style()),
        Output::Json => {
            serde_json::to_writer_pretty(&mut *out, report)?;
            writeln!(out)
        }
    });
}

/// What changed, and how many stand how.
fn print_changes(before: &Report, now: &Report, output: Output) {
    if output == Output::Json {
        return print(now, output);
    }
    let known: HashSet<&Row> = before.objects.iter().chain(&before.files).collect();
    let rows = now.objects.iter().chain(&now.files);
    let changed = rows.filter(|row| !known.contains(row)).cloned().collect();
    write(|out| {
        // The totals of the part that changed say nothing.
        Report::new(changed, 0).write_rows(out, style())?;
        writeln!(out, "{}", now.totals())
    });
}

fn write(print: impl FnOnce(&mut BufWriter<std::io::StdoutLock<'_>>) -> std::io::Result<()>) {
    let mut out = BufWriter::new(std::io::stdout().lock());
    // A reader that has gone, as `head` does, is no error.
    let _ = print(&mut out).and_then(|()| out.flush());
}

fn style() -> Style {
    let terminal = std::io::stdout().is_terminal();
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let width = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    Style {
        color: terminal && !no_color,
        unicode: terminal,
        width: if terminal { width.or(Some(100)) } else { None },
    }
}

fn announce(server: &Server, arguments: &Arguments, front: Option<&Front>, session: &Session) {
    if arguments.output == Output::Json {
        return;
    }
    // The token of a server of one's own is not for the screen.
    let mut token = "$SVIX_TOKEN";
    if server.embedded.is_some() {
        token = &server.token;
        println!("\nSvix is at {}, token {token}.", server.url);
    }
    if let Some(front) = front {
        let connection = front.feed.connection(DEFAULT_CONNECTION);
        let application = connection.map_or("default", SvixConnectionSpec::default_application);
        let sample = sample::sample(&session.objects(), DEFAULT_CONNECTION, application);
        println!(
            "The gateway is at {url}: the same API, but an event that does not match its schema is refused. Send one:\n  \
             curl {url}/api/v1/app/{application}/msg -H \"Authorization: Bearer {token}\" \\\n    \
             -H 'Content-Type: application/json' -d '{body}'",
            url = front.gateway.url(),
            application = sample.application,
            body = sample.body,
        );
    }
    println!("\nWatching {}; Ctrl-C ends.", arguments.dir.display());
}
