//! The HTTP API: requests are read and validated, handlers call the store, responses have Svix's form.

mod applications;
mod attempts;
mod endpoint_headers;
mod endpoint_models;
mod endpoint_secret;
mod endpoints;
mod errors;
mod event_types;
mod extract;
pub(super) mod idempotency;
mod messages;
pub(super) mod operations;
mod pagination;
mod recovery;
pub(super) mod routes;
mod schemas;
mod send_example;
mod validation;
