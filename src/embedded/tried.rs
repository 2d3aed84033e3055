//! What the server tells of its deliveries, beside the API: who runs it in the same process need not ask.

use jiff::Timestamp;

use super::state::{Application, Attempt, Message, Store};

/// An attempt to deliver a message to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// The application's uid, or its id where there is no uid.
    pub application: String,
    /// The endpoint's uid, or its id.
    pub endpoint: String,
    /// `msg_…`.
    pub message: String,
    /// The message's event type.
    pub event_type: String,
    /// How many times this message was tried here, this time included.
    pub number: usize,
    /// Status of the answer; 0: there was none.
    pub status: u16,
    /// Why there was no answer, without the URL.
    pub error: Option<String>,
    /// Whether the receiver took it.
    pub succeeded: bool,
    /// When it is tried next; `None`: not again.
    pub next: Option<Timestamp>,
}

pub(super) type Listener = Box<dyn Fn(Tried) + Send + Sync>;

impl Tried {
    pub(super) fn of(app: &Application, message: &Message, attempt: &Attempt) -> Self {
        let endpoint = app.endpoints.get(&attempt.endpoint).and_then(|endpoint| endpoint.uid.clone());
        Self {
            application: app.uid.clone().unwrap_or_else(|| app.id.clone()),
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

/// The last attempt of a message on each endpoint.
pub(super) fn last(store: &Store, message: &str) -> Vec<Tried> {
    let mut all = Vec::new();
    for app in store.applications.values() {
        let Some(message) = app.messages.get(message) else { continue };
        // By id, which is by time.
        for attempt in message.attempts.values() {
            let tried = Tried::of(app, message, attempt);
            all.retain(|other: &Tried| other.endpoint != tried.endpoint);
            all.push(tried);
        }
    }
    all
}

/// The innermost message of an error: the outer ones name the URL, which may be a credential.
pub(super) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
