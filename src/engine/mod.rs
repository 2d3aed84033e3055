//! The reconciliation loop that `run` and `dev` share: queue, wake-ups, executing plans.
