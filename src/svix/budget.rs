//! The rate limit of a connection, for all of its requests.
//!
//! Requests are spaced so that, beyond a short burst, no more than the rate are sent in any second. When Svix answers 429,
//! every request of the connection waits for as long as Svix asks.

use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

/// The pause after a 429 without Retry-After, and the longest one that is accepted.
const DEFAULT_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(300);

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
            state: Mutex::new(State { next: now, paused_until: now }),
        }
    }

    /// Waits until a request may be sent. Returns how long it waited.
    pub async fn acquire(&self) -> Duration {
        let begun = Instant::now();
        let slot = self.reserve(begun);
        if slot > begun {
            tokio::time::sleep_until(slot).await;
        }
        // Svix may have asked for a pause meanwhile.
        loop {
            let paused = self.lock().paused_until;
            if paused <= Instant::now() {
                return begun.elapsed();
            }
            tokio::time::sleep_until(paused + jitter(Duration::from_millis(50))).await;
        }
    }

    /// Sends nothing for as long as Svix asks.
    pub fn pause(&self, retry_after: Option<Duration>) {
        let pause = retry_after.unwrap_or(DEFAULT_PAUSE).min(MAX_PAUSE);
        let mut state = self.lock();
        state.paused_until = state.paused_until.max(Instant::now() + pause);
    }

    fn reserve(&self, now: Instant) -> Instant {
        let mut state = self.lock();
        let mut slot = now.max(state.paused_until);
        if let Some(interval) = self.interval {
            let earliest = state.next.max(now.checked_sub(self.burst).unwrap_or(now));
            state.next = earliest + interval;
            slot = slot.max(earliest);
        }
        slot
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
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
