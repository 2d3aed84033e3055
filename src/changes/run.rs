//! Runs the engine on manifests, with a reviewer, until every object has settled.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    api::SvixConnection,
    engine::{EventRecord, Kind, ListedConnection, Object, Options, Reviewer},
    manifests::{
        Deliveries, DesiredState, Loaded, ManifestRunner, MissingConnection, References, Server, Settling,
        State, counted, missing_connection, state,
    },
    telemetry::Metrics,
};

/// The Svix server that manifests are compared with.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The server.
    pub server: Server<'a>,
    /// The connection whose objects take part.
    pub connection: &'a str,
    /// The most requests a second; `None`: what the connection says.
    pub requests_per_second: Option<u16>,
}

/// How to run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Who sees the steps; `None`: all are carried out.
    pub reviewer: Option<Arc<dyn Reviewer>>,
    /// The connection as an earlier run listed it.
    pub listed: Option<ListedConnection>,
    /// Most objects at once.
    pub concurrency: usize,
    /// How long to wait until all objects have settled.
    pub timeout: Duration,
}

/// Why manifests cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CannotCompare {
    /// Some manifests cannot be read, so what they declare is not known.
    #[error("{} cannot be read, so nothing is compared; `svix-operator validate` lists them", counted(*.0, "manifest"))]
    Problems(usize),
    /// No manifest declares the connection.
    #[error("{0}; or say --owner-id, if the connection is declared elsewhere")]
    Connection(MissingConnection),
}

/// What a run ended with.
#[derive(Debug)]
pub struct Finished {
    /// The objects, with their status.
    pub objects: Vec<Object>,
    /// Why the connection does not work, if it does not.
    pub broken_connection: Option<String>,
    /// The objects of other connections, which took no part.
    pub left_out: usize,
    /// The connection, for a run right after this one; `None`: it was not listed.
    pub listed: Option<ListedConnection>,
}

/// Runs the engine until all objects have settled. WebhookEvents take no part: nothing is sent.
///
/// # Errors
/// Manifests that cannot be read, and a connection that none declares.
pub async fn run(
    loaded: Loaded,
    target: &Target<'_>,
    how: Run,
    shutdown: &CancellationToken,
    on_event: impl Fn(&Object, &EventRecord) + Send + Sync + 'static,
) -> Result<Finished, CannotCompare> {
    if !loaded.problems.is_empty() {
        return Err(CannotCompare::Problems(loaded.problems.len()));
    }
    if let Some(missing) = missing_connection(&loaded, target.connection) {
        return Err(CannotCompare::Connection(missing));
    }
    let DesiredState { objects, references, .. } = DesiredState::new(loaded, &target.server, Vec::new());
    let (objects, others) = partition(objects, target);
    let left_out =
        others.iter().filter(|object| matches!(object.kind(), Kind::EventType | Kind::Endpoint)).count();
    let options = Options {
        concurrency: how.concurrency,
        settle: Duration::from_millis(300),
        reviewer: how.reviewer,
        listed: how.listed,
        ..Options::default()
    };
    let runner = ManifestRunner::start(References::default(), options, Metrics::default(), on_event);
    runner.declare(objects, references);
    let mut settling = Settling::new(how.timeout, Deliveries::Ignored);
    tokio::select! {
        () = settling.wait(&runner, shutdown) => {}
        () = outage(&runner) => {}
    }
    let objects = runner.objects();
    let listed = runner.listed(target.connection);
    runner.stop().await;
    let broken_connection = objects.iter().find_map(|object| match object {
        Object::Connection(_) if is_broken(object) => {
            object.ready_condition().map(|condition| condition.message.to_string())
        }
        _ => None,
    });
    Ok(Finished { objects, broken_connection, left_out, listed })
}

/// How long a connection may fail before the run ends.
const OUTAGE: Duration = Duration::from_secs(5);
/// The interval at which this is checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Returns when the connection has not worked for a while.
async fn outage(runner: &ManifestRunner) {
    let mut since: Option<Instant> = None;
    loop {
        tokio::time::sleep(CHECK_INTERVAL).await;
        let connections = runner.connections();
        if !connections.iter().any(is_broken) {
            since = None;
        } else if since.get_or_insert_with(Instant::now).elapsed() >= OUTAGE {
            return;
        }
    }
}

fn is_broken(connection: &Object) -> bool {
    state(connection) == State::Problem || connection.ready() == Some(false)
}

/// The objects that take part, and the others.
fn partition(objects: Vec<Object>, target: &Target<'_>) -> (Vec<Object>, Vec<Object>) {
    objects
        .into_iter()
        .map(|object| match object {
            Object::Connection(connection) => Object::Connection(with_rate(connection, target)),
            object => object,
        })
        .partition(|object| object.kind() != Kind::Event && object.connection_name() == target.connection)
}

fn with_rate(connection: Arc<SvixConnection>, target: &Target<'_>) -> Arc<SvixConnection> {
    let Some(rate) = target.requests_per_second else { return connection };
    let mut connection = Arc::unwrap_or_clone(connection);
    connection.spec.requests_per_second = Some(i32::from(rate));
    Arc::new(connection)
}
