//! Writes Kubernetes Events in the background: they are for people, and never delay a reconcile.
//!
//! An Event that is published again within six minutes becomes a series of the first one, as with kube's `Recorder`. The
//! recorder, however, ignores the text, so that readers would see the first cause long after it was repaired.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use k8s_openapi::{
    api::{
        core::v1::ObjectReference,
        events::v1::{Event, EventSeries},
    },
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
    jiff::Timestamp,
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::sync::mpsc;

use crate::engine::EventRecord;

use super::{errors::describe, manager::MANAGER};

/// The most Events that wait to be written. Further ones are dropped, since each is in the log, too.
const QUEUE: usize = 4096;
/// The longest note of an Event, in bytes (the API's limit is 1024).
const MAX_NOTE: usize = 1000;
/// How long after the last Event of a series another one still belongs to it.
const SERIES: Duration = Duration::from_secs(360);
/// The most series that are remembered. One that is forgotten starts again.
const REMEMBERED: usize = 1024;

/// Writes Events, one after the other.
pub(super) struct EventWriter {
    sender: mpsc::Sender<(ObjectReference, EventRecord)>,
}

impl EventWriter {
    /// Starts the writer. `instance` names this process in the Events. The writer ends when this value is dropped.
    pub(super) fn start(client: Client, instance: String) -> Self {
        let (sender, mut receiver) = mpsc::channel::<(ObjectReference, EventRecord)>(QUEUE);
        tokio::spawn(async move {
            let mut recent = RecentSeries::default();
            while let Some((reference, record)) = receiver.recv().await {
                // Events about objects without a namespace are in `default`.
                let namespace = reference.namespace.clone().unwrap_or_else(|| "default".to_owned());
                let api = Api::<Event>::namespaced(client.clone(), &namespace);
                if let Err(error) = write(&api, &mut recent, &instance, reference, &record).await {
                    tracing::debug!(error = describe(&error), "cannot write an Event");
                }
            }
        });
        Self { sender }
    }

    /// Queues an Event. Never waits and never fails.
    pub(super) fn publish(&self, reference: ObjectReference, record: EventRecord) {
        if self.sender.try_send((reference, record)).is_err() {
            tracing::debug!("too many Events at once; dropped one");
        }
    }
}

async fn write(
    api: &Api<Event>,
    recent: &mut RecentSeries,
    instance: &str,
    reference: ObjectReference,
    record: &EventRecord,
) -> kube::Result<()> {
    let text = shortened(&record.message);
    let key = SeriesKey {
        object: [&reference.kind, &reference.namespace, &reference.name, &reference.uid].map(Clone::clone),
        warning: record.warning,
        reason: record.reason,
        text: text.to_owned(),
    };
    let now = Timestamp::now();
    if let Some(Series { name, count }) = recent.count(&key, Instant::now()) {
        let series = EventSeries { count, last_observed_time: MicroTime(now) };
        let patch = Patch::Merge(json!({"series": series}));
        match api.patch(&name, &PatchParams::default(), &patch).await {
            // Somebody deleted it: it is created again.
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            written => return written.map(drop),
        }
    }
    let object = reference.name.as_deref().unwrap_or(MANAGER);
    let name = format!("{object}.{:x}", now.as_nanosecond());
    let event = Event {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            namespace: reference.namespace.clone(),
            ..ObjectMeta::default()
        },
        action: Some("Reconcile".to_owned()),
        event_time: Some(MicroTime(now)),
        note: Some(text.to_owned()),
        reason: Some(record.reason.to_owned()),
        regarding: Some(reference),
        reporting_controller: Some(MANAGER.to_owned()),
        reporting_instance: Some(instance.to_owned()),
        type_: Some(if record.warning { "Warning" } else { "Normal" }.to_owned()),
        ..Event::default()
    };
    api.create(&PostParams::default(), &event).await?;
    recent.insert(key, name, Instant::now());
    Ok(())
}

/// The parts in which all Events of a series are equal: everything that a reader sees.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct SeriesKey {
    object: [Option<String>; 4],
    warning: bool,
    reason: &'static str,
    text: String,
}

/// A series: the name of its Event, and how often it was published.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Series {
    name: String,
    count: i32,
}

/// The series of the last minutes, each with the time of its last Event.
#[derive(Default)]
struct RecentSeries(HashMap<SeriesKey, (Series, Instant)>);

impl RecentSeries {
    /// Counts an Event in its series and returns the series; `None` when the Event starts one.
    fn count(&mut self, key: &SeriesKey, now: Instant) -> Option<Series> {
        self.0.retain(|_, (_, last)| now.duration_since(*last) < SERIES);
        let (series, last) = self.0.get_mut(key)?;
        (series.count, *last) = (series.count.saturating_add(1), now);
        Some(series.clone())
    }

    /// Inserts a series that starts with this Event.
    fn insert(&mut self, key: SeriesKey, name: String, now: Instant) {
        if self.0.len() >= REMEMBERED && !self.0.contains_key(&key) {
            // The series without an Event for the longest time.
            let oldest = self.0.iter().min_by_key(|(_, (_, last))| *last).map(|(key, _)| key.clone());
            oldest.and_then(|oldest| self.0.remove(&oldest));
        }
        self.0.insert(key, (Series { name, count: 1 }, now));
    }
}

fn shortened(message: &str) -> &str {
    let mut end = message.len().min(MAX_NOTE);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    &message[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> SeriesKey {
        let text = text.to_owned();
        SeriesKey { object: [const { None }; 4], warning: true, reason: "SvixUnavailable", text }
    }

    #[test]
    fn equal_messages_are_one_event_series() {
        let (mut recent, now) = (RecentSeries::default(), Instant::now());
        recent.insert(key("one"), "first".to_owned(), now);
        assert_eq!(recent.count(&key("two"), now), None);
        assert_eq!(recent.count(&key("one"), now), Some(Series { name: "first".to_owned(), count: 2 }));
        assert_eq!(recent.count(&key("one"), now + SERIES), None, "the series has ended");
    }

    #[test]
    fn the_number_of_series_is_bounded() {
        let (mut recent, now) = (RecentSeries::default(), Instant::now());
        for number in 0..=REMEMBERED as u64 {
            recent.insert(key(&number.to_string()), "event".to_owned(), now + Duration::from_millis(number));
        }
        assert_eq!(recent.0.len(), REMEMBERED);
        assert!(!recent.0.contains_key(&key("0")), "the oldest one is dropped");
    }
}
