//! Everything the server holds, as plain data that tests compare.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::state::{Application, Endpoint, EventType, Message, Store};

/// Everything the server holds. Two that are equal mean that nothing was written in between; [`Snapshot::content`]
/// is what two environments can be compared by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// By name, archived ones included.
    pub event_types: BTreeMap<String, EventTypeState>,
    /// By uid, or by id where there is no uid.
    pub applications: BTreeMap<String, ApplicationState>,
}

/// When something was made and last changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// `createdAt`.
    pub created_at: Timestamp,
    /// `updatedAt`.
    pub updated_at: Timestamp,
}

/// One event type.
#[derive(Debug, Clone, PartialEq)]
pub struct EventTypeState {
    /// Its description.
    pub description: String,
    /// Whether it is archived.
    pub archived: bool,
    /// Whether it is deprecated.
    pub deprecated: bool,
    /// Schemas by version.
    pub schemas: Option<BTreeMap<String, Value>>,
    /// `featureFlag`.
    pub feature_flag: Option<String>,
    /// `None` in [`Snapshot::content`].
    pub times: Option<Times>,
}

/// One application.
#[derive(Debug, Clone, PartialEq)]
pub struct ApplicationState {
    /// `app_…`; empty in [`Snapshot::content`].
    pub id: String,
    /// Its uid.
    pub uid: Option<String>,
    /// Its name.
    pub name: String,
    /// Messages per second.
    pub throttle_rate: Option<u16>,
    /// Its metadata.
    pub metadata: BTreeMap<String, String>,
    /// By uid, or by id where there is no uid.
    pub endpoints: BTreeMap<String, EndpointState>,
    /// By eventId, or by id where there is no eventId.
    pub messages: BTreeMap<String, MessageState>,
    /// `None` in [`Snapshot::content`].
    pub times: Option<Times>,
}

/// One endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointState {
    /// `ep_…`; empty in [`Snapshot::content`].
    pub id: String,
    /// Its uid.
    pub uid: Option<String>,
    /// Its URL as it reads back.
    pub url: String,
    /// Its description.
    pub description: String,
    /// Messages per second.
    pub throttle_rate: Option<u16>,
    /// Whether it is disabled.
    pub disabled: bool,
    /// The event types it takes; `None` is all.
    pub event_types: Option<BTreeSet<String>>,
    /// Its channels.
    pub channels: Option<BTreeSet<String>>,
    /// Its metadata.
    pub metadata: BTreeMap<String, String>,
    /// Its headers with their values, which the API keeps back in part.
    pub headers: BTreeMap<String, String>,
    /// The secret as the API shows it; empty in [`Snapshot::content`].
    pub secret: String,
    /// How many earlier secrets are kept.
    pub old_secrets: usize,
    /// `None` in [`Snapshot::content`].
    pub times: Option<Times>,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageState {
    /// `msg_…`; empty in [`Snapshot::content`].
    pub id: String,
    /// Its eventId.
    pub event_id: Option<String>,
    /// Its event type.
    pub event_type: String,
    /// Its channels.
    pub channels: Option<BTreeSet<String>>,
    /// What is delivered, byte for byte; `None` once it is gone.
    pub payload: Option<String>,
    /// How often a delivery was tried, on all endpoints together.
    pub attempts: usize,
}

impl Snapshot {
    pub(super) fn of(store: &Store) -> Self {
        let event_types = store.event_types.iter().map(|(name, it)| (name.clone(), it.into())).collect();
        let key = |app: &Application| app.uid.clone().unwrap_or_else(|| app.id.clone());
        let applications = store.applications.values().map(|app| (key(app), app.into())).collect();
        Self { event_types, applications }
    }

    /// The same without ids, times and secrets: what one declares, and what does not differ between two servers
    /// that were told the same. What has no uid keeps its id as its key.
    #[must_use]
    pub fn content(&self) -> Self {
        let mut content = self.clone();
        for event_type in content.event_types.values_mut() {
            event_type.times = None;
        }
        for app in content.applications.values_mut() {
            app.id.clear();
            app.times = None;
            for endpoint in app.endpoints.values_mut() {
                endpoint.id.clear();
                endpoint.secret.clear();
                endpoint.times = None;
            }
            for message in app.messages.values_mut() {
                message.id.clear();
            }
        }
        content
    }

    /// The endpoint with this uid in the application with this uid.
    #[must_use]
    pub fn endpoint(&self, application: &str, uid: &str) -> Option<&EndpointState> {
        self.applications.get(application)?.endpoints.get(uid)
    }
}

impl From<&EventType> for EventTypeState {
    fn from(it: &EventType) -> Self {
        Self {
            description: it.description.clone(),
            archived: it.archived,
            deprecated: it.deprecated,
            schemas: it.schemas.as_ref().map(|schemas| {
                let read = |text: &str| serde_json::from_str(text).unwrap_or_default();
                schemas.iter().map(|(version, text)| (version.clone(), read(text.get()))).collect()
            }),
            feature_flag: it.feature_flag.clone(),
            times: Some(Times { created_at: it.created_at, updated_at: it.updated_at }),
        }
    }
}

impl From<&Application> for ApplicationState {
    fn from(it: &Application) -> Self {
        let endpoint = |it: &Endpoint| (it.uid.clone().unwrap_or_else(|| it.id.clone()), it.into());
        let message = |it: &Message| (it.event_id.clone().unwrap_or_else(|| it.id.clone()), it.into());
        Self {
            id: it.id.clone(),
            uid: it.uid.clone(),
            name: it.name.clone(),
            throttle_rate: it.throttle_rate,
            metadata: it.metadata.clone(),
            endpoints: it.endpoints.values().map(endpoint).collect(),
            messages: it.messages.values().map(message).collect(),
            times: Some(Times { created_at: it.created_at, updated_at: it.updated_at }),
        }
    }
}

impl From<&Endpoint> for EndpointState {
    fn from(it: &Endpoint) -> Self {
        Self {
            id: it.id.clone(),
            uid: it.uid.clone(),
            url: it.url.clone(),
            description: it.description.clone(),
            throttle_rate: it.throttle_rate,
            disabled: it.disabled,
            event_types: it.event_types.clone(),
            channels: it.channels.clone(),
            metadata: it.metadata.clone(),
            headers: it.headers.clone(),
            secret: it.secret.shown(),
            old_secrets: it.old_secrets.len(),
            times: Some(Times { created_at: it.created_at, updated_at: it.updated_at }),
        }
    }
}

impl From<&Message> for MessageState {
    fn from(it: &Message) -> Self {
        Self {
            id: it.id.clone(),
            event_id: it.event_id.clone(),
            event_type: it.event_type.clone(),
            channels: it.channels.clone(),
            payload: it.payload().map(|text| text.to_string()),
            attempts: it.attempts.len(),
        }
    }
}
