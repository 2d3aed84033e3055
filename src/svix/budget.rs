//! One budget for everything that goes through a connection.
//!
//! Requests are spaced so that no more than the rate leave in any second beyond a short burst, and when Svix
//! answers 429 every request of the connection waits as long as Svix asks.

use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

/// How long to hold back when Svix says 429 without Retry-After, and the most that is believed of it.
const DEFAULT_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(300);

/// The budget of a connection.
#[derive(Debug)]
pub struct Budget {
    interval: Option<Duration>,
    burst: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When the next request would leave if requests were evenly spaced.
    next: Instant,
    /// No request leaves before this.
    paused_until: Instant,
}

impl Budget {
    /// A budget of so many requests per second; `None`: no limit but what Svix asks for.
    #[must_use]
    pub fn new(requests_per_second: Option<u32>) -> Self {
        let now = Instant::now();
        let interval = requests_per_second.filter(|rate| *rate > 0).map(|rate| Duration::from_secs(1) / rate);
        Self {
            // A tenth of a second's worth may leave at once.
            burst: Duration::from_millis(100),
            interval,
            state: Mutex::new(State { next: now, paused_until: now }),
        }
    }

    /// Waits until a request may leave, and answers how long that took.
    pub async fn acquire(&self) -> Duration {
        let begun = Instant::now();
        let leave = self.reserve(begun);
        if leave > begun {
            tokio::time::sleep_until(leave).await;
        }
        // Others may have been told to wait meanwhile, and then so are we.
        loop {
            let paused = self.lock().paused_until;
            if paused <= Instant::now() {
                return begun.elapsed();
            }
            tokio::time::sleep_until(paused + jitter(Duration::from_millis(50))).await;
        }
    }

    /// Svix asks to slow down: nothing leaves for so long.
    pub fn pause(&self, retry_after: Option<Duration>) {
        let pause = retry_after.unwrap_or(DEFAULT_PAUSE).min(MAX_PAUSE);
        let mut state = self.lock();
        state.paused_until = state.paused_until.max(Instant::now() + pause);
    }

    fn reserve(&self, now: Instant) -> Instant {
        let mut state = self.lock();
        let mut leave = now.max(state.paused_until);
        if let Some(interval) = self.interval {
            let earliest = state.next.max(now.checked_sub(self.burst).unwrap_or(now));
            state.next = earliest + interval;
            leave = leave.max(earliest);
        }
        leave
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// A random part of a duration.
pub(crate) fn jitter(most: Duration) -> Duration {
    most.mul_f64(rand::random::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_rate_leaves_in_a_second() {
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
    async fn a_foolish_retry_after_is_bounded() {
        let budget = Budget::new(None);
        budget.pause(Some(Duration::from_secs(1_000_000)));
        let begun = Instant::now();
        budget.acquire().await;
        assert!(begun.elapsed() <= Duration::from_secs(301));
    }
}
