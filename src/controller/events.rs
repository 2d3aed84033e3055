//! Kubernetes Events, written in the background: they are for people, and never hold up work.
//!
//! What is told again within six minutes becomes a series of one Event, as with kube's `Recorder`. That one, however,
//! takes another text for the same thing, and readers see the first cause long after it is mended.

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

use super::{MANAGER, errors::describe};

/// Most Events that wait to be written; more are dropped, since the log has each line, too.
const WAITING: usize = 4096;
/// Longest note of an Event, in bytes (the API's limit is 1024).
const MAX_NOTE: usize = 1000;
/// How long after the last of a series another one still belongs to it.
const SERIES: Duration = Duration::from_secs(360);
/// Most series that are remembered. One that is forgotten begins anew.
const REMEMBERED: usize = 1024;

/// Takes Events and writes them one after the other.
pub(super) struct Events {
    sender: mpsc::Sender<(ObjectReference, EventRecord)>,
}

impl Events {
    /// Starts the writer; it ends when this is dropped.
    pub(super) fn start(client: Client, instance: String) -> Self {
        let (sender, mut receiver) = mpsc::channel::<(ObjectReference, EventRecord)>(WAITING);
        tokio::spawn(async move {
            let mut told = Told::default();
            while let Some((reference, note)) = receiver.recv().await {
                // Events about what has no namespace are kept in `default`.
                let namespace = reference.namespace.clone().unwrap_or_else(|| "default".to_owned());
                let api = Api::<Event>::namespaced(client.clone(), &namespace);
                if let Err(error) = write(&api, &mut told, &instance, reference, &note).await {
                    tracing::debug!(error = describe(&error), "cannot write an Event");
                }
            }
        });
        Self { sender }
    }

    /// Takes an Event.
    pub(super) fn publish(&self, reference: ObjectReference, note: EventRecord) {
        if self.sender.try_send((reference, note)).is_err() {
            tracing::debug!("too many Events at once; one is dropped");
        }
    }
}

async fn write(
    api: &Api<Event>,
    told: &mut Told,
    instance: &str,
    reference: ObjectReference,
    note: &EventRecord,
) -> kube::Result<()> {
    let text = shortened(&note.message);
    let key = Key {
        object: [&reference.kind, &reference.namespace, &reference.name, &reference.uid].map(Clone::clone),
        warning: note.warning,
        reason: note.reason,
        text: text.to_owned(),
    };
    let now = Timestamp::now();
    if let Some(Series { name, count }) = told.again(&key, Instant::now()) {
        let series = EventSeries { count, last_observed_time: MicroTime(now) };
        let patch = Patch::Merge(json!({"series": series}));
        match api.patch(&name, &PatchParams::default(), &patch).await {
            // Somebody deleted it: it is made anew.
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
        reason: Some(note.reason.to_owned()),
        regarding: Some(reference),
        reporting_controller: Some(MANAGER.to_owned()),
        reporting_instance: Some(instance.to_owned()),
        type_: Some(if note.warning { "Warning" } else { "Normal" }.to_owned()),
        ..Event::default()
    };
    api.create(&PostParams::default(), &event).await?;
    told.made(key, name, Instant::now());
    Ok(())
}

/// What makes two notes the same: all that a reader sees.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    object: [Option<String>; 4],
    warning: bool,
    reason: &'static str,
    text: String,
}

/// An Event, and how often it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Series {
    name: String,
    count: i32,
}

/// What was told lately.
#[derive(Default)]
struct Told(HashMap<Key, (Series, Instant)>);

impl Told {
    /// The series that a note belongs to, with this one counted; `None`: it begins one.
    fn again(&mut self, key: &Key, now: Instant) -> Option<Series> {
        self.0.retain(|_, (_, last)| now.duration_since(*last) < SERIES);
        let (series, last) = self.0.get_mut(key)?;
        (series.count, *last) = (series.count.saturating_add(1), now);
        Some(series.clone())
    }

    /// Remembers an Event that was made.
    fn made(&mut self, key: Key, name: String, now: Instant) {
        if self.0.len() >= REMEMBERED && !self.0.contains_key(&key) {
            // The one that was silent for longest.
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

    fn key(text: &str) -> Key {
        let text = text.to_owned();
        Key { object: [const { None }; 4], warning: true, reason: "SvixUnavailable", text }
    }

    #[test]
    fn the_same_text_is_a_series_and_another_text_is_another_event() {
        let (mut told, now) = (Told::default(), Instant::now());
        told.made(key("one"), "first".to_owned(), now);
        assert_eq!(told.again(&key("two"), now), None);
        assert_eq!(told.again(&key("one"), now), Some(Series { name: "first".to_owned(), count: 2 }));
        assert_eq!(told.again(&key("one"), now + SERIES), None, "that is another occasion");
    }

    #[test]
    fn only_so_many_texts_are_remembered() {
        let (mut told, now) = (Told::default(), Instant::now());
        for number in 0..=REMEMBERED as u64 {
            told.made(key(&number.to_string()), "event".to_owned(), now + Duration::from_millis(number));
        }
        assert_eq!(told.0.len(), REMEMBERED);
        assert!(!told.0.contains_key(&key("0")), "the oldest goes");
    }
}
