//! The rate limit of a connection, for all of its requests.
//!
//! Requests are spaced so that, beyond a short burst, no more than the rate are sent in any second. When Svix answers 429,
//! every request of the connection waits for as long as Svix asks. Namespaces take turns: the requests of one namespace,
//! however many, delay a request of another by one.

use std::{sync::Arc, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use tokio::{sync::Notify, time::Instant};

use crate::turns::Turns;

/// The pause after a 429 without Retry-After, and the longest one that is accepted.
const DEFAULT_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(300);

tokio::task_local! {
    /// The namespace that the requests of the current task are sent for.
    static NAMESPACE: Arc<str>;
}

/// Runs a future whose requests are sent for a namespace, and take turns with those for other namespaces. Requests outside
/// of such a future, such as listings, are a group of their own.
pub async fn on_behalf_of<T>(namespace: Arc<str>, work: impl Future<Output = T>) -> T {
    NAMESPACE.scope(namespace, work).await
}

/// The rate limit of a connection.
#[derive(Debug)]
pub struct Budget {
    interval: Option<Duration>,
    burst: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When the next request would be sent if requests were evenly spaced.
    next: Instant,
    /// No request is sent before this.
    paused_until: Instant,
    /// The requests that wait. The one in front waits for its time, the others for their turn.
    waiting: Turns<Arc<str>, Arc<Notify>>,
}

impl Budget {
    /// Returns a limit of so many requests per second; `None`: no limit except what Svix asks for.
    #[must_use]
    pub fn new(requests_per_second: Option<u32>) -> Self {
        let now = Instant::now();
        let interval = requests_per_second.filter(|rate| *rate > 0).map(|rate| Duration::from_secs(1) / rate);
        Self {
            // The requests of a tenth of a second may be sent at once.
            burst: Duration::from_millis(100),
            interval,
            state: Mutex::new(State { next: now, paused_until: now, waiting: Turns::default() }),
        }
    }

    /// Waits until a request may be sent. Returns how long it waited.
    pub async fn acquire(&self) -> Duration {
        let begun = Instant::now();
        if self.take_at_once(begun) {
            return Duration::ZERO;
        }
        let namespace = NAMESPACE.try_with(Clone::clone).unwrap_or_default();
        let place = Place::take(self, namespace);
        loop {
            match self.try_take(&place) {
                Turn::Taken => return begun.elapsed(),
                Turn::At(time) => tokio::time::sleep_until(time).await,
                Turn::AfterOthers => place.turn.notified().await,
            }
        }
    }

    /// Sends nothing for as long as Svix asks.
    pub fn pause(&self, retry_after: Option<Duration>) {
        let pause = retry_after.unwrap_or(DEFAULT_PAUSE).min(MAX_PAUSE);
        let mut state = self.lock();
        // Not all connections begin again at the same moment.
        let until = Instant::now() + pause + jitter(Duration::from_millis(50));
        state.paused_until = state.paused_until.max(until);
    }

    /// Takes the next time for a request, if no other request waits and the time has come.
    fn take_at_once(&self, now: Instant) -> bool {
        let mut state = self.lock();
        let is_free = state.waiting.is_empty() && self.time(&state, now) <= now;
        if is_free {
            self.advance(&mut state, now);
        }
        is_free
    }

    /// Takes the next time for the request in front, if the time has come. The request behind it is in front then.
    fn try_take(&self, place: &Place<'_>) -> Turn {
        let now = Instant::now();
        let mut state = self.lock();
        if state.waiting.front().is_none_or(|front| !Arc::ptr_eq(front, &place.turn)) {
            return Turn::AfterOthers;
        }
        let time = self.time(&state, now);
        if time > now {
            return Turn::At(time);
        }
        self.advance(&mut state, now);
        state.waiting.pop();
        if let Some(front) = state.waiting.front() {
            front.notify_one();
        }
        Turn::Taken
    }

    /// Returns when the next request may be sent.
    fn time(&self, state: &State, now: Instant) -> Instant {
        let spaced = if self.interval.is_some() { self.earliest(state, now) } else { now };
        spaced.max(state.paused_until).max(now)
    }

    /// Records that a request is sent now.
    fn advance(&self, state: &mut State, now: Instant) {
        if let Some(interval) = self.interval {
            state.next = self.earliest(state, now) + interval;
        }
    }

    fn earliest(&self, state: &State, now: Instant) -> Instant {
        state.next.max(now.checked_sub(self.burst).unwrap_or(now))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// Whether a request may be sent.
enum Turn {
    /// Now; the time is taken.
    Taken,
    /// It is the next one, at this time at the earliest.
    At(Instant),
    /// Others come before it.
    AfterOthers,
}

/// The place of a request among those that wait. Dropping it gives the place up.
struct Place<'a> {
    budget: &'a Budget,
    namespace: Arc<str>,
    turn: Arc<Notify>,
}

impl<'a> Place<'a> {
    fn take(budget: &'a Budget, namespace: Arc<str>) -> Self {
        let turn = Arc::<Notify>::default();
        budget.lock().waiting.push(namespace.clone(), turn.clone());
        Self { budget, namespace, turn }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.budget.lock();
        state.waiting.remove(&self.namespace, |turn| Arc::ptr_eq(turn, &self.turn));
        // The one that was given up may have been in front.
        if let Some(front) = state.waiting.front() {
            front.notify_one();
        }
    }
}

/// Returns a random part of a duration.
pub(crate) fn jitter(most: Duration) -> Duration {
    most.mul_f64(rand::random::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_rate_is_sent_in_a_second() {
        let budget = Budget::new(Some(50));
        let begun = Instant::now();
        for _ in 0..105 {
            budget.acquire().await;
        }
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(1950) && took < Duration::from_millis(2200), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn idle_time_is_not_saved_up() {
        let budget = Budget::new(Some(10));
        tokio::time::sleep(Duration::from_secs(60)).await;
        let begun = Instant::now();
        for _ in 0..20 {
            budget.acquire().await;
        }
        assert!(begun.elapsed() >= Duration::from_millis(1700), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_delays_another_namespace_by_one_request() {
        let budget = Arc::new(Budget::new(Some(10)));
        let send = |namespace: &'static str| {
            let budget = budget.clone();
            on_behalf_of(namespace.into(), async move {
                budget.acquire().await;
                namespace
            })
        };
        let begun = Instant::now();

        let flood = tokio::spawn(futures::future::join_all((0..200).map(|_| send("flood"))));
        tokio::task::yield_now().await;
        send("other").await;

        assert!(begun.elapsed() <= Duration::from_millis(300), "{:?}", begun.elapsed());
        assert_eq!(flood.await.map(|all| all.len()).ok(), Some(200));
        assert!(begun.elapsed() >= Duration::from_secs(19), "the rate stays: {:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_given_up_lets_the_next_one_go() {
        let budget = Budget::new(Some(10));
        budget.acquire().await;
        budget.acquire().await;
        let mut given_up = Box::pin(budget.acquire());
        let mut next = Box::pin(budget.acquire());
        assert!(futures::poll!(&mut given_up).is_pending() && futures::poll!(&mut next).is_pending());

        drop(given_up);

        let waited = tokio::time::timeout(Duration::from_secs(1), next).await;
        assert!(waited.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn everything_waits_as_long_as_svix_asks() {
        let budget = Budget::new(None);
        budget.pause(Some(Duration::from_secs(7)));
        budget.pause(Some(Duration::from_secs(2)));
        let begun = Instant::now();
        budget.acquire().await;
        assert!(begun.elapsed() >= Duration::from_secs(7));
        let begun = Instant::now();
        budget.acquire().await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn an_excessive_retry_after_is_bounded() {
        let budget = Budget::new(None);
        budget.pause(Some(Duration::from_secs(1_000_000)));
        let begun = Instant::now();
        budget.acquire().await;
        assert!(begun.elapsed() <= Duration::from_secs(301));
    }
}
