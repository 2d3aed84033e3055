//! The state that all deliveries of a server share: options, HTTP client, limit on concurrency, listener.

use std::sync::OnceLock;

use tokio::sync::Semaphore;

use crate::embedded::delivery::report::{DeliveryReport, Listener};
use crate::embedded::options::DeliveryOptions;

/// How many deliveries are on the wire at once, as in the real server.
const MAX_CONCURRENT: usize = 500;

pub(crate) struct Sender {
    pub(crate) options: DeliveryOptions,
    /// Limits how many deliveries are on the wire at once.
    pub(super) permits: Semaphore,
    /// Created for the first delivery: reading the system's certificates takes longer than starting a server.
    client: OnceLock<reqwest::Client>,
    listener: OnceLock<Listener>,
}

impl Sender {
    pub(crate) fn new(options: DeliveryOptions) -> Self {
        Self {
            options,
            permits: Semaphore::new(MAX_CONCURRENT),
            client: OnceLock::new(),
            listener: OnceLock::new(),
        }
    }

    /// Returns the client. It follows no redirects, which Svix counts as failures, and uses no proxy, since
    /// receivers are local.
    pub(super) fn client(&self) -> reqwest::Result<&reqwest::Client> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client =
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()?;
        Ok(self.client.get_or_init(|| client))
    }

    /// Registers the function that is called with each attempt; only the first registration counts.
    pub(crate) fn listen(&self, listener: Listener) {
        let _ = self.listener.set(listener);
    }

    pub(super) fn has_listener(&self) -> bool {
        self.listener.get().is_some()
    }

    pub(super) fn notify(&self, report: DeliveryReport) {
        if let Some(listener) = self.listener.get() {
            listener(report);
        }
    }
}
