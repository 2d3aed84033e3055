//! Calls for event types.

use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    plan::{Field, event_type},
    svix::errors::Error,
};

use super::{Client, EventTypeDocument, EventTypeText, Page, none_if_not_found, ok_if_not_found, page, wire};

impl Client {
    /// Returns one page of the event types with their schemas, including archived ones.
    pub async fn list_event_types(&self, from: Option<&str>) -> Result<Page<event_type::Observed>, Error> {
        let list = self.event_type_page::<wire::ListedEventType>(from).await?;
        Ok(page(list, |listed| listed.0))
    }

    /// Checks that Svix responds, with the smallest listing.
    pub async fn probe(&self) -> Result<(), Error> {
        let request = self.request(Method::GET, &["event-type"]).query(&[("limit", "1")]);
        self.send("event-type.list", request).await.map(drop)
    }

    /// Returns one page of the event types with all versions of their schemas, including archived ones.
    pub async fn list_event_type_documents(
        &self,
        from: Option<&str>,
    ) -> Result<Page<EventTypeDocument>, Error> {
        let list = self.event_type_page::<wire::EventTypeOut>(from).await?;
        Ok(page(list, Into::into))
    }

    /// Returns one page of the event types with the text of all versions of their schemas, including archived ones.
    pub async fn list_event_type_texts(&self, from: Option<&str>) -> Result<Page<EventTypeText>, Error> {
        let list = self.event_type_page::<wire::EventTypeTextOut>(from).await?;
        Ok(page(list, Into::into))
    }

    /// Returns one page of the event types, with the fields of `T`.
    async fn event_type_page<T: DeserializeOwned>(
        &self,
        from: Option<&str>,
    ) -> Result<(wire::List<T>, usize), Error> {
        let mut request = self
            .request(Method::GET, &["event-type"])
            .query(&[("include_archived", "true"), ("with_content", "true")]);
        if let Some(from) = from {
            request = request.query(&[("iterator", from)]);
        }
        self.read_page("event-type.list", &request).await
    }

    /// Returns one event type; `None`: it does not exist.
    pub async fn get_event_type(&self, name: &str) -> Result<Option<EventTypeDocument>, Error> {
        let request = self.request(Method::GET, &["event-type", name]);
        none_if_not_found(self.read::<wire::EventTypeOut>("event-type.get", request).await.map(Into::into))
    }

    /// Creates an event type.
    pub async fn create_event_type(&self, desired: &event_type::Desired) -> Result<EventTypeDocument, Error> {
        let request = self.request(Method::POST, &["event-type"]).json(&wire::event_type_in(desired));
        Ok(self.read::<wire::EventTypeOut>("event-type.create", request).await?.into())
    }

    /// Changes these fields of an event type, and unarchives it with `revive`. `observed` are the schemas that it has now:
    /// their other versions stay.
    pub async fn patch_event_type(
        &self,
        desired: &event_type::Desired,
        fields: &[Field],
        revive: bool,
        observed: Option<&Value>,
    ) -> Result<EventTypeDocument, Error> {
        let body = wire::event_type_patch(desired, fields, revive, observed);
        let request = self.request(Method::PATCH, &["event-type", &desired.name]).json(&body);
        Ok(self.read::<wire::EventTypeOut>("event-type.patch", request).await?.into())
    }

    /// Archives an event type, or removes it permanently with `expunge`. Succeeds if it does not exist.
    pub async fn delete_event_type(&self, name: &str, expunge: bool) -> Result<(), Error> {
        let mut request = self.request(Method::DELETE, &["event-type", name]);
        if expunge {
            request = request.query(&[("expunge", "true")]);
        }
        ok_if_not_found(self.send("event-type.delete", request).await)
    }
}
