//! `svix-operator diff`: what manifests would change, before anything is written.

mod cluster;

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use crate::{
    changes::{
        Action, CannotCompare, Change, ChangeSet, Foreign, Plan,
        base::{self, CannotCompareBase, Undeclared},
        foreign,
        output::{self, Format},
    },
    manifests::{self, Loaded, SourceMap},
    telemetry::{self, LogFormat},
};

use super::{
    changes::{InputError, ManifestArguments, ServerArguments, SvixTarget},
    exit::Exit,
    git,
    runtime::{self, Threads},
    signals::{SignalError, shutdown_on_signals},
    terminal,
};

/// Show what manifests would change, and write nothing.
///
/// Compares manifests with a Svix server, as `run` would: the same code decides. With --against, compares them with a folder,
/// with a commit of Git, or with the objects in a cluster. Values of Secrets are never shown, only that they differ; headers
/// that Svix hides cannot be compared. What Svix has and no manifest declares is no difference. WebhookEvents take no part.
/// Exit codes: 0 no differences; 1 differences, or objects that are refused; 2 wrong arguments, or manifests that cannot be
/// read; 3 Svix or the API server failed; 4 a schema changes in a way that its compatibility level forbids.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  SVIX_TOKEN=... svix-operator diff manifests/ --svix-url https://api.eu.svix.com
      change WebhookEndpoint shop/orders (endpoint prod.shop.orders of application default) manifests/orders.yaml:1
        ~ url: https://old.example.org/… → https://hooks.example.org/…
      1 to change, 12 without differences
  svix-operator diff manifests/ --against git:origin/main --output markdown
      what a pull request changes, as a comment")]
pub struct Arguments {
    #[command(flatten)]
    manifests: ManifestArguments,

    /// What the manifests are compared with: `svix`, `cluster`, `git:REF`, or a folder of manifests.
    #[arg(long, value_name = "BASE", default_value = "svix", value_parser = against)]
    against: Against,

    #[command(flatten)]
    server: ServerArguments,

    #[command(flatten)]
    cluster: cluster::ClusterArguments,

    /// List what Svix, or with --against cluster the cluster, has and no manifest declares.
    #[arg(long)]
    show_foreign: bool,

    /// Write a plan to this file, for `apply --plan`.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Format of the output.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,

    /// Exit with 0 whatever differs.
    #[arg(long)]
    exit_zero: bool,
}

#[derive(Clone, Debug)]
enum Against {
    Svix,
    Cluster,
    Git(String),
    Folder(PathBuf),
}

#[derive(Debug, thiserror::Error)]
enum InvalidBase {
    #[error(transparent)]
    Reference(#[from] git::InvalidReference),
    #[error("found no folder of this name; expected `svix`, `cluster`, `git:REF`, or a folder")]
    NoFolder,
}

fn against(text: &str) -> Result<Against, InvalidBase> {
    match text {
        "svix" => Ok(Against::Svix),
        "cluster" => Ok(Against::Cluster),
        text => match git::reference(text) {
            Some(reference) => Ok(Against::Git(reference?)),
            None if Path::new(text).exists() => Ok(Against::Folder(text.into())),
            None => Err(InvalidBase::NoFolder),
        },
    }
}

#[derive(Debug, thiserror::Error)]
enum DiffError {
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    CannotCompare(#[from] CannotCompare),
    #[error(transparent)]
    Base(#[from] CannotCompareBase),
    #[error(transparent)]
    Git(#[from] git::GitError),
    #[error(transparent)]
    Cluster(#[from] cluster::ClusterError),
    #[error(transparent)]
    Signals(#[from] SignalError),
    #[error(
        "--out: only with --against svix; --show-foreign: only with --against svix and --against cluster"
    )]
    OnlySvix,
    #[error("cannot write {}: {source}", .path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot write a plan: {0}")]
    Plan(#[from] serde_json::Error),
}

/// Compares, and returns the exit code.
pub fn run(arguments: Arguments) -> ExitCode {
    telemetry::init_logs(LogFormat::Text, "error");
    runtime::block_on(Threads::One, work(arguments), Exit::Usage.into())
}

async fn work(arguments: Arguments) -> Result<ExitCode, DiffError> {
    let is_svix = matches!(arguments.against, Against::Svix);
    let is_live = is_svix || matches!(arguments.against, Against::Cluster);
    if (!is_svix && arguments.out.is_some()) || (!is_live && arguments.show_foreign) {
        return Err(DiffError::OnlySvix);
    }
    let (mut loaded, sources) = arguments.manifests.load()?;
    let changes = match &arguments.against {
        Against::Svix => match with_svix(&arguments, loaded, &sources).await? {
            Ok(changes) => changes,
            Err(message) => {
                eprintln!("error: {message}");
                return Ok(Exit::Failed.into());
            }
        },
        Against::Folder(folder) => {
            let base = manifests::load(folder);
            with_base(&arguments, (base, Undeclared::Deleted), loaded, &sources).await?
        }
        Against::Git(reference) => {
            let base = git::load(reference, &arguments.manifests.paths)?;
            with_base(&arguments, (base, Undeclared::Deleted), loaded, &sources).await?
        }
        Against::Cluster => match cluster::load(&arguments.cluster, &mut loaded).await {
            Ok(base) => {
                let base = (base, Undeclared::Kept);
                let changes = with_base(&arguments, base, loaded, &sources).await?;
                only_declared(changes, arguments.show_foreign)
            }
            Err(error) if error.is_api() => {
                eprintln!("error: {error}");
                return Ok(Exit::Failed.into());
            }
            Err(error) => return Err(error.into()),
        },
    };
    let color = terminal::has_color();
    terminal::print(|out| output::write(&changes, arguments.output, color, out));
    Ok(match () {
        () if arguments.exit_zero => Exit::Done,
        () if changes.is_incompatible() => Exit::Incompatible,
        () if changes.is_as_declared() => Exit::Done,
        () => Exit::Found,
    }
    .into())
}

async fn with_svix(
    arguments: &Arguments,
    mut loaded: Loaded,
    sources: &SourceMap,
) -> Result<Result<ChangeSet, String>, DiffError> {
    let connection = arguments.manifests.connection.as_str();
    let target = SvixTarget::new(&arguments.server, connection, &mut loaded)?;
    // Until here a signal ends the process.
    let shutdown = shutdown_on_signals()?;
    let mut changes = match target.preview(loaded, sources, &shutdown).await? {
        Ok(changes) => changes,
        Err(message) => return Ok(Err(format!("{}: {message}", target.origin()))),
    };
    if arguments.out.is_some() {
        changes.refuse_without_secrets();
    }
    if arguments.show_foreign {
        match foreign::list(&target.client, &changes, &[]).await {
            Ok(foreign) => changes.foreign = foreign,
            Err(error) => return Ok(Err(format!("{}: {error}", target.origin()))),
        }
    }
    if let Some(path) = &arguments.out {
        let text = Plan::new(target.origin(), connection.to_owned(), &changes).to_text()?;
        fs::write(path, text).map_err(|source| DiffError::Write { path: path.clone(), source })?;
    }
    // Fingerprints are for the plan.
    for change in &mut changes.changes {
        change.fingerprint = None;
    }
    Ok(Ok(changes))
}

/// Other manifests than these can declare objects in the same cluster, so those that are not declared here are no difference.
fn only_declared(mut changes: ChangeSet, show_foreign: bool) -> ChangeSet {
    let is_deletion =
        |change: &Change| matches!(change.action, Action::Delete | Action::Archive | Action::Expunge);
    let (others, declared) = changes.changes.into_iter().partition(is_deletion);
    changes.changes = declared;
    if show_foreign {
        let others: Vec<Change> = others;
        changes.foreign = others
            .into_iter()
            .map(|change| Foreign {
                name: format!("{}/{}", change.namespace, change.name),
                kind: change.kind,
                application: change.application,
                owner: None,
            })
            .collect();
    }
    changes
}

async fn with_base(
    arguments: &Arguments,
    (mut base, undeclared): (Loaded, Undeclared),
    loaded: Loaded,
    sources: &SourceMap,
) -> Result<ChangeSet, DiffError> {
    let connection = &arguments.manifests.connection;
    base.problems.iter().for_each(|problem| eprintln!("error: the base: {problem}"));
    if manifests::missing_connection(&base, connection).is_some() {
        arguments.manifests.add_connection(&mut base)?;
    }
    let shutdown = shutdown_on_signals()?;
    Ok(base::compare(base, loaded, (connection, undeclared), sources, &shutdown).await?)
}
