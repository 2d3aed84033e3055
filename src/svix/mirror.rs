//! The mirror of what is in Svix, one for each connection.
//!
//! # Flow
//! 1. A listing ([`Mirror::begin`]) adds its pages as they come, and forgets nothing before it is finished.
//! 2. Our own writes are recorded as they are made.
//! 3. When the listing is finished, entries that it did not contain are removed.
//!
//! # Guarantees
//! A listing takes a while, and meanwhile we write. An entry that was written after a listing began keeps its own value,
//! since the listing may have been read before.
//!
//! # Caveats
//! The mirror may be out of date, so nothing is changed in Svix by what it says alone: an object is read before that.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Instant,
};

use crate::plan::{endpoint, event_type};
use parking_lot::{Mutex, MutexGuard};

/// An event type or an endpoint in Svix that changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Changed {
    /// The event type of this name.
    EventType(Arc<str>),
    /// An endpoint.
    Endpoint {
        /// The uid of its application.
        application: Box<str>,
        /// Its id.
        id: Arc<str>,
        /// Its uid, before or after the change.
        uid: Option<Arc<str>>,
    },
}

/// A listing that has begun. See [`Mirror`].
#[derive(Clone, Copy, Debug)]
pub struct Listing {
    began: u64,
}

/// What is in Svix, as far as one connection has seen it.
#[derive(Debug, Default)]
pub struct Mirror {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Increases with every write and every listing.
    clock: u64,
    event_types: Table<Arc<event_type::Observed>>,
    applications: HashMap<Box<str>, Application>,
}

#[derive(Debug, Default)]
struct Application {
    present: bool,
    endpoints: Table<Arc<endpoint::Observed>>,
    by_uid: HashMap<Arc<str>, Arc<str>>,
}

/// Entries of one list in Svix, by name or id.
#[derive(Debug)]
struct Table<T> {
    loaded: bool,
    entries: HashMap<Arc<str>, Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    /// `None`: deleted by us, and remembered until a listing has ended that began after the deletion.
    value: Option<T>,
    /// The time of our last write; 0: it comes from a listing.
    written: u64,
    /// The last listing that contained it.
    seen: u64,
    /// Since when it is known; `None`: since the first listing.
    since: Option<Instant>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { loaded: false, entries: HashMap::new() }
    }
}

impl<T: PartialEq> Table<T> {
    fn get(&self, key: &str) -> Option<&T> {
        self.entries.get(key).and_then(|entry| entry.value.as_ref())
    }

    /// Records a value from a listing. Returns whether it differs from the previous one.
    fn list(&mut self, listing: Listing, key: &Arc<str>, value: T) -> bool {
        match self.entries.get_mut(key) {
            Some(entry) => {
                entry.seen = listing.began;
                if entry.written > listing.began || entry.value.as_ref() == Some(&value) {
                    return false;
                }
                entry.value = Some(value);
                entry.written = 0;
            }
            None => {
                let since = self.loaded.then(Instant::now);
                let entry = Entry { value: Some(value), written: 0, seen: listing.began, since };
                self.entries.insert(key.clone(), entry);
            }
        }
        true
    }

    /// Ends a listing: removes what it did not contain, unless it was written since. Returns what was removed.
    fn finish(&mut self, listing: Listing) -> Vec<(Arc<str>, Option<T>)> {
        self.loaded = true;
        self.entries
            .extract_if(|_, entry| {
                let unwritten = entry.written <= listing.began;
                unwritten && (entry.seen < listing.began || entry.value.is_none())
            })
            .map(|(key, entry)| (key, entry.value))
            .collect()
    }

    fn write(&mut self, now: u64, key: &Arc<str>, value: Option<T>) {
        match self.entries.get_mut(key) {
            Some(entry) => {
                entry.value = value;
                entry.written = now;
            }
            None => {
                let since = Some(Instant::now());
                self.entries.insert(key.clone(), Entry { value, written: now, seen: 0, since });
            }
        }
    }
}

impl Mirror {
    /// Begins a listing.
    #[must_use]
    pub fn begin(&self) -> Listing {
        Listing { began: self.lock().tick() }
    }

    /// Records a page of event types. Returns what changed.
    pub fn list_event_types(&self, listing: Listing, page: Vec<event_type::Observed>) -> Vec<Changed> {
        let mut inner = self.lock();
        let mut changed = Vec::new();
        for observed in page {
            let name: Arc<str> = observed.name.as_str().into();
            if inner.event_types.list(listing, &name, Arc::new(observed)) {
                changed.push(Changed::EventType(name));
            }
        }
        changed
    }

    /// Ends a listing of event types. Returns what was removed.
    pub fn finish_event_types(&self, listing: Listing) -> Vec<Changed> {
        let removed = self.lock().event_types.finish(listing);
        removed
            .into_iter()
            .filter(|(_, value)| value.is_some())
            .map(|(name, _)| Changed::EventType(name))
            .collect()
    }

    /// Records a page of the endpoints of an application. Returns what changed.
    pub fn list_endpoints(
        &self,
        listing: Listing,
        application: &str,
        page: Vec<endpoint::Observed>,
    ) -> Vec<Changed> {
        let mut inner = self.lock();
        let app = inner.application(application);
        let mut changed = Vec::new();
        for observed in page {
            let (id, uid) = (observed.id.clone(), observed.uid.clone());
            let before = app.endpoints.get(&id).and_then(|before| before.uid.clone());
            if !app.endpoints.list(listing, &id, Arc::new(observed)) {
                continue;
            }
            let endpoint = |uid| Changed::Endpoint { application: application.into(), id: id.clone(), uid };
            // A uid that was edited concerns the objects with the old uid and those with the new one.
            if before != uid {
                if let Some(before) = before {
                    app.by_uid.remove(&before);
                    changed.push(endpoint(Some(before)));
                }
                if let Some(uid) = &uid {
                    app.by_uid.insert(uid.clone(), id.clone());
                }
            }
            changed.push(endpoint(uid));
        }
        changed
    }

    /// Ends a listing of the endpoints of an application. `present` says whether the application exists. Returns what was
    /// removed.
    pub fn finish_endpoints(&self, listing: Listing, application: &str, present: bool) -> Vec<Changed> {
        let mut inner = self.lock();
        let app = inner.application(application);
        let removed = app.endpoints.finish(listing);
        // An application that we created during the listing exists, whatever the listing says.
        app.present = present || app.endpoints.entries.values().any(|entry| entry.value.is_some());
        removed
            .into_iter()
            .filter_map(|(id, value)| value.map(|value| (id, value)))
            .map(|(id, value)| {
                if let Some(uid) = value.uid.as_ref().filter(|uid| app.by_uid.get(*uid) == Some(&id)) {
                    app.by_uid.remove(uid);
                }
                Changed::Endpoint { application: application.into(), id, uid: value.uid.clone() }
            })
            .collect()
    }

    /// Whether the event types have been listed.
    #[must_use]
    pub fn event_types_loaded(&self) -> bool {
        self.lock().event_types.loaded
    }

    /// Whether the endpoints of an application have been listed.
    #[must_use]
    pub fn application_loaded(&self, application: &str) -> bool {
        self.lock().applications.get(application).is_some_and(|app| app.endpoints.loaded)
    }

    /// Whether an application exists.
    #[must_use]
    pub fn application_present(&self, application: &str) -> bool {
        self.lock().applications.get(application).is_some_and(|app| app.present)
    }

    /// Returns the applications whose endpoints have been listed.
    #[must_use]
    pub fn applications(&self) -> Vec<Box<str>> {
        self.lock()
            .applications
            .iter()
            .filter(|(_, app)| app.endpoints.loaded)
            .map(|(uid, _)| uid.clone())
            .collect()
    }

    /// Forgets an application that no object uses any more.
    pub fn forget_application(&self, application: &str) {
        self.lock().applications.remove(application);
    }

    /// Returns an event type, archived or not.
    #[must_use]
    pub fn event_type(&self, name: &str) -> Option<Arc<event_type::Observed>> {
        self.lock().event_types.get(name).cloned()
    }

    /// Whether an event type exists and is not archived, so that endpoints can subscribe to it.
    #[must_use]
    pub fn event_type_live(&self, name: &str) -> bool {
        self.lock().event_types.get(name).is_some_and(|observed| !observed.archived)
    }

    /// Returns an endpoint by its id, or else by its uid.
    #[must_use]
    pub fn endpoint(
        &self,
        application: &str,
        id: Option<&str>,
        uid: &str,
    ) -> Option<Arc<endpoint::Observed>> {
        let inner = self.lock();
        let app = inner.applications.get(application)?;
        id.and_then(|id| app.endpoints.get(id))
            .or_else(|| app.by_uid.get(uid).and_then(|id| app.endpoints.get(id)))
            .cloned()
    }

    /// Returns how many enabled endpoints of an application receive events of a type on these channels. With `by`, only
    /// endpoints count that were known by then.
    #[must_use]
    pub fn matching(
        &self,
        application: &str,
        event_type: &str,
        channels: Option<&BTreeSet<String>>,
        by: Option<Instant>,
    ) -> usize {
        let inner = self.lock();
        let application = inner.applications.get(application);
        let entries = application.into_iter().flat_map(|it| it.endpoints.entries.values());
        let known = entries.filter(|entry| by.is_none_or(|by| entry.since.is_none_or(|since| since <= by)));
        let endpoints = known.filter_map(|entry| entry.value.as_ref());
        endpoints.filter(|endpoint| endpoint.receives(event_type, channels)).count()
    }

    /// Records an event type that was just written or read.
    pub fn put_event_type(&self, observed: event_type::Observed) {
        let mut inner = self.lock();
        let now = inner.tick();
        let name = observed.name.clone();
        inner.event_types.write(now, &name.into(), Some(Arc::new(observed)));
    }

    /// Records that an event type does not exist any more.
    pub fn remove_event_type(&self, name: &str) {
        let mut inner = self.lock();
        let now = inner.tick();
        inner.event_types.write(now, &name.into(), None);
    }

    /// Records that an application exists. Endpoints of it that are known stay.
    pub fn put_application(&self, application: &str) {
        let mut inner = self.lock();
        let app = inner.application(application);
        app.present = true;
    }

    /// Records an endpoint that was just written or read.
    pub fn put_endpoint(&self, application: &str, observed: endpoint::Observed) {
        let mut inner = self.lock();
        let now = inner.tick();
        let app = inner.application(application);
        app.present = true;
        let id = observed.id.clone();
        let before = app.endpoints.get(&id).and_then(|before| before.uid.clone());
        if let Some(before) = before.filter(|before| observed.uid.as_ref() != Some(before)) {
            app.by_uid.remove(&before);
        }
        if let Some(uid) = &observed.uid {
            app.by_uid.insert(uid.clone(), id.clone());
        }
        app.endpoints.write(now, &id, Some(Arc::new(observed)));
    }

    /// Records that an endpoint does not exist any more.
    pub fn remove_endpoint(&self, application: &str, id: &str) {
        let mut inner = self.lock();
        let now = inner.tick();
        let app = inner.application(application);
        if let Some(uid) = app.endpoints.get(id).and_then(|before| before.uid.clone())
            && app.by_uid.get(&uid).is_some_and(|found| &**found == id)
        {
            app.by_uid.remove(&uid);
        }
        app.endpoints.write(now, &id.into(), None);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

impl Inner {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn application(&mut self, uid: &str) -> &mut Application {
        if !self.applications.contains_key(uid) {
            self.applications.insert(uid.into(), Application::default());
        }
        self.applications.entry(uid.into()).or_default()
    }
}

#[cfg(test)]
mod tests;
