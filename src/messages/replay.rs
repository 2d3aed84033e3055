//! How many messages a replay would send.

use std::{
    collections::{BTreeSet, HashSet},
    ops::ControlFlow,
};

use jiff::Timestamp;

use crate::{
    plan::endpoint,
    svix::{Client, Error, Position, StoredMessage, retry},
};

use super::{MessagesError, Selection, pages};

/// A period of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Its beginning.
    pub since: Timestamp,
    /// Its end.
    pub until: Timestamp,
}

/// Returns an endpoint that Svix would send to.
///
/// # Errors
/// The endpoint does not exist or is disabled, or Svix failed.
pub async fn check_enabled(
    client: &Client,
    application: &str,
    endpoint: &str,
) -> Result<endpoint::Observed, MessagesError> {
    let found = retry(|| client.get_endpoint(application, endpoint)).await?;
    match found {
        None => Err(MessagesError::no_endpoint(application, endpoint)),
        Some(found) if found.disabled => Err(MessagesError::Disabled(endpoint.to_owned())),
        Some(found) => Ok(found),
    }
}

/// Returns the number of messages that failed at an endpoint in a period and did not succeed in it, as `recover` chooses them:
/// by the time of the attempts.
///
/// # Errors
/// The endpoint does not exist, or Svix failed.
pub async fn count_failed(
    client: &Client,
    application: &str,
    endpoint: &str,
    period: Period,
) -> Result<usize, MessagesError> {
    let missing = || MessagesError::no_endpoint(application, endpoint);
    let attempted = |succeeded| retry(move || attempted(client, application, endpoint, succeeded, period));
    let mut failed = attempted(false).await?.ok_or_else(missing)?;
    if !failed.is_empty() {
        let succeeded = attempted(true).await?.ok_or_else(missing)?;
        failed.retain(|message| !succeeded.contains(message));
    }
    Ok(failed.len())
}

/// Returns the messages that an attempt of a period was about.
async fn attempted(
    client: &Client,
    application: &str,
    endpoint: &str,
    succeeded: bool,
    period: Period,
) -> Result<Option<HashSet<String>>, Error> {
    let mut messages = HashSet::new();
    let page = async |position: Position<'_>| {
        client.attempts_of_endpoint(application, endpoint, succeeded, position).await
    };
    let found = pages::read(Position::Newest(Some(period.until)), page, |attempt| {
        if attempt.created_at < period.since {
            return ControlFlow::Break(());
        }
        messages.insert(attempt.message);
        ControlFlow::Continue(())
    });
    Ok(found.await?.map(|()| messages))
}

/// Returns the number of messages of a period that an endpoint should have received by its event types and channels, and that
/// no attempt was made for.
///
/// # Errors
/// The endpoint does not exist, or Svix failed.
pub async fn count_missing(
    client: &Client,
    application: &str,
    endpoint: &endpoint::Observed,
    period: Period,
) -> Result<usize, MessagesError> {
    let selection = Selection { application: application.to_owned(), ..Selection::default() };
    let of_endpoint = Selection { endpoint: Some(endpoint.id.to_string()), ..selection.clone() };
    let receives = |event_type: &str, channels: &BTreeSet<String>| {
        endpoint.receives(event_type, (!channels.is_empty()).then_some(channels))
    };
    let mut missing: HashSet<String> = HashSet::new();
    for_each(client, &selection, period, |message| {
        if receives(&message.event_type, &message.channels) {
            missing.insert(message.id);
        }
    })
    .await?;
    if !missing.is_empty() {
        for_each(client, &of_endpoint, period, |message| {
            missing.remove(&message.id);
        })
        .await?;
    }
    Ok(missing.len())
}

/// Calls a function with each message of a period.
async fn for_each(
    client: &Client,
    selection: &Selection,
    period: Period,
    mut each: impl FnMut(StoredMessage),
) -> Result<(), MessagesError> {
    let each = |message: StoredMessage| {
        if message.created_at < period.since {
            return ControlFlow::Break(());
        }
        each(message);
        ControlFlow::Continue(())
    };
    selection.newest(client, Some(period.until), each).await
}
