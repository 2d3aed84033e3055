//! An application with its endpoints and messages, and how they are found.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use crate::embedded::store::clock::now;
use crate::embedded::store::endpoint::{Endpoint, EndpointSettings};
use crate::embedded::store::error::{StoreError, StoreResult};
use crate::embedded::store::ids;
use crate::embedded::store::message::Message;
use crate::embedded::store::secret::Secret;

#[derive(Debug)]
pub(crate) struct Application {
    pub(crate) id: String,
    pub(crate) settings: ApplicationSettings,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) endpoints: BTreeMap<String, Endpoint>,
    endpoint_uids: HashMap<String, String>,
    pub(crate) messages: BTreeMap<String, Message>,
    event_ids: HashMap<String, String>,
}

/// The fields that POST and PUT set as a whole.
#[derive(Debug)]
pub(crate) struct ApplicationSettings {
    pub(crate) uid: Option<String>,
    pub(crate) name: String,
    pub(crate) throttle_rate: Option<u16>,
    pub(crate) metadata: BTreeMap<String, String>,
}

impl Application {
    pub(crate) fn new(settings: ApplicationSettings) -> Self {
        let at = now();
        Self {
            id: ids::new(ids::APPLICATION, at),
            settings,
            created_at: at,
            updated_at: at,
            endpoints: BTreeMap::new(),
            endpoint_uids: HashMap::new(),
            messages: BTreeMap::new(),
            event_ids: HashMap::new(),
        }
    }

    /// Returns the id of the endpoint with this id or uid.
    pub(crate) fn endpoint_id(&self, key: &str) -> Option<String> {
        match self.endpoint_uids.get(key) {
            Some(id) => Some(id.clone()),
            None => self.endpoints.contains_key(key).then(|| key.to_owned()),
        }
    }

    /// Returns the endpoint with this id or uid.
    pub(crate) fn endpoint(&self, key: &str) -> StoreResult<&Endpoint> {
        let id = self.endpoint_uids.get(key).map_or(key, String::as_str);
        self.endpoints.get(id).ok_or(StoreError::NotFound)
    }

    pub(crate) fn endpoint_mut(&mut self, key: &str) -> StoreResult<&mut Endpoint> {
        let id = self.endpoint_uids.get(key).map_or(key, String::as_str);
        self.endpoints.get_mut(id).ok_or(StoreError::NotFound)
    }

    /// Creates an endpoint. A uid that is taken is a conflict.
    pub(crate) fn create_endpoint(
        &mut self,
        settings: EndpointSettings,
        secret: Option<Secret>,
    ) -> StoreResult<&Endpoint> {
        if let Some(uid) = &settings.uid
            && self.endpoint_uids.contains_key(uid)
        {
            return Err(StoreError::Conflict);
        }
        let endpoint = Endpoint::new(settings, secret.unwrap_or_else(Secret::generate));
        if let Some(uid) = &endpoint.settings.uid {
            self.endpoint_uids.insert(uid.clone(), endpoint.id.clone());
        }
        Ok(self.endpoints.entry(endpoint.id.clone()).or_insert(endpoint))
    }

    /// Gives the endpoint with this id another uid, or none.
    pub(crate) fn set_endpoint_uid(&mut self, id: &str, uid: Option<String>) -> StoreResult<()> {
        if let Some(uid) = &uid
            && self.endpoint_uids.get(uid).is_some_and(|owner| owner != id)
        {
            return Err(StoreError::Conflict);
        }
        let endpoint = self.endpoints.get_mut(id).ok_or(StoreError::NotFound)?;
        if let Some(old) = std::mem::replace(&mut endpoint.settings.uid, uid.clone()) {
            self.endpoint_uids.remove(&old);
        }
        if let Some(uid) = uid {
            self.endpoint_uids.insert(uid, id.to_owned());
        }
        Ok(())
    }

    /// Replaces everything but the secret and the headers, the uid included.
    pub(crate) fn replace_endpoint(
        &mut self,
        id: &str,
        settings: EndpointSettings,
    ) -> StoreResult<&Endpoint> {
        self.set_endpoint_uid(id, settings.uid.clone())?;
        let endpoint = self.endpoints.get_mut(id).ok_or(StoreError::NotFound)?;
        endpoint.settings = settings;
        endpoint.touch();
        Ok(endpoint)
    }

    /// Deletes the endpoint with this id or uid.
    pub(crate) fn delete_endpoint(&mut self, key: &str) -> StoreResult<()> {
        let id = self.endpoint_id(key).ok_or(StoreError::NotFound)?;
        if let Some(deleted) = self.endpoints.remove(&id)
            && let Some(uid) = deleted.settings.uid
        {
            self.endpoint_uids.remove(&uid);
        }
        Ok(())
    }

    /// Returns the message with this id or eventId.
    pub(crate) fn message(&self, key: &str) -> StoreResult<&Message> {
        let id = self.event_ids.get(key).map_or(key, String::as_str);
        self.messages.get(id).ok_or(StoreError::NotFound)
    }

    pub(crate) fn message_mut(&mut self, key: &str) -> StoreResult<&mut Message> {
        let id = self.event_ids.get(key).map_or(key, String::as_str);
        self.messages.get_mut(id).ok_or(StoreError::NotFound)
    }

    /// Stores a message and returns the ids of the endpoints that receive it, of `only` at most if that is given. An event id
    /// that another message has is a conflict, unless that is allowed; the id then stands for the new message.
    pub(crate) fn add_message(
        &mut self,
        message: Message,
        only: Option<&str>,
        allow_used_id: bool,
    ) -> StoreResult<Vec<String>> {
        if let Some(event_id) = &message.event_id {
            if !allow_used_id && self.event_ids.contains_key(event_id) {
                return Err(StoreError::Conflict);
            }
            self.event_ids.insert(event_id.clone(), message.id.clone());
        }
        let receives =
            |endpoint: &Endpoint| endpoint.receives(&message.event_type, message.channels.as_ref());
        let recipients = match only {
            Some(id) => {
                let endpoint = self.endpoints.get(id).filter(|endpoint| receives(endpoint));
                endpoint.map(|endpoint| endpoint.id.clone()).into_iter().collect()
            }
            None => {
                let endpoints = self.endpoints.values().filter(|endpoint| receives(endpoint));
                endpoints.map(|endpoint| endpoint.id.clone()).collect()
            }
        };
        self.messages.insert(message.id.clone(), message);
        Ok(recipients)
    }
}
