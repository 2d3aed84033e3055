//! The custom resources and their conditions; no behaviour beyond defaults.
