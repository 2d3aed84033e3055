//! The work queue: which object is reconciled next.
//!
//! - An object is reconciled by one task at a time; woken meanwhile, it is reconciled once more.
//! - Each connection has a lane of its own with a bound on tasks, so that a Svix that does not respond delays only its
//!   own objects.
//! - In a lane, namespaces take turns, and one namespace never uses all tasks: 100,000 objects of one namespace delay the
//!   object of another by one turn.
//! - A failure delays the object that failed and no other, longer each time, by a random part.
//!
//! The time of each operation grows with the logarithm of the number of objects.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use tokio::{sync::Notify, time::Instant};

use crate::turns::{Turns, may_use_more};

use super::{
    backoff::{exponential, half_random},
    object::ObjectKey,
    policy::Lane,
};

/// The first delay after a failure, and the longest.
const FIRST_DELAY: Duration = Duration::from_millis(200);
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// What to do with an object after a reconcile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing until it is woken.
    Settled,
    /// Reconcile again after this, unless woken before.
    After(Duration),
    /// Reconcile again after this, unless woken before; until then it counts as settled.
    Later(Duration),
    /// It failed: reconcile again after a delay that grows with each failure.
    Failed,
}

/// Whether an object that is due later counts as pending work until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UntilDue {
    /// It does: the queue is not idle.
    Pending,
    /// It does not, unless it is due for another reason and pending.
    Settled,
}

/// An object to reconcile now.
#[derive(Debug)]
pub struct Work {
    /// Which.
    pub key: ObjectKey,
    /// How long it waited since it was due.
    pub waited: Duration,
    lane: Lane,
}

/// The queue.
pub struct Queue {
    inner: Mutex<Inner>,
    changed: Notify,
    lane_limit: usize,
}

#[derive(Default)]
struct Inner {
    lanes: HashMap<Lane, LaneState>,
    keys: HashMap<ObjectKey, State>,
    /// When objects are due: exactly those whose state has `due`.
    delayed: BTreeSet<(Instant, ObjectKey)>,
    ready: usize,
    running: usize,
}

#[derive(Default)]
struct LaneState {
    /// The objects whose turn it is, by namespace.
    ready: Turns<Arc<str>, ObjectKey>,
    running: usize,
    /// The tasks of each namespace that has one.
    running_of: HashMap<Arc<str>, usize>,
}

#[derive(Default)]
struct State {
    queued: Option<Instant>,
    due: Option<Instant>,
    running: bool,
    again: bool,
    /// What is due counts as settled until then.
    later: bool,
    failures: u32,
    lane: Option<Lane>,
}

impl Queue {
    /// Returns a queue that lets so many objects of one lane be reconciled at once.
    #[must_use]
    pub fn new(lane_limit: usize) -> Self {
        Self { inner: Mutex::default(), changed: Notify::new(), lane_limit: lane_limit.max(1) }
    }

    /// Has an object reconciled as soon as possible.
    pub fn wake(&self, key: ObjectKey, lane: Lane) {
        let mut inner = self.lock();
        let state = inner.keys.entry(key.clone()).or_default();
        if state.lane.as_ref() != Some(&lane) && state.queued.is_none() {
            state.lane = Some(lane);
        }
        if state.running {
            state.again = true;
        } else {
            inner.enqueue(key);
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// Has an object reconciled after this delay, unless that happens sooner anyway.
    pub fn wake_within(&self, key: ObjectKey, lane: Lane, delay: Duration, until_due: UntilDue) {
        let due = Instant::now() + delay;
        let mut inner = self.lock();
        let state = inner.keys.entry(key.clone()).or_default();
        if state.running {
            state.again = true;
        } else if state.queued.is_none() && state.due.is_none_or(|before| due < before) {
            if state.lane.as_ref() != Some(&lane) {
                state.lane = Some(lane);
            }
            state.later = match until_due {
                UntilDue::Pending => false,
                UntilDue::Settled => state.later || state.due.is_none(),
            };
            inner.delay(key, due);
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// Waits for the next object to reconcile.
    pub async fn next(&self) -> Work {
        loop {
            let (work, due) = self.lock().pop(self.lane_limit, Instant::now());
            if let Some(work) = work {
                return work;
            }
            let changed = self.changed.notified();
            match due {
                None => changed.await,
                Some(due) => {
                    let _ = tokio::time::timeout_at(due, changed).await;
                }
            }
        }
    }

    /// Returns the next object to reconcile, if there is one whose turn has come.
    pub fn try_next(&self) -> Option<Work> {
        self.lock().pop(self.lane_limit, Instant::now()).0
    }

    /// Ends the reconcile of an object.
    pub fn done(&self, work: &Work, next: Next) {
        let mut inner = self.lock();
        inner.running = inner.running.saturating_sub(1);
        if let Some(lane) = inner.lanes.get_mut(&work.lane) {
            lane.end_task(&work.key.namespace);
            if lane.running == 0 && lane.ready.is_empty() {
                inner.lanes.remove(&work.lane);
            }
        }
        if let Some(state) = inner.keys.get_mut(&work.key) {
            state.running = false;
            let again = std::mem::take(&mut state.again);
            state.later = matches!(next, Next::Later(_)) && !again;
            let due = match next {
                Next::Settled => {
                    state.failures = 0;
                    None
                }
                Next::After(delay) | Next::Later(delay) => {
                    state.failures = 0;
                    Some(delay)
                }
                Next::Failed => {
                    state.failures = state.failures.saturating_add(1);
                    Some(delay(state.failures))
                }
            };
            match (again, due) {
                // Woken meanwhile. That ends the delay of a failing object at most once.
                (true, _) => inner.enqueue(work.key.clone()),
                (false, Some(delay)) => {
                    inner.delay(work.key.clone(), Instant::now() + delay);
                }
                (false, None) => inner.settle(&work.key),
            }
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// Returns how many objects wait for their turn, and how many are being reconciled.
    #[must_use]
    pub fn depth(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.ready, inner.running)
    }

    /// Whether nothing waits, nothing runs, and nothing is due again but what counts as settled.
    #[must_use]
    pub fn idle(&self) -> bool {
        self.lock().keys.values().all(|state| state.later)
    }

    /// Whether it is [idle](Self::idle) but for objects that are due later and that `may_be_due` names: none of those waits or
    /// runs now.
    #[must_use]
    pub fn idle_but_for(&self, may_be_due: impl Fn(&ObjectKey) -> bool) -> bool {
        let resting = |state: &State| !state.running && state.queued.is_none();
        self.lock().keys.iter().all(|(key, state)| state.later || (resting(state) && may_be_due(key)))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

impl Inner {
    /// Removes an object. At rest the queue is empty, so the memory of a start, when it has every object, is given back.
    fn settle(&mut self, key: &ObjectKey) {
        const KEPT: usize = 1_024;
        self.keys.remove(key);
        if self.keys.capacity() > 8 * self.keys.len().max(KEPT) {
            self.keys.shrink_to(2 * self.keys.len().max(KEPT));
        }
    }

    fn enqueue(&mut self, key: ObjectKey) {
        let Some(state) = self.keys.get_mut(&key) else { return };
        if state.queued.is_some() {
            return;
        }
        state.queued = Some(Instant::now());
        state.later = false;
        if let Some(due) = state.due.take() {
            self.delayed.remove(&(due, key.clone()));
        }
        let lane = state.lane.clone().unwrap_or(Lane::WithoutSvix);
        self.lanes.entry(lane).or_default().ready.push(key.namespace.clone(), key);
        self.ready += 1;
    }

    /// Sets when an object is due, in place of what was set before.
    fn delay(&mut self, key: ObjectKey, due: Instant) {
        let Some(state) = self.keys.get_mut(&key) else { return };
        if let Some(before) = state.due.replace(due) {
            self.delayed.remove(&(before, key.clone()));
        }
        self.delayed.insert((due, key));
    }

    /// Returns an object to reconcile, or when the next is due.
    fn pop(&mut self, lane_limit: usize, now: Instant) -> (Option<Work>, Option<Instant>) {
        while let Some((due, _)) = self.delayed.first() {
            if *due > now {
                break;
            }
            let Some((_, key)) = self.delayed.pop_first() else { break };
            self.enqueue(key);
        }
        // The lane with the fewest tasks first, so that none starves. The lane of a namespace that may not have another
        // task now is asked in vain, and the next lane follows.
        let free = self.lanes.iter().filter(|(_, lane)| !lane.ready.is_empty() && lane.running < lane_limit);
        let mut free: Vec<_> = free.map(|(name, lane)| (lane.running, name.clone())).collect();
        free.sort_unstable_by_key(|(running, _)| *running);
        let work = free.into_iter().find_map(|(_, name)| {
            let key = self.lanes.get_mut(&name)?.start_task(lane_limit)?;
            self.ready -= 1;
            self.running += 1;
            let state = self.keys.entry(key.clone()).or_default();
            state.running = true;
            let waited =
                state.queued.take().map_or(Duration::ZERO, |queued| now.saturating_duration_since(queued));
            Some(Work { key, waited, lane: name })
        });
        (work, self.delayed.first().map(|(due, _)| *due))
    }
}

impl LaneState {
    /// Takes the next object of a namespace that may have another task.
    fn start_task(&mut self, limit: usize) -> Option<ObjectKey> {
        let free = limit.saturating_sub(self.running);
        let used = |namespace: &Arc<str>| self.running_of.get(namespace).copied().unwrap_or_default();
        let (namespace, key) = self.ready.pop_if(|namespace| may_use_more(used(namespace), free))?;
        self.running += 1;
        *self.running_of.entry(namespace).or_default() += 1;
        Some(key)
    }

    fn end_task(&mut self, namespace: &Arc<str>) {
        self.running = self.running.saturating_sub(1);
        if let Some(running) = self.running_of.get_mut(namespace) {
            *running -= 1;
            if *running == 0 {
                self.running_of.remove(namespace);
            }
        }
    }
}

/// Returns the delay after so many failures.
fn delay(failures: u32) -> Duration {
    half_random(exponential(FIRST_DELAY, LONGEST_DELAY, failures.saturating_sub(1)))
}

#[cfg(test)]
mod tests;
