//! `svix-operator release`: takes the operator's finalizer off objects, before an uninstall.

use std::process::ExitCode;

use kube::Client;

use crate::{
    controller::{
        lease,
        release::{self, Lot, Row, Selection, Table},
    },
    engine::ObjectKey,
    telemetry::{self, LogFormat},
};

use super::runtime::{Threads, block_on};

/// Let go of objects before an uninstall: take the operator's finalizer off them, and leave Svix as it is.
///
/// Finalizers of others stay. An object that is being deleted goes at once when nothing else holds it. While an
/// operator runs, nothing is done: it would take the objects back. Exit codes: 0 all that was asked for is
/// released, 1 some of it could not be, 2 refused because an operator runs, or wrong arguments.
#[derive(Debug, clap::Args)]
#[command(group(
    clap::ArgGroup::new("what").required(true).multiple(true).args(["all", "namespace", "connection", "objects"])
))]
pub struct Arguments {
    /// An object, such as WebhookEndpoint/team-a/warehouse or SvixConnection/default.
    #[arg(value_name = "KIND/NAMESPACE/NAME", value_parser = release::object_key, conflicts_with_all = ["namespace", "connection"])]
    objects: Vec<ObjectKey>,

    /// Everything in the cluster: event types, endpoints and connections.
    #[arg(long, conflicts_with_all = ["namespace", "connection", "objects"])]
    all: bool,

    /// The event types and endpoints of a namespace.
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,

    /// What is reconciled through a connection, and, without --namespace, the connection itself.
    #[arg(long, value_name = "NAME")]
    connection: Option<String>,

    /// Say what would be released, and change nothing.
    #[arg(long)]
    dry_run: bool,

    /// Do it also while an operator runs, which then takes the objects back that are not being deleted.
    #[arg(long)]
    force: bool,

    /// Name of the operator's Lease, by which it is known whether it runs.
    #[arg(long, env = "SVIX_OPERATOR_LEASE", value_name = "NAME", default_value = "svix-operator")]
    lease: String,

    /// Namespace of that Lease. Default: wherever there is one of that name.
    #[arg(long, env = "SVIX_OPERATOR_NAMESPACE", value_name = "NAMESPACE")]
    operator_namespace: Option<String>,

    /// Form of the output.
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

/// Refused, or wrong arguments.
const REFUSED: u8 = 2;

/// Releases, and answers the exit code.
pub fn run(arguments: Arguments) -> ExitCode {
    telemetry::init_logs(LogFormat::Text, "error");
    block_on(Threads::One, work(arguments), ExitCode::FAILURE)
}

async fn work(arguments: Arguments) -> Result<ExitCode, String> {
    let config =
        kube::Config::infer().await.map_err(|error| format!("no cluster: {error}; set KUBECONFIG"))?;
    let cluster = config.cluster_url.to_string();
    let client =
        Client::try_from(config).map_err(|error| format!("cannot make a Kubernetes client: {error}"))?;
    let mut lot = release::find(&client, &arguments.selection()).await;
    // To see whether an operator lives takes a while; where nothing is held there is nothing to take back.
    if !arguments.force && !arguments.dry_run && lot.has_work() {
        if let Some(refusal) = refusal(&arguments, &client).await {
            eprintln!("error: {refusal}");
            return Ok(ExitCode::from(REFUSED));
        }
        // As things are after that while.
        lot = release::find(&client, &arguments.selection()).await;
    }
    for kind in &lot.missing {
        eprintln!(
            "warning: {cluster} knows no {}: its CRD is not installed, so there is nothing to release",
            kind.as_str()
        );
    }
    for (kind, message) in &lot.unlisted {
        eprintln!("error: {} cannot be listed: {message}", kind.as_str());
    }
    let (missing, unlisted) = (lot.missing.clone(), lot.unlisted.clone());
    let rows = done(&arguments, &client, lot).await;
    let failed = rows.iter().filter(|row| row.state.is_failure()).count();
    match arguments.output {
        Output::Json => println!("{}", release::json(&rows, &missing, &unlisted, arguments.dry_run)),
        Output::Table if rows.is_empty() => eprintln!("nothing to release in {cluster}"),
        Output::Table if arguments.dry_run => eprintln!("nothing is changed in {cluster}"),
        Output::Table => {
            let released = rows.iter().filter(|row| row.state.is_release()).count();
            eprintln!("{released} released, {failed} failed, in {cluster}");
        }
    }
    Ok(if failed == 0 && unlisted.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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

/// Releases what was found, or only says so; people see each line as it comes.
async fn done(arguments: &Arguments, client: &Client, lot: Lot) -> Vec<Row> {
    let table = (arguments.output == Output::Table).then(|| Table::of(&lot));
    let mut begun = false;
    let mut tell = |row: &Row| {
        let Some(table) = &table else { return };
        if !std::mem::replace(&mut begun, true) {
            println!("{}", table.header());
        }
        println!("{}", table.line(row));
    };
    if arguments.dry_run {
        let rows = lot.rows();
        rows.iter().for_each(tell);
        rows
    } else {
        release::release(client, lot, &mut tell).await
    }
}

/// Why nothing may be released now.
async fn refusal(arguments: &Arguments, client: &Client) -> Option<String> {
    let Arguments { lease: name, operator_namespace, .. } = arguments;
    let waits = |longest: std::time::Duration| {
        let seconds = longest.as_secs();
        eprintln!("The Lease {name} names a holder; looking for up to {seconds} s whether it is alive.");
    };
    match lease::living_holder(client, operator_namespace.as_deref(), name, waits).await {
        Ok(None) => None,
        Ok(Some(holder)) => {
            let lease::LivingHolder { namespace, identity, renewed } = holder;
            let renewed = renewed.map(|time| format!(" and renewed it at {time}")).unwrap_or_default();
            Some(format!(
                "an operator runs and would take the objects back: {identity} holds the Lease {namespace}/{name}{renewed}. \
                 Scale its Deployment to zero first, such as by `kubectl -n {namespace} scale deployment svix-operator \
                 --replicas=0`; --force releases all the same"
            ))
        }
        Err(error) => {
            let place = operator_namespace.as_deref().map_or_else(
                || "in all namespaces".to_owned(),
                |namespace| format!("in namespace {namespace}"),
            );
            Some(format!(
                "cannot see whether an operator runs: reading the Lease {name} {place}: {error}; say where it is with \
                 --operator-namespace, or release all the same with --force"
            ))
        }
    }
}
