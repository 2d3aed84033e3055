//! The signing key of an endpoint: which keys Svix accepts, and how a key that is written to a Secret is kept current
//! and rotated.
//!
//! The Secret is the journal of a rotation, so a crash at any point is repaired by the next reconcile: the next key is
//! written to the Secret before it is written to Svix, and the key that Svix returns decides whether it was accepted.

mod journal;
mod key;
mod publication;
mod rotation;

pub use journal::{ENDPOINT_ANNOTATION, Journal, check_ownership, is_owned};
pub use key::{InvalidKey, NEW_KEY, as_returned, check_key, new_key};
pub use publication::{
    ENDPOINT_UID_LABEL, SecretChange, content, entry, is_current, key_for_recreation, only_key, retirement,
};
pub use rotation::{Schedule, SigningKeyStep, TooManyKeys, check_rotation, plan};

#[cfg(test)]
mod tests;
