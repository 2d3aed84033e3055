//! Events that were sent although their payload does not match, before they are in the status of their event type. It is written
//! at intervals, never for each event. What is not written yet is lost in a crash.

use std::{collections::HashMap, time::Duration};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use crate::plan::audit::Tally;

use super::{
    object::{Object, ObjectKey},
    queue::Next,
};

/// How long the first events of an event type are collected before they are written, at most.
const COLLECTING: Duration = Duration::from_secs(10);

/// The events of all event types.
#[derive(Default)]
pub struct Audits(Mutex<HashMap<ObjectKey, Unwritten>>);

/// The events of one event type that are not in its status yet.
#[derive(Debug)]
pub struct Unwritten {
    tally: Tally,
    since: Timestamp,
}

impl Unwritten {
    /// Returns the events.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }
}

impl Audits {
    /// Adds an event of the event type that an object declares. Returns whether it is the first that is not written.
    pub fn record(
        &self,
        key: &ObjectKey,
        schema_digest: &str,
        now: Timestamp,
        record: impl FnOnce(&mut Tally),
    ) -> bool {
        let mut all = self.0.lock();
        let is_first = !all.contains_key(key);
        let new = || Unwritten { tally: Tally::new(schema_digest), since: now };
        let unwritten = all.entry(key.clone()).or_insert_with(new);
        if !unwritten.tally.is_about(schema_digest) {
            unwritten.tally = Tally::new(schema_digest);
        }
        record(&mut unwritten.tally);
        is_first
    }

    /// Removes and returns what is to be written into the status of an object now.
    pub fn take_due(&self, object: &Object, interval: Duration, now: Timestamp) -> Option<Unwritten> {
        let remaining = self.remaining(object, interval, now)?;
        if !remaining.is_zero() {
            return None;
        }
        self.0.lock().remove(&object.key())
    }

    /// Puts back what could not be written.
    pub fn put_back(&self, key: &ObjectKey, unwritten: Unwritten) {
        let mut all = self.0.lock();
        match all.get_mut(key) {
            None => {
                all.insert(key.clone(), unwritten);
            }
            Some(newer) => {
                newer.since = newer.since.min(unwritten.since);
                if newer.tally.has_schema_of(&unwritten.tally) {
                    newer.tally.merge(unwritten.tally);
                }
            }
        }
    }

    /// Returns how long it takes until something is to be written into the status of an object; `None`: there is nothing.
    pub fn remaining(&self, object: &Object, interval: Duration, now: Timestamp) -> Option<Duration> {
        let since = self.0.lock().get(&object.key())?.since;
        let written = match object {
            Object::EventType(event_type) => {
                event_type.status.as_ref().and_then(|status| Some(status.payload_audit.as_ref()?.updated_at))
            }
            _ => None,
        };
        let after = |time: Timestamp, wait: Duration| {
            let elapsed = now.duration_since(time).max(SignedDuration::ZERO);
            wait.saturating_sub(elapsed.unsigned_abs())
        };
        let collecting = after(since, interval.min(COLLECTING));
        Some(written.map_or(Duration::ZERO, |written| after(written, interval)).max(collecting))
    }

    /// Returns when to reconcile an object again, so that nothing stays unwritten.
    pub fn next(&self, object: &Object, interval: Duration, now: Timestamp, next: Next) -> Next {
        match (next, self.remaining(object, interval, now)) {
            (Next::Settled, Some(remaining)) => Next::Later(remaining),
            (Next::Later(delay), Some(remaining)) => Next::Later(delay.min(remaining)),
            (next, _) => next,
        }
    }

    /// Forgets an object.
    pub fn forget(&self, key: &ObjectKey) {
        self.0.lock().remove(key);
    }
}
