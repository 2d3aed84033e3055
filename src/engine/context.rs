//! What every reconciler is given.

use std::{
    collections::{BTreeSet, HashSet},
    hash::{BuildHasher as _, Hash, RandomState},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::{sync::watch, time::Instant};

use crate::{
    api::{Adoption, Reason, SvixConnection},
    catalogue::Catalogue,
    comparing::Comparisons,
    judging::{self, Panicked},
    memory::{MemoryBudget, MemoryPermit},
    plan::{Cause, ReconcileError, claims, revision::MAX_SCHEMA},
    schema::{Effort, Place, SMALL_BYTES},
    svix::{Changed, Error, jitter},
    telemetry::Metrics,
    turns::{Caller, Permits, Sender, Share, Shares},
};

use super::{
    audits::Audits,
    events::{EventReason, EventRecord},
    host::{Host, HostError},
    long_work::LongWork,
    object::{Kind, Mode, Object, ObjectKey, SvixResource},
    outcome,
    policy::{self, Lane},
    queue::{Queue, UntilDue},
    registry::{Change, Registry},
    review::{Proposal, Reviewer},
    scratch::Scratches,
    session::{ListedConnection, Session, Sessions},
    waiters::{Awaited, Waiters},
};

/// How many schemas stay compiled: each takes about a hundred kilobytes, and all of them at most so many bytes.
const COMPILED_SCHEMAS: usize = 32;
const COMPILED_BYTES: usize = 24 * 1024 * 1024;
/// Bytes of all kept versions together that are being compared.
const KEPT_VERSIONS: usize = 16 * MAX_SCHEMA;
/// How far apart objects that wait are woken once Svix responds again: each, and all of them at most.
const APART: Duration = Duration::from_millis(2);
const ALL_APART: Duration = Duration::from_secs(5);

/// How the engine works.
#[derive(Clone, Debug)]
pub struct Options {
    /// Most objects of one connection that are reconciled at once.
    pub concurrency: usize,
    /// How long a call to Svix may take.
    pub call_timeout: Duration,
    /// How long work in progress may go on after a shutdown begins.
    pub grace: Duration,
    /// How long an object may wait for something before its status says so: what takes less is not worth a write.
    pub settle: Duration,
    /// How long an object that is being deleted waits for a missing connection or token before it is released without
    /// clean-up.
    pub orphan_after: Duration,
    /// The time between two writes of what an event type's `payloadPolicy` lets pass.
    pub audit_interval: Duration,
    /// The namespaces whose objects are handed in; `None`: all. Of others nothing is known, so an endpoint in Svix with
    /// the mark of one is never taken.
    pub namespaces: Option<BTreeSet<String>>,
    /// Who sees the steps before they are carried out, if anybody does.
    pub reviewer: Option<Arc<dyn Reviewer>>,
    /// A connection that another engine listed a moment ago.
    pub listed: Option<ListedConnection>,
    /// Whether a Warning is published about an address from a Secret that Svix never delivers to. The embedded Svix
    /// delivers to each address.
    pub warns_of_unreachable: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            concurrency: 32,
            call_timeout: Duration::from_secs(15),
            grace: Duration::from_secs(4),
            settle: Duration::from_secs(1),
            orphan_after: Duration::from_secs(600),
            audit_interval: Duration::from_secs(300),
            namespaces: None,
            reviewer: None,
            listed: None,
            warns_of_unreachable: true,
        }
    }
}

/// What every reconciler is given: the host, what is known, and who waits for whom.
///
/// # Flow
/// 1. [`Registry`] holds the objects; a change [wakes](Self::wake) them through the [`Queue`].
/// 2. A reconciler gets its connection's [`Session`] with [`Self::session`], and compares with its mirror.
/// 3. Before the first write to Svix it records the [claim](Self::claim).
/// 4. What it did it [publishes](Self::publish); what it returns becomes status in `reconcile::status`.
///
/// # Guarantees
/// - [`Self::claim`] never claims for a connection that is being deleted and orphans its objects.
/// - Every write in Kubernetes goes through [`Self::store`], so that its echo in the watch is no change.
///
/// # Caveats
/// - [`Scratches`] and mirrors may be lost at any time: nothing that must survive a restart stands only there.
pub struct Context<H: Host> {
    /// The cluster or folder that the objects live in.
    pub host: H,
    /// How the engine works.
    pub options: Options,
    /// Where it counts.
    pub metrics: Metrics,
    /// The objects.
    pub registry: Registry,
    /// Which object is reconciled next.
    pub queue: Queue,
    /// Who waits for what in Svix.
    pub waiters: Waiters,
    /// What is remembered of objects between reconciles.
    pub scratch: Scratches,
    /// Events whose payload does not match, and that are not in the status of their event type yet.
    pub audits: Audits,
    /// The schemas that events are judged by, as far as they were needed.
    pub catalogue: Catalogue,
    /// The memory that reconcilers take for objects. [`Self::reserve`] takes it for the namespace of one.
    pub memory: MemoryBudget,
    /// Judgements that take some milliseconds are made one at a time, and namespaces take turns.
    pub judging_shortly: Permits,
    /// The same of judgements that take long.
    pub judging: Permits,
    /// The comparisons of schemas, with the permits of judgements.
    pub comparisons: Comparisons,
    /// The reconciles that may wait for work that takes long.
    pub long_work: LongWork,
    /// The memory of kept versions that are compared, in bytes of their text. [`Self::reserve_kept`] takes it.
    kept: Shares,
    /// The connections in use.
    pub sessions: Sessions,
    /// Objects that exist and cannot be decoded.
    pub undecodable: Mutex<HashSet<ObjectKey>>,
    /// The namespaces with references to ConfigMaps or Secrets may have changed.
    pub references: watch::Sender<()>,
    /// Makes digests that mean nothing outside this process.
    seed: RandomState,
}

impl<H: Host> Context<H> {
    /// Returns a context that knows nothing yet.
    pub fn new(host: H, options: Options, metrics: Metrics) -> Self {
        // A quarter of the tasks of a connection.
        let long_work = options.concurrency / 4;
        // Two comparisons at once could take more memory than there is.
        let (judging_shortly, judging) = (Permits::new(1), Permits::new(1));
        Self {
            queue: Queue::new(options.concurrency),
            sessions: Sessions::new(options.listed.clone()),
            host,
            options,
            metrics,
            registry: Registry::default(),
            waiters: Waiters::default(),
            scratch: Scratches::default(),
            audits: Audits::default(),
            catalogue: Catalogue::with_memory(COMPILED_SCHEMAS, COMPILED_BYTES),
            memory: MemoryBudget::default(),
            comparisons: Comparisons::new(judging_shortly.clone(), judging.clone()),
            judging_shortly,
            judging,
            long_work: LongWork::new(long_work),
            kept: Shares::new(KEPT_VERSIONS),
            undecodable: Mutex::default(),
            references: watch::Sender::new(()),
            seed: RandomState::new(),
        }
    }

    /// Waits for so many bytes of memory for an object. Namespaces take turns, and none has all.
    pub async fn reserve(&self, object: &Object, bytes: usize) -> MemoryPermit {
        let sender = Sender::at(Caller::namespace(&object.key().namespace));
        self.memory.reserve(sender, bytes).await
    }

    /// Waits for the memory of a kept version of an event type, of the largest one until it is read: give back the rest of it then.
    /// Who has it waits for a turn to compare and for nothing else, so it is free again in bounded time.
    pub async fn reserve_kept(&self, object: &Object) -> Share {
        let sender = Sender::at(Caller::namespace(object.namespace()));
        self.kept.take(sender, MAX_SCHEMA).await
    }

    /// Forgets what is remembered of an object that does not exist any more.
    pub fn forget(&self, key: &ObjectKey) {
        self.undecodable.lock().remove(key);
        self.scratch.forget(key);
        self.audits.forget(key);
        self.waiters.forget(key);
        self.wake_all(self.long_work.forget(key));
    }

    /// Whether the reconcile of an object may do work that takes long. If not, it is to end
    /// ([`outcome::Error::waiting_for_long_work`]).
    pub fn may_take_long(&self, object: &Object) -> bool {
        self.long_work.enter(&object.key())
    }

    /// Has an object reconciled as soon as possible.
    pub fn wake(&self, key: &ObjectKey) {
        if let Some(object) = self.registry.get(key) {
            self.queue.wake(key.clone(), self.lane(&object));
        }
    }

    /// Has these objects reconciled as soon as possible.
    pub fn wake_all(&self, keys: impl IntoIterator<Item = ObjectKey>) {
        keys.into_iter().for_each(|key| self.wake(&key));
    }

    /// Has objects reconciled a little apart, so that a Svix that has just come back is not met by all of them at once.
    pub fn wake_apart(&self, keys: Vec<ObjectKey>) {
        let most = APART.saturating_mul(u32::try_from(keys.len()).unwrap_or(u32::MAX)).min(ALL_APART);
        for key in keys {
            if let Some(object) = self.registry.get(&key) {
                self.queue.wake_within(key, self.lane(&object), jitter(most), UntilDue::Pending);
            }
        }
    }

    /// Wakes the objects that declare a resource in Svix.
    pub fn wake_declarers(&self, connection: &str, resource: &SvixResource) {
        self.wake_all(self.registry.declarers(connection, resource));
    }

    /// Wakes the objects that wait for something in Svix.
    pub fn release_waiters(&self, connection: &str, awaited: &Awaited) {
        self.wake_all(self.waiters.release(connection, awaited));
    }

    /// Wakes the objects that a change in Svix concerns.
    pub fn svix_changed(&self, connection: &str, changes: &[Changed]) {
        for change in changes {
            let resource = match change {
                Changed::EventType(name) => {
                    self.release_waiters(connection, &Awaited::EventType((&**name).into()));
                    self.check_event_type_live(connection, name);
                    SvixResource::EventType((&**name).into())
                }
                Changed::Endpoint { application, uid: Some(uid), .. } => {
                    SvixResource::Endpoint(application.clone(), (&**uid).into())
                }
                // No object declares an endpoint without a uid; one whose uid was removed is found by its old one.
                Changed::Endpoint { uid: None, .. } => continue,
            };
            self.wake_declarers(connection, &resource);
        }
    }

    /// Has the endpoints that subscribe to an event type notice when it is archived or removed.
    pub fn check_event_type_live(&self, connection: &str, name: &str) {
        if self.sessions.get(connection).is_ok_and(|session| !session.mirror.event_type_live(name)) {
            self.sessions.event_type_gone(connection, name);
        }
    }

    /// Stores an object as our own write left it, and wakes it for what else the response brought.
    pub fn store(&self, object: Object) {
        let key = object.key();
        let was_refused = self.registry.is_refused(&key);
        let change = self.registry.store_own_write(object);
        if self.registry.is_refused(&key) != was_refused {
            // Who owns what it declares, and whom the owner names, depends on it.
            self.wake_all(self.registry.declarers_beside(&key));
        }
        if change == Change::None {
            return;
        }
        self.references.send_replace(());
        if key.kind == Kind::Connection {
            self.sessions.trigger(&key.name);
            self.wake_all(self.registry.users_of(&key.name));
        } else {
            self.wake(&key);
        }
    }

    /// Returns how far the operator goes with an object, its connection included. In a preview, nothing is written.
    pub fn mode(&self, object: &Object) -> Mode {
        let is_preview = self.reviewer().is_some_and(Reviewer::is_preview);
        self.declared_mode(object).max(if is_preview { Mode::Observe } else { Mode::Manage })
    }

    /// Returns how far the operator goes with an object, as it and its connection say.
    fn declared_mode(&self, object: &Object) -> Mode {
        let connection = self.registry.connection(object.connection_name());
        policy::effective_mode(object, connection.as_deref())
    }

    /// Returns who sees the steps before they are carried out.
    pub fn reviewer(&self) -> Option<&dyn Reviewer> {
        self.options.reviewer.as_deref()
    }

    /// Returns the `adoption` that an object may have. A person who approves a step stands in for a claim.
    pub fn adoption(&self, object: &Object, connection: &SvixConnection) -> Adoption {
        match self.registry.granted_adoption(object, connection) {
            Adoption::Match if self.options.reviewer.is_some() => Adoption::Override,
            granted => granted,
        }
    }

    /// Shows the reviewer what would be done for an object that is only compared.
    pub fn propose(&self, object: &Object, proposal: Proposal<'_>) {
        if let Some(reviewer) = self.reviewer() {
            reviewer.propose(object, self.declared_mode(object), proposal);
        }
    }

    /// Refuses a step that the reviewer did not approve.
    pub fn require_approval(&self, object: &Object, proposal: Proposal<'_>) -> Result<(), ReconcileError> {
        match self.reviewer() {
            Some(reviewer) if !reviewer.permits(&object.key(), proposal) => Err(ReconcileError::new(
                Reason::Differs,
                "Svix is not as it was when the change was approved, so it is not carried out; compare again",
            )),
            _ => Ok(()),
        }
    }

    /// Whether deleting the object leaves Svix as it is.
    pub fn retains(&self, object: &Object) -> bool {
        let through = object.recorded_connection().unwrap_or_else(|| object.connection_name());
        policy::retains(object, self.registry.connection(through).as_deref())
    }

    /// Whether the object's connection is being deleted and releases it without clean-up.
    pub fn is_orphaned(&self, object: &Object) -> bool {
        let connection = self.registry.connection(object.connection_name());
        policy::is_orphaned(object, connection.as_deref())
    }

    fn lane(&self, object: &Object) -> Lane {
        let needs_no_svix = (object.is_deleting() && self.retains(object)) || self.is_orphaned(object);
        if needs_no_svix {
            return Lane::WithoutSvix;
        }
        policy::lane(object, |connection| self.registry.connection(connection).is_some())
    }

    /// Returns the session of a connection, or why it cannot be used.
    pub fn session(&self, connection: &str) -> Result<Arc<Session>, ReconcileError> {
        if self.registry.connection(connection).is_none() {
            let message = format!(
                "there is no SvixConnection named {connection:?}; create it, or name another in spec.connectionRef"
            );
            return Err(
                ReconcileError::new(Reason::ConnectionNotFound, message).with_cause(Cause::ConnectionMissing)
            );
        }
        self.sessions.get(connection)
    }

    /// Lists an application's endpoints, unless that was done after this moment, and wakes the objects that differ.
    /// `false`: they were listed less than `pause` ago, and are not listed again yet.
    pub async fn ensure_listed_since(
        &self,
        connection: &str,
        session: &Session,
        application: &str,
        moment: Instant,
        pause: Duration,
    ) -> Result<bool, Error> {
        let Some(changes) = session.ensure_listed_since(application, moment, pause).await? else {
            return Ok(false);
        };
        if !changes.is_empty() {
            // Where endpoints vanished, event types may have, too.
            session.request_relist();
            self.svix_changed(connection, &changes);
        }
        Ok(true)
    }

    /// Records the claim on what is about to be created in Svix, unless it is recorded already. Returns the object as
    /// stored.
    pub async fn claim(&self, object: &Object, annotation: Option<&str>) -> Result<Object, HostError> {
        let finalizer = !self.retains(object) && !object.has_finalizer();
        let annotation =
            annotation.filter(|value| !claims::is_claimed(object.meta().annotations.as_ref(), value));
        if !finalizer && annotation.is_none() {
            return Ok(object.clone());
        }
        // The connection went while the object was reconciled: nobody would ever remove the finalizer.
        let connection = self.registry.connection(object.connection_name());
        if connection.is_none_or(|connection| policy::is_orphaning(&connection)) {
            return Err(HostError::Conflict);
        }
        let object = self.host.claim(object, finalizer, annotation).await?;
        self.store(object.clone());
        Ok(object)
    }

    /// Gives back the place for long work that an object may have, and wakes those that have one now.
    pub fn end_long_work(&self, key: &ObjectKey) {
        self.wake_all(self.long_work.end(key));
    }

    /// Runs `judge` for an object: at once where that takes little, else on another thread. `bytes`: the size of what it
    /// reads.
    ///
    /// # Errors
    /// It takes long, and the object has to wait for that.
    pub async fn judge<T: Send + 'static>(
        &self,
        object: &Object,
        bytes: usize,
        judge: impl Fn(&Effort) -> T + Send + Sync + 'static,
    ) -> Result<T, outcome::Error> {
        if bytes <= judging::LARGE
            && let Some(judged) = judging::briefly(&judge).unwrap_or_else(unwind)
        {
            return Ok(judged);
        }
        let (namespace, judge) = (&object.key().namespace, Arc::new(judge));
        if bytes <= SMALL_BYTES {
            let permit = self.judging_shortly.acquire(Caller::INTERNAL, namespace).await;
            let judge = Arc::clone(&judge);
            let judged = judging::shortly(permit, move |effort| judge(effort)).await;
            if let Some(judged) = judged.unwrap_or_else(unwind) {
                return Ok(judged);
            }
        }
        if !self.may_take_long(object) {
            return Err(outcome::Error::waiting_for_long_work());
        }
        let permit = self.judging.acquire(Caller::INTERNAL, namespace).await;
        Ok(judging::thoroughly(permit, move |effort| judge(effort)).await.unwrap_or_else(unwind))
    }

    /// Counts an event that is sent although its payload does not match, for the status of its event type.
    pub fn audit(&self, event_type: &Object, schema_digest: &str, places: &[Place]) {
        let (key, now) = (event_type.key(), Timestamp::now());
        let is_first = self.audits.record(&key, schema_digest, now, |tally| tally.record(places, now));
        if is_first && let Some(wait) = self.audits.remaining(event_type, self.options.audit_interval, now) {
            self.queue.wake_within(key, self.lane(event_type), wait, UntilDue::Settled);
        }
    }

    /// Publishes that something was done for an object.
    pub fn publish(&self, object: &Object, reason: EventReason, message: impl Into<String>) {
        let message = message.into();
        tracing::info!(object = %object.key(), action = reason.as_str(), "{message}");
        self.host.publish_event(object, EventRecord::normal(reason, message));
    }

    /// Publishes something about an object that a person should know.
    pub fn publish_warning(&self, object: &Object, reason: &'static str, message: impl Into<String>) {
        let message = message.into();
        tracing::warn!(object = %object.key(), action = reason, "{message}");
        self.host.publish_event(object, EventRecord::warning(reason, message));
    }

    /// Publishes that drift was repaired.
    pub fn publish_repair(&self, object: &Object, message: impl Into<String>) {
        self.metrics.drift(object.kind().as_str());
        self.publish_warning(object, EventReason::DriftRepaired.as_str(), message);
    }

    /// Returns a digest of something that must not be shown. It means nothing outside this process.
    pub fn digest(&self, of: &impl Hash) -> u64 {
        self.seed.hash_one(of)
    }
}

/// Fails the reconcile as if it had panicked itself.
fn unwind<T>(panicked: Panicked) -> T {
    std::panic::resume_unwind(Box::new(panicked))
}
