//! Whether the calls of one connection succeed: what its users see, not only what its listings see.
//!
//! # Flow
//! 1. The client records the end of each call.
//! 2. A driver waits until calls have [failed for a while](Health::failing_for), and then makes a call of its own.
//! 3. While a connection does not work, the driver waits until a call [succeeds](Health::recovered).
//!
//! # Caveats
//! A response that is not 5xx counts as a success, whatever it says: the server responds. Without calls, nothing is
//! known.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use super::errors::ErrorKind;

/// Whether the calls of one connection succeed.
#[derive(Debug, Default)]
pub struct Health {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    failing_since: Option<Instant>,
    last_success: Option<Instant>,
}

impl Health {
    /// Records the end of a call; `None`: it succeeded.
    pub fn record(&self, error: Option<&ErrorKind>) {
        let is_failure = match error {
            Some(ErrorKind::Transport(_) | ErrorKind::Server { .. }) => true,
            // A proxy in front of Svix may send any response, and 429 says nothing about other calls.
            Some(ErrorKind::Answer { .. } | ErrorKind::Throttled { .. }) => return,
            None
            | Some(
                ErrorKind::Unauthorized { .. }
                | ErrorKind::NotFound
                | ErrorKind::Conflict { .. }
                | ErrorKind::Refused { .. },
            ) => false,
        };
        let now = Instant::now();
        let mut state = self.state.lock();
        let was_failing = state.failing_since.is_some();
        if is_failure {
            state.failing_since.get_or_insert(now);
        } else {
            state.failing_since = None;
            state.last_success = Some(now);
        }
        drop(state);
        if is_failure != was_failing {
            self.changed.notify_waiters();
        }
    }

    /// Returns since when calls fail, without a success in between; `None`: the last one succeeded.
    #[must_use]
    pub fn failing_since(&self) -> Option<Instant> {
        self.state.lock().failing_since
    }

    /// Returns when a call succeeded last.
    #[must_use]
    pub fn last_success(&self) -> Option<Instant> {
        self.state.lock().last_success
    }

    /// Waits until calls have failed for so long, without a success in between. Returns since when.
    pub async fn failing_for(&self, duration: Duration) -> Instant {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on, no change is missed.
            changed.as_mut().enable();
            match self.failing_since() {
                None => changed.await,
                Some(since) if since.elapsed() >= duration => return since,
                Some(since) => {
                    let _ = tokio::time::timeout_at(since + duration, changed).await;
                }
            }
        }
    }

    /// Waits until the last call is one that succeeded.
    pub async fn recovered(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.failing_since().is_none() {
                return;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn failed() -> Option<&'static ErrorKind> {
        Some(&ErrorKind::Server { status: 503 })
    }

    #[tokio::test(start_paused = true)]
    async fn calls_that_go_on_failing_are_an_outage() {
        let health = Health::default();
        let began = Instant::now();
        health.record(failed());
        tokio::time::advance(SECOND / 2).await;
        health.record(failed());

        let since = health.failing_for(SECOND).await;

        assert_eq!((since, began.elapsed()), (began, SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn one_success_ends_an_outage() {
        for success in [None, Some(&ErrorKind::NotFound)] {
            let health = Health::default();
            health.record(failed());
            health.record(success);
            tokio::time::advance(2 * SECOND).await;

            assert_eq!(health.failing_for(SECOND).now_or_never(), None);
            assert!(health.recovered().now_or_never().is_some());
            assert!(health.last_success().is_some());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_is_neither_a_failure_nor_a_success() {
        let health = Health::default();
        let throttled = ErrorKind::Throttled { retry_after: None };

        health.record(Some(&throttled));
        assert_eq!((health.failing_since(), health.last_success()), (None, None));

        health.record(failed());
        health.record(Some(&throttled));
        assert!(health.recovered().now_or_never().is_none());
    }
}
