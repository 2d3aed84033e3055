//! The applications of a session: each is listed, or created, by one task at a time, and only when that is needed.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{sync::OwnedMutexGuard, time::Instant};

use crate::svix::{Changed, Error};

use super::{Session, listing::list_application};

/// When the last listing of an application began that succeeded.
pub type LastListing = Option<Instant>;

/// One lock for each application.
#[derive(Default)]
pub(super) struct ApplicationLocks(Mutex<HashMap<Box<str>, Arc<tokio::sync::Mutex<LastListing>>>>);

impl Session {
    /// Waits for the lock of an application, which whoever lists or creates it needs.
    pub async fn lock_application(&self, application: &str) -> OwnedMutexGuard<LastListing> {
        let lock = self.applications.0.lock().entry(application.into()).or_default().clone();
        lock.lock_owned().await
    }

    /// Lists an application's endpoints, unless that was done before.
    pub async fn ensure_listed(&self, application: &str) -> Result<(), Error> {
        if self.mirror.application_loaded(application) {
            return Ok(());
        }
        let mut lock = self.lock_application(application).await;
        if !self.mirror.application_loaded(application) {
            let began = Instant::now();
            list_application(self, application).await?;
            *lock = Some(began);
        }
        Ok(())
    }

    /// Lists an application's endpoints, unless that was done after this moment. Returns what changed; `None`: they were
    /// listed less than `pause` ago, and are not listed again yet.
    pub async fn ensure_listed_since(
        &self,
        application: &str,
        moment: Instant,
        pause: Duration,
    ) -> Result<Option<Vec<Changed>>, Error> {
        let mut lock = self.lock_application(application).await;
        let began = Instant::now();
        match *lock {
            Some(listed) if listed >= moment => return Ok(Some(Vec::new())),
            Some(listed) if began.saturating_duration_since(listed) < pause => return Ok(None),
            _ => {}
        }
        let changes = list_application(self, application).await?;
        *lock = Some(began);
        Ok(Some(changes))
    }
}
