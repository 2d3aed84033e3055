//! What became of one message: its endpoints, and each attempt with what the receiver returned.

use std::{collections::BTreeMap, ops::ControlFlow};

use crate::svix::{Attempt, Client, Destination, Error, Position, StoredMessage, retry};

use super::{MessagesError, pages};

/// A message and its deliveries.
#[derive(Clone, Debug)]
pub struct History {
    /// The message.
    pub message: StoredMessage,
    /// The endpoints that it was sent to.
    pub endpoints: Vec<EndpointHistory>,
}

/// The delivery of a message to one endpoint.
#[derive(Clone, Debug)]
pub struct EndpointHistory {
    /// `ep_…`.
    pub id: String,
    /// The endpoint and how the delivery stands; `None`: Svix does not list it any more.
    pub destination: Option<Destination>,
    /// The attempts, oldest first.
    pub attempts: Vec<Attempt>,
}

/// Returns a message by its id or event id, with its attempts at all endpoints or at one.
///
/// # Errors
/// The message or the endpoint does not exist, or Svix failed.
pub async fn history(
    client: &Client,
    application: &str,
    message: &str,
    endpoint: Option<&str>,
) -> Result<History, MessagesError> {
    let missing = || MessagesError::no_message(application, message);
    let found = retry(|| client.get_stored_message(application, message)).await?.ok_or_else(missing)?;
    let destinations = retry(|| client.destinations(application, &found.id)).await?.ok_or_else(missing)?;
    let attempts = retry(|| attempts(client, application, &found.id, endpoint)).await?;
    let attempts = attempts.ok_or_else(|| match endpoint {
        Some(endpoint) => MessagesError::no_endpoint(application, endpoint),
        None => missing(),
    })?;
    let mut endpoints: BTreeMap<String, EndpointHistory> = BTreeMap::new();
    let empty = |id: &String| EndpointHistory { id: id.clone(), destination: None, attempts: Vec::new() };
    for attempt in attempts {
        let id = attempt.endpoint.clone();
        endpoints.entry(id.clone()).or_insert_with(|| empty(&id)).attempts.push(attempt);
    }
    for destination in destinations {
        let is_selected =
            endpoint.is_none_or(|key| destination.id == key || destination.uid.as_deref() == Some(key));
        if is_selected {
            let id = destination.id.clone();
            endpoints.entry(id.clone()).or_insert_with(|| empty(&id)).destination = Some(destination);
        }
    }
    Ok(History { message: found, endpoints: endpoints.into_values().collect() })
}

/// Returns all attempts, oldest first.
async fn attempts(
    client: &Client,
    application: &str,
    message: &str,
    endpoint: Option<&str>,
) -> Result<Option<Vec<Attempt>>, Error> {
    let mut attempts = Vec::new();
    let page = async |position: Position<'_>| {
        client.attempts_of_message(application, message, endpoint, position).await
    };
    let found = pages::read(Position::Newest(None), page, |attempt| {
        attempts.push(attempt);
        ControlFlow::Continue(())
    });
    Ok(found.await?.map(|()| {
        attempts.reverse();
        attempts
    }))
}
