//! The applications of a session: each is listed, or created, by one task at a time, and only when that is needed.

use std::time::Duration;

use tokio::time::Instant;

use crate::svix::{Changed, Error};

use super::{Session, listing::list_application};

impl Session {
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
