//! One attempt to deliver a message to an endpoint, as it is stored.

use jiff::Timestamp;

#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) id: String,
    pub(crate) message: String,
    pub(crate) endpoint: String,
    pub(crate) url: String,
    pub(crate) response: String,
    pub(crate) response_status: u16,
    /// Why there was no response, without the URL, which `response` contains as Svix's does.
    pub(crate) error: Option<String>,
    pub(crate) duration_ms: i64,
    pub(crate) succeeded: bool,
    pub(crate) manual: bool,
    pub(crate) next: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
}
