//! The Kubernetes shell around the engine: watch, dereference, write status and Events.
