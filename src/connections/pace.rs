//! How fast a body has to arrive. Callers that withhold a body keep what it uses, such as memory, from others.

use std::time::Duration;

use tokio::time::Instant;

/// Bytes of a body that have to arrive within each pause; fewer only at its end.
const PROGRESS: usize = 4 * 1024;

/// How fast a body has to arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyTimes {
    /// Time for the whole body.
    pub total: Duration,
    /// Time within which 4 KiB have to arrive, or the end.
    pub progress: Duration,
}

/// The progress of one body.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    end: Instant,
    progress: Duration,
    /// When the last 4 KiB were complete.
    since: Instant,
    /// How much has arrived since then.
    bytes: usize,
}

impl Pace {
    /// Begins with the first byte that is waited for.
    #[must_use]
    pub fn start(times: BodyTimes) -> Self {
        let now = Instant::now();
        Self { end: now + times.total, progress: times.progress, since: now, bytes: 0 }
    }

    /// Records that so many bytes have arrived.
    pub fn received(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes >= PROGRESS {
            (self.since, self.bytes) = (Instant::now(), 0);
        }
    }

    /// Returns when the body is given up, unless more arrives.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.end.min(self.since + self.progress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_trickle_is_no_progress() {
        let begun = Instant::now();
        let mut pace = Pace::start(BodyTimes { total: 30 * SECOND, progress: 5 * SECOND });
        assert_eq!(pace.deadline() - begun, 5 * SECOND);

        tokio::time::advance(4 * SECOND).await;
        pace.received(1);
        assert_eq!(pace.deadline() - begun, 5 * SECOND, "a byte");
        pace.received(PROGRESS);
        assert_eq!(pace.deadline() - begun, 9 * SECOND);

        for _ in 0..10 {
            tokio::time::advance(4 * SECOND).await;
            pace.received(PROGRESS);
        }
        assert_eq!(pace.deadline() - begun, 30 * SECOND, "the whole body has a limit, too");
    }
}
