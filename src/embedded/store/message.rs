//! A message, as it is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::embedded::store::attempt::Attempt;
use crate::embedded::store::{clock, ids};

const SECONDS_PER_DAY: u64 = 86_400;

#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) event_id: Option<String>,
    pub(crate) event_type: String,
    pub(crate) channels: Option<BTreeSet<String>>,
    /// The bytes that are delivered; `None` once it was expunged.
    pub(crate) payload: Option<Arc<str>>,
    pub(crate) expires: Timestamp,
    pub(crate) created_at: Timestamp,
    pub(crate) attempts: BTreeMap<String, Arc<Attempt>>,
}

impl Message {
    /// Returns a message that is created now, on no channel, whose payload is kept for `retention_days`.
    pub(crate) fn new(
        event_id: Option<String>,
        event_type: String,
        payload: &str,
        retention_days: u64,
    ) -> Self {
        let at = clock::now();
        let retention = Duration::from_secs(retention_days.saturating_mul(SECONDS_PER_DAY));
        Self {
            id: ids::new(ids::MESSAGE, at),
            event_id,
            event_type,
            channels: None,
            payload: Some(Arc::from(payload)),
            expires: at.saturating_add(retention).unwrap_or(Timestamp::MAX),
            created_at: at,
            attempts: BTreeMap::new(),
        }
    }

    /// Returns the payload, unless it was expunged or its retention period ended.
    pub(crate) fn payload(&self) -> Option<&Arc<str>> {
        self.payload.as_ref().filter(|_| clock::now() < self.expires)
    }
}
