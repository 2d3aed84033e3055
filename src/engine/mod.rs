//! The reconciliation loop that `run` and `dev` share.
//!
//! Objects come in by [`Engine::upsert`] and [`Engine::remove`], from a watch or from a folder. Each is
//! looked at when it changes, when what it refers to changes, and when Svix turns out to differ; the plan says
//! what to do, the Svix client does it, and the [`Host`] records it. One driver per connection lists Svix.
//!
//! kube's own `Controller` is not used: it knows one kind, has no back-off per object and no lanes, and `dev`
//! has no cluster.

mod connection;
mod endpoint;
mod event;
mod event_type;
mod host;
mod object;
mod policy;
mod queue;
mod reconcile;
mod registry;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::FutureExt as _;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{catalogue::Catalogue, svix::Changed, telemetry::Metrics};

pub use host::{EventReason, EventRecord, Host, HostError, ReferenceError, SecretWrite};
pub use object::{Kind, Mode, Object, ObjectKey, Status};
pub use registry::Readiness;

use connection::Runtime;
use queue::Queue;
use registry::{Registry, SvixResource, Taken};

/// How many schemas stay compiled: each takes about a hundred kilobytes.
const COMPILED_SCHEMAS: usize = 32;

/// How the engine works.
#[derive(Clone, Debug)]
pub struct Options {
    /// Most objects of one connection that are worked on at once.
    pub concurrency: usize,
    /// How long a call to Svix may take.
    pub call_timeout: Duration,
    /// How long work in progress may go on after a stop.
    pub grace: Duration,
    /// How long an object may wait for something before its status says so: what takes less is not worth a
    /// write.
    pub settle: Duration,
    /// How long an object that is being deleted waits for a missing connection or token before it is let go.
    pub orphan_after: Duration,
    /// The namespaces whose objects are handed in; `None`: all. Of others nothing is known, so what carries the mark of
    /// one is held.
    pub namespaces: Option<BTreeSet<String>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            concurrency: 32,
            call_timeout: Duration::from_secs(15),
            grace: Duration::from_secs(4),
            settle: Duration::from_secs(1),
            orphan_after: Duration::from_secs(600),
            namespaces: None,
        }
    }
}

/// The engine.
pub struct Engine<S: Host> {
    host: S,
    options: Options,
    metrics: Metrics,
    registry: Registry,
    queue: Queue,
    connections: RwLock<HashMap<Arc<str>, Arc<Runtime>>>,
    waiting: Mutex<Waiting>,
    memory: Mutex<HashMap<ObjectKey, Memory>>,
    /// The schemas that events are judged by, as far as they were needed.
    catalogue: Catalogue,
    /// The set of namespaces with references to ConfigMaps or Secrets may have changed.
    references: watch::Sender<()>,
    /// Objects that are there and cannot be read.
    unreadable: Mutex<HashSet<ObjectKey>>,
    /// Makes digests that mean nothing outside this process.
    seed: std::hash::RandomState,
    tasks: TaskTracker,
    running: AtomicBool,
    /// Ends everything at once.
    abort: CancellationToken,
}

/// Who waits, by connection and what for.
type Waiting = HashMap<(Arc<str>, Awaited), HashSet<ObjectKey>>;

/// Something in Svix that an object waits for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Awaited {
    EventType(Box<str>),
    Application(Box<str>),
}

/// What is remembered of an object between looks, and may be lost.
#[derive(Default, PartialEq)]
struct Memory {
    /// Since when it has waited, while that is not told in status yet.
    waiting_since: Option<tokio::time::Instant>,
    /// Fields that the server ignored, of this generation of the spec.
    ignored: Option<(Option<i64>, Vec<&'static str>)>,
    /// The connection on which it takes over the thing in Svix from an object that went.
    inherited: Option<Box<str>>,
    /// Since when an event has been held back for the endpoints that are to receive it.
    held_back_since: Option<tokio::time::Instant>,
    /// The headers of an endpoint as this process wrote them.
    headers: Option<endpoint::Written>,
    /// What was mended, and when.
    mended: Vec<policy::Mended>,
    /// Who else declares what it holds, as it was told.
    rivals: Vec<ObjectKey>,
}

impl<S: Host> Engine<S> {
    /// An engine that does nothing yet.
    pub fn new(host: S, options: Options, metrics: Metrics) -> Arc<Self> {
        Arc::new(Self {
            queue: Queue::new(options.concurrency),
            host,
            options,
            metrics,
            registry: Registry::default(),
            connections: RwLock::default(),
            waiting: Mutex::default(),
            memory: Mutex::default(),
            catalogue: Catalogue::new(COMPILED_SCHEMAS),
            references: watch::Sender::new(()),
            unreadable: Mutex::default(),
            seed: std::hash::RandomState::new(),
            tasks: TaskTracker::new(),
            running: AtomicBool::new(false),
            abort: CancellationToken::new(),
        })
    }

    /// The host.
    pub fn host(&self) -> &S {
        &self.host
    }

    /// Takes in an object that is there or has changed.
    pub fn upsert(self: &Arc<Self>, object: Object) {
        let key = object.key();
        let generation = object.meta().generation;
        let new_policy = key.kind == Kind::Connection
            && self.registry.get(&key).is_none_or(|before| before.meta().generation != generation);
        let is_new = self.registry.get(&key).is_none_or(|before| before.meta().generation != generation);
        self.lock(&self.unreadable).remove(&key);
        let referred = self.registry.refers(&key);
        let taken = self.registry.upsert(object);
        if taken == Taken::Changed && (referred || self.registry.refers(&key)) {
            self.references.send_replace(());
        }
        if taken == Taken::Unchanged || !self.is_running() {
            return;
        }
        if key.kind == Kind::Connection {
            self.drive(&key.name);
            // What its objects declare in Svix depends on its policy.
            if new_policy {
                self.wake_all(self.registry.users_of(&key.name));
            }
        } else {
            self.wake(&key);
            // Who holds a thing says who else declares it.
            if is_new {
                self.wake_all(self.registry.beside(&key));
            }
        }
    }

    /// Takes in that an object is there and cannot be read: what it holds stays its own.
    pub fn cannot_read(&self, key: ObjectKey) {
        self.lock(&self.unreadable).insert(key);
    }

    /// Takes in an object as our own write left it, with whatever else it brings.
    fn wrote(&self, object: Object) {
        let key = object.key();
        if self.registry.wrote(object) == Taken::Unchanged {
            return;
        }
        self.references.send_replace(());
        if key.kind == Kind::Connection {
            self.poke(&key.name);
            self.wake_all(self.registry.users_of(&key.name));
        } else {
            self.wake(&key);
        }
    }

    /// Takes in that an object is gone.
    pub fn remove(self: &Arc<Self>, key: &ObjectKey) {
        let connection = self.registry.get(key).map(|object| object.connection_name().to_owned());
        let heirs = self.registry.remove(key);
        self.lock(&self.unreadable).remove(key);
        self.lock(&self.memory).remove(key);
        self.lock(&self.waiting).retain(|_, keys| {
            keys.remove(key);
            !keys.is_empty()
        });
        self.references.send_replace(());
        if !self.is_running() {
            return;
        }
        if key.kind == Kind::Connection {
            self.poke(&key.name);
            self.wake_all(self.registry.users_of(&key.name));
        } else {
            // One of those that declared the same thing holds it now; and a connection that is being deleted
            // may have waited for its last user.
            self.wake_all(heirs);
            if let Some(connection) = connection
                && self
                    .registry
                    .connection(&connection)
                    .is_some_and(|c| c.metadata.deletion_timestamp.is_some())
            {
                self.poke(&connection);
            }
        }
    }

    /// Keys of all objects of a kind that are known: what a new list no longer names is gone.
    #[must_use]
    pub fn keys(&self, kind: Kind) -> Vec<ObjectKey> {
        self.registry.keys(kind)
    }

    /// One object, with the status that was last recorded.
    #[must_use]
    pub fn get(&self, key: &ObjectKey) -> Option<Object> {
        self.registry.get(key)
    }

    /// Takes in that a Secret changed, in the namespace where tokens are kept.
    pub fn secret_changed(self: &Arc<Self>, name: &str) {
        for key in self.registry.users_of_secret(name) {
            self.poke(&key.name);
        }
    }

    /// Takes in that a ConfigMap changed.
    pub fn config_map_changed(&self, namespace: &str, name: &str) {
        self.wake_all(self.registry.users_of_config_map(namespace, name));
    }

    /// The namespaces in which objects refer to ConfigMaps.
    #[must_use]
    pub fn config_map_namespaces(&self) -> BTreeSet<Arc<str>> {
        self.registry.config_map_namespaces()
    }

    /// Takes in that a Secret changed that endpoints may speak of.
    pub fn endpoint_secret_changed(&self, namespace: &str, name: &str) {
        self.wake_all(self.registry.users_of_endpoint_secret(namespace, name));
    }

    /// The namespaces in which endpoints speak of Secrets.
    #[must_use]
    pub fn secret_namespaces(&self) -> BTreeSet<Arc<str>> {
        self.registry.secret_namespaces()
    }

    /// Takes in the labels of a namespace, which the rules of connections speak of; `None`: it is gone.
    pub fn namespace_changed(&self, name: &str, labels: Option<BTreeMap<String, String>>) {
        let keys = self.registry.set_namespace(name, labels);
        // Whoever may have a thing no more leaves it to others, who may be elsewhere.
        self.wake_all(keys.iter().flat_map(|key| self.registry.beside(key)));
        self.wake_all(keys);
    }

    /// Tells, from now on, when the namespaces with references may be others.
    #[must_use]
    pub fn references(&self) -> watch::Receiver<()> {
        self.references.subscribe()
    }

    /// How many objects of a kind differ from Svix, of those that are only compared.
    #[must_use]
    pub fn differing(&self, kind: Kind) -> u32 {
        self.registry.differing(kind)
    }

    /// How many objects there are, by what their `Ready` says.
    #[must_use]
    pub fn count(&self, kind: Kind) -> Readiness {
        self.registry.count(kind)
    }

    /// How many objects wait to be looked at, and how many are being looked at.
    #[must_use]
    pub fn depth(&self) -> (usize, usize) {
        self.queue.depth()
    }

    /// Whether there is nothing to do, now or later, but to wait for a change.
    #[must_use]
    pub fn idle(&self) -> bool {
        self.queue.idle()
    }

    /// The same, but events that are to be looked at again do not count: what their receivers do takes its time.
    #[must_use]
    pub fn idle_but_for_events(&self) -> bool {
        self.queue.idle_but_for(|key| key.kind == Kind::Event)
    }

    /// Works until `stop`, then lets work in progress end within the grace. After [`Engine::abort`] it ends
    /// at once.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        self.running.store(true, Ordering::SeqCst);
        for key in self.registry.keys(Kind::Connection) {
            self.drive(&key.name);
        }
        for kind in [Kind::EventType, Kind::Endpoint, Kind::Event] {
            self.wake_all(self.registry.keys(kind));
        }
        loop {
            let work = tokio::select! {
                biased;
                () = self.abort.cancelled() => break,
                () = stop.cancelled() => break,
                work = self.queue.next() => work,
            };
            let (engine, stop) = (self.clone(), stop.clone());
            self.tasks.spawn(async move {
                let mut work = work;
                loop {
                    let next = tokio::select! {
                        biased;
                        () = engine.abort.cancelled() => return,
                        next = engine.look_safely(&work) => next,
                    };
                    engine.queue.done(&work, next);
                    // What is due now goes on in this task: that saves two switches between threads.
                    match engine.queue.try_next() {
                        Some(more) if !stop.is_cancelled() => work = more,
                        _ => return,
                    }
                }
            });
        }
        self.running.store(false, Ordering::SeqCst);
        for runtime in self.write(&self.connections).drain().map(|(_, runtime)| runtime) {
            runtime.stop();
        }
        self.tasks.close();
        let drained = tokio::time::timeout(self.options.grace, self.tasks.wait()).await;
        if drained.is_err() {
            tracing::warn!(tasks = self.tasks.len(), "work in progress did not end in time and is dropped");
        }
        self.abort.cancel();
    }

    /// A look whose panic, a defect of ours or of a library, costs this object its turn and no other anything.
    async fn look_safely(self: &Arc<Self>, work: &queue::Work) -> queue::Next {
        AssertUnwindSafe(self.look(work)).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!(object = %work.key, "a defect: the look at this object panicked; it is tried again");
            self.metrics.reconcile_error(work.key.kind.as_str(), "panic");
            queue::Next::Failed
        })
    }

    /// Drops all work at once: the right to write is lost.
    pub fn abort(&self) {
        self.abort.cancel();
    }

    fn is_running(&self) -> bool {
        self.running.load(Ordering::SeqCst)
    }

    fn wake(&self, key: &ObjectKey) {
        if let Some(object) = self.registry.get(key) {
            self.queue.wake(key.clone(), self.lane(&object));
        }
    }

    fn wake_all(&self, keys: impl IntoIterator<Item = ObjectKey>) {
        keys.into_iter().for_each(|key| self.wake(&key));
    }

    /// Wakes whom a change in Svix concerns.
    fn svix_changed(&self, connection: &str, changes: &[Changed]) {
        for change in changes {
            let thing = match change {
                Changed::EventType(name) => {
                    self.release_waiting(connection, &Awaited::EventType(name.clone()));
                    SvixResource::EventType(name.clone())
                }
                Changed::Endpoint { application, uid: Some(uid), .. } => {
                    SvixResource::Endpoint(application.clone(), uid.clone())
                }
                // Nobody declares an endpoint without a uid; one whose uid was taken off is found by its old one.
                Changed::Endpoint { uid: None, .. } => continue,
            };
            self.wake_all(self.registry.claimants(connection, &thing));
        }
    }

    /// Notes that an object waits for something in Svix.
    fn wait_for(&self, connection: &str, awaited: Awaited, key: &ObjectKey) {
        self.lock(&self.waiting).entry((connection.into(), awaited)).or_default().insert(key.clone());
    }

    /// The applications of a connection that objects wait for.
    fn awaited_applications(&self, connection: &str) -> Vec<Box<str>> {
        let waiting = self.lock(&self.waiting);
        let awaited = waiting.keys().filter(|(of, _)| &**of == connection);
        awaited
            .filter_map(|(_, awaited)| match awaited {
                Awaited::Application(application) => Some(application.clone()),
                Awaited::EventType(_) => None,
            })
            .collect()
    }

    /// Notes that an object waits for it no more.
    fn waits_no_more(&self, connection: &str, awaited: Awaited, key: &ObjectKey) {
        let mut waiting = self.lock(&self.waiting);
        let place = (Arc::from(connection), awaited);
        if let Some(keys) = waiting.get_mut(&place) {
            keys.remove(key);
            if keys.is_empty() {
                waiting.remove(&place);
            }
        }
    }

    /// Wakes who waits for something in Svix.
    fn release_waiting(&self, connection: &str, awaited: &Awaited) {
        let keys = self.lock(&self.waiting).remove(&(connection.into(), awaited.clone()));
        self.wake_all(keys.into_iter().flatten());
    }

    /// Reads or changes what is remembered of an object. Of most there is nothing, and no entry is kept.
    fn remember<T>(&self, key: &ObjectKey, with: impl FnOnce(&mut Memory) -> T) -> T {
        let mut memories = self.lock(&self.memory);
        let mut memory = memories.remove(key).unwrap_or_default();
        let answer = with(&mut memory);
        if memory != Memory::default() {
            memories.insert(key.clone(), memory);
        }
        answer
    }

    fn lock<'a, T>(&self, mutex: &'a Mutex<T>) -> MutexGuard<'a, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write<'a, T>(&self, lock: &'a RwLock<T>) -> std::sync::RwLockWriteGuard<'a, T> {
        lock.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A random part of a duration.
fn jitter(most: Duration) -> Duration {
    most.mul_f64(rand::random::<f64>())
}
