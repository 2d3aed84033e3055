//! The pure core: desired + observed → steps and status. No clock, no client, no I/O.
