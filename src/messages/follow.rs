//! New messages as they come: the list is read again and again.

use std::{collections::BTreeMap, ops::ControlFlow, time::Duration};

use jiff::Timestamp;

use crate::svix::{Class, Client, Error, Position, StoredMessage};

use super::{MessagesError, Selection, list, pages};

/// How far each reading goes back behind the newest message: ids are in the order of the servers' clocks, and a message may
/// become visible after one that has a later id.
const OVERLAP: Duration = Duration::from_secs(10);
/// The same for the messages of an endpoint, which are listed from their first attempt on.
const ENDPOINT_OVERLAP: Duration = Duration::from_secs(60);
/// The longest pause after failures.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// The messages that follow those that were read.
///
/// Each message is returned once, and a failure loses none: the next reading goes back to the newest message that was read.
pub struct Follow {
    selection: Selection,
    interval: Duration,
    /// The time of the newest message that was read.
    newest: Option<Timestamp>,
    /// The messages that the next reading finds again.
    seen: BTreeMap<String, Timestamp>,
    failures: u32,
}

/// What one reading found.
#[derive(Debug)]
pub enum Polled {
    /// New messages, oldest first.
    New(Vec<StoredMessage>),
    /// It failed for a reason that may pass.
    Failed {
        /// The reason.
        error: Error,
        /// When it is read again.
        pause: Duration,
    },
}

impl Follow {
    /// Begins to follow, and returns the messages since the time of the selection, oldest first; without one, none.
    ///
    /// # Errors
    /// The application or the endpoint does not exist, or Svix failed.
    pub async fn begin(
        client: &Client,
        selection: Selection,
        interval: Duration,
    ) -> Result<(Self, Vec<StoredMessage>), MessagesError> {
        let newest = list(client, &selection, 1).await?.messages.into_iter().next();
        let newest = newest.map(|message| message.created_at);
        let mut follow = Self { selection, interval, newest, seen: BTreeMap::new(), failures: 0 };
        let Some(newest) = newest else { return Ok((follow, Vec::new())) };
        let is_history = follow.selection.since.is_some();
        let since = follow.selection.since.or_else(|| follow.from());
        let selection = Selection { since, ..follow.selection.clone() };
        let mut messages = list(client, &selection, usize::MAX).await?.messages;
        // What arrived since the first reading is new.
        messages.retain(|message| is_history || message.created_at <= newest);
        let messages = follow.record(messages);
        Ok((follow, if is_history { messages } else { Vec::new() }))
    }

    /// Waits until it is time, reads once, and returns what is new. A reading that is dropped has no effect.
    ///
    /// # Errors
    /// The application or the endpoint does not exist any more, or Svix refuses.
    pub async fn poll(&mut self, client: &Client) -> Result<Polled, MessagesError> {
        tokio::time::sleep(self.pause()).await;
        match self.read(client).await {
            Ok(Some(messages)) => {
                self.failures = 0;
                Ok(Polled::New(self.record(messages)))
            }
            Ok(None) => Err(self.selection.missing()),
            Err(error) => match error.class() {
                Class::Transient | Class::Throttled => {
                    self.failures += 1;
                    Ok(Polled::Failed { error, pause: self.pause() })
                }
                Class::Unauthorized | Class::Terminal => Err(error.into()),
            },
        }
    }

    /// Returns the pause before the next reading. After a 429, the client itself waits as long as Svix asks.
    fn pause(&self) -> Duration {
        let factor = 2_u32.saturating_pow(self.failures.min(16));
        self.interval.saturating_mul(factor).min(MAX_PAUSE.max(self.interval))
    }

    /// Returns the time from which on messages are read.
    fn from(&self) -> Option<Timestamp> {
        let overlap = if self.selection.endpoint.is_some() { ENDPOINT_OVERLAP } else { OVERLAP };
        self.newest.map(|newest| newest.checked_sub(overlap).unwrap_or(Timestamp::MIN))
    }

    async fn read(&self, client: &Client) -> Result<Option<Vec<StoredMessage>>, Error> {
        let mut messages = Vec::new();
        let first = self.from().map_or(Position::Newest(None), Position::After);
        let page = async |position: Position<'_>| self.selection.page(client, position).await;
        let found = pages::read(first, page, |message| {
            messages.push(message);
            ControlFlow::Continue(())
        });
        Ok(found.await?.map(|()| messages))
    }

    /// Records messages as read, and returns those that were not before, oldest first.
    fn record(&mut self, messages: Vec<StoredMessage>) -> Vec<StoredMessage> {
        let is_new = |message: &StoredMessage| {
            !self.seen.contains_key(&message.id)
                && self.selection.since.is_none_or(|since| message.created_at > since)
        };
        let mut new: Vec<_> = messages.into_iter().filter(is_new).collect();
        new.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        self.seen.extend(new.iter().map(|message| (message.id.clone(), message.created_at)));
        self.newest = self.newest.max(new.last().map(|message| message.created_at));
        if let Some(from) = self.from() {
            self.seen.retain(|_, created_at| *created_at >= from);
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str, second: i64) -> StoredMessage {
        StoredMessage {
            id: id.to_owned(),
            event_id: None,
            event_type: "a.b".to_owned(),
            channels: Default::default(),
            created_at: Timestamp::constant(1_800_000_000, 0) + Duration::from_secs(second.unsigned_abs()),
            payload: None,
            delivery: None,
        }
    }

    fn follow() -> Follow {
        Follow {
            selection: Selection::default(),
            interval: Duration::from_secs(2),
            newest: None,
            seen: BTreeMap::new(),
            failures: 0,
        }
    }

    fn ids(messages: &[StoredMessage]) -> Vec<&str> {
        messages.iter().map(|message| message.id.as_str()).collect()
    }

    #[test]
    fn each_message_is_new_once_oldest_first() {
        let mut follow = follow();

        let first = follow.record(vec![message("b", 5), message("a", 1)]);
        // One that became visible late, between those that were read.
        let second =
            follow.record(vec![message("c", 6), message("b", 5), message("late", 4), message("a", 1)]);
        let third = follow.record(vec![message("c", 6), message("b", 5), message("late", 4)]);

        assert_eq!(ids(&first), ["a", "b"]);
        assert_eq!(ids(&second), ["late", "c"]);
        assert_eq!(ids(&third), [""; 0]);
    }

    #[test]
    fn only_what_is_read_again_is_remembered() {
        let mut follow = follow();

        follow.record(vec![message("a", 0), message("b", 100), message("c", 105)]);

        assert_eq!(follow.seen.keys().collect::<Vec<_>>(), ["b", "c"]);
    }

    #[test]
    fn pauses_double_after_failures_up_to_a_minute() {
        let mut follow = follow();
        let mut pauses = Vec::new();
        for failures in [0, 1, 2, 5, 1000] {
            follow.failures = failures;
            pauses.push(follow.pause().as_secs());
        }

        assert_eq!(pauses, [2, 4, 8, 60, 60]);
    }
}
