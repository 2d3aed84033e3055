//! Events: the message to send, the next step, and the outcome of the deliveries.
//!
//! An event is sent once. Its id in Svix depends only on its content, so the same event, created again from Git
//! or a backup, is found there; and the time of the first attempt is recorded before the attempt.

mod conditions;
mod deliveries;
mod message;
mod missed;
mod step;
mod violations;

pub use conditions::conditions;
pub use deliveries::{
    Delivery, EARLIEST_NONE, FOLLOW_LIMIT, Progress, expected, has_failures, next_poll, progress, with_cause,
};
pub use message::{
    Desired, EventDifference, MAX_CHANNELS, Message, OtherEvent, channels_in_svix, check_same, desired,
    payload,
};
pub use missed::{Missed, is_for, is_in_sync, missed, missed_message};
pub use step::{EventStep, SENDING_LIMIT, is_over, since, step};
pub use violations::{describe_violations, violated_field, violated_places};

#[cfg(test)]
mod tests;
