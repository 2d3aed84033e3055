//! Calls for messages and their deliveries.

use reqwest::{Method, header};

use crate::{
    plan::event,
    svix::errors::{Error, ErrorKind},
};

use super::{
    Client, SendMessage,
    history_wire::{MessageAttemptOut, OutcomeOut},
    none_if_not_found, wire,
};

impl Client {
    /// Sends a message and returns its id. A second message with the same `event_id` is a conflict, whatever its content.
    pub async fn send_message(&self, application: &str, message: &SendMessage<'_>) -> Result<String, Error> {
        let operation = "message.create";
        let body = wire::message_in(message).map_err(|error| Error {
            operation,
            kind: ErrorKind::Refused {
                status: 0,
                detail: format!("the payload is not JSON: {error}"),
                members: Vec::new(),
            },
        })?;
        let request = self
            .request(Method::POST, &["app", application, "msg"])
            .query(&[("with_content", "false")])
            .header(header::CONTENT_TYPE, "application/json")
            .body(body);
        Ok(self.read::<wire::MessageOut>(operation, request).await?.id)
    }

    /// Returns one message by its id or event id; `None`: it or its application does not exist.
    pub async fn get_message(&self, application: &str, id: &str) -> Result<Option<event::Message>, Error> {
        let request = self.request(Method::GET, &["app", application, "msg", id]);
        none_if_not_found(self.read::<wire::MessageOut>("message.get", request).await.map(Into::into))
    }

    /// Returns why the last attempt to deliver a message that got no response failed, in the words of Svix; `None`: each of
    /// the last attempts that failed got a response, or the message does not exist.
    pub async fn no_response(&self, application: &str, message: &str) -> Result<Option<String>, Error> {
        // Newest first; one page is enough for an explanation.
        let request = self
            .request(Method::GET, &["app", application, "attempt", "msg", message])
            .query(&[("status", "2")]);
        let list = self.read_page::<MessageAttemptOut>("message-attempt.list-by-msg", &request).await;
        let attempts = none_if_not_found(list)?.map(|(list, _)| list.data).unwrap_or_default();
        let unanswered = attempts.into_iter().find(|attempt| attempt.response_status_code == 0);
        Ok(unanswered.map(|attempt| attempt.response))
    }

    /// Returns the deliveries of a message, one for each endpoint that was tried; `None`: the message or its application
    /// does not exist.
    pub async fn deliveries(
        &self,
        application: &str,
        message: &str,
    ) -> Result<Option<Vec<event::Delivery>>, Error> {
        self.attempted_destinations::<OutcomeOut, _>(application, message).await
    }
}
