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

use super::{Limits, connection::Connection};

/// Headers that began to arrive less than this ago are about to be complete.
const HEAD_ARRIVES: Duration = Duration::from_secs(1);
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

    /// Returns a place for a connection of a caller; `None`: there is no room.
    pub(super) fn admit(&self, caller: Caller) -> Option<Connection> {
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
        Some(Connection::new(self.clone(), id, caller, closed))
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
        let is_head_arriving = |id: &u64| {
            let since = self.open.get(id).and_then(|entry| entry.head_since);
            since.is_some_and(|since| now.saturating_duration_since(since) < HEAD_ARRIVES)
        };
        idle.iter().take(CANDIDATES).map(|(_, id)| *id).find(|id| !is_head_arriving(id))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn caller(last: u8) -> Caller {
        Caller::at([127, 0, 0, last].into())
    }

    fn table(total: usize) -> Table {
        Table::new(Limits::new(total, Duration::from_secs(60)))
    }

    fn is_closed(connection: &Connection) -> bool {
        connection.is_closed()
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_connection_makes_room() {
        let table = table(3);
        let [first, second, third] = [1, 2, 3].map(|from| Arc::new(table.admit(caller(from)).unwrap()));
        // The first one was used last.
        drop(first.begin_request());

        let fourth = table.admit(caller(4)).unwrap();

        assert_eq!([&*first, &second, &third, &fourth].map(is_closed), [false, true, false, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_in_progress_is_never_closed() {
        let table = table(2);
        let [first, second] = [1, 2].map(|from| Arc::new(table.admit(caller(from)).unwrap()));
        let requests = [first.begin_request(), second.begin_request()];

        assert!(table.admit(caller(3)).is_none());

        drop(requests);
        assert!(table.admit(caller(3)).is_some());
        assert!(first.is_closed() && !second.is_closed());
    }

    #[tokio::test(start_paused = true)]
    async fn one_caller_closes_its_own_connections() {
        let table = table(8);
        let other = table.admit(caller(1)).unwrap();
        let flood: Vec<_> = (0..100).map(|_| table.admit(caller(2)).unwrap()).collect();

        assert!(!other.is_closed());
        assert_eq!(flood.iter().filter(|connection| !connection.is_closed()).count(), 6);
        assert!(!flood[99].is_closed() && flood[0].is_closed());
    }

    #[tokio::test(start_paused = true)]
    async fn headers_have_a_second_to_arrive() {
        let table = table(1);
        let first = table.admit(caller(1)).unwrap();
        first.begin_head();

        assert!(table.admit(caller(1)).is_none());

        tokio::time::advance(HEAD_ARRIVES).await;
        assert!(table.admit(caller(1)).is_some() && first.is_closed());
    }

    proptest! {
        /// In any history, the bounds hold, and what is closed is what has been idle longest.
        #[test]
        fn bounds_hold_in_any_history(steps in proptest::collection::vec((0..4_u8, 0..3_u8, 0..20_usize), 0..200)) {
            const TOTAL: usize = 8;
            let table = table(TOTAL);
            let mut open: Vec<(Arc<Connection>, u8, Option<super::super::connection::Request>)> = Vec::new();
            for (step, from, which) in steps {
                match (step, open.len()) {
                    (0 | 1, _) => {
                        let before: Vec<_> = open.iter().filter(|(it, ..)| !it.is_closed()).map(|(it, ..)| it.clone()).collect();
                        let is_full = before.len() == TOTAL
                            || open.iter().filter(|(it, of, _)| *of == from && !it.is_closed()).count() == 6;
                        let new = table.admit(caller(from));
                        prop_assert!(is_full || new.is_some());
                        open.extend(new.map(|new| (Arc::new(new), from, None)));
                        for (connection, _, request) in &open {
                            let was_closed = before.iter().any(|it| Arc::ptr_eq(it, connection)) && connection.is_closed();
                            prop_assert!(!was_closed || request.is_none(), "a request in progress was closed");
                        }
                    }
                    (_, 0) => {}
                    (2, count) => {
                        let (connection, _, request) = &mut open[which % count];
                        *request = if request.is_none() { Some(connection.begin_request()) } else { None };
                    }
                    (_, count) => drop(open.swap_remove(which % count)),
                }
                let alive = open.iter().filter(|(connection, ..)| !connection.is_closed());
                prop_assert!(alive.clone().count() <= TOTAL);
                for from in 0..3 {
                    prop_assert!(alive.clone().filter(|(_, of, _)| *of == from).count() <= 6);
                }
                let inner = table.inner.lock();
                prop_assert_eq!(inner.open.len(), alive.count());
                prop_assert_eq!(inner.idle.len(), inner.callers.values().map(|own| own.idle.len()).sum::<usize>());
            }
            open.clear();
            let inner = table.inner.lock();
            prop_assert!(inner.open.is_empty() && inner.callers.is_empty() && inner.idle.is_empty());
        }
    }
}
