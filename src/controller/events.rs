//! Kubernetes Events, written in the background: they are for people, and never hold up work.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tokio::sync::mpsc;

use crate::engine::Note;

use super::MANAGER;

/// Most Events that wait to be written; more are dropped, since the log has each line, too.
const WAITING: usize = 4096;
/// Longest note of an Event, in bytes (the API's limit is 1024).
const MAX_NOTE: usize = 1000;

/// Takes Events and writes them one after the other.
pub(super) struct Events {
    sender: mpsc::Sender<(ObjectReference, Note)>,
}

impl Events {
    /// Starts the writer; it ends when this is dropped.
    pub(super) fn start(client: Client, instance: String) -> Self {
        let (sender, mut receiver) = mpsc::channel::<(ObjectReference, Note)>(WAITING);
        let reporter = Reporter { controller: MANAGER.to_owned(), instance: Some(instance) };
        let recorder = Recorder::new(client, reporter);
        tokio::spawn(async move {
            while let Some((reference, note)) = receiver.recv().await {
                let event = Event {
                    type_: if note.warning { EventType::Warning } else { EventType::Normal },
                    reason: note.reason.to_owned(),
                    note: Some(shortened(&note.message)),
                    action: "Reconcile".to_owned(),
                    secondary: None,
                };
                if let Err(error) = recorder.publish(&event, &reference).await {
                    tracing::debug!(%error, "cannot write an Event");
                }
            }
        });
        Self { sender }
    }

    /// Takes an Event.
    pub(super) fn tell(&self, reference: ObjectReference, note: Note) {
        if self.sender.try_send((reference, note)).is_err() {
            tracing::debug!("too many Events at once; one is dropped");
        }
    }
}

fn shortened(message: &str) -> String {
    let mut end = message.len().min(MAX_NOTE);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message[..end].to_owned()
}
