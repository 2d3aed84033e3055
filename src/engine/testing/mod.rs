//! What unit tests of the engine are built from: a host in memory, manifests, and both with a Svix to talk to.
//!
//! `Fixture::new().with(connection()).with(event_type("a.one"))` declares objects that no cluster has; `connected()`
//! gives their connection a session on an embedded Svix. A test then calls one step, or reconciles one object, and
//! asserts on what the [`FakeHost`](host::FakeHost) recorded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fixture;
mod host;
mod manifest;

pub use fixture::Fixture;
pub use host::Write;
pub use manifest::{Manifest, connection, endpoint, event, event_type};
