//! `svix-operator apply`: shows what manifests change, asks, and carries it out.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, IsTerminal as _},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;

use crate::{
    api::{ADOPT_ID_ANNOTATION, SvixConnection},
    changes::{
        Action, Approvals, CannotCompare, Change, ChangeSet, InvalidPlan, Plan, Stale,
        foreign::{self, Prune},
        output::{self, Format},
    },
    engine::{EventRecord, Kind, Object},
    manifests::{self, Loaded, SourceMap, counted},
    svix::{Error, ErrorKind},
    telemetry::{self, LogFormat},
};

use super::{
    changes::{InputError, ManifestArguments, ServerArguments, SvixTarget},
    exit::Exit,
    runtime::{self, Threads},
    signals::{SignalError, shutdown_on_signals},
    terminal,
};

/// Make Svix hold what manifests declare, after showing what changes.
///
/// Shows the same as `diff`, asks, and carries out exactly that: a change that is not as it was shown any more, since Svix has
/// moved, is refused. Who approves stands in for the operator's claim: event types are matched by their names, endpoints by
/// their owner mark or uid; an endpoint without a mark is shown as adopted. What another ownerId owns is never changed. Nothing
/// is deleted without --prune. An apply that was interrupted is completed by the next one. Exit codes: 0 done, or nothing to do;
/// 1 objects are refused, it was not approved, or Svix has moved since the plan; 2 wrong arguments, or manifests that cannot be
/// read; 3 Svix failed; 4 a schema changes in a way that its compatibility level forbids.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  SVIX_TOKEN=... svix-operator apply manifests/ --svix-url https://api.eu.svix.com
      change WebhookEndpoint shop/orders (endpoint prod.shop.orders of application default)
        ~ url: https://old.example.org/… → https://hooks.example.org/…
      1 to change, 12 without differences
      Apply these changes? Only `yes` is accepted: yes
      applied 1 change
  svix-operator diff manifests/ --out plan.json
  svix-operator apply manifests/ --plan plan.json --yes
      carry out exactly what was shown before")]
pub struct Arguments {
    #[command(flatten)]
    manifests: ManifestArguments,

    #[command(flatten)]
    server: ServerArguments,

    /// Carry out this plan of `diff --out`, and nothing if Svix or the manifests are not as they were.
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,

    /// Do not ask.
    #[arg(short, long)]
    yes: bool,

    /// Delete endpoints that have the mark of the connection's ownerId and that no manifest declares, in the applications of
    /// the manifests and of --prune-application.
    #[arg(long, conflicts_with = "plan")]
    prune: bool,

    /// With --prune, another application whose endpoints are deleted; can be given more than once.
    #[arg(long = "prune-application", value_name = "APP", requires = "prune")]
    prune_applications: Vec<String>,

    /// With --prune, archive event types that match this pattern (`*` is any text) and that no manifest declares; can be given
    /// more than once.
    #[arg(long = "prune-event-types", value_name = "PATTERN", requires = "prune")]
    prune_event_types: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
enum ApplyError {
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    CannotCompare(#[from] CannotCompare),
    #[error(transparent)]
    Signals(#[from] SignalError),
    #[error("{}: {source}", .path.display())]
    ReadPlan { path: PathBuf, source: io::Error },
    #[error("{}: {source}", .path.display())]
    Plan { path: PathBuf, source: InvalidPlan },
    #[error("{}: it is a plan for {found}, and this is {expected}", .path.display())]
    OtherServer { path: PathBuf, found: String, expected: String },
    #[error(
        "{}: it is a plan for the objects of the connection {found:?}, and this is {expected:?}; give --connection", .path.display()
    )]
    OtherConnection { path: PathBuf, found: String, expected: String },
    #[error(
        "--prune: {0} has the annotation {ADOPT_ID_ANNOTATION}, so it is not known which endpoint it declares; apply \
         without --prune first, then remove the annotation"
    )]
    PruneAdoptId(String),
    #[error(
        "--prune: the connections {0} and {1} have the same ownerId, so the endpoints of one would be deleted for the other"
    )]
    PruneSharedOwner(String, String),
    #[error("standard input is no terminal, so nobody can be asked; --yes applies without asking")]
    CannotAsk,
}

/// Applies, and returns the exit code.
pub fn run(arguments: Arguments) -> ExitCode {
    telemetry::init_logs(LogFormat::Text, "error");
    runtime::block_on(Threads::One, work(arguments), Exit::Usage.into())
}

async fn work(arguments: Arguments) -> Result<ExitCode, ApplyError> {
    let reads_stdin = arguments.manifests.paths.iter().any(|path| path.as_os_str() == "-");
    if !arguments.yes && (reads_stdin || !io::stdin().is_terminal()) {
        return Err(ApplyError::CannotAsk);
    }
    let (mut loaded, sources) = arguments.manifests.load()?;
    let connection = arguments.manifests.connection.as_str();
    if arguments.prune {
        check_prunable(&loaded, connection)?;
    }
    let target = SvixTarget::new(&arguments.server, connection, &mut loaded)?;
    let plan = plan(&arguments, &target)?;
    let owner = owner(&loaded, connection);
    // Until here a signal ends the process, since nothing was written.
    let shutdown = shutdown_on_signals()?;
    let mut changes = match target.preview(loaded.clone(), &sources, &shutdown).await? {
        Ok(changes) => changes,
        Err(message) => return Ok(failed(&target, &message)),
    };
    changes.refuse_without_secrets();
    if arguments.prune {
        match deletions(&arguments, &target, &changes, &owner).await {
            Ok(deletions) => changes.changes.extend(deletions),
            Err(error) => return Ok(failed(&target, &error.to_string())),
        }
        let endpoints: Vec<_> = endpoints(&loaded).collect();
        if let Err(error) = target.add_receivers(&mut changes, endpoints.iter()).await {
            return Ok(failed(&target, &error.to_string()));
        }
    }
    if let Some(plan) = &plan
        && let stale = plan.compare(&changes)
        && !stale.is_empty()
    {
        print_stale(&stale);
        return Ok(Exit::Found.into());
    }
    let color = terminal::has_color();
    terminal::print(|out| output::write(&changes, Format::Text, color, out));
    if changes.is_incompatible() {
        eprintln!("nothing is applied: a schema changes in a way that its compatibility level forbids");
        return Ok(Exit::Incompatible.into());
    }
    if changes.has_refusals() {
        eprintln!("nothing is applied: correct what is refused first");
        return Ok(Exit::Found.into());
    }
    if !changes.has_differences() {
        return Ok(Exit::Done.into());
    }
    if !arguments.yes && !terminal::is_approved("Apply these changes?") {
        eprintln!("not approved; nothing was written");
        return Ok(Exit::Found.into());
    }
    if shutdown.is_cancelled() {
        eprintln!("interrupted; nothing was written");
        return Ok(Exit::Found.into());
    }
    carry_out(&target, loaded, &sources, &changes, &owner, &shutdown).await
}

fn endpoints(loaded: &Loaded) -> impl Iterator<Item = Object> {
    loaded.endpoints.iter().map(|located| Object::Endpoint(Arc::new(located.object.clone())))
}

fn failed(target: &SvixTarget, message: &str) -> ExitCode {
    eprintln!("error: {}: {message}", target.origin());
    Exit::Failed.into()
}

fn plan(arguments: &Arguments, target: &SvixTarget) -> Result<Option<Plan>, ApplyError> {
    let Some(path) = arguments.plan.clone() else { return Ok(None) };
    let text =
        fs::read_to_string(&path).map_err(|source| ApplyError::ReadPlan { path: path.clone(), source })?;
    let plan = Plan::parse(&text).map_err(|source| ApplyError::Plan { path: path.clone(), source })?;
    if plan.server != target.origin() {
        return Err(ApplyError::OtherServer { path, found: plan.server, expected: target.origin() });
    }
    let expected = &arguments.manifests.connection;
    if plan.connection != *expected {
        let expected = expected.clone();
        return Err(ApplyError::OtherConnection { path, found: plan.connection, expected });
    }
    Ok(Some(plan))
}

/// Refuses to prune where an endpoint that is declared could be taken for one that is not.
fn check_prunable(loaded: &Loaded, connection: &str) -> Result<(), ApplyError> {
    let endpoints = loaded.endpoints.iter().map(|located| &located.object);
    let adopting = endpoints
        .into_iter()
        .find(|endpoint| crate::api::annotation(&endpoint.metadata, ADOPT_ID_ANNOTATION).is_some());
    if let Some(endpoint) = adopting {
        let name = endpoint.metadata.name.clone().unwrap_or_default();
        return Err(ApplyError::PruneAdoptId(format!("WebhookEndpoint {name}")));
    }
    let owner = owner(loaded, connection);
    let connections = loaded.connections.iter().map(|located| &located.object);
    let name = |object: &SvixConnection| object.metadata.name.clone().unwrap_or_default();
    let other =
        connections.into_iter().find(|object| name(object) != connection && object.spec.owner_id == owner);
    match other {
        Some(other) => Err(ApplyError::PruneSharedOwner(connection.to_owned(), name(other))),
        None => Ok(()),
    }
}

fn owner(loaded: &Loaded, connection: &str) -> String {
    let connections = loaded.connections.iter().map(|located| &located.object);
    let found = connections.into_iter().find(|object| object.metadata.name.as_deref() == Some(connection));
    found.map(|object| object.spec.owner_id.clone()).unwrap_or_default()
}

async fn deletions(
    arguments: &Arguments,
    target: &SvixTarget,
    changes: &ChangeSet,
    owner: &str,
) -> Result<Vec<Change>, Error> {
    let foreign = foreign::list(&target.client, changes, &arguments.prune_applications).await?;
    let prune = Prune { owner: owner.to_owned(), event_types: arguments.prune_event_types.clone() };
    Ok(foreign::prunable(&foreign, &prune))
}

fn print_stale(stale: &[Stale]) {
    for stale in stale {
        match stale {
            Stale::New(change) => {
                eprintln!("not in the plan: {} {}", change.action.verb(), change.object());
            }
            Stale::Gone(change) => {
                eprintln!("not there any more: {} (the plan: {})", change.object(), change.action.verb());
            }
            Stale::Differs { planned, now } => {
                eprintln!(
                    "not as planned: {}: {} in the plan, {} now",
                    now.object(),
                    fields(planned),
                    fields(now)
                );
            }
        }
    }
    eprintln!("nothing is applied: the plan does not fit any more; make a new one with diff --out");
}

/// The action and the fields of a change, for a line.
fn fields(change: &Change) -> String {
    let names: Vec<_> = change.fields.iter().map(|field| field.field.as_str()).collect();
    if names.is_empty() {
        return change.action.verb().to_owned();
    }
    format!("{} ({})", change.action.verb(), names.join(", "))
}

async fn carry_out(
    target: &SvixTarget,
    loaded: Loaded,
    sources: &SourceMap,
    changes: &ChangeSet,
    owner: &str,
    shutdown: &CancellationToken,
) -> Result<ExitCode, ApplyError> {
    let count = changes.changes.iter().filter(|change| change.action.is_change()).count();
    let progress = progress(count);
    let approvals = Arc::new(Approvals::new(changes, target.token(), target.writes_hidden_headers()));
    let on_event = {
        let (progress, approvals) = (progress.clone(), approvals.clone());
        move |_: &Object, _: &EventRecord| {
            progress.set_position(u64::try_from(approvals.permitted()).unwrap_or(u64::MAX));
        }
    };
    let finished = target.run(loaded, approvals.clone(), shutdown, on_event).await?;
    if let Some(message) = finished.broken_connection {
        progress.finish_and_clear();
        return Ok(failed(target, &message));
    }
    // They were compared as far as it is possible without their Secrets, and nothing of them was to be written.
    let without_secrets: BTreeSet<String> =
        changes.changes.iter().filter(|change| !change.missing_secrets.is_empty()).map(Change::key).collect();
    let not_done: Vec<&Object> = finished
        .objects
        .iter()
        .filter(|object| matches!(object.kind(), Kind::EventType | Kind::Endpoint))
        .filter(|object| object.ready() != Some(true))
        .filter(|object| !without_secrets.contains(&object.key().to_string()))
        .collect();
    let (mut left, mut failures) = (0, 0);
    let deletions = changes
        .changes
        .iter()
        .filter(|change| matches!(change.action, Action::Delete | Action::Archive | Action::Expunge));
    for change in deletions {
        // Perhaps one of those that failed is to take the place of this one.
        if shutdown.is_cancelled() || !not_done.is_empty() {
            left += 1;
            continue;
        }
        match foreign::delete(&target.client, change, owner).await {
            Ok(true) => progress.inc(1),
            Ok(false) => {
                left += 1;
                eprintln!("{} is left: it has another owner now", change.object());
            }
            Err(error) if error.kind == ErrorKind::NotFound => progress.inc(1),
            Err(error) => {
                (left, failures) = (left + 1, failures + 1);
                eprintln!("{}: {error}", change.object());
            }
        }
    }
    progress.finish_and_clear();
    for object in &not_done {
        let why = object.ready_condition().map_or_else(
            || "it was not reached in time; apply again".to_owned(),
            |condition| format!("{}: {}", condition.reason, condition.message),
        );
        let origin = sources.origin(&object.key()).map(|origin| format!("{origin}: ")).unwrap_or_default();
        eprintln!("{origin}{}: {why}", object.key());
    }
    let failed = not_done.len() + left;
    let failed_text = manifests::counted(failed, "object");
    if failed > 0 {
        println!("{failed_text} not applied, the others are; apply again to complete it");
        let has_moved = |object: &&Object| approvals.has_moved(&object.key());
        // What was refused on purpose is no failure of Svix.
        let is_refused = failures == 0 && not_done.iter().all(has_moved);
        return Ok(if is_refused { Exit::Found } else { Exit::Failed }.into());
    }
    println!("applied {}", counted(count, "change"));
    Ok(Exit::Done.into())
}

/// A bar on a terminal, and nothing otherwise.
fn progress(count: usize) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(count).unwrap_or(u64::MAX));
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} {elapsed}") {
        bar.set_style(style);
    }
    bar
}
