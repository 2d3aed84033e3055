//! The open connections of one server, in the order in which they have been idle.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::turns::Caller;

use super::limits::Limits;

/// Headers that began to arrive less than this ago are about to be complete.
const HEAD_ARRIVES: Duration = Duration::from_secs(1);
/// A connection that became idle less than this ago is not closed: its first bytes are on their way, or its last ones.
const FRESH: Duration = Duration::from_millis(100);
/// How many of the longest idle connections are looked at, when the headers of a request arrive on some of them.
const CANDIDATES: usize = 64;

/// The open connections of one server. Cheap to clone.
#[derive(Clone)]
pub(super) struct Table {
    pub(super) limits: Limits,
    inner: Arc<Mutex<Inner>>,
}

/// A connection that is idle: a number that grows with time, and the connection's id.
type Idle = (u64, u64);

#[derive(Default)]
struct Inner {
    open: HashMap<u64, Entry>,
    callers: HashMap<Caller, Connections>,
    idle: BTreeSet<Idle>,
    /// The next number, for ids and for the order.
    next: u64,
}

/// The connections of one caller.
#[derive(Default)]
struct Connections {
    open: usize,
    idle: BTreeSet<Idle>,
}

struct Entry {
    caller: Caller,
    /// The place in the order of idle connections; `None`: a request is in progress.
    idle: Option<u64>,
    /// When the connection became idle, or was opened.
    since: Instant,
    /// When the headers of its next request began to arrive.
    head_since: Option<Instant>,
    closed: CancellationToken,
}

impl Table {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, inner: Arc::default() }
    }

    /// Returns a place for a connection of a caller: its id, and what is cancelled when the place is needed for another one.
    /// `None`: there is no room.
    pub(super) fn admit(&self, caller: Caller) -> Option<(u64, CancellationToken)> {
        let now = Instant::now();
        let mut inner = self.inner.lock();
        let connections = inner.callers.get(&caller);
        if let Some(own) = connections.filter(|own| own.open >= self.limits.per_caller()) {
            let longest = inner.longest_idle(&own.idle, now)?;
            inner.close(longest);
        }
        if inner.open.len() >= self.limits.total.max(1) {
            let longest = inner.longest_idle(&inner.idle, now)?;
            inner.close(longest);
        }
        let id = inner.next_number();
        let closed = CancellationToken::new();
        inner
            .open
            .insert(id, Entry { caller, idle: None, since: now, head_since: None, closed: closed.clone() });
        inner.callers.entry(caller).or_default().open += 1;
        inner.set_idle(id, now);
        Some((id, closed))
    }

    /// Records that a request is in progress on a connection.
    pub(super) fn begin_request(&self, id: u64) {
        self.inner.lock().set_busy(id);
    }

    /// Records that a connection is idle from now on.
    pub(super) fn end_request(&self, id: u64) {
        self.inner.lock().set_idle(id, Instant::now());
    }

    /// Records that the headers of a request have begun to arrive.
    pub(super) fn begin_head(&self, id: u64) {
        if let Some(entry) = self.inner.lock().open.get_mut(&id) {
            entry.head_since = Some(Instant::now());
        }
    }

    /// Returns since when a connection has been idle; `None`: it is not.
    pub(super) fn idle_since(&self, id: u64) -> Option<Instant> {
        let inner = self.inner.lock();
        inner.open.get(&id).filter(|entry| entry.idle.is_some()).map(|entry| entry.since)
    }

    /// Returns how many connections are open, how many of them are idle, and how many idle ones the callers have.
    #[cfg(test)]
    pub(super) fn counts(&self) -> [usize; 3] {
        let inner = self.inner.lock();
        [inner.open.len(), inner.idle.len(), inner.callers.values().map(|own| own.idle.len()).sum()]
    }

    /// Gives the place of a connection up.
    pub(super) fn remove(&self, id: u64) {
        self.inner.lock().remove(id);
    }
}

impl Inner {
    fn next_number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Returns which of these has been idle longest and can be closed.
    fn longest_idle(&self, idle: &BTreeSet<Idle>, now: Instant) -> Option<u64> {
        let is_in_use = |id: &u64| {
            let within = |since: Instant, time| now.saturating_duration_since(since) < time;
            self.open.get(id).is_some_and(|entry| {
                within(entry.since, FRESH)
                    || entry.head_since.is_some_and(|since| within(since, HEAD_ARRIVES))
            })
        };
        idle.iter().take(CANDIDATES).map(|(_, id)| *id).find(|id| !is_in_use(id))
    }

    fn close(&mut self, id: u64) {
        if let Some(entry) = self.remove(id) {
            entry.closed.cancel();
        }
    }

    fn set_busy(&mut self, id: u64) {
        let Some(entry) = self.open.get_mut(&id) else { return };
        entry.head_since = None;
        let Some(number) = entry.idle.take() else { return };
        let caller = entry.caller;
        self.idle.remove(&(number, id));
        if let Some(own) = self.callers.get_mut(&caller) {
            own.idle.remove(&(number, id));
        }
    }

    fn set_idle(&mut self, id: u64, now: Instant) {
        self.set_busy(id);
        let number = self.next_number();
        let Some(entry) = self.open.get_mut(&id) else { return };
        (entry.idle, entry.since) = (Some(number), now);
        self.idle.insert((number, id));
        self.callers.entry(entry.caller).or_default().idle.insert((number, id));
    }

    fn remove(&mut self, id: u64) -> Option<Entry> {
        self.set_busy(id);
        let entry = self.open.remove(&id)?;
        if let Some(own) = self.callers.get_mut(&entry.caller) {
            own.open -= 1;
            if own.open == 0 {
                self.callers.remove(&entry.caller);
            }
        }
        Some(entry)
    }
}
