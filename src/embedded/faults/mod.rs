//! Faults that tests inject: slow responses, 429, 500, and dropped connections.

pub(super) mod injector;
pub(super) mod plan;
