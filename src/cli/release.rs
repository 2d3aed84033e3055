//! `svix-operator release`: removes the operator's finalizer from objects, before an uninstall.

use std::process::ExitCode;

use kube::Client;

use crate::{
    controller::{
        lease,
        release::{self, Row, Selection, Targets},
    },
    engine::ObjectKey,
    telemetry::{self, LogFormat},
};

use super::{
    exit::Exit,
    kubernetes::{Cluster, KubernetesArguments, NoCluster},
    runtime::{Threads, block_on},
};

/// Release objects before an uninstall: remove the operator's finalizer from them, and leave Svix as it is.
///
/// Finalizers of others stay. An object that is being deleted disappears at once unless another finalizer blocks its
/// deletion. While an operator runs, nothing is done, since it would set the finalizer again. Exit codes: 0 everything
/// that was asked for is released, 2 refused because an operator runs, or wrong arguments, 3 some of it could not be
/// released.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  svix-operator release --all --dry-run
      show what would be released, and change nothing
  svix-operator release WebhookEndpoint/team-a/warehouse --context prod
      release one object of another cluster")]
#[command(group(
    clap::ArgGroup::new("what").required(true).multiple(true).args(["all", "namespace", "connection", "objects"])
))]
pub struct Arguments {
    /// An object, such as WebhookEndpoint/team-a/warehouse or SvixConnection/default.
    #[arg(value_name = "KIND/NAMESPACE/NAME", value_parser = release::parse_object_key, conflicts_with_all = ["namespace", "connection"])]
    objects: Vec<ObjectKey>,

    /// All objects in the cluster: event types, endpoints and connections.
    #[arg(long, conflicts_with_all = ["namespace", "connection", "objects"])]
    all: bool,

    /// The event types and endpoints of a namespace.
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,

    /// The objects that are reconciled through a connection, and, without --namespace, the connection itself.
    #[arg(long, value_name = "NAME")]
    connection: Option<String>,

    /// Show what would be released, and change nothing.
    #[arg(long)]
    dry_run: bool,

    /// Release even while an operator runs, which sets the finalizer again on objects that are not being deleted.
    #[arg(long)]
    force: bool,

    /// Name of the operator's Lease, which shows whether an operator runs.
    #[arg(long, env = "SVIX_OPERATOR_LEASE", value_name = "NAME", default_value = "svix-operator")]
    lease: String,

    /// Namespace of that Lease. Default: any that has a Lease of that name.
    #[arg(long, env = "SVIX_OPERATOR_NAMESPACE", value_name = "NAMESPACE")]
    operator_namespace: Option<String>,

    #[command(flatten)]
    kubernetes: KubernetesArguments,

    /// Format of the output.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// A table, for people.
    Table,
    /// One JSON document, for programs.
    Json,
}

/// Releases, and returns the exit code.
pub fn run(arguments: Arguments) -> ExitCode {
    telemetry::init_logs(LogFormat::Text, "error");
    block_on(Threads::One, work(arguments), Exit::Usage.into())
}

async fn work(arguments: Arguments) -> Result<ExitCode, NoCluster> {
    let Cluster { client, url: cluster, .. } = arguments.kubernetes.cluster().await?;
    let mut targets = release::find(&client, &arguments.selection()).await;
    // It takes a while to see whether an operator runs, and without work it does not matter.
    if !arguments.force && !arguments.dry_run && targets.may_have_work() {
        if let Some(refusal) = refusal(&arguments, &client).await {
            eprintln!("error: {refusal}");
            return Ok(Exit::Usage.into());
        }
        // Objects may have changed meanwhile.
        targets = release::find(&client, &arguments.selection()).await;
    }
    for kind in &targets.missing {
        eprintln!(
            "warning: {cluster} knows no {}: its CRD is not installed, so there is nothing to release",
            kind.as_str()
        );
    }
    for (kind, error) in &targets.unlisted {
        eprintln!("error: {} cannot be listed: {error}", kind.as_str());
    }
    let missing = std::mem::take(&mut targets.missing);
    let unlisted = std::mem::take(&mut targets.unlisted);
    let rows = carry_out(&arguments, &client, targets).await;
    let failed = rows.iter().filter(|row| row.state.is_failure()).count();
    match arguments.output {
        Output::Json => println!("{}", release::json(&rows, &missing, &unlisted, arguments.dry_run)),
        Output::Table if rows.is_empty() => eprintln!("nothing to release in {cluster}"),
        Output::Table if arguments.dry_run => eprintln!("nothing was changed in {cluster}"),
        Output::Table => {
            let released = rows.iter().filter(|row| row.state.is_release()).count();
            eprintln!("{released} released, {failed} failed, in {cluster}");
        }
    }
    let is_done = failed == 0 && unlisted.is_empty();
    Ok(if is_done { Exit::Done } else { Exit::Failed }.into())
}

impl Arguments {
    fn selection(&self) -> Selection {
        match self {
            Self { all: true, .. } => Selection::All,
            Self { namespace: None, connection: None, objects, .. } => Selection::Objects(objects.clone()),
            Self { namespace, connection, .. } => {
                Selection::Of { namespace: namespace.clone(), connection: connection.clone() }
            }
        }
    }
}

/// Releases the objects, or only shows them with `--dry-run`. Prints each line of the table as soon as it is known.
async fn carry_out(arguments: &Arguments, client: &Client, targets: Targets) -> Vec<Row> {
    let table = (arguments.output == Output::Table).then(|| targets.table());
    let mut has_header = false;
    let mut print = |row: &Row| {
        let Some(table) = &table else { return };
        if !std::mem::replace(&mut has_header, true) {
            println!("{}", table.header());
        }
        println!("{}", table.line(row));
    };
    if arguments.dry_run {
        let rows = targets.rows();
        rows.iter().for_each(print);
        rows
    } else {
        release::release(client, targets, &mut print).await
    }
}

/// Returns why nothing may be released now.
async fn refusal(arguments: &Arguments, client: &Client) -> Option<String> {
    let Arguments { lease: name, operator_namespace, .. } = arguments;
    let waiting = |longest: std::time::Duration| {
        let seconds = longest.as_secs();
        eprintln!(
            "The Lease {name} names a holder; waiting for up to {seconds} s to see whether it renews it."
        );
    };
    match lease::find_live_holder(client, operator_namespace.as_deref(), name, waiting).await {
        Ok(None) => None,
        Ok(Some(holder)) => {
            let lease::LiveHolder { namespace, identity, renewed } = holder;
            let renewed = renewed.map(|time| format!(" and renewed it at {time}")).unwrap_or_default();
            Some(format!(
                "an operator runs and would set the finalizers again: {identity} holds the Lease {namespace}/{name}{renewed}. \
                 Scale its Deployment to zero first, for example with `kubectl -n {namespace} scale deployment svix-operator \
                 --replicas=0`; --force releases nevertheless"
            ))
        }
        Err(error) => {
            let place = operator_namespace.as_deref().map_or_else(
                || "in all namespaces".to_owned(),
                |namespace| format!("in namespace {namespace}"),
            );
            Some(format!(
                "cannot determine whether an operator runs: reading the Lease {name} {place}: {error}; give its namespace with \
                 --operator-namespace, or release nevertheless with --force"
            ))
        }
    }
}
