//! Connections in use: the client of each, and what it remembers of Svix.
//!
//! A [`ConnectionHandle`] exists as long as the driver of a connection runs. It has a [`Session`] from the first listing
//! that succeeded until the token or the address is known to be wrong; a Svix that fails meanwhile does not end it.

mod application;
pub mod listing;
mod locks;
mod sessions;

use std::{collections::HashSet, sync::Arc, time::Duration};

use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, OwnedMutexGuard};
use tokio_util::sync::CancellationToken;

use crate::{
    api::SvixConnectionSpec,
    plan::ReconcileError,
    svix::{Client, Mirror},
};

use locks::{ApplicationLocks, LastListing};

pub use sessions::{ListedConnection, Sessions};

/// A connection that has been listed and can be used.
pub struct Session {
    /// The client.
    pub client: Client,
    /// What Svix holds, as last seen.
    pub mirror: Mirror,
    /// What both were made from.
    pub config: ClientConfig,
    applications: ApplicationLocks,
    relist: Arc<Notify>,
}

impl Session {
    /// Returns a session that has listed nothing yet.
    pub fn new(client: Client, config: ClientConfig, handle: &ConnectionHandle) -> Self {
        Self {
            client,
            mirror: Mirror::default(),
            config,
            applications: ApplicationLocks::default(),
            relist: handle.relist.clone(),
        }
    }

    /// Waits for the lock of an application, which a task needs that lists or creates it.
    pub async fn lock_application(&self, application: &str) -> OwnedMutexGuard<LastListing> {
        self.applications.lock(application).await
    }

    /// Has Svix listed again soon: something is not where the mirror has it.
    pub fn request_relist(&self) {
        self.relist.notify_one();
    }
}

/// What a client is made from; another configuration needs another client and another mirror.
#[derive(Clone, PartialEq)]
pub struct ClientConfig {
    server_url: Option<String>,
    ca_bundle: Option<String>,
    /// The budget of the connection.
    pub requests_per_second: Option<u32>,
    /// The region in the token, where that chooses the server.
    region: Option<String>,
}

impl ClientConfig {
    /// Returns the configuration of a connection with this token.
    pub fn new(spec: &SvixConnectionSpec, token: &str) -> Self {
        Self {
            server_url: spec.server_url.clone(),
            ca_bundle: spec.ca_bundle.clone(),
            requests_per_second: spec.requests_per_second(),
            region: match spec.server_url {
                Some(_) => None,
                None => token.rsplit('.').next().map(str::to_owned),
            },
        }
    }
}

/// The handle of a connection: how its objects reach its driver, and its driver its objects.
#[derive(Default)]
pub struct ConnectionHandle {
    session: RwLock<Option<Arc<Session>>>,
    last_error: Mutex<Option<ReconcileError>>,
    trigger: Notify,
    relist: Arc<Notify>,
    gone: Mutex<HashSet<Box<str>>>,
    has_gone: Notify,
    shutdown: CancellationToken,
}

impl ConnectionHandle {
    /// Returns the handle of a connection that has this session from the start.
    fn with_session(session: Arc<Session>) -> Self {
        Self { relist: session.relist.clone(), session: RwLock::new(Some(session)), ..Self::default() }
    }

    /// Returns the session, if the connection can be used.
    pub fn session(&self) -> Option<Arc<Session>> {
        self.session.read().clone()
    }

    /// Sets the session that objects use from now on.
    pub fn set_session(&self, session: Option<Arc<Session>>) {
        *self.session.write() = session;
    }

    /// Returns why the connection did not work when it was tried last.
    pub fn last_error(&self) -> Option<ReconcileError> {
        self.last_error.lock().clone()
    }

    /// Sets why the connection does not work; `None`: it does.
    pub fn set_last_error(&self, error: Option<ReconcileError>) {
        *self.last_error.lock() = error;
    }

    /// Has the driver connect and list now.
    pub fn trigger(&self) {
        self.trigger.notify_one();
    }

    /// Waits until somebody triggers the driver.
    pub async fn triggered(&self) {
        self.trigger.notified().await;
    }

    /// Waits until somebody asks for a listing.
    pub async fn relist_requested(&self) {
        self.relist.notified().await;
    }

    /// Waits until event types went from Svix, and a little longer, so that many are returned at once.
    pub async fn gone_event_types(&self, delay: Duration) -> HashSet<Box<str>> {
        while self.gone.lock().is_empty() {
            self.has_gone.notified().await;
        }
        tokio::time::sleep(delay).await;
        std::mem::take(&mut *self.gone.lock())
    }

    /// Ends the driver.
    pub fn shut_down(&self) {
        self.shutdown.cancel();
    }

    /// Waits until the driver is to end.
    pub async fn shutdown(&self) {
        self.shutdown.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_region_of_a_token_is_part_of_the_config() {
        let spec = |url: Option<&str>| SvixConnectionSpec {
            server_url: url.map(str::to_owned),
            ..serde_json::from_value(serde_json::json!({
                "tokenSecretRef": {"name": "t", "key": "k"}, "ownerId": "o",
            }))
            .unwrap()
        };
        let config = |url, token: &str| ClientConfig::new(&spec(url), token);

        assert!(config(None, "sk_a.eu") != config(None, "sk_a.us"));
        assert!(config(None, "sk_a.eu") == config(None, "sk_b.eu"));
        assert!(config(Some("http://svix"), "sk_a.eu") == config(Some("http://svix"), "sk_a.us"));
    }
}
