//! What the embedded Svix holds, and how it is found.
//!
//! One lock over ordered maps: lists cost what is on the page, everything else a look-up. A handler holds the lock
//! for its own work and never across an await.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use jiff::Timestamp;
use serde_json::value::RawValue;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::DeliveryOptions;
use super::calls::Recorder;
use super::errors::{ApiError, ApiResult};
use super::faults::Faults;
use super::idempotency::Answers;
use super::secrets::Secret;
use super::tried::Listener;

/// How many deliveries are on the wire at once, as in the real server.
const CONCURRENT_DELIVERIES: usize = 500;

pub(super) type Shared = Arc<Server>;

/// The running server.
pub(super) struct Server {
    pub(super) token: String,
    pub(super) delivery: DeliveryOptions,
    /// Made for the first delivery: reading the system's certificates takes longer than starting a server.
    http: OnceLock<reqwest::Client>,
    /// How many deliveries may be on the wire at once.
    pub(super) sending: Semaphore,
    pub(super) faults: Faults,
    pub(super) calls: Recorder,
    pub(super) answers: Answers,
    /// Who is told of each delivery that was tried.
    pub(super) listener: OnceLock<Listener>,
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
    pub(super) store: Mutex<Store>,
}

impl Server {
    pub(super) fn new(token: String, delivery: DeliveryOptions, record_calls: bool) -> Self {
        Self {
            token,
            delivery,
            http: OnceLock::new(),
            sending: Semaphore::new(CONCURRENT_DELIVERIES),
            faults: Faults::default(),
            calls: Recorder::new(record_calls),
            answers: Answers::default(),
            listener: OnceLock::new(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            store: Mutex::default(),
        }
    }

    /// The client of deliveries: no redirects, which Svix counts as failures, and no proxy, for receivers are local.
    pub(super) fn http(&self) -> reqwest::Result<&reqwest::Client> {
        if let Some(client) = self.http.get() {
            return Ok(client);
        }
        let client =
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()?;
        Ok(self.http.get_or_init(|| client))
    }

    /// The data. A handler that panicked while it held the lock left whole entries, so poison means nothing here.
    pub(super) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Now, to the microsecond, which is what Svix stores.
pub(super) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

/// A time of change that is later than the one before, however fast the writes follow each other.
pub(super) fn moved(before: Timestamp) -> Timestamp {
    let next = Timestamp::from_microsecond(before.as_microsecond().saturating_add(1)).unwrap_or(before);
    now().max(next)
}

#[derive(Default)]
pub(super) struct Store {
    pub(super) event_types: BTreeMap<String, EventType>,
    pub(super) applications: BTreeMap<String, Application>,
    pub(super) application_uids: HashMap<String, String>,
}

#[derive(Debug, Clone)]
pub(super) struct EventType {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) archived: bool,
    pub(super) deprecated: bool,
    /// As text, because numbers must survive whatever their size.
    pub(super) schemas: Option<BTreeMap<String, Box<RawValue>>>,
    pub(super) feature_flag: Option<String>,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

#[derive(Debug)]
pub(super) struct Application {
    pub(super) id: String,
    pub(super) uid: Option<String>,
    pub(super) name: String,
    pub(super) throttle_rate: Option<u16>,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) endpoints: BTreeMap<String, Endpoint>,
    pub(super) endpoint_uids: HashMap<String, String>,
    pub(super) messages: BTreeMap<String, Message>,
    pub(super) event_ids: HashMap<String, String>,
}

#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) id: String,
    pub(super) uid: Option<String>,
    pub(super) url: String,
    pub(super) description: String,
    pub(super) version: u16,
    pub(super) throttle_rate: Option<u16>,
    pub(super) disabled: bool,
    pub(super) event_types: Option<BTreeSet<String>>,
    pub(super) channels: Option<BTreeSet<String>>,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) secret: Secret,
    /// Earlier secrets that still sign, with the time each ends.
    pub(super) old_secrets: Vec<(Secret, Timestamp)>,
    /// The first message that was given up on since the last success.
    pub(super) failing_since: Option<Timestamp>,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) attempts: BTreeMap<String, Arc<Attempt>>,
}

impl Endpoint {
    /// Whether an event goes here. An endpoint without channels takes every event of its types; one with channels
    /// takes only events that share one.
    pub(super) fn takes(&self, event_type: &str, channels: Option<&BTreeSet<String>>) -> bool {
        !self.disabled
            && self.event_types.as_ref().is_none_or(|types| types.contains(event_type))
            && self.channels.as_ref().is_none_or(|mine| channels.is_some_and(|its| !mine.is_disjoint(its)))
    }
}

#[derive(Debug)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) event_id: Option<String>,
    pub(super) event_type: String,
    pub(super) channels: Option<BTreeSet<String>>,
    /// What is delivered, byte for byte; `None` once it was expunged or its retention ended.
    pub(super) payload: Option<Arc<str>>,
    pub(super) expires: Timestamp,
    pub(super) created_at: Timestamp,
    pub(super) attempts: BTreeMap<String, Arc<Attempt>>,
}

impl Message {
    pub(super) fn payload(&self) -> Option<&Arc<str>> {
        self.payload.as_ref().filter(|_| now() < self.expires)
    }
}

#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) id: String,
    pub(super) message: String,
    pub(super) endpoint: String,
    pub(super) url: String,
    pub(super) response: String,
    pub(super) response_status: u16,
    /// Why there was no answer, without the URL, which `response` has as Svix's does.
    pub(super) error: Option<String>,
    pub(super) duration_ms: i64,
    pub(super) succeeded: bool,
    pub(super) manual: bool,
    pub(super) next: Option<Timestamp>,
    pub(super) created_at: Timestamp,
}

impl Store {
    /// The application with this id or uid.
    pub(super) fn application(&self, key: &str) -> ApiResult<&Application> {
        let id = self.application_uids.get(key).map_or(key, String::as_str);
        self.applications.get(id).ok_or_else(ApiError::not_found)
    }

    pub(super) fn application_mut(&mut self, key: &str) -> ApiResult<&mut Application> {
        let id = self.application_uids.get(key).map_or(key, String::as_str);
        self.applications.get_mut(id).ok_or_else(ApiError::not_found)
    }

    /// Refuses event types that are not there, archived ones included.
    pub(super) fn check_subscription(&self, event_types: Option<&BTreeSet<String>>) -> ApiResult<()> {
        let missing: Vec<&str> = event_types
            .into_iter()
            .flatten()
            .map(String::as_str)
            .filter(|name| self.event_types.get(*name).is_none_or(|found| found.archived))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let msg = format!("The following event types don't exist: {}", missing.join(", "));
        Err(ApiError::invalid(&["body", "eventTypes"], msg))
    }
}

impl Application {
    /// The id of the endpoint with this id or uid.
    pub(super) fn endpoint_id(&self, key: &str) -> Option<String> {
        match self.endpoint_uids.get(key) {
            Some(id) => Some(id.clone()),
            None => self.endpoints.contains_key(key).then(|| key.to_owned()),
        }
    }

    pub(super) fn endpoint(&self, key: &str) -> ApiResult<&Endpoint> {
        let id = self.endpoint_uids.get(key).map_or(key, String::as_str);
        self.endpoints.get(id).ok_or_else(ApiError::not_found)
    }

    pub(super) fn endpoint_mut(&mut self, key: &str) -> ApiResult<&mut Endpoint> {
        let id = self.endpoint_uids.get(key).map_or(key, String::as_str);
        self.endpoints.get_mut(id).ok_or_else(ApiError::not_found)
    }

    /// The message with this id or eventId.
    pub(super) fn message(&self, key: &str) -> ApiResult<&Message> {
        let id = self.event_ids.get(key).map_or(key, String::as_str);
        self.messages.get(id).ok_or_else(ApiError::not_found)
    }

    pub(super) fn message_mut(&mut self, key: &str) -> ApiResult<&mut Message> {
        let id = self.event_ids.get(key).map_or(key, String::as_str);
        self.messages.get_mut(id).ok_or_else(ApiError::not_found)
    }
}
