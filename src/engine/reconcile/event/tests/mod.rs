//! An event: judged, sent once, followed.
#![allow(clippy::unwrap_used)]

mod audit;
mod follow;
mod judge;
mod memory;
mod send;

use std::time::Duration;

use axum::Router;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    api::ConditionType,
    engine::{
        host::HostError,
        object::ObjectKey,
        queue::Next,
        testing::{Fixture, Manifest, Write, connection, endpoint, event, event_type},
    },
};

const PATIENCE: Duration = Duration::from_secs(60);

fn key() -> ObjectKey {
    event("e").key()
}

/// A fixture with this object, connected to a Svix that has event type `a.one` and the application.
async fn declaring(event: Manifest) -> Fixture {
    of_type(event_type("a.one"), event).await
}

async fn of_type(event_type: Manifest, event: Manifest) -> Fixture {
    let fixture = Fixture::new().with(connection()).with(event_type.clone()).with(event).with_svix().await;
    fixture.by_hand("POST", "/app", json!({"name": "default", "uid": "default"})).await;
    fixture.connect("default").await;
    fixture.reconcile(&event_type.key()).await;
    fixture.svix().clear_calls();
    fixture
}

/// An event type whose payloads must have a number `card`.
fn strict(policy: &str) -> Manifest {
    let schema = json!({"type": "object", "properties": {"card": {"type": "number"}}});
    event_type("a.one").with("schema", schema).with("payloadPolicy", policy)
}

/// An event that violates the schema of [`strict`].
fn wrong() -> Manifest {
    event("e").with("payload", json!({"card": "4242"}))
}

/// Returns a moment this long ago, for status.
fn ago(duration: Duration) -> Value {
    (Timestamp::now() - duration).to_string().into()
}
