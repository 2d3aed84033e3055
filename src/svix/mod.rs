//! Talking to Svix: the client, its errors, the budget, and the mirror of what Svix holds.

mod budget;
mod client;
mod errors;
mod mirror;

pub use budget::Budget;
pub use client::{Client, ClientOptions, EventTypeDocument, InvalidConnection, Page, SendMessage};
pub use errors::{Class, Error, ErrorKind};
pub use mirror::{Changed, Listing, Mirror};
