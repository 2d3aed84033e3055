//! One driver per connection: it reads the token, lists Svix, repeats that at every interval, and says in the
//! connection's status whether it works.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use futures::{FutureExt as _, StreamExt as _, stream};
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    api::{ORPHAN_ON_DELETE_ANNOTATION, Reason, SvixConnection, SvixConnectionSpec, SvixConnectionStatus},
    plan::{ReconcileError, event, status, status::ReadyState},
    svix::{Budget, Changed, Class, Client, ClientOptions, Error, ErrorKind, Listing, Mirror},
};

use super::{
    Awaited, Engine, EventRecord, Host, HostError, Kind, Object, ObjectKey, ReferenceError, Status, jitter,
};

/// How many applications are listed at once.
const LISTED_AT_ONCE: usize = 4;
/// How often one page of a listing is tried before the listing has failed.
const PAGE_TRIES: u32 = 5;
/// How long to wait after a failed listing at first, and at most.
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LONGEST_RETRY: Duration = Duration::from_secs(10);
/// How long after it began to look a driver looks again when something is in doubt: at first, and when it was for
/// nothing again and again.
const FIRST_DOUBT: Duration = Duration::from_secs(3);
const LONGEST_DOUBT: Duration = Duration::from_secs(60);
/// How far objects that wait are woken apart once Svix answers: each, and all of them at most.
const APART: Duration = Duration::from_millis(2);
const ALL_APART: Duration = Duration::from_secs(5);
/// How long to wait, at most, until it is looked whether all objects of a connection are let go.
const LONGEST_LETTING_GO: Duration = Duration::from_secs(2);
/// How long to wait for a Secret or a token that a person has to mend, when no change is noticed.
const TOKEN_RETRY: Duration = Duration::from_secs(60);

/// A connection as its driver holds it.
pub(super) struct Runtime {
    live: RwLock<Option<Arc<Live>>>,
    trouble: Mutex<Option<ReconcileError>>,
    poke: Notify,
    /// Something speaks against what is known of Svix.
    doubt: Arc<Notify>,
    stop: CancellationToken,
}

/// A connection that has been listed and can be used.
pub(super) struct Live {
    pub client: Client,
    pub mirror: Mirror,
    shape: Shape,
    /// One at a time lists or makes an application; holds when its last listing began.
    applications: Mutex<HashMap<Box<str>, Arc<tokio::sync::Mutex<Listed>>>>,
    doubt: Arc<Notify>,
}

/// When a listing of an application began that came to its end.
type Listed = Option<Instant>;

/// What a client is made from; another shape needs another client and another mirror.
#[derive(Clone, PartialEq)]
struct Shape {
    server_url: Option<String>,
    ca_bundle: Option<String>,
    requests_per_second: Option<u32>,
    /// Where the token chooses the server.
    region: Option<String>,
}

impl Shape {
    fn new(spec: &SvixConnectionSpec, token: &str) -> Self {
        Self {
            server_url: spec.server_url.clone(),
            ca_bundle: spec.ca_bundle.clone(),
            requests_per_second: spec.requests_per_second(),
            region: match spec.server_url {
                Some(_) => None,
                None => token.rsplit('.').next().map(str::to_owned),
            },
        }
    }
}

impl Runtime {
    fn new() -> Self {
        Self {
            live: RwLock::default(),
            trouble: Mutex::default(),
            poke: Notify::new(),
            doubt: Arc::default(),
            stop: CancellationToken::new(),
        }
    }

    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    fn live(&self) -> Option<Arc<Live>> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_live(&self, live: Option<Arc<Live>>) {
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = live;
    }

    fn set_trouble(&self, trouble: Option<ReconcileError>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    fn trouble(&self) -> Option<ReconcileError> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Live {
    /// Takes the turn to list or make an application.
    pub(super) async fn turn(&self, application: &str) -> tokio::sync::OwnedMutexGuard<Listed> {
        let turn = {
            let mut turns = self.applications.lock().unwrap_or_else(PoisonError::into_inner);
            turns.entry(application.into()).or_default().clone()
        };
        turn.lock_owned().await
    }

    /// Has Svix listed anew, soon: something is not where the mirror has it.
    pub(super) fn doubt(&self) {
        self.doubt.notify_one();
    }
}

/// What a round of a driver came to.
enum Round {
    /// Listed; next after the interval.
    Listed,
    /// Failed in a way that may pass.
    Retry(ReconcileError),
    /// Waits until its objects are let go.
    LettingGo(ReconcileError),
    /// Waits for a change.
    Blocked(ReconcileError),
    /// The connection is gone.
    Gone,
}

impl<S: Host> Engine<S> {
    /// Starts the driver of a connection, or has it look again.
    pub(super) fn drive(self: &Arc<Self>, name: &str) {
        let mut connections = self.write(&self.connections);
        if let Some(runtime) = connections.get(name) {
            runtime.poke.notify_one();
            return;
        }
        let runtime = Arc::new(Runtime::new());
        connections.insert(name.into(), runtime.clone());
        let (engine, name) = (self.clone(), Arc::<str>::from(name));
        self.tasks.spawn(async move {
            tokio::select! {
                () = engine.abort.cancelled() => {}
                () = runtime.stop.cancelled() => {}
                () = engine.driver(&name, &runtime) => {}
            }
        });
    }

    /// Has a connection's driver look again, now.
    pub(super) fn poke(&self, name: &str) {
        if let Some(runtime) = self.runtime(name) {
            runtime.poke.notify_one();
        }
    }

    /// Has a connection's driver look soon whether Svix still answers: a call failed.
    pub(super) fn doubt(&self, name: &str) {
        if let Some(runtime) = self.runtime(name) {
            runtime.doubt.notify_one();
        }
    }

    fn runtime(&self, name: &str) -> Option<Arc<Runtime>> {
        self.connections.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// A connection that can be used, or why there is none.
    pub(super) fn live(&self, name: &str) -> Result<Arc<Live>, ReconcileError> {
        if self.registry.connection(name).is_none() {
            return Err(ReconcileError::new(
                Reason::ConnectionNotFound,
                format!(
                    "there is no SvixConnection named {name:?}; create it, or name another in spec.connectionRef"
                ),
            ));
        }
        let runtime = self.runtime(name);
        runtime.as_ref().and_then(|runtime| runtime.live()).ok_or_else(|| {
            let why = match runtime.and_then(|runtime| runtime.trouble()) {
                Some(trouble) => format!("{}: {}", trouble.reason, trouble.message),
                None => "it is being connected".to_owned(),
            };
            ReconcileError::new(
                Reason::ConnectionNotReady,
                format!("SvixConnection {name:?} cannot be used yet ({why})"),
            )
        })
    }

    async fn driver(self: &Arc<Self>, name: &Arc<str>, runtime: &Arc<Runtime>) {
        let mut retry = FIRST_RETRY;
        let mut failing_since: Option<Instant> = None;
        let (mut doubted, mut doubt_after) = (false, FIRST_DOUBT);
        loop {
            let began = Instant::now();
            // What was in doubt before is looked into now.
            let _ = runtime.doubt.notified().now_or_never();
            let round = self.round(name, runtime).await;
            let Some(connection) = self.registry.connection(name) else {
                self.write(&self.connections).remove(name);
                return;
            };
            let interval = connection.spec.resync_interval().unwrap_or(Duration::from_secs(600));
            let pause = match &round {
                Round::Gone => continue,
                Round::Listed => {
                    retry = FIRST_RETRY;
                    // Up to a tenth more, so that connections and replicas do not list in step.
                    interval + jitter(interval / 10)
                }
                Round::Retry(_) => {
                    let pause = retry / 2 + jitter(retry / 2);
                    retry = (retry * 2).min(LONGEST_RETRY);
                    pause
                }
                Round::LettingGo(_) => {
                    let pause = retry;
                    retry = (retry * 2).min(LONGEST_LETTING_GO);
                    pause
                }
                Round::Blocked(_) => TOKEN_RETRY,
            };
            doubt_after = match &round {
                // Svix is well: one call that keeps failing must not have everything listed again and again.
                Round::Listed | Round::Blocked(_) if doubted => (doubt_after * 2).min(LONGEST_DOUBT),
                _ => FIRST_DOUBT,
            };
            let verdict = match round {
                Round::Gone => continue,
                Round::Listed => {
                    Some(ReadyState::Ready(Reason::Connected, "Svix answers and takes the token".into()))
                }
                Round::Retry(refusal) => {
                    let since = *failing_since.get_or_insert_with(Instant::now);
                    self.in_trouble(name, runtime, &refusal);
                    // What passes within a moment is not worth a write.
                    (since.elapsed() >= self.options.settle).then_some(ReadyState::Waiting(refusal))
                }
                Round::LettingGo(refusal) => {
                    let since = *failing_since.get_or_insert_with(Instant::now);
                    (since.elapsed() >= self.options.settle).then_some(ReadyState::Waiting(refusal))
                }
                Round::Blocked(refusal) => {
                    self.in_trouble(name, runtime, &refusal);
                    Some(ReadyState::Stalled(refusal))
                }
            };
            if verdict.as_ref().is_some_and(ReadyState::is_ready) {
                failing_since = None;
                runtime.set_trouble(None);
            }
            if let Some(verdict) = verdict {
                self.report_connection(&connection, runtime, &verdict).await;
            }
            let in_doubt = async {
                runtime.doubt.notified().await;
                tokio::time::sleep_until(began + doubt_after).await;
            };
            doubted = tokio::select! {
                () = runtime.poke.notified() => {
                    retry = FIRST_RETRY;
                    false
                }
                () = in_doubt => true,
                () = tokio::time::sleep(pause) => false,
            };
        }
    }

    /// Notes why a connection cannot be used. Its objects repeat that while they cannot do anything else, so they hear of
    /// another reason; with a connection that worked before they ask Svix itself.
    fn in_trouble(&self, name: &str, runtime: &Runtime, refusal: &ReconcileError) {
        let news = runtime.trouble().is_none_or(|before| before.reason != refusal.reason);
        runtime.set_trouble(Some(refusal.clone()));
        if news && runtime.live().is_none() {
            self.wake_all(self.registry.users_of(name));
        }
    }

    /// One round: clean up if it is being deleted, else connect and list.
    async fn round(self: &Arc<Self>, name: &Arc<str>, runtime: &Arc<Runtime>) -> Round {
        let Some(connection) = self.registry.connection(name) else { return Round::Gone };
        let object = Object::Connection(connection.clone());
        if connection.metadata.deletion_timestamp.is_some() {
            let users = self.registry.users_of(name);
            let orphans = super::policy::is_orphaning(&connection);
            if orphans {
                // All are let go while they can still see why: without it, nobody could clean up after them. The queue
                // does it, so that ten thousand are not written at once.
                let held = |key: &&ObjectKey| {
                    self.registry.get(key).is_some_and(|object| {
                        object.has_finalizer() && (object.deleting() || self.is_orphaned(&object))
                    })
                };
                let held: Vec<_> = users.iter().filter(held).cloned().collect();
                if !held.is_empty() {
                    let message = format!("objects that it still holds are let go first: {}", held.len());
                    self.wake_all(held);
                    return Round::LettingGo(ReconcileError::new(Reason::Deleting, message));
                }
            }
            if orphans || self.holding(name).is_empty() {
                if let Err(error) = self.host.release(&object).await
                    && !matches!(error, HostError::Gone)
                {
                    return Round::Retry(ReconcileError::new(
                        Reason::Deleting,
                        format!("cannot remove the finalizer: {error}"),
                    ));
                }
                return Round::Blocked(ReconcileError::new(Reason::Deleting, "released"));
            }
        } else if !object.has_finalizer() {
            match self.host.claim(&object, true, None).await {
                Ok(object) => self.wrote(object),
                Err(error) => {
                    return Round::Retry(ReconcileError::new(Reason::SvixUnavailable, error.to_string()));
                }
            }
        }
        let live = match self.connect(&connection, runtime).await {
            Ok(live) => live,
            Err(round) => return round,
        };
        let first = runtime.live().is_none_or(|before| !Arc::ptr_eq(&before, &live));
        let listed = {
            let listing = self.list(name, &live, !first);
            tokio::pin!(listing);
            // Status speaks of another spec: until it is known what comes of this one, it says at least that.
            let of = connection.status.as_ref().and_then(|status| status.observed_generation);
            let is_new =
                of != connection.metadata.generation && connection.metadata.deletion_timestamp.is_none();
            tokio::select! {
                listed = &mut listing => listed,
                () = tokio::time::sleep(self.options.settle), if first && is_new => {
                    let message = format!("it is being connected to {}", live.client.server_url());
                    let verdict = ReadyState::Waiting(ReconcileError::new(Reason::ConnectionNotReady, message));
                    // As it is now: it may have been claimed in this round.
                    if let Some(connection) = self.registry.connection(name) {
                        self.report_connection(&connection, runtime, &verdict).await;
                    }
                    listing.await
                }
            }
        };
        match listed {
            Ok(()) => {
                runtime.set_trouble(None);
                runtime.set_live(Some(live));
                let users = self.registry.users_of(name);
                if first {
                    self.wake_all(users);
                } else {
                    self.wake_apart(self.only_waiting(users));
                }
                match connection.metadata.deletion_timestamp {
                    None => Round::Listed,
                    Some(_) => Round::Blocked(self.in_use(name)),
                }
            }
            Err(error) if error.class() == Class::Unauthorized => {
                runtime.set_live(None);
                Round::Blocked(ReconcileError::new(
                    Reason::AuthenticationFailed,
                    unaccepted(&connection.spec, live.client.server_url(), &error.kind),
                ))
            }
            Err(error) => {
                tracing::warn!(connection = %name, error = %error, "cannot list Svix");
                let reason = match error.class() {
                    Class::Throttled => Reason::Throttled,
                    Class::Terminal => Reason::RefusedBySvix,
                    Class::Transient | Class::Unauthorized => Reason::SvixUnavailable,
                };
                let server = live.client.server_url();
                let message = match error.kind {
                    // Every Svix has a list of event types.
                    ErrorKind::NotFound => format!(
                        "{server} answers 404 where a Svix lists its event types; is this a Svix server? \
                         /spec/serverUrl ends before /api/v1"
                    ),
                    kind => format!("cannot list {server}: {kind}"),
                };
                Round::Retry(ReconcileError::new(reason, message))
            }
        }
    }

    /// The objects that need a connection: all that use it, but events with which nothing is done any more.
    fn holding(&self, name: &str) -> Vec<ObjectKey> {
        let mut users = self.registry.users_of(name);
        users.retain(|key| {
            key.kind != Kind::Event
                || !matches!(self.registry.get(key), Some(Object::Event(event)) if event::is_over(&event))
        });
        users
    }

    /// What is said of a connection that is being deleted and still needed.
    fn in_use(&self, name: &str) -> ReconcileError {
        let kinds = [Kind::Endpoint, Kind::EventType, Kind::Event];
        let mut users = self.holding(name);
        users.sort_by_key(|key| (kinds.iter().position(|kind| *kind == key.kind), key.clone()));
        let count = |kind: Kind| users.iter().filter(|key| key.kind == kind).count();
        let counts = kinds.map(|kind| (kind.as_str(), count(kind)));
        let first = users.first().map_or_else(String::new, ToString::to_string);
        let users = status::still_use(&counts, &first);
        let message = format!(
            "{users}; it goes when the last of them is deleted. To let go of them all and leave Svix as it is, annotate it \
             with {ORPHAN_ON_DELETE_ANNOTATION}=true"
        );
        ReconcileError::new(Reason::InUse, message)
    }

    /// The client and mirror for a connection as it is now: those before, with the token of now, unless its
    /// spec needs others.
    async fn connect(&self, connection: &SvixConnection, runtime: &Runtime) -> Result<Arc<Live>, Round> {
        let token = match self.host.token(connection).await {
            Ok(token) => token,
            Err(ReferenceError::NotFound(message)) => {
                runtime.set_live(None);
                return Err(Round::Blocked(ReconcileError::new(Reason::TokenNotFound, message)));
            }
            Err(ReferenceError::Failed(message) | ReferenceError::Forbidden(message)) => {
                return Err(Round::Retry(ReconcileError::new(Reason::TokenNotFound, message)));
            }
        };
        let invalid = |error: crate::svix::InvalidConnection| {
            runtime.set_live(None);
            Round::Blocked(ReconcileError::new(Reason::InvalidConnection, error.to_string()))
        };
        let shape = Shape::new(&connection.spec, &token);
        if let Some(live) = runtime.live().filter(|live| live.shape == shape) {
            live.client.set_token(&token).map_err(invalid)?;
            return Ok(live);
        }
        let options = ClientOptions {
            server_url: connection.spec.server_url.as_deref(),
            token: &token,
            ca_bundle: connection.spec.ca_bundle.as_deref(),
            timeout: self.options.call_timeout,
        };
        let budget = Arc::new(Budget::new(shape.requests_per_second));
        let client = Client::new(&options, budget, self.metrics.clone()).map_err(invalid)?;
        Ok(Arc::new(Live {
            client,
            mirror: Mirror::default(),
            shape,
            applications: Mutex::default(),
            doubt: runtime.doubt.clone(),
        }))
    }

    /// Lists everything that this connection's objects are about. With `wake`, those that differ are woken as
    /// soon as the page with the difference is read.
    async fn list(&self, name: &str, live: &Live, wake: bool) -> Result<(), Error> {
        let tell = |changes: Vec<Changed>| {
            if wake {
                self.svix_changed(name, &changes);
            }
        };
        let mut used = self.registry.applications(name);
        used.extend(self.awaited_applications(name));
        for application in live.mirror.applications().iter().filter(|known| !used.contains(*known)) {
            live.mirror.forget_application(application);
        }
        let event_types = async {
            let listing = live.mirror.begin();
            let mut from: Option<String> = None;
            loop {
                let page = tried(|| live.client.list_event_types(from.as_deref())).await?;
                tell(live.mirror.list_event_types(listing, page.items));
                from = page.next;
                if from.is_none() {
                    tell(live.mirror.finish_event_types(listing));
                    return Ok(());
                }
            }
        };
        let applications = async {
            let mut listings = stream::iter(used)
                .map(|application| self.list_used(name, live, application, wake))
                .buffer_unordered(LISTED_AT_ONCE);
            while let Some(listed) = listings.next().await {
                listed?;
            }
            Ok(())
        };
        tokio::try_join!(event_types, applications).map(drop)
    }

    /// Lists the endpoints of an application that objects use.
    async fn list_used(
        &self,
        name: &str,
        live: &Live,
        application: Box<str>,
        wake: bool,
    ) -> Result<(), Error> {
        let mut turn = live.turn(&application).await;
        let began = Instant::now();
        let changes = list_application(live, &application).await?;
        *turn = Some(began);
        if wake {
            self.svix_changed(name, &changes);
        }
        if live.mirror.application_present(&application) {
            self.release_waiting(name, &Awaited::Application(application));
        }
        Ok(())
    }

    /// Makes sure that an application's endpoints have been listed.
    pub(super) async fn ensure_listed(&self, live: &Live, application: &str) -> Result<(), Error> {
        if live.mirror.application_loaded(application) {
            return Ok(());
        }
        let mut turn = live.turn(application).await;
        if !live.mirror.application_loaded(application) {
            let began = Instant::now();
            list_application(live, application).await?;
            *turn = Some(began);
        }
        Ok(())
    }

    /// Makes sure that an application's endpoints were listed after this moment, and wakes whoever differs. `false`:
    /// they were listed less than `pause` ago, and are not again yet.
    pub(super) async fn ensure_listed_since(
        &self,
        name: &str,
        live: &Live,
        application: &str,
        moment: Instant,
        pause: Duration,
    ) -> Result<bool, Error> {
        let mut turn = live.turn(application).await;
        let began = Instant::now();
        match *turn {
            Some(listed) if listed >= moment => return Ok(true),
            Some(listed) if began.saturating_duration_since(listed) < pause => return Ok(false),
            _ => {}
        }
        let changes = list_application(live, application).await?;
        *turn = Some(began);
        drop(turn);
        if !changes.is_empty() {
            // Where endpoints went, event types may have, too.
            live.doubt();
            self.svix_changed(name, &changes);
        }
        Ok(true)
    }

    /// Those that wait for something: it may have come without a difference that names them.
    fn only_waiting(&self, keys: Vec<ObjectKey>) -> Vec<ObjectKey> {
        let memory = self.lock(&self.memory);
        keys.into_iter()
            .filter(|key| memory.get(key).is_some_and(|memory| memory.waiting_since.is_some()))
            .collect()
    }

    /// Wakes objects a little apart, so that a Svix that has just come back is not met by all of them at once.
    fn wake_apart(&self, keys: Vec<ObjectKey>) {
        let most = APART.saturating_mul(u32::try_from(keys.len()).unwrap_or(u32::MAX)).min(ALL_APART);
        for key in keys {
            if let Some(object) = self.registry.get(&key) {
                self.queue.wake_within(key, self.lane(&object), jitter(most));
            }
        }
    }

    async fn report_connection(
        &self,
        connection: &Arc<SvixConnection>,
        runtime: &Runtime,
        verdict: &ReadyState,
    ) {
        let object = Object::Connection(connection.clone());
        let before = object.conditions();
        let generation = connection.metadata.generation;
        let changed = before.iter().all(|old| old.reason != verdict.reason().as_str());
        // The server that is meant, also while the one before is still used.
        let declared = connection.spec.server_url.as_deref().map(|url| url.trim_end_matches('/').to_owned());
        let server_url = declared
            .or_else(|| runtime.live().map(|live| live.client.server_url().to_owned()))
            .or_else(|| connection.status.as_ref().and_then(|status| status.server_url.clone()));
        let status = SvixConnectionStatus {
            observed_generation: generation,
            last_handled_reconcile_at: match verdict {
                ReadyState::Waiting(_) => {
                    connection.status.as_ref().and_then(|status| status.last_handled_reconcile_at.clone())
                }
                ReadyState::Ready(..) | ReadyState::Stalled(_) => object.reconcile_at().map(str::to_owned),
            },
            server_url,
            conditions: status::conditions(verdict, Some(&[]), before, generation, jiff::Timestamp::now()),
        };
        if object.has_status(&Status::Connection(status.clone())) {
            return;
        }
        if changed {
            let (name, reason, message) = (&object.key().name, verdict.reason(), verdict.message());
            if verdict.is_ready() {
                tracing::info!(connection = %name, %reason, message, "connection");
            } else {
                tracing::warn!(connection = %name, %reason, message, "connection");
            }
            self.host.publish_event(
                &object,
                EventRecord {
                    warning: !verdict.is_ready(),
                    reason: verdict.reason().as_str(),
                    message: verdict.message().to_owned(),
                },
            );
        }
        match self.host.report(&object, Status::Connection(status)).await {
            Ok(object) => self.wrote(object),
            Err(HostError::Gone) => {}
            Err(error) => {
                tracing::warn!(connection = %ObjectKey::connection(connection.metadata.name.as_deref().unwrap_or_default()), %error, "cannot write status");
            }
        }
    }
}

/// That Svix does not accept the token, and which one that is.
fn unaccepted(spec: &SvixConnectionSpec, server: &str, error: &ErrorKind) -> String {
    let said = match error {
        ErrorKind::Unauthorized { status, detail } => format!("status {status}: {detail}"),
        other => other.to_string(),
    };
    let reference = &spec.token_secret_ref;
    format!(
        "{server} does not accept the token ({said}); correct key {:?} of the Secret {:?}",
        reference.key, reference.name
    )
}

/// Lists an application's endpoints; the caller has the turn.
async fn list_application(live: &Live, application: &str) -> Result<Vec<Changed>, Error> {
    let listing: Listing = live.mirror.begin();
    let mut from: Option<String> = None;
    let mut changed = Vec::new();
    loop {
        let page = tried(|| live.client.list_endpoints(application, from.as_deref())).await?;
        let Some(page) = page else {
            changed.extend(live.mirror.finish_endpoints(listing, application, false));
            return Ok(changed);
        };
        changed.extend(live.mirror.list_endpoints(listing, application, page.items));
        from = page.next;
        if from.is_none() {
            changed.extend(live.mirror.finish_endpoints(listing, application, true));
            return Ok(changed);
        }
    }
}

/// Tries one page a few times: at ten thousand objects a listing has forty of them, and one that fails
/// should not cost the others.
async fn tried<T, F: Future<Output = Result<T, Error>>>(call: impl Fn() -> F) -> Result<T, Error> {
    let mut delay = Duration::from_millis(100);
    let mut tries = 1;
    loop {
        match call().await {
            Err(error)
                if tries < PAGE_TRIES && matches!(error.class(), Class::Transient | Class::Throttled) =>
            {
                tokio::time::sleep(delay / 2 + jitter(delay / 2)).await;
                delay *= 2;
                tries += 1;
            }
            result => return result,
        }
    }
}
