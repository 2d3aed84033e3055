//! The work queue: which object is reconciled next.
//!
//! - An object is reconciled by one task at a time; woken meanwhile, it is reconciled once more.
//! - Each connection has a lane of its own with a bound on tasks, so that a Svix that does not respond delays only its
//!   own objects.
//! - A failure delays the object that failed and no other, longer each time, by a random part.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use tokio::{sync::Notify, time::Instant};

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
    delayed: BinaryHeap<Reverse<(Instant, ObjectKey)>>,
    ready: usize,
    running: usize,
}

#[derive(Default)]
struct LaneState {
    ready: VecDeque<ObjectKey>,
    running: usize,
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
        state.due = None;
        if state.running {
            state.again = true;
        } else {
            inner.enqueue(key);
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// Has an object reconciled after this delay, unless that happens sooner anyway.
    pub fn wake_within(&self, key: ObjectKey, lane: Lane, delay: Duration) {
        let due = Instant::now() + delay;
        let mut inner = self.lock();
        let state = inner.keys.entry(key.clone()).or_default();
        if state.running {
            state.again = true;
        } else if state.queued.is_none() && state.due.is_none_or(|before| due < before) {
            if state.lane.as_ref() != Some(&lane) {
                state.lane = Some(lane);
            }
            state.due = Some(due);
            state.later = false;
            inner.delayed.push(Reverse((due, key)));
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
            lane.running = lane.running.saturating_sub(1);
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
                    let due = Instant::now() + delay;
                    state.due = Some(due);
                    inner.delayed.push(Reverse((due, work.key.clone())));
                }
                (false, None) => {
                    inner.keys.remove(&work.key);
                }
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
    fn enqueue(&mut self, key: ObjectKey) {
        let Some(state) = self.keys.get_mut(&key) else { return };
        if state.queued.is_some() {
            return;
        }
        state.queued = Some(Instant::now());
        state.later = false;
        state.due = None;
        let lane = state.lane.clone().unwrap_or(Lane::WithoutSvix);
        self.lanes.entry(lane).or_default().ready.push_back(key);
        self.ready += 1;
    }

    /// Returns an object to reconcile, or when the next is due.
    fn pop(&mut self, lane_limit: usize, now: Instant) -> (Option<Work>, Option<Instant>) {
        while let Some(Reverse((due, _))) = self.delayed.peek() {
            if *due > now {
                break;
            }
            let Some(Reverse((due, key))) = self.delayed.pop() else { break };
            // Woken or rescheduled meanwhile: this entry is void.
            if self.keys.get(&key).is_some_and(|state| state.due == Some(due)) {
                self.enqueue(key);
            }
        }
        // The lane with the fewest tasks first, so that none starves.
        let free = self.lanes.iter().filter(|(_, lane)| !lane.ready.is_empty() && lane.running < lane_limit);
        let name = free.min_by_key(|(_, lane)| lane.running).map(|(name, _)| name.clone());
        let work = name.and_then(|name| {
            let lane = self.lanes.get_mut(&name)?;
            let key = lane.ready.pop_front()?;
            lane.running += 1;
            self.ready -= 1;
            self.running += 1;
            let state = self.keys.entry(key.clone()).or_default();
            state.running = true;
            let waited =
                state.queued.take().map_or(Duration::ZERO, |queued| now.saturating_duration_since(queued));
            Some(Work { key, waited, lane: name })
        });
        (work, self.delayed.peek().map(|Reverse((due, _))| *due))
    }
}

/// Returns the delay after so many failures.
fn delay(failures: u32) -> Duration {
    half_random(exponential(FIRST_DELAY, LONGEST_DELAY, failures.saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use super::{super::object::Kind, *};

    fn key(name: &str) -> ObjectKey {
        ObjectKey { kind: Kind::Endpoint, namespace: "ns".into(), name: name.into() }
    }

    fn lane(name: &str) -> Lane {
        Lane::Connection(name.into())
    }

    async fn none_now(queue: &Queue) -> bool {
        tokio::time::timeout(Duration::from_millis(1), queue.next()).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn an_object_woken_twice_runs_once_and_once_more() {
        let queue = Queue::new(8);
        queue.wake(key("a"), lane("c"));
        queue.wake(key("a"), lane("c"));
        let work = queue.next().await;
        assert!(none_now(&queue).await);
        queue.wake(key("a"), lane("c"));
        queue.wake(key("a"), lane("c"));
        assert!(none_now(&queue).await, "never two at once");
        queue.done(&work, Next::Settled);
        let work = queue.next().await;
        queue.done(&work, Next::Settled);
        assert!(none_now(&queue).await);
        assert!(queue.idle());
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_lane_does_not_delay_another() {
        let queue = Queue::new(2);
        for name in ["a", "b", "c"] {
            queue.wake(key(name), lane("slow"));
        }
        let _first = (queue.next().await, queue.next().await);
        assert!(none_now(&queue).await);
        queue.wake(key("d"), lane("fast"));
        assert_eq!(queue.next().await.key, key("d"));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_delay_only_the_object_that_failed() {
        let queue = Queue::new(8);
        queue.wake(key("bad"), lane("c"));
        let mut delays = Vec::new();
        for _ in 0..12 {
            let begun = Instant::now();
            let work = queue.next().await;
            delays.push(begun.elapsed());
            queue.done(&work, Next::Failed);
            queue.wake(key("good"), lane("c"));
            let good = queue.next().await;
            assert_eq!(good.key, key("good"));
            queue.done(&good, Next::Settled);
        }
        assert!(delays[1] >= FIRST_DELAY / 2 && delays[1] <= FIRST_DELAY, "{delays:?}");
        assert!(delays[4] > delays[1] * 3, "{delays:?}");
        assert!(delays[11] >= LONGEST_DELAY / 2 && delays[11] <= LONGEST_DELAY, "{delays:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_due_later_counts_as_settled_until_then() {
        let queue = Queue::new(8);
        queue.wake(key("a"), lane("c"));
        let work = queue.next().await;
        assert!(!queue.idle());
        queue.done(&work, Next::Later(Duration::from_secs(60)));
        assert!(queue.idle());
        let begun = Instant::now();
        let work = queue.next().await;
        assert_eq!(begun.elapsed(), Duration::from_secs(60));
        assert!(!queue.idle());
        queue.wake(key("a"), lane("c"));
        queue.done(&work, Next::Later(Duration::from_secs(60)));
        assert!(!queue.idle(), "woken meanwhile");
    }

    #[tokio::test(start_paused = true)]
    async fn waking_within_a_time_never_delays_an_object() {
        let second = Duration::from_secs(1);
        for (failing, within, expected) in [(60, 2, 2), (1, 2, 1)] {
            let queue = Queue::new(8);
            queue.wake(key("a"), lane("c"));
            let work = queue.next().await;
            queue.done(&work, Next::After(failing * second));
            let begun = Instant::now();
            queue.wake_within(key("a"), lane("c"), within * second);
            let work = queue.next().await;
            assert_eq!(begun.elapsed(), expected * second);
            queue.done(&work, Next::Settled);
            tokio::time::advance(61 * second).await;
            assert!(none_now(&queue).await, "the other time is void");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn waking_an_object_overrides_its_delay() {
        let queue = Queue::new(8);
        queue.wake(key("a"), lane("c"));
        let work = queue.next().await;
        queue.done(&work, Next::After(Duration::from_secs(600)));
        queue.wake(key("a"), lane("c"));
        let begun = Instant::now();
        let work = queue.next().await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
        queue.done(&work, Next::Settled);
        tokio::time::advance(Duration::from_secs(601)).await;
        assert!(none_now(&queue).await, "the overridden delay is void");
    }
}
