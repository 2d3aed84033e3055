//! The messages of an application, or those that an endpoint was sent, newest first.

use std::ops::ControlFlow;

use jiff::Timestamp;

use crate::{
    plan::event::Delivery,
    svix::{Client, Error, MessageFilter, Page, Position, StoredMessage, retry},
};

use super::{MessagesError, pages};

/// Which messages are listed.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Id or uid of the application.
    pub application: String,
    /// Those that this endpoint was sent; `None`: all.
    pub endpoint: Option<String>,
    /// Those of these event types; empty: all.
    pub event_types: Vec<String>,
    /// Those on this channel, as Svix has it.
    pub channel: Option<String>,
    /// Those whose delivery to the endpoint has this state.
    pub state: Option<Delivery>,
    /// Those created after this time.
    pub since: Option<Timestamp>,
    /// Those created before this time.
    pub until: Option<Timestamp>,
    /// Whether payloads are read, too.
    pub with_payload: bool,
}

/// Messages that were listed.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// The messages, newest first.
    pub messages: Vec<StoredMessage>,
    /// Whether there are more than were asked for.
    pub has_more: bool,
}

impl Selection {
    /// Returns a page of the list, without regard to `since`; `None`: the application or the endpoint does not exist.
    pub(super) async fn page(
        &self,
        client: &Client,
        position: Position<'_>,
    ) -> Result<Option<Page<StoredMessage>>, Error> {
        let filter = MessageFilter {
            event_types: &self.event_types,
            channel: self.channel.as_deref(),
            state: self.state,
            with_payload: self.with_payload,
        };
        let mut page = match &self.endpoint {
            Some(endpoint) => {
                client.list_messages_of_endpoint(&self.application, endpoint, &filter, position).await?
            }
            None => client.list_messages(&self.application, &filter, position).await?,
        };
        // A server ignores filters that it does not know.
        if let Some(page) = &mut page {
            page.items.retain(|message| self.has(message));
        }
        Ok(page)
    }

    /// Whether a message is of these event types, on this channel, and of this state.
    fn has(&self, message: &StoredMessage) -> bool {
        let of_type = self.event_types.is_empty() || self.event_types.contains(&message.event_type);
        let on_channel = self.channel.as_ref().is_none_or(|channel| message.channels.contains(channel));
        let state = message.delivery.map(|delivery| delivery.state);
        of_type && on_channel && (self.state.is_none() || self.state == state)
    }

    /// Calls `each` with the messages before `until`, newest first, until it breaks.
    pub(super) async fn newest(
        &self,
        client: &Client,
        until: Option<Timestamp>,
        each: impl FnMut(StoredMessage) -> ControlFlow<()>,
    ) -> Result<(), MessagesError> {
        // Only the first page has a bound in time: with one, Svix lists the 90 days before it, not those before the page.
        let page = async |position: Position<'_>| retry(|| self.page(client, position)).await;
        pages::read(Position::Newest(until), page, each).await?.ok_or_else(|| self.missing())
    }

    /// Returns the error that there is no such list.
    pub(super) fn missing(&self) -> MessagesError {
        match &self.endpoint {
            Some(endpoint) => MessagesError::no_endpoint(&self.application, endpoint),
            None => MessagesError::NoApplication(self.application.clone()),
        }
    }
}

/// Returns the newest messages, at most so many.
///
/// # Errors
/// The application or the endpoint does not exist, or Svix failed.
pub async fn list(client: &Client, selection: &Selection, limit: usize) -> Result<Listed, MessagesError> {
    let mut listed = Listed::default();
    selection
        .newest(client, selection.until, |message| {
            if selection.since.is_some_and(|since| message.created_at <= since) {
                return ControlFlow::Break(());
            }
            if listed.messages.len() == limit {
                listed.has_more = true;
                return ControlFlow::Break(());
            }
            listed.messages.push(message);
            ControlFlow::Continue(())
        })
        .await?;
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::svix::DeliveryState;

    #[test]
    fn what_a_server_does_not_filter_is_filtered_here() {
        let message = StoredMessage {
            id: "msg_1".to_owned(),
            event_id: None,
            event_type: "a.b".to_owned(),
            channels: BTreeSet::from(["eu".to_owned()]),
            created_at: Timestamp::UNIX_EPOCH,
            payload: None,
            delivery: Some(DeliveryState { state: Delivery::Failed, next_attempt: None }),
        };
        let all = Selection::default();
        let of_type = |name: &str| Selection { event_types: vec![name.to_owned()], ..all.clone() };
        let on = |channel: &str| Selection { channel: Some(channel.to_owned()), ..all.clone() };
        let in_state = |state| Selection { state: Some(state), ..all.clone() };

        for selection in [all.clone(), of_type("a.b"), on("eu"), in_state(Delivery::Failed)] {
            assert!(selection.has(&message), "{selection:?}");
        }
        for selection in [of_type("a.c"), on("us"), in_state(Delivery::Succeeded)] {
            assert!(!selection.has(&message), "{selection:?}");
        }
    }
}
