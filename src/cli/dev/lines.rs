//! The lines that `dev` prints between two tables: what happened, in the order in which it did.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

/// Most lines about messages in one [`SPAN`]; what is beyond is counted.
const MOST: usize = 20;
const SPAN: Duration = Duration::from_secs(1);

/// Lines that are still to be printed.
#[derive(Default)]
pub(super) struct Lines {
    inner: Mutex<Inner>,
    added: Notify,
}

#[derive(Default)]
struct Inner {
    lines: Vec<String>,
    /// Since when messages are counted, and how many were told since.
    since: Option<Instant>,
    told: usize,
    /// How many were not, by what became of them.
    left_out: BTreeMap<&'static str, usize>,
}

impl Lines {
    /// A line that is always printed.
    pub(super) fn say(&self, line: &str) {
        self.lock().push(line);
        self.added.notify_one();
    }

    /// A line about a message. There may be thousands of those in a second, so some are only counted.
    pub(super) fn message(&self, became: &'static str, line: &str) {
        let mut inner = self.lock();
        inner.close(Instant::now());
        if inner.told < MOST {
            inner.since.get_or_insert_with(Instant::now);
            inner.told += 1;
            inner.push(line);
            self.added.notify_one();
        } else {
            // Whoever prints looks twice a second all the same; to wake it for each would be the most of the work.
            *inner.left_out.entry(became).or_default() += 1;
        }
    }

    /// What is to be printed now.
    pub(super) fn take(&self) -> Vec<String> {
        let mut inner = self.lock();
        inner.close(Instant::now());
        std::mem::take(&mut inner.lines)
    }

    /// Waits until there may be something to print.
    pub(super) async fn added(&self) {
        self.added.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

impl Inner {
    fn push(&mut self, line: &str) {
        // Names and violations may come from strangers: a line stays one, and no terminal is told what to do.
        self.lines.push(line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect());
    }

    /// Ends the span that is over, with a line for what was left out of it.
    fn close(&mut self, now: Instant) {
        if self.since.is_none_or(|since| now.duration_since(since) < SPAN) {
            return;
        }
        (self.since, self.told) = (None, 0);
        let left_out = std::mem::take(&mut self.left_out);
        let total: usize = left_out.values().sum();
        if total > 0 {
            let parts: Vec<_> = left_out.iter().map(|(became, count)| format!("{count} {became}")).collect();
            self.lines.push(format!("  and {total} more within a second: {}", parts.join(", ")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_messages_some_are_told_and_the_rest_is_counted() {
        let lines = Lines::default();
        for _ in 0..MOST {
            lines.message("accepted", "one");
        }
        for _ in 0..3 {
            lines.message("accepted", "one");
        }
        lines.message("refused", "two");
        lines.say("always");
        let now = lines.take();
        assert_eq!((now.len(), now.last().map(String::as_str)), (MOST + 1, Some("always")));
        assert!(lines.take().is_empty(), "the span is not over");
        lines.lock().close(Instant::now() + SPAN);
        assert_eq!(lines.take(), ["  and 4 more within a second: 3 accepted, 1 refused"]);
        lines.message("refused", "a\u{1b}[2J\nb");
        assert_eq!(lines.take(), ["a\u{fffd}[2J\u{fffd}b"]);
    }
}
