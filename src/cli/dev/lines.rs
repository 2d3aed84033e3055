//! The lines that `dev` prints between two tables: Events and messages, in their order.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use crate::plan::controls_terminal;

/// Maximum number of lines about messages in one [`SPAN`]; further ones are counted.
const MAX_MESSAGES: usize = 20;
const SPAN: Duration = Duration::from_secs(1);

/// Lines that are not printed yet.
#[derive(Default)]
pub(super) struct Lines {
    inner: Mutex<Inner>,
    added: Notify,
}

#[derive(Default)]
struct Inner {
    lines: Vec<String>,
    /// When the present span began.
    since: Option<Instant>,
    /// The number of lines about messages that were added in it.
    messages: usize,
    /// The number of those that were left out, by outcome.
    left_out: BTreeMap<&'static str, usize>,
}

impl Lines {
    /// Adds a line that is always printed.
    pub(super) fn add(&self, line: &str) {
        self.lock().push(line);
        self.added.notify_one();
    }

    /// Adds a line about a message. There can be thousands of those in a second, so some are only counted.
    pub(super) fn add_message(&self, outcome: &'static str, line: &str) {
        let mut inner = self.lock();
        inner.close(Instant::now());
        if inner.messages < MAX_MESSAGES {
            inner.since.get_or_insert_with(Instant::now);
            inner.messages += 1;
            inner.push(line);
            self.added.notify_one();
        } else {
            // Lines are taken twice a second in any case; a wake-up for each message would be most of the work.
            *inner.left_out.entry(outcome).or_default() += 1;
        }
    }

    /// Takes the lines that are to be printed now.
    pub(super) fn take(&self) -> Vec<String> {
        let mut inner = self.lock();
        inner.close(Instant::now());
        std::mem::take(&mut inner.lines)
    }

    /// Waits until there can be lines to print.
    pub(super) async fn added(&self) {
        self.added.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

impl Inner {
    fn push(&mut self, line: &str) {
        // Names and violations can come from strangers: they must not end the line or control the terminal.
        self.lines.push(line.chars().map(|c| if controls_terminal(c) { '\u{fffd}' } else { c }).collect());
    }

    /// Ends the present span if it is over, with a line for what was left out of it.
    fn close(&mut self, now: Instant) {
        if self.since.is_none_or(|since| now.duration_since(since) < SPAN) {
            return;
        }
        (self.since, self.messages) = (None, 0);
        let left_out = std::mem::take(&mut self.left_out);
        let total: usize = left_out.values().sum();
        if total > 0 {
            let parts: Vec<_> =
                left_out.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
            self.lines.push(format!("  and {total} more within a second: {}", parts.join(", ")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_of_many_messages_are_printed() {
        let lines = Lines::default();
        for _ in 0..MAX_MESSAGES {
            lines.add_message("accepted", "one");
        }
        for _ in 0..3 {
            lines.add_message("accepted", "one");
        }
        lines.add_message("refused", "two");
        lines.add("always");
        let printed = lines.take();
        assert_eq!((printed.len(), printed.last().map(String::as_str)), (MAX_MESSAGES + 1, Some("always")));
        assert!(lines.take().is_empty(), "the span is not over");
        lines.lock().close(Instant::now() + SPAN);
        assert_eq!(lines.take(), ["  and 4 more within a second: 3 accepted, 1 refused"]);
        lines.add_message("refused", "a\u{1b}[2J\nb");
        assert_eq!(lines.take(), ["a\u{fffd}[2J\u{fffd}b"]);
    }
}
