//! What is remembered of an object between two reconciles. All of it may be lost: a restart begins without.

use std::collections::HashMap;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::plan::Field;

use super::{drift::DriftLimiter, failing::Failing, object::ObjectKey};

/// What is remembered of one object.
#[derive(Debug, Default, PartialEq)]
pub struct Scratch {
    /// Since when it has waited, while status does not say so yet.
    pub waiting_since: Option<Instant>,
    /// Fields that the server ignored, of this generation of the spec.
    pub ignored_fields: Option<(Option<i64>, Vec<Field>)>,
    /// A digest of a write whose values the server stored otherwise, and of what Svix holds since: writing the same again
    /// changes nothing.
    pub altered: Option<u64>,
    /// The connection on which it takes over what an object that went left in Svix.
    pub taken_over_via: Option<Box<str>>,
    /// Since when the sending of an event has been delayed for the endpoints that are to receive it.
    pub delayed_since: Option<Instant>,
    /// The headers of an endpoint as this process wrote them.
    pub headers: Option<WrittenHeaders>,
    /// Its calls that Svix failed with 5xx.
    pub failing: Option<Failing>,
    /// The failed call that status names while Svix is not available: the first of them, since the next one may fail
    /// otherwise.
    pub failed_call: Option<FailedCall>,
    /// The drift that was repaired.
    pub drift: DriftLimiter,
    /// Who else declares the same in Svix, as it was published.
    pub other_declarers: Vec<ObjectKey>,
}

/// A call that failed: its operation and, if Svix responded, the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailedCall {
    /// The operation.
    pub operation: &'static str,
    /// The HTTP status; `None`: there was no response.
    pub status: Option<u16>,
}

/// Headers as this process wrote them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WrittenHeaders {
    /// A digest that means nothing outside this process.
    pub digest: u64,
    /// `updatedAt` of the endpoint after the write.
    pub updated_at: i64,
}

/// What is remembered of all objects. Of most there is nothing, and no entry is kept. Each is boxed, since a table never shrinks:
/// ten thousand endpoints that waited once would leave one of five megabytes.
#[derive(Default)]
pub struct Scratches(Mutex<HashMap<ObjectKey, Box<Scratch>>>);

impl Scratches {
    /// Reads or changes what is remembered of an object.
    pub fn with<T>(&self, key: &ObjectKey, change: impl FnOnce(&mut Scratch) -> T) -> T {
        let mut all = self.0.lock();
        let mut scratch = all.remove(key).unwrap_or_default();
        let result = change(&mut scratch);
        if *scratch != Scratch::default() {
            all.insert(key.clone(), scratch);
        }
        result
    }

    /// Forgets an object.
    pub fn forget(&self, key: &ObjectKey) {
        self.0.lock().remove(key);
    }

    /// Returns those of these objects that wait for something.
    #[must_use]
    pub fn only_waiting(&self, mut keys: Vec<ObjectKey>) -> Vec<ObjectKey> {
        let all = self.0.lock();
        keys.retain(|key| all.get(key).is_some_and(|scratch| scratch.waiting_since.is_some()));
        keys
    }
}
