//! What `diff` and `apply` share: the manifests, the Svix server, and the connection that the objects use.

use std::{
    fs,
    io::{self, Read as _},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::{
    api::{DEFAULT_CONNECTION, SecretKeyRef, SvixConnection, SvixConnectionSpec},
    changes::{
        ChangeSet, Finished, HiddenHeaders, Preview, Run, Target, add_missing_secrets, receivers, run,
    },
    engine::{EventRecord, ListedConnection, Object, ObjectKey, Reviewer},
    manifests::{self, Input, Loaded, Located, NoManifests, Origin, ReadError, Server, SourceMap},
    svix::{self, Client},
    telemetry::Metrics,
};

use super::svix_server::{self, SvixServerError, address, ca_bundle, warnings};

/// Manifests, and the server that they are for.
#[derive(Debug, clap::Args)]
pub struct ManifestArguments {
    /// Folders and files of manifests (YAML or JSON); `-`: standard input.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// Name of the SvixConnection whose objects take part. Others are left out.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_CONNECTION)]
    pub connection: String,

    /// The ownerId, if the SvixConnection is not among the manifests. Everything is then permitted.
    #[arg(long, value_name = "ID")]
    pub owner_id: Option<String>,
}

/// The server, and how it is used.
#[derive(Debug, clap::Args)]
pub struct ServerArguments {
    /// Address of the Svix server. Default: SVIX_SERVER_URL, else that of the connection, else that of the token's region.
    /// The token is in SVIX_TOKEN or SVIX_AUTH_TOKEN.
    #[arg(long, env = "SVIX_URL", value_name = "URL")]
    pub svix_url: Option<String>,

    /// PEM file of certificates to trust in addition to the system's.
    #[arg(long, value_name = "FILE")]
    pub svix_ca: Option<PathBuf>,

    /// Most requests to Svix in a second; 0: no limit. Default: requestsPerSecond of the connection.
    #[arg(long, value_name = "N")]
    pub requests_per_second: Option<u16>,

    /// Write headers whose values Svix hides. Whether they differ cannot be known, so they are not written otherwise.
    #[arg(long)]
    pub write_hidden_headers: bool,

    /// Seconds that the work may take.
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub timeout: u64,
}

/// Why there is nothing to work on.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    #[error("{}: {source}", .path.display())]
    Path { path: PathBuf, source: io::Error },
    #[error("standard input: {0}")]
    StandardInput(io::Error),
    #[error("standard input: {0}")]
    NotText(#[from] ReadError),
    #[error(transparent)]
    NoManifests(#[from] NoManifests),
    #[error("--owner-id: the manifests have SvixConnection {0:?}, which has an ownerId of its own")]
    OwnerId(String),
    #[error(transparent)]
    Server(#[from] SvixServerError),
}

/// What `-` is called in messages.
const STANDARD_INPUT: &str = "standard input";

impl ManifestArguments {
    /// Reads the manifests. Problems and warnings are printed.
    pub fn load(&self) -> Result<(Loaded, SourceMap), InputError> {
        let inputs = self.paths.iter().map(input).collect::<Result<Vec<_>, _>>()?;
        let mut loaded = manifests::load_all(&inputs);
        loaded.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
        loaded.problems.iter().for_each(|problem| eprintln!("error: {problem}"));
        if loaded.problems.is_empty() {
            let folder = self.paths.first().cloned().unwrap_or_default();
            loaded.expect_manifests(&folder)?;
        }
        self.add_connection(&mut loaded)?;
        let sources = SourceMap::new(&loaded);
        Ok((loaded, sources))
    }

    /// Adds the connection that `--owner-id` describes.
    pub fn add_connection(&self, loaded: &mut Loaded) -> Result<(), InputError> {
        let Some(owner_id) = &self.owner_id else { return Ok(()) };
        if manifests::missing_connection(loaded, &self.connection).is_none() {
            return Err(InputError::OwnerId(self.connection.clone()));
        }
        let spec = SvixConnectionSpec {
            owner_id: owner_id.clone(),
            token_secret_ref: SecretKeyRef { name: "svix-token".to_owned(), key: "token".to_owned() },
            ..SvixConnectionSpec::default()
        };
        let origin = Origin { file: "--owner-id".into(), line: 1 };
        let object = SvixConnection::new(&self.connection, spec);
        loaded.connections.push(Located { object, origin });
        Ok(())
    }
}

fn input(path: &PathBuf) -> Result<Input, InputError> {
    if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map_err(InputError::StandardInput)?;
        let text = manifests::decode(bytes)?;
        return Ok(Input::Text { name: STANDARD_INPUT.to_owned(), text });
    }
    fs::metadata(path).map_err(|source| InputError::Path { path: path.clone(), source })?;
    Ok(Input::Path(path.clone()))
}

/// A Svix server that can be used.
pub struct SvixTarget {
    /// Its client, for what the engine does not do.
    pub client: Client,
    url: String,
    token: String,
    connection: String,
    requests_per_second: Option<u16>,
    write_hidden_headers: bool,
    timeout: Duration,
    /// The connection as the last run listed it: what was just compared is not listed again before it is written.
    listed: Mutex<Option<ListedConnection>>,
}

/// Most objects that are reconciled at once. One namespace gets three quarters of them: 32.
const CONCURRENCY: usize = 43;

impl SvixTarget {
    /// Returns the server that arguments, environment and the connection name, and sets its certificates in the
    /// connection.
    pub fn new(
        arguments: &ServerArguments,
        connection: &str,
        loaded: &mut Loaded,
    ) -> Result<Self, InputError> {
        let declared = loaded.connections.iter_mut().map(|located| &mut located.object);
        let declared = declared
            .into_iter()
            .find(|object| object.metadata.name.as_deref() == Some(connection))
            .map(|object| &mut object.spec);
        let given = address(arguments.svix_url.clone());
        warnings(given.as_deref(), true).iter().for_each(|warning| eprintln!("warning: {warning}"));
        let url = given.or_else(|| declared.as_ref().and_then(|spec| spec.server_url.clone()));
        let ca = ca_bundle(arguments.svix_ca.as_deref())?;
        let ca = match declared {
            Some(spec) => {
                spec.ca_bundle = ca.or_else(|| spec.ca_bundle.take());
                spec.ca_bundle.clone()
            }
            None => ca,
        };
        let client = svix_server::client(url.as_deref(), ca.as_deref(), Metrics::default())?;
        Ok(Self {
            url: client.server_url().to_owned(),
            client,
            token: svix_server::token()?.value,
            connection: connection.to_owned(),
            requests_per_second: arguments.requests_per_second,
            write_hidden_headers: arguments.write_hidden_headers,
            timeout: Duration::from_secs(arguments.timeout),
            listed: Mutex::default(),
        })
    }

    /// The address, without path and user.
    pub fn origin(&self) -> String {
        svix_server::origin(&self.url)
    }

    /// The token, which is the key of fingerprints.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Whether headers are written whose values Svix hides.
    pub fn writes_hidden_headers(&self) -> bool {
        self.write_hidden_headers
    }

    /// Runs the engine on manifests.
    pub async fn run(
        &self,
        loaded: Loaded,
        reviewer: Arc<dyn Reviewer>,
        shutdown: &CancellationToken,
        on_event: impl Fn(&Object, &EventRecord) + Send + Sync + 'static,
    ) -> Result<Finished, crate::changes::CannotCompare> {
        let server = Server {
            url: &self.url,
            token: &self.token,
            token_source: Some("the environment"),
            is_embedded: false,
        };
        let (connection, requests_per_second) = (self.connection.as_str(), self.requests_per_second);
        let target = Target { server, connection, requests_per_second };
        let how = Run {
            reviewer: Some(reviewer),
            listed: self.listed.lock().take(),
            concurrency: CONCURRENCY,
            timeout: self.timeout,
        };
        let mut finished = run(loaded, &target, how, shutdown, on_event).await?;
        *self.listed.lock() = finished.listed.take();
        Ok(finished)
    }

    /// Compares manifests with Svix, and writes nothing. An error in the second place: the server does not work.
    pub async fn preview(
        &self,
        loaded: Loaded,
        sources: &SourceMap,
        shutdown: &CancellationToken,
    ) -> Result<Result<ChangeSet, String>, crate::changes::CannotCompare> {
        let hidden = if self.write_hidden_headers { HiddenHeaders::Written } else { HiddenHeaders::Left };
        let mut loaded = loaded;
        let missing = add_missing_secrets(&mut loaded);
        let preview = Arc::new(Preview::new(&self.token, hidden).without_secrets(missing));
        let finished = self.run(loaded, preview.clone(), shutdown, |_, _| ()).await?;
        if finished.left_out > 0 {
            let left_out = manifests::counted(finished.left_out, "object");
            eprintln!("{left_out} of other connections left out; --connection names another");
        }
        Ok(match finished.broken_connection {
            Some(message) => Err(message),
            None => {
                let origin = |key: &ObjectKey| sources.origin(key).map(ToString::to_string);
                let mut changes = preview.change_set(&finished.objects, origin);
                let added = self.add_receivers(&mut changes, finished.objects.iter()).await;
                added.map(|()| changes).map_err(|error| error.to_string())
            }
        })
    }

    /// Adds the endpoints that receive the events of event types that are archived, removed, or given a schema that breaks
    /// receivers: those that are declared, and others in Svix.
    pub async fn add_receivers<'a>(
        &self,
        changes: &mut ChangeSet,
        objects: impl Iterator<Item = &'a Object>,
    ) -> Result<(), svix::Error> {
        if receivers::are_missing(changes) {
            let mut all = receivers::declared(objects.filter(|it| it.connection_name() == self.connection));
            all.extend(receivers::in_svix(&self.client, changes).await?);
            receivers::add(changes, &all);
        }
        Ok(())
    }
}
