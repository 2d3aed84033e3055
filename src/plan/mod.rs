//! The pure core: from the desired and the observed state to the next step, and to status.
//!
//! No clock, no I/O, no Kubernetes client, no Svix client. `run` and `dev` share it, so both do the same.

pub mod access;
pub mod adopt_id;
pub mod audit;
pub mod channels;
pub mod claims;
pub mod compatibility;
mod difference;
pub mod digest;
pub mod endpoint;
mod error;
pub mod event;
pub mod event_type;
pub mod headers;
pub mod ids;
pub mod json_difference;
pub mod object_name;
mod owner_mark;
mod printable;
pub mod receivers;
pub mod revision;
pub mod schema_source;
pub mod secrets;
pub mod signing;
pub mod single_line;
pub mod status;
pub mod storable;
pub mod suggest;
pub mod unapplied;

pub use difference::{Difference, Field, describe, difference};
pub use error::{Cause, ReconcileError};
pub use owner_mark::OwnerMark;
pub use printable::{controls_terminal, printable};

/// A value for messages: quoted, at most 80 characters.
#[must_use]
pub fn quoted(text: &str) -> String {
    match text.char_indices().nth(80) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}
