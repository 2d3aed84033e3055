//! Everything that the embedded Svix stores, and how it is found.
//!
//! Ordered maps behind one lock (see `server.rs`): a list costs what is on the page, everything else one look-up.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::embedded::store::application::{Application, ApplicationSettings};
use crate::embedded::store::error::{StoreError, StoreResult};
use crate::embedded::store::event_type::EventType;

#[derive(Default)]
pub(crate) struct Store {
    pub(crate) event_types: BTreeMap<String, EventType>,
    pub(crate) applications: BTreeMap<String, Application>,
    application_uids: HashMap<String, String>,
}

impl Store {
    /// Returns the application with this id or uid.
    pub(crate) fn application(&self, key: &str) -> StoreResult<&Application> {
        let id = self.application_uids.get(key).map_or(key, String::as_str);
        self.applications.get(id).ok_or(StoreError::NotFound)
    }

    pub(crate) fn application_mut(&mut self, key: &str) -> StoreResult<&mut Application> {
        let id = self.application_uids.get(key).map_or(key, String::as_str);
        self.applications.get_mut(id).ok_or(StoreError::NotFound)
    }

    /// Creates an application and returns its id. A uid that is taken is a conflict.
    pub(crate) fn create_application(&mut self, settings: ApplicationSettings) -> StoreResult<String> {
        let app = Application::new(settings);
        let id = app.id.clone();
        if let Some(uid) = &app.settings.uid {
            if self.application_uids.contains_key(uid) {
                return Err(StoreError::Conflict);
            }
            self.application_uids.insert(uid.clone(), id.clone());
        }
        self.applications.insert(id.clone(), app);
        Ok(id)
    }

    /// Gives the application with this id another uid, or none.
    pub(crate) fn set_application_uid(&mut self, id: &str, uid: Option<String>) -> StoreResult<()> {
        if let Some(uid) = &uid
            && self.application_uids.get(uid).is_some_and(|owner| owner != id)
        {
            return Err(StoreError::Conflict);
        }
        let app = self.applications.get_mut(id).ok_or(StoreError::NotFound)?;
        if let Some(old) = std::mem::replace(&mut app.settings.uid, uid.clone()) {
            self.application_uids.remove(&old);
        }
        if let Some(uid) = uid {
            self.application_uids.insert(uid, id.to_owned());
        }
        Ok(())
    }

    /// Deletes the application with this id or uid.
    pub(crate) fn delete_application(&mut self, key: &str) -> StoreResult<()> {
        let id = self.application(key)?.id.clone();
        if let Some(app) = self.applications.remove(&id)
            && let Some(uid) = app.settings.uid
        {
            self.application_uids.remove(&uid);
        }
        Ok(())
    }

    /// Refuses event types that do not exist, archived ones included.
    pub(crate) fn check_subscription(&self, event_types: Option<&BTreeSet<String>>) -> StoreResult<()> {
        let missing: Vec<String> = event_types
            .into_iter()
            .flatten()
            .filter(|name| self.event_types.get(*name).is_none_or(|found| found.archived))
            .cloned()
            .collect();
        if missing.is_empty() { Ok(()) } else { Err(StoreError::UnknownEventTypes(missing)) }
    }
}
