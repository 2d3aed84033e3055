//! Reports of delivery attempts for the process that runs the server, which need not ask the API for them.

use jiff::Timestamp;

use crate::embedded::store::application::Application;
use crate::embedded::store::attempt::Attempt;
use crate::embedded::store::message::Message;
use crate::embedded::store::state::Store;

/// An attempt to deliver a message to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryReport {
    /// The application's uid, or its id where there is no uid.
    pub application: String,
    /// The endpoint's uid, or its id.
    pub endpoint: String,
    /// `msg_…`.
    pub message: String,
    /// The message's event type.
    pub event_type: String,
    /// The number of this attempt at this endpoint, from 1.
    pub number: usize,
    /// Status of the receiver's response; 0: there was none.
    pub status: u16,
    /// Why there was no response, without the URL.
    pub error: Option<String>,
    /// Whether the receiver accepted the message.
    pub succeeded: bool,
    /// When the next attempt is due; `None`: there is none.
    pub next: Option<Timestamp>,
}

pub(crate) type Listener = Box<dyn Fn(DeliveryReport) + Send + Sync>;

impl DeliveryReport {
    pub(super) fn of(app: &Application, message: &Message, attempt: &Attempt) -> Self {
        let endpoint =
            app.endpoints.get(&attempt.endpoint).and_then(|endpoint| endpoint.settings.uid.clone());
        Self {
            application: app.settings.uid.clone().unwrap_or_else(|| app.id.clone()),
            endpoint: endpoint.unwrap_or_else(|| attempt.endpoint.clone()),
            message: message.id.clone(),
            event_type: message.event_type.clone(),
            number: message.attempts.values().filter(|other| other.endpoint == attempt.endpoint).count(),
            status: attempt.response_status,
            error: attempt.error.clone(),
            succeeded: attempt.succeeded,
            next: attempt.next,
        }
    }
}

/// Returns the last attempt of a message at each endpoint.
pub(crate) fn last_attempts(store: &Store, message: &str) -> Vec<DeliveryReport> {
    let mut all = Vec::new();
    for app in store.applications.values() {
        let Some(message) = app.messages.get(message) else { continue };
        // By id, which is by time.
        for attempt in message.attempts.values() {
            let report = DeliveryReport::of(app, message, attempt);
            all.retain(|other: &DeliveryReport| other.endpoint != report.endpoint);
            all.push(report);
        }
    }
    all
}
