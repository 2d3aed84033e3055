//! Messages that Svix stores, for a person at a terminal: which there are, what became of them, and sending them again.
//!
//! The functions here read and decide; `cli` prints and asks. Calls that only read are repeated when they fail for a reason
//! that may pass. Calls that send are made once: each one that reaches Svix makes further attempts.

mod error;
mod follow;
mod history;
mod listing;
pub mod output;
mod pages;
mod replay;
pub mod time;

pub use error::MessagesError;
pub use follow::{Follow, Polled};
pub use history::{EndpointHistory, History, history};
pub use listing::{Listed, Selection, list};
pub use replay::{Period, check_enabled, count_failed, count_missing};
