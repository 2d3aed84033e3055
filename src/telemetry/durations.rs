//! The buckets of histograms of durations.

use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

/// Returns a histogram for durations from a millisecond to a minute, in seconds.
pub(super) fn milliseconds_to_minute() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.5, 13))
}

/// Returns a histogram for durations from a tenth of a millisecond to 26 seconds, in seconds.
pub(super) fn fractions_of_milliseconds_to_seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 4.0, 10))
}
