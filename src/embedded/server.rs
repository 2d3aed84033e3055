//! The state that the parts of a running server share.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::embedded::api::idempotency::ResponseCache;
use crate::embedded::calls::Recorder;
use crate::embedded::delivery::sender::Sender;
use crate::embedded::faults::injector::Faults;
use crate::embedded::store::state::Store;

pub(super) type Shared = Arc<Server>;

/// The running server.
pub(super) struct Server {
    pub(super) token: String,
    pub(super) faults: Faults,
    pub(super) calls: Recorder,
    pub(super) responses: Arc<ResponseCache>,
    pub(super) sender: Sender,
    pub(super) shutdown: CancellationToken,
    pub(super) tasks: TaskTracker,
    store: Mutex<Store>,
}

impl Server {
    pub(super) fn new(token: String, sender: Sender, calls: Recorder) -> Self {
        Self {
            token,
            faults: Faults::default(),
            calls,
            responses: Arc::default(),
            sender,
            shutdown: CancellationToken::new(),
            tasks: TaskTracker::new(),
            store: Mutex::default(),
        }
    }

    /// Locks the store. A handler keeps the lock for its own work and never across an await. One that panicked
    /// while it had the lock left whole entries, so a poisoned lock is used as it is.
    pub(super) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock()
    }
}
