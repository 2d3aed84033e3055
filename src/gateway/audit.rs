//! Messages that were forwarded although their payload does not match, as lines in the log: for each event type what
//! `payloadPolicy: Enforce` would have rejected, by place, at most every five minutes. Nothing of a payload is in them.

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;
use parking_lot::Mutex;

use crate::{plan::audit::Tally, schema::Place};

/// The time between two lines about an event type.
const INTERVAL: Duration = Duration::from_secs(300);

/// The messages that are not in the log yet. There are as many event types as are declared.
#[derive(Default)]
pub(super) struct AuditLog(Mutex<HashMap<String, Unlogged>>);

/// The messages of one event type since its last line.
struct Unlogged {
    tally: Tally,
    /// The time of the last line.
    logged: Option<Timestamp>,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    messages: i64,
    /// The places with most messages, with their numbers.
    places: String,
}

impl AuditLog {
    /// Counts a message that is forwarded although its payload does not match at these places.
    pub(super) fn record(&self, event_type: &str, places: &[Place]) {
        if let Some(Line { messages, places }) = self.line(event_type, places, Timestamp::now()) {
            tracing::info!(
                event_type,
                messages,
                places,
                "messages were forwarded that payloadPolicy: Enforce would have rejected"
            );
        }
    }

    /// Returns the line that is due with this message.
    fn line(&self, event_type: &str, places: &[Place], now: Timestamp) -> Option<Line> {
        let mut all = self.0.lock();
        if !all.contains_key(event_type) {
            all.insert(event_type.to_owned(), Unlogged { tally: Tally::new(""), logged: None });
        }
        let unlogged = all.get_mut(event_type)?;
        unlogged.tally.record(places, now);
        let elapsed = |logged: Timestamp| now.duration_since(logged).unsigned_abs();
        if unlogged.logged.is_some_and(|logged| elapsed(logged) < INTERVAL) {
            return None;
        }
        unlogged.logged = Some(now);
        let audit = std::mem::replace(&mut unlogged.tally, Tally::new("")).to_status(now)?;
        let places = audit.places.iter();
        let places: Vec<_> =
            places.map(|place| format!("{} ({}): {}", place.payload, place.keyword, place.count)).collect();
        Some(Line { messages: audit.count, places: places.join(", ") })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn there_is_one_line_for_many_messages() {
        let log = AuditLog::default();
        let begin: Timestamp = "2026-05-10T10:00:00Z".parse().unwrap();
        let place = |payload: &str| Place { payload: payload.to_owned(), keyword: "type".to_owned() };

        let first = log.line("a.b", &[place("/a")], begin);
        let soon = log.line("a.b", &[place("/a")], begin + Duration::from_secs(299));
        let other = log.line("a.c", &[place("/c")], begin + Duration::from_secs(299));
        let later = log.line("a.b", &[place("/a"), place("/b")], begin + Duration::from_secs(300));

        let line = |messages, places: &str| Some(Line { messages, places: places.to_owned() });
        assert_eq!((first, soon), (line(1, "/a (type): 1"), None));
        assert_eq!(other, line(1, "/c (type): 1"));
        assert_eq!(later, line(2, "/a (type): 2, /b (type): 1"));
    }
}
