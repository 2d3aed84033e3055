//! The data of the embedded Svix: plain types, the rules that need no request to be decided, and one store for all.

pub(super) mod application;
pub(super) mod attempt;
pub(super) mod clock;
pub(super) mod endpoint;
pub(super) mod error;
pub(super) mod event_type;
pub(super) mod ids;
pub(super) mod jsonb;
pub(super) mod message;
pub(super) mod secret;
pub(super) mod snapshot;
pub(super) mod state;
