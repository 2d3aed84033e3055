//! Calls that send messages again. None of them is idempotent: each makes further attempts.

use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use crate::svix::errors::Error;

use super::{Client, none_if_not_found};

/// A task that Svix carries out in the background.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ReplayTask {
    /// `qtask_…`.
    pub id: String,
    /// `running`, `finished` or `failed`.
    pub status: String,
}

impl Client {
    /// Sends a message to an endpoint again, once; `None`: one of them or the application does not exist.
    ///
    /// # Errors
    /// The call fails, or Svix does not store the payload any more.
    pub async fn resend(
        &self,
        application: &str,
        message: &str,
        endpoint: &str,
    ) -> Result<Option<()>, Error> {
        let path = ["app", application, "msg", message, "endpoint", endpoint, "resend"];
        let sent = self.send("message-attempt.resend", self.request(Method::POST, &path)).await;
        none_if_not_found(sent.map(drop))
    }

    /// Sends to an endpoint the messages that failed in a period and did not succeed in it; `None`: the endpoint or its
    /// application does not exist.
    ///
    /// # Errors
    /// The call fails.
    pub async fn recover(
        &self,
        application: &str,
        endpoint: &str,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Option<ReplayTask>, Error> {
        self.replay("endpoint.recover", application, endpoint, "recover", since, until).await
    }

    /// Sends to an endpoint the messages of a period that were never sent to it; `None`: the endpoint or its application does
    /// not exist, or the server does not have this call.
    ///
    /// # Errors
    /// The call fails.
    pub async fn replay_missing(
        &self,
        application: &str,
        endpoint: &str,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Option<ReplayTask>, Error> {
        self.replay("endpoint.replay-missing", application, endpoint, "replay-missing", since, until).await
    }

    async fn replay(
        &self,
        operation: &'static str,
        application: &str,
        endpoint: &str,
        call: &str,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Option<ReplayTask>, Error> {
        let request = self
            .request(Method::POST, &["app", application, "endpoint", endpoint, call])
            .json(&json!({"since": since, "until": until}));
        none_if_not_found(self.read::<ReplayTask>(operation, request).await)
    }
}
