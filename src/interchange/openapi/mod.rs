//! OpenAPI: event types from the `webhooks`, `x-webhooks` and `callbacks` of a document of 3.0 or 3.1, and a document of 3.1
//! with the `webhooks` of event types.
//!
//! Group and feature flags are in the extensions that Svix Cloud's own import reads: `x-svix-group-name` and
//! `x-svix-feature-flags`.

mod examples;
mod names;
mod operations;
mod read;
#[cfg(test)]
mod tests;
mod version;
mod write;

pub use names::NameSource;
pub use read::read;
pub use version::InvalidDocument;
pub(super) use write::component;
pub use write::{Info, write};

/// The extension for the group of an event type.
pub(super) const GROUP_NAME: &str = "x-svix-group-name";
/// The extension for its feature flags.
pub(super) const FEATURE_FLAGS: &str = "x-svix-feature-flags";
