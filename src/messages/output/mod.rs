//! Messages as text for people and as JSON.

mod json;
mod text;

pub use json::{write_json, write_json_history, write_json_line};
pub use text::{Style, write_history, write_line, write_table};

use crate::plan::event::Delivery;

/// The state of a delivery in one word.
#[must_use]
pub fn state_name(state: Delivery) -> &'static str {
    match state {
        Delivery::Succeeded => "succeeded",
        Delivery::Pending => "pending",
        Delivery::Retrying => "retrying",
        Delivery::Failed => "failed",
    }
}
