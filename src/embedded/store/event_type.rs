//! An event type, as it is stored.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::value::RawValue;

#[derive(Debug, Clone)]
pub(crate) struct EventType {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) archived: bool,
    pub(crate) deprecated: bool,
    /// As the database gives them back, in text, because numbers of any size must be preserved.
    pub(crate) schemas: Option<BTreeMap<String, Box<RawValue>>>,
    pub(crate) feature_flag: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}
