//! Why messages cannot be listed or sent again.

use crate::{plan::quoted, svix::Error};

/// Why messages cannot be listed or sent again.
#[derive(Debug, thiserror::Error)]
pub enum MessagesError {
    /// Svix failed.
    #[error(transparent)]
    Svix(#[from] Error),
    /// There is no such application.
    #[error("application {} is not in Svix; --app names another one", quoted(.0))]
    NoApplication(String),
    /// There is no such endpoint.
    #[error(
        "endpoint {} of application {} is not in Svix; expected its id or uid, and with --app its application",
        quoted(.endpoint), quoted(.application)
    )]
    NoEndpoint {
        /// Its id or uid.
        endpoint: String,
        /// The application.
        application: String,
    },
    /// There is no such message.
    #[error(
        "message {} of application {} is not in Svix; expected its id or event id, and with --app its application",
        quoted(.message), quoted(.application)
    )]
    NoMessage {
        /// Its id or event id.
        message: String,
        /// The application.
        application: String,
    },
    /// Svix accepts the call for such an endpoint, and sends nothing.
    #[error("endpoint {} is disabled, so Svix sends nothing to it; enable it first", quoted(.0))]
    Disabled(String),
}

impl MessagesError {
    /// The error that an endpoint does not exist.
    #[must_use]
    pub fn no_endpoint(application: &str, endpoint: &str) -> Self {
        Self::NoEndpoint { endpoint: endpoint.to_owned(), application: application.to_owned() }
    }

    /// The error that a message does not exist.
    #[must_use]
    pub fn no_message(application: &str, message: &str) -> Self {
        Self::NoMessage { message: message.to_owned(), application: application.to_owned() }
    }
}
