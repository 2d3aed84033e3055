//! The client of Svix, its errors, its rate limit, and the mirror of what is in Svix.

mod budget;
mod client;
mod errors;
mod health;
mod mirror;
mod retries;

pub(crate) use budget::jitter;
pub use budget::{Budget, on_behalf_of};
pub use client::{
    Application, Attempt, Client, ClientOptions, DeliveryState, Destination, EventTypeDocument,
    EventTypeText, InvalidConnection, MessageFilter, Page, Position, ReplayTask, SendMessage, StoredMessage,
};
pub use errors::{Class, Error, ErrorKind};
pub use health::Health;
pub use mirror::{Changed, Listing, Mirror};
pub use retries::retry;
