//! One lock for each application: it is listed, or created, by one task at a time.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tokio::{sync::OwnedMutexGuard, time::Instant};

/// When the last listing of an application began that succeeded.
pub type LastListing = Option<Instant>;

/// The locks.
#[derive(Default)]
pub struct ApplicationLocks(Mutex<HashMap<Box<str>, Arc<tokio::sync::Mutex<LastListing>>>>);

impl ApplicationLocks {
    /// Waits for the lock of an application.
    pub async fn lock(&self, application: &str) -> OwnedMutexGuard<LastListing> {
        let lock = self.0.lock().entry(application.into()).or_default().clone();
        lock.lock_owned().await
    }
}
