//! Label sets that more than one group of metrics uses.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::histogram::{Histogram, exponential_buckets},
};

/// The kind of an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct KindLabel {
    pub(super) kind: &'static str,
}

/// The `payloadPolicy` of an event type.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct PolicyLabel {
    pub(super) policy: &'static str,
}

/// Returns a histogram from one millisecond to one minute.
pub(super) fn milliseconds_to_minute() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.5, 13))
}
