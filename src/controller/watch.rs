//! The watch loop: one for every kind that is watched.
//!
//! # Flow
//! 1. The API server lists the objects, page by page; each is a [`Change::Listed`].
//! 2. When the list is complete, [`Change::Synced`] gives the names of all its objects.
//! 3. Each later change is a [`Change::Applied`] or a [`Change::Deleted`].
//! 4. After a failure the watch starts again from 1, with back-off; a failure is logged.
//!
//! # Guarantees
//! An object that was deleted while nothing was watched is not in the next list, and [`Watch::run`] has the handler
//! delete it. A list that fails half-way deletes nothing.

mod log;

use std::{collections::HashSet, fmt::Debug, pin::Pin, sync::Arc};

use futures::{Stream, StreamExt as _};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Api, Resource,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event},
    },
};
use serde::de::DeserializeOwned;

pub(super) use log::WatchLog;

/// The size of a page of a list: small enough that one page in flight costs little memory.
pub(super) const PAGE: u32 = 50;
/// The same for kinds whose objects may have a megabyte each. A page is in memory three times while it is read.
pub(super) const PAGE_OF_LARGE: u32 = 16;

/// The namespace and the name of an object. The namespace is empty for kinds without namespaces.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NamespacedName {
    pub namespace: Arc<str>,
    pub name: Arc<str>,
}

impl NamespacedName {
    /// Returns the namespace and the name in this metadata.
    pub fn of(meta: &ObjectMeta) -> Self {
        let text = |field: &Option<String>| field.as_deref().unwrap_or_default().into();
        Self { namespace: text(&meta.namespace), name: text(&meta.name) }
    }
}

/// A change that a watch reports.
#[derive(Debug)]
pub(super) enum Change<K> {
    /// An object of a list that is not complete yet.
    Listed(K),
    /// The list is complete: these objects exist and no others.
    Synced(HashSet<NamespacedName>),
    /// The object was created or changed.
    Applied(K),
    /// The object was deleted.
    Deleted(NamespacedName),
    /// The API server does not permit the watch. It is tried again nevertheless.
    Forbidden,
}

/// Receives what a watch reports, in order.
pub(super) trait Handler<K> {
    /// Takes in an object that exists in this state. It may be known already.
    fn applied(&mut self, object: K);

    /// Takes in that an object does not exist any more.
    fn deleted(&mut self, name: &NamespacedName);

    /// Returns the objects that were taken in and not deleted since.
    fn known(&self) -> Vec<NamespacedName>;

    /// Called after each list, when every object of it is taken in.
    fn synced(&mut self) {}

    /// Called when the API server does not permit the watch.
    fn forbidden(&mut self) {}
}

type EventStream<K> = Pin<Box<dyn Stream<Item = watcher::Result<Event<K>>> + Send>>;

/// A watch of the objects of a kind. It never ends.
pub(super) struct Watch<K> {
    events: EventStream<K>,
    listed: HashSet<NamespacedName>,
    log: WatchLog,
}

impl<K> Watch<K>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    /// Returns a watch that starts with its first poll. `api` says where: in all namespaces, or in one.
    pub fn new(api: Api<K>, config: watcher::Config, log: WatchLog) -> Self {
        let events = watcher::watcher(api, config).default_backoff();
        Self { events: Box::pin(events), listed: HashSet::new(), log }
    }

    /// Returns the next change. Cancelling it loses none.
    pub async fn next(&mut self) -> Change<K> {
        loop {
            match self.events.next().await {
                Some(Ok(Event::Init)) => self.listed.clear(),
                Some(Ok(Event::InitApply(object))) => {
                    self.listed.insert(NamespacedName::of(object.meta()));
                    return Change::Listed(object);
                }
                Some(Ok(Event::InitDone)) => {
                    self.log.works();
                    return Change::Synced(std::mem::take(&mut self.listed));
                }
                Some(Ok(Event::Apply(object))) => return Change::Applied(object),
                Some(Ok(Event::Delete(object))) => return Change::Deleted(NamespacedName::of(object.meta())),
                Some(Err(error)) => {
                    self.log.failed(&error);
                    if is_forbidden(&error) {
                        return Change::Forbidden;
                    }
                }
                // A watcher does not end.
                None => std::future::pending().await,
            }
        }
    }

    /// Gives every change to a handler, forever.
    pub async fn run(mut self, mut handler: impl Handler<K>) {
        loop {
            match self.next().await {
                Change::Listed(object) | Change::Applied(object) => handler.applied(object),
                Change::Synced(names) => {
                    for deleted in handler.known().iter().filter(|name| !names.contains(*name)) {
                        handler.deleted(deleted);
                    }
                    handler.synced();
                }
                Change::Deleted(name) => handler.deleted(&name),
                Change::Forbidden => handler.forbidden(),
            }
        }
    }
}

/// The state of a single object that is watched.
#[derive(Debug)]
pub(super) enum ObjectState<K> {
    /// It exists in this state.
    Exists(K),
    /// It does not exist.
    Missing,
    /// The API server does not permit the watch. It is tried again nevertheless.
    Forbidden,
}

/// Calls `changed` with each state of one object, forever.
pub(super) async fn watch_object<K>(
    api: Api<K>,
    name: &str,
    mut log: WatchLog,
    mut changed: impl FnMut(ObjectState<K>),
) where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let mut states = std::pin::pin!(watcher::watch_object(api, name).default_backoff());
    while let Some(state) = states.next().await {
        match state {
            Ok(found) => {
                log.works();
                changed(found.map_or(ObjectState::Missing, ObjectState::Exists));
            }
            Err(error) => {
                log.failed(&error);
                if is_forbidden(&error) {
                    changed(ObjectState::Forbidden);
                }
            }
        }
    }
}

/// Whether a watch failed for lack of permission.
fn is_forbidden(error: &watcher::Error) -> bool {
    let code = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => Some(status.code),
        watcher::Error::WatchError(status) => Some(status.code),
        _ => None,
    };
    code == Some(403)
}
