//! Everything that the server stores, as plain data that tests compare.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use crate::embedded::store::application::{Application, ApplicationSettings};
use crate::embedded::store::endpoint::{Endpoint, EndpointSettings};
use crate::embedded::store::event_type::EventType;
use crate::embedded::store::message::Message;
use crate::embedded::store::state::Store;

/// Everything that the server stores. Two equal snapshots mean that nothing was written in between; two environments
/// are compared by [`Snapshot::content`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// By name, archived ones included.
    pub event_types: BTreeMap<String, EventTypeState>,
    /// By uid, or by id where there is no uid.
    pub applications: BTreeMap<String, ApplicationState>,
}

/// When an entity was created and last changed.
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
    /// The bytes that are delivered; `None` once it was expunged or its retention period ended.
    pub payload: Option<String>,
    /// The number of delivery attempts, at all endpoints together.
    pub attempts: usize,
}

impl Snapshot {
    pub(crate) fn of(store: &Store) -> Self {
        let event_types = store.event_types.iter().map(|(name, it)| (name.clone(), it.into())).collect();
        let key = |app: &Application| app.settings.uid.clone().unwrap_or_else(|| app.id.clone());
        let applications = store.applications.values().map(|app| (key(app), app.into())).collect();
        Self { event_types, applications }
    }

    /// Returns the same without ids, times and secrets, so that two servers which received the same requests compare
    /// equal. An entity without a uid keeps its id as its key.
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

    /// Returns the endpoint with this uid in the application with this uid.
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
        let endpoint = |it: &Endpoint| (it.settings.uid.clone().unwrap_or_else(|| it.id.clone()), it.into());
        let message = |it: &Message| (it.event_id.clone().unwrap_or_else(|| it.id.clone()), it.into());
        let ApplicationSettings { uid, name, throttle_rate, metadata } = &it.settings;
        Self {
            id: it.id.clone(),
            uid: uid.clone(),
            name: name.clone(),
            throttle_rate: *throttle_rate,
            metadata: metadata.clone(),
            endpoints: it.endpoints.values().map(endpoint).collect(),
            messages: it.messages.values().map(message).collect(),
            times: Some(Times { created_at: it.created_at, updated_at: it.updated_at }),
        }
    }
}

impl From<&Endpoint> for EndpointState {
    fn from(it: &Endpoint) -> Self {
        let EndpointSettings {
            uid,
            url,
            description,
            version: _,
            throttle_rate,
            disabled,
            event_types,
            channels,
            metadata,
        } = &it.settings;
        Self {
            id: it.id.clone(),
            uid: uid.clone(),
            url: url.clone(),
            description: description.clone(),
            throttle_rate: *throttle_rate,
            disabled: *disabled,
            event_types: event_types.clone(),
            channels: channels.clone(),
            metadata: metadata.clone(),
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
