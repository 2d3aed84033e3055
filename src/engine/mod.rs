//! The reconciliation loop that `run` and `dev` share.
//!
//! Objects come in through [`Engine::upsert`] and [`Engine::remove`], from a watch or from a folder. Each is reconciled
//! when it changes, when what it refers to changes, and when Svix turns out to differ; the plan says what to do, the Svix
//! client does it, and the [`Host`] records it. One driver for each connection lists Svix.
//!
//! `docs/architecture.md` lists the files from the bottom up; each imports only from those before it.

mod audits;
mod backoff;
mod context;
mod drift;
mod driver;
mod events;
mod failing;
mod host;
mod long_work;
mod object;
mod outcome;
mod policy;
mod queue;
mod reconcile;
mod registry;
mod review;
mod scratch;
mod session;
mod tasks;
#[cfg(test)]
mod testing;
mod waiters;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::telemetry::Metrics;

use context::Context;
use registry::Change;

pub use context::Options;
pub use events::{EventReason, EventRecord};
pub use host::{Host, HostError, MemoryRevisions, ReferenceError, RevisionWrite, SecretWrite};
pub(crate) use object::dispatch;
pub use object::{Kind, Mode, Object, ObjectKey, Resource, Status, SvixResource};
pub use registry::Readiness;
pub use review::{Proposal, Reviewer};
pub use session::ListedConnection;

/// The engine: takes in objects, and keeps Svix in sync with them while it [runs](Self::run).
///
/// # Flow
/// 1. [`upsert`](Self::upsert) stores an object in the registry and wakes it.
/// 2. The queue hands it to a task, one object to one task at a time.
/// 3. `reconcile` makes Svix hold what it declares, and writes its status.
/// 4. The queue has it reconciled again when that said so, or when something wakes it.
///
/// # Guarantees
/// - An object is reconciled by one task at a time, in the version that was handed in last.
/// - A failure of one object, or of one connection, delays no other.
/// - After [`abort`](Self::abort) nothing is written any more, in Kubernetes or in Svix, but for calls in flight.
///
/// # Assumptions
/// - Every change of an object is handed in, in the order of its versions; after a gap, all objects that exist are.
/// - Two engines never run for the same objects at the same time: the caller has a Lease.
pub struct Engine<H: Host> {
    ctx: Arc<Context<H>>,
    tasks: TaskTracker,
    is_running: AtomicBool,
    abort: CancellationToken,
}

impl<H: Host> Engine<H> {
    /// Returns an engine that does nothing yet.
    pub fn new(host: H, options: Options, metrics: Metrics) -> Arc<Self> {
        Arc::new(Self {
            ctx: Arc::new(Context::new(host, options, metrics)),
            tasks: TaskTracker::new(),
            is_running: AtomicBool::new(false),
            abort: CancellationToken::new(),
        })
    }

    /// Returns the host.
    pub fn host(&self) -> &H {
        &self.ctx.host
    }

    /// Stores an object that exists or has changed.
    pub fn upsert(&self, object: Object) {
        let (ctx, key, generation) = (&self.ctx, object.key(), object.generation());
        let is_new_spec = ctx.registry.get(&key).is_none_or(|before| before.generation() != generation);
        ctx.undecodable.lock().remove(&key);
        let had_references = ctx.registry.has_references(&key);
        let change = ctx.registry.upsert(object.without_recorded_claim());
        if change == Change::Changed && (had_references || ctx.registry.has_references(&key)) {
            ctx.references.send_replace(());
        }
        if change == Change::None || !self.is_running() {
            return;
        }
        if key.kind == Kind::Connection {
            self.drive(&key.name);
            // What its objects declare in Svix depends on its policy.
            if is_new_spec {
                ctx.wake_all(ctx.registry.users_of(&key.name));
            }
        } else {
            ctx.wake(&key);
            // The object that owns a resource names those that declare it, too.
            if is_new_spec {
                ctx.wake_all(ctx.registry.declarers_beside(&key));
            }
        }
    }

    /// Records that an object exists and cannot be decoded: what it has in Svix stays its own.
    pub fn mark_undecodable(&self, key: ObjectKey) {
        self.ctx.undecodable.lock().insert(key);
    }

    /// Forgets an object that does not exist any more.
    pub fn remove(&self, key: &ObjectKey) {
        let ctx = &self.ctx;
        let connection = ctx.registry.get(key).map(|object| object.connection_name().to_owned());
        let declarers = ctx.registry.remove(key);
        ctx.forget(key);
        ctx.references.send_replace(());
        if !self.is_running() {
            return;
        }
        if key.kind == Kind::Connection {
            ctx.sessions.trigger(&key.name);
            ctx.wake_all(ctx.registry.users_of(&key.name));
        } else {
            // One of those that declared the same owns it now; and a connection that is being deleted may have waited
            // for its last user.
            ctx.wake_all(declarers);
            if let Some(connection) = connection.filter(|name| ctx.registry.is_connection_deleting(name)) {
                ctx.sessions.trigger(&connection);
            }
        }
    }

    /// Wakes what depends on a Secret, in the namespace of tokens.
    pub fn token_secret_changed(&self, name: &str) {
        for key in self.ctx.registry.connections_with_token_in(name) {
            self.ctx.sessions.trigger(&key.name);
        }
    }

    /// Wakes what depends on a ConfigMap.
    pub fn config_map_changed(&self, namespace: &str, name: &str) {
        self.ctx.wake_all(self.ctx.registry.users_of_config_map(namespace, name));
    }

    /// Wakes the endpoints that refer to a Secret.
    pub fn secret_changed(&self, namespace: &str, name: &str) {
        self.ctx.wake_all(self.ctx.registry.users_of_secret(namespace, name));
    }

    /// Stores the labels of a namespace, which the rules of connections refer to; `None`: it does not exist any more.
    pub fn namespace_changed(&self, name: &str, labels: Option<BTreeMap<String, String>>) {
        let keys = self.ctx.registry.set_namespace(name, labels);
        // An object that may not own a resource any more leaves it to others, which may be elsewhere.
        self.ctx.wake_all(keys.iter().flat_map(|key| self.ctx.registry.declarers_beside(key)));
        self.ctx.wake_all(keys);
    }

    /// Returns the keys of all known objects of a kind: what a new list does not name any more is gone.
    #[must_use]
    pub fn keys(&self, kind: Kind) -> Vec<ObjectKey> {
        self.ctx.registry.keys(kind)
    }

    /// Returns one object, with the status that was recorded last.
    #[must_use]
    pub fn get(&self, key: &ObjectKey) -> Option<Object> {
        self.ctx.registry.get(key)
    }

    /// Returns the copy of an object's key that the engine has: callers that keep many keys save as many copies.
    #[must_use]
    pub fn shared_key(&self, key: &ObjectKey) -> ObjectKey {
        self.ctx.registry.shared_key(key)
    }

    /// Returns the namespaces in which objects refer to ConfigMaps.
    #[must_use]
    pub fn config_map_namespaces(&self) -> BTreeSet<Arc<str>> {
        self.ctx.registry.config_map_namespaces()
    }

    /// Returns the namespaces in which endpoints refer to Secrets.
    #[must_use]
    pub fn secret_namespaces(&self) -> BTreeSet<Arc<str>> {
        self.ctx.registry.secret_namespaces()
    }

    /// Returns a receiver that is notified when the namespaces with references may have changed.
    #[must_use]
    pub fn references(&self) -> watch::Receiver<()> {
        self.ctx.references.subscribe()
    }

    /// Returns a connection that is listed, for another engine that begins when this one has ended.
    #[must_use]
    pub fn listed(&self, connection: &str) -> Option<ListedConnection> {
        self.ctx.sessions.listed(connection)
    }

    /// Returns how many objects of a kind differ from Svix, of those that are only compared.
    #[must_use]
    pub fn count_differing(&self, kind: Kind) -> u32 {
        self.ctx.registry.count_differing(kind)
    }

    /// Returns how many objects of a kind there are, by what their `Ready` says.
    #[must_use]
    pub fn count(&self, kind: Kind) -> Readiness {
        self.ctx.registry.count(kind)
    }

    /// Returns how many objects wait for their turn, and how many are being reconciled.
    #[must_use]
    pub fn depth(&self) -> (usize, usize) {
        self.ctx.queue.depth()
    }

    /// Whether there is nothing to do, now or later, but to wait for a change.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.ctx.queue.idle()
    }

    /// The same, but events that are followed do not count.
    #[must_use]
    pub fn is_idle_except_events(&self) -> bool {
        self.ctx.queue.idle_but_for(|key| key.kind == Kind::Event)
    }

    /// Works until `shutdown`, then gives work in progress [`Options::grace`]. [`Engine::abort`] ends it at once.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        self.is_running.store(true, Ordering::SeqCst);
        for key in self.ctx.registry.keys(Kind::Connection) {
            self.drive(&key.name);
        }
        for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Connection) {
            self.ctx.wake_all(self.ctx.registry.keys(kind));
        }
        loop {
            let work = tokio::select! {
                biased;
                () = self.abort.cancelled() => break,
                () = shutdown.cancelled() => break,
                work = self.ctx.queue.next() => work,
            };
            self.tasks.spawn(self.clone().work(work, shutdown.clone()));
        }
        self.is_running.store(false, Ordering::SeqCst);
        self.ctx.sessions.shut_down();
        self.tasks.close();
        let drained = tokio::time::timeout(self.ctx.options.grace, self.tasks.wait()).await;
        if drained.is_err() {
            tracing::warn!(tasks = self.tasks.len(), "work in progress did not end in time and is dropped");
        }
        self.abort.cancel();
    }

    /// Drops all work at once: the right to write is lost.
    pub fn abort(&self) {
        self.abort.cancel();
    }

    fn is_running(&self) -> bool {
        self.is_running.load(Ordering::SeqCst)
    }
}
