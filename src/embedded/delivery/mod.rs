//! Delivery of messages to endpoints: signed requests, retries, and the record of each attempt.

pub(super) mod job;
pub(super) mod report;
mod request;
pub(super) mod sender;
pub(super) mod worker;
