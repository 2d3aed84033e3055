//! Calls that list messages and what became of them.

use jiff::Timestamp;
use reqwest::{Method, RequestBuilder};
use serde::de::DeserializeOwned;

use crate::{plan::event::Delivery, svix::errors::Error};

use super::{
    Attempt, Client, Destination, Page, StoredMessage,
    history_wire::{DestinationOut, MessageAttemptOut, StoredMessageOut},
    none_if_not_found, page,
};

/// Which messages are listed. Empty: all.
#[derive(Clone, Copy, Debug, Default)]
pub struct MessageFilter<'a> {
    /// One of these event types.
    pub event_types: &'a [String],
    /// On this channel, as Svix has it.
    pub channel: Option<&'a str>,
    /// With this state of the delivery, in a listing of an endpoint.
    pub state: Option<Delivery>,
    /// Whether payloads are returned.
    pub with_payload: bool,
}

/// Where a page of a list by time begins. Items of a page are in the order of the list: newest first.
#[derive(Clone, Copy, Debug)]
pub enum Position<'a> {
    /// With the newest item, before this time if there is one. The next page has older ones.
    Newest(Option<Timestamp>),
    /// With the oldest item after this time. The next page has newer ones.
    After(Timestamp),
    /// Where the page before ended.
    Next(&'a str),
}

impl Client {
    /// Returns one page of the messages of an application; `None`: it does not exist.
    ///
    /// # Errors
    /// The call fails.
    pub async fn list_messages(
        &self,
        application: &str,
        filter: &MessageFilter<'_>,
        position: Position<'_>,
    ) -> Result<Option<Page<StoredMessage>>, Error> {
        let request = self.request(Method::GET, &["app", application, "msg"]);
        self.message_page("message.list", filtered(request, filter), filter, position).await
    }

    /// Returns one page of the messages that were sent to an endpoint, with the state of each delivery; `None`: it or its
    /// application does not exist. The server ignores messages that no attempt was made for yet.
    ///
    /// # Errors
    /// The call fails.
    pub async fn list_messages_of_endpoint(
        &self,
        application: &str,
        endpoint: &str,
        filter: &MessageFilter<'_>,
        position: Position<'_>,
    ) -> Result<Option<Page<StoredMessage>>, Error> {
        let mut request = self.request(Method::GET, &["app", application, "endpoint", endpoint, "msg"]);
        if let Some(state) = filter.state {
            request = request.query(&[("status", status(state))]);
        }
        let operation = "message-attempt.list-attempted-messages";
        self.message_page(operation, filtered(request, filter), filter, position).await
    }

    async fn message_page(
        &self,
        operation: &'static str,
        request: RequestBuilder,
        filter: &MessageFilter<'_>,
        position: Position<'_>,
    ) -> Result<Option<Page<StoredMessage>>, Error> {
        self.page_by_time::<StoredMessageOut, _>(operation, request, position, |out| {
            out.into_message(filter.with_payload)
        })
        .await
    }

    /// Returns one message with its payload, by its id or event id; `None`: it or its application does not exist.
    ///
    /// # Errors
    /// The call fails.
    pub async fn get_stored_message(
        &self,
        application: &str,
        id: &str,
    ) -> Result<Option<StoredMessage>, Error> {
        let request = self.request(Method::GET, &["app", application, "msg", id]);
        let out = self.read::<StoredMessageOut>("message.get", request).await;
        none_if_not_found(out.map(|out| out.into_message(true)))
    }

    /// Returns one page of the attempts to deliver a message, with the responses; `None`: it, its application or the
    /// endpoint does not exist.
    ///
    /// # Errors
    /// The call fails.
    pub async fn attempts_of_message(
        &self,
        application: &str,
        message: &str,
        endpoint: Option<&str>,
        position: Position<'_>,
    ) -> Result<Option<Page<Attempt>>, Error> {
        let mut request = self.request(Method::GET, &["app", application, "attempt", "msg", message]);
        if let Some(endpoint) = endpoint {
            request = request.query(&[("endpoint_id", endpoint)]);
        }
        let operation = "message-attempt.list-by-msg";
        self.page_by_time::<MessageAttemptOut, _>(operation, request, position, Into::into).await
    }

    /// Returns one page of the attempts at an endpoint that succeeded, or those that failed, without responses; `None`: it
    /// or its application does not exist.
    ///
    /// # Errors
    /// The call fails.
    pub async fn attempts_of_endpoint(
        &self,
        application: &str,
        endpoint: &str,
        succeeded: bool,
        position: Position<'_>,
    ) -> Result<Option<Page<Attempt>>, Error> {
        let status = status(if succeeded { Delivery::Succeeded } else { Delivery::Failed });
        let request = self
            .request(Method::GET, &["app", application, "attempt", "endpoint", endpoint])
            .query(&[("status", status), ("with_content", "false")]);
        let operation = "message-attempt.list-by-endpoint";
        self.page_by_time::<MessageAttemptOut, _>(operation, request, position, Into::into).await
    }

    async fn page_by_time<T: DeserializeOwned, U>(
        &self,
        operation: &'static str,
        request: RequestBuilder,
        position: Position<'_>,
        convert: impl Fn(T) -> U,
    ) -> Result<Option<Page<U>>, Error> {
        let request = match position {
            Position::Newest(None) => request,
            Position::Newest(Some(before)) => request.query(&[("before", before.to_string())]),
            Position::After(after) => request.query(&[("after", after.to_string())]),
            Position::Next(iterator) => request.query(&[("iterator", iterator)]),
        };
        let list = self.read_page::<T>(operation, &request).await;
        Ok(none_if_not_found(list)?.map(|(mut list, items)| {
            // An iterator backwards begins with `-`.
            if matches!(position, Position::After(_))
                || matches!(position, Position::Next(iterator) if iterator.starts_with('-'))
            {
                list.iterator = list.prev_iterator.take();
            }
            page((list, items), convert)
        }))
    }

    /// Returns the endpoints that a message was sent to; `None`: the message or its application does not exist.
    ///
    /// # Errors
    /// The call fails.
    pub async fn destinations(
        &self,
        application: &str,
        message: &str,
    ) -> Result<Option<Vec<Destination>>, Error> {
        self.attempted_destinations::<DestinationOut, _>(application, message).await
    }

    /// Returns all attempted destinations of a message, as `U` reads them.
    pub(super) async fn attempted_destinations<T: DeserializeOwned, U: From<T>>(
        &self,
        application: &str,
        message: &str,
    ) -> Result<Option<Vec<U>>, Error> {
        let mut destinations = Vec::new();
        let mut from: Option<String> = None;
        loop {
            let mut request = self.request(Method::GET, &["app", application, "msg", message, "endpoint"]);
            if let Some(from) = &from {
                request = request.query(&[("iterator", from)]);
            }
            let operation = "message-attempt.list-attempted-destinations";
            let list = self.read_page::<T>(operation, &request).await;
            let Some((list, most)) = none_if_not_found(list)? else { return Ok(None) };
            // The open-source server says `done` on a full page of this list, although more may follow.
            let is_last = list.done && list.data.len() < most;
            destinations.extend(list.data.into_iter().map(U::from));
            match list.iterator {
                Some(next) if !is_last && from.as_ref() != Some(&next) => from = Some(next),
                _ => return Ok(Some(destinations)),
            }
        }
    }
}

fn filtered(request: RequestBuilder, filter: &MessageFilter<'_>) -> RequestBuilder {
    let with_content = if filter.with_payload { "true" } else { "false" };
    let mut request = request.query(&[("with_content", with_content)]);
    for event_type in filter.event_types {
        request = request.query(&[("event_types", event_type)]);
    }
    match filter.channel {
        Some(channel) => request.query(&[("channel", channel)]),
        None => request,
    }
}

/// Returns the number of a `MessageStatus`.
fn status(state: Delivery) -> &'static str {
    match state {
        Delivery::Succeeded => "0",
        Delivery::Pending => "1",
        Delivery::Failed => "2",
        Delivery::Retrying => "3",
    }
}
